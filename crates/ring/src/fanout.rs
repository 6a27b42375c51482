//! Who waits for a task and who retains it, in one word: a stack of consumers that one addition closes, and how many of
//! them hold the task's output.

use prewire_abi::EdgeKind;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::deps::{Dep, DepRef};
use crate::slot::SlotRef;

/// A word of the producer's slot: whether the task is complete, and how it ended; the first entry of its list; how many
/// consumers retain it. Only the orchestrator pushes and takes holds; whoever completes the producer closes it, once, and
/// whoever completes a consumer gives its hold back: here, or, where one thread completes, in a word beside it that says how many
/// were given back.
///
/// The task itself needs no hold: it is held until the word is closed. So a completion is one addition, which ends the
/// list and says what was on it, and whether anybody else holds the task.
#[derive(Debug, Default)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), derive(bytemuck::Zeroable))]
#[repr(transparent)]
pub(crate) struct Fanout(AtomicU64);

/// What a push found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Pushed {
    /// The consumer is on the list; the close will take its wait.
    Linked,
    /// The producer is complete: this wait is over.
    ClosedOk,
    /// The producer failed: this wait is over, and the consumer is poisoned.
    ClosedFailed,
}

/// What a completer gets of the word that it closes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closed {
    /// The first entry of the list.
    pub(crate) first: Option<DepRef>,
    /// Nobody retains the task.
    pub(crate) consumed: bool,
}

impl Fanout {
    /// One consumer that retains the task. No more than there are slots retain it at a time, four windows of 2^24 at most; where
    /// holds are given back elsewhere these are all that ever did, modulo 2^30.
    const HOLD: u64 = 1;
    const HOLDS: u64 = (1 << 30) - 1;
    /// Where the first entry begins: 32 bits, 0 for none. What is there when the word is closed stays there.
    const FIRST: u32 = 30;
    const FAILED: u64 = 1 << 62;
    const CLOSED: u64 = 1 << 63;

    /// Makes it an empty, open list that nobody retains. The orchestrator's, on a slot that it owns.
    #[inline]
    pub(crate) fn open(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    const fn first(word: u64) -> u32 {
        (word >> Self::FIRST) as u32
    }

    /// Pushes `entry`, which is `dep`, for `consumer`, and takes a hold with it if an edge of this `kind` has
    /// one. A closed list takes neither.
    #[inline]
    pub(crate) fn push(&self, entry: DepRef, dep: &Dep, consumer: SlotRef, kind: EdgeKind) -> Pushed {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            // MUTANT "push-on-closed": a closed list takes an entry, as an empty one does.
            if word & Self::CLOSED != 0 && !mutant::skips("push-on-closed") {
                // Read again, with the ordering that a finished wait needs.
                return self.closed().unwrap_or(Pushed::ClosedOk);
            }
            dep.link(consumer, word >> Self::FIRST);
            let held = if kind.retains() { Self::held(word) } else { word };
            let linked = held & Self::HOLDS | u64::from(entry.raw()) << Self::FIRST;
            // ORDERING: Release, "fanout-push"; pairs with the addition in `Fanout::close`: the entry, and the
            // consumer's slot behind it, are visible to whoever walks the list.
            let order = mutant::order("fanout-push", Ordering::Release);
            match self.0.compare_exchange_weak(word, linked, order, Ordering::Relaxed) {
                Ok(_) => return Pushed::Linked,
                Err(now) => word = now,
            }
        }
    }

    /// Takes a hold, which whoever completes the consumer gives back here; false if the task is consumed. One that is `pinned`, as
    /// an open scope holds it, is not consumed, whatever the word says.
    pub(crate) fn retain(&self, pinned: bool) -> bool {
        // MUTANT "retain-consumed": a hold is taken on what nobody holds any more.
        self.retain_if(|word| pinned || !Self::consumed(word, 0) || mutant::skips("retain-consumed"))
    }

    /// Takes a hold as long as the list is open; false once it is closed.
    pub(crate) fn retain_open(&self) -> bool {
        self.retain_if(|word| word & Self::CLOSED == 0)
    }

    fn retain_if(&self, may: impl Fn(u64) -> bool) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while may(word) {
            match self.0.compare_exchange_weak(word, Self::held(word), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes a hold on a closed list where holds are given back elsewhere: nobody else writes the word any more.
    pub(crate) fn retain_closed(&self) {
        // ORDERING: Acquire, "fanout-close"; pairs with the addition in `Fanout::close`: who sees this store, and not that addition,
        // is this thread, which goes on from what the producer wrote.
        let word = self.0.load(mutant::order("fanout-held", Ordering::Acquire));
        debug_assert_ne!(word & Self::CLOSED, 0, "its completer has yet to close it");
        self.0.store(Self::held(word), Ordering::Relaxed);
    }

    /// The word with one hold more.
    const fn held(word: u64) -> u64 {
        word & !Self::HOLDS | word.wrapping_add(Self::HOLD) & Self::HOLDS
    }

    /// Gives a hold back here; true if the task is consumed now.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // ORDERING: Release, "hold-released"; pairs with the load in `Fanout::is_consumed`: what the consumer did with
        // the task's output happened before that is reused.
        let order = mutant::order("hold-release", Ordering::Release);
        let word = self.0.fetch_sub(Self::HOLD, order);
        debug_assert_ne!(word & Self::HOLDS, 0, "a hold was given back that nobody has");
        Self::consumed(word.wrapping_sub(Self::HOLD), 0)
    }

    /// How it was closed, if it was.
    #[inline]
    pub(crate) fn closed(&self) -> Option<Pushed> {
        // ORDERING: Acquire, "fanout-close"; pairs with the addition in `Fanout::close`: a wait that is over here is
        // over for the consumer's run too, so what the producer wrote must be visible behind it.
        let word = self.0.load(mutant::order("fanout-closed", Ordering::Acquire));
        match word & (Self::CLOSED | Self::FAILED) {
            Self::CLOSED => Some(Pushed::ClosedOk),
            0 => None,
            _ => Some(Pushed::ClosedFailed),
        }
    }

    /// Closes it, where so many holds were `given_back` elsewhere: every push fails from here on. Where nobody retains the task,
    /// its slot may be another's at once.
    #[inline]
    pub(crate) fn close(&self, failed: bool, given_back: u32) -> Closed {
        let flags = if failed { Self::CLOSED | Self::FAILED } else { Self::CLOSED };
        // ORDERING: AcqRel, "fanout-push", "fanout-close" and "hold-released"; pairs with the compare-exchange in
        // `Fanout::push` (the entries are filled in), with the load in `Fanout::closed` (what the producer wrote is
        // visible) and with the load in `Fanout::is_consumed` (its completer is done with its slot).
        let word = self.0.fetch_add(flags, mutant::order("fanout-close", Ordering::AcqRel));
        debug_assert_eq!(word & (Self::CLOSED | Self::FAILED), 0, "a task completed twice");
        Closed { first: DepRef::decode(Self::first(word)), consumed: Self::left(word, given_back) == 0 }
    }

    /// The first entry at the moment, if there is one: to ask for its line, not to read it.
    #[inline]
    pub(crate) fn first_now(&self) -> Option<DepRef> {
        DepRef::decode(Self::first(self.0.load(Ordering::Relaxed)))
    }

    /// How many retain the task, where so many holds were given back elsewhere.
    #[inline]
    const fn left(word: u64, given_back: u32) -> u32 {
        (word as u32).wrapping_sub(given_back) & Self::HOLDS as u32
    }

    /// Whether the task is complete and nobody retains it.
    #[inline]
    const fn consumed(word: u64, given_back: u32) -> bool {
        word & Self::CLOSED != 0 && Self::left(word, given_back) == 0
    }

    /// Whether the task is complete and nobody retains it, where so many holds were `given_back` elsewhere.
    #[inline]
    pub(crate) fn is_consumed(&self, given_back: u32) -> bool {
        // ORDERING: Acquire, "hold-released"; pairs with Release in `Fanout::release` and in `Fanout::close`.
        Self::consumed(self.0.load(mutant::order("holds-load", Ordering::Acquire)), given_back)
    }

    /// As [`is_consumed`](Fanout::is_consumed), for who does not reuse it.
    #[inline]
    pub(crate) fn seems_consumed(&self, given_back: u32) -> bool {
        Self::consumed(self.0.load(Ordering::Relaxed), given_back)
    }

    /// How many hold the task, of whom so many have `given_back` their holds elsewhere: itself until it is complete, and
    /// consumers. For reports.
    pub(crate) fn holds(&self, given_back: u32) -> u32 {
        let word = self.0.load(Ordering::Relaxed);
        Self::left(word, given_back) + u32::from(word & Self::CLOSED == 0)
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use crate::deps::Deps;
    use crate::table::HEAP;

    #[test]
    fn entries_holds_and_the_end_keep_apart() {
        // The last place of the largest pools: no bit of it is in the way of any other.
        let pools = Deps::new([4; 4], HEAP);
        let consumer = SlotRef::from_raw(u32::MAX);
        for (ring, position) in [(0, 0), (3, 0), (3, u32::MAX)] {
            let name = pools.pools[ring].entry(position);
            let dep = pools.at(name);
            let (fanout, far) = (Fanout::default(), DepRef::decode(u32::MAX));
            assert_eq!(fanout.push(name, dep, consumer, EdgeKind::BOTH), Pushed::Linked);
            assert_eq!((dep.next(), dep.consumer()), (None, consumer));
            let far = far.expect("not the end of a list");
            assert_eq!(fanout.push(far, dep, consumer, EdgeKind::WAIT), Pushed::Linked);
            assert_eq!((dep.next(), dep.consumer()), (Some(name), consumer));
            assert!(fanout.retain(false));
            assert_eq!((fanout.holds(0), fanout.holds(1), fanout.closed()), (3, 2, None));
            let closed = fanout.close(ring == 3, 0);
            assert_eq!((closed.first, closed.consumed, fanout.holds(0)), (Some(far), false, 2));
            let how = if ring == 3 { Pushed::ClosedFailed } else { Pushed::ClosedOk };
            assert_eq!((fanout.closed(), fanout.push(name, dep, consumer, EdgeKind::BOTH)), (Some(how), how));
            assert!(!fanout.is_consumed(1) && fanout.is_consumed(2));
            assert!(!fanout.release() && !fanout.is_consumed(0));
            assert!(fanout.release() && fanout.is_consumed(0));
            assert!(!fanout.retain(false), "it is consumed");
            assert!(!fanout.retain_open(), "it is closed");
            assert!(fanout.retain(true), "a scope holds it");
            assert!(!fanout.is_consumed(0));
            fanout.retain_closed();
            assert!(!fanout.is_consumed(1) && fanout.is_consumed(2));
        }
    }

    #[test]
    fn holds_that_are_given_back_elsewhere_go_round() {
        let pools = Deps::new([4; 4], HEAP);
        let (name, consumer) = (pools.pools[0].entry(0), SlotRef::from_raw(1));
        let mut given_back = Fanout::HOLDS as u32 - 1;
        let fanout = Fanout(AtomicU64::new(u64::from(given_back)));
        assert_eq!(fanout.holds(given_back), 1, "itself");
        for _ in 0..2 {
            assert_eq!(fanout.push(name, pools.at(name), consumer, EdgeKind::BOTH), Pushed::Linked);
        }
        assert!(fanout.retain_open());
        assert_eq!((fanout.holds(given_back), fanout.first_now()), (4, Some(name)));
        let closed = fanout.close(false, given_back);
        assert_eq!((closed.first, closed.consumed, fanout.holds(given_back)), (Some(name), false, 3));
        fanout.retain_closed();
        for left in (0..4).rev() {
            assert!(!fanout.is_consumed(given_back));
            given_back = given_back.wrapping_add(1);
            assert_eq!((fanout.holds(given_back), fanout.seems_consumed(given_back)), (left, left == 0));
        }
        assert!(fanout.is_consumed(given_back) && given_back > Fanout::HOLDS as u32);
    }
}
