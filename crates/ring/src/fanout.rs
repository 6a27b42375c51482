//! Who waits for a task and who retains it, in one word: a stack of consumers that one addition closes, and how many of
//! them hold the task's output.

use prewire_abi::EdgeKind;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::deps::{Dep, DepRef};
use crate::slot::SlotRef;

/// A word of the producer's slot: whether the task is complete, and how it ended; the first entry of its list; how many
/// consumers have retained it. Only the orchestrator pushes and takes holds; whoever completes the producer closes it, once. How
/// many holds were given back is counted [elsewhere](crate::slots), so that once it is closed only the orchestrator writes it.
///
/// The task itself needs no hold: it is held until the word is closed. So a completion is one addition, which ends the
/// list and says what was on it.
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

/// How a list stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stand {
    /// The task is not complete.
    Open,
    /// It is, and no consumer has ever retained it.
    NeverHeld,
    /// It is, and consumers have retained it.
    Held(Taken),
}

/// How many holds were taken, in the low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken(u32);

impl Taken {
    /// How many retain the task, if so many were given back.
    #[inline]
    pub(crate) const fn left(self, given_back: u32) -> u32 {
        self.0.wrapping_sub(given_back) & Fanout::HOLDS as u32
    }
}

impl Fanout {
    /// One consumer that retains the task, or did: modulo 2^29, as no more than there are slots retain it at a time, four windows of
    /// 2^24 at most.
    const HOLD: u64 = 1;
    const HOLDS: u64 = (1 << 29) - 1;
    /// Some consumer has ever retained it. Of most tasks none does, and who moves the watermark over those need not look at
    /// what was given back.
    const HELD: u64 = 1 << 29;
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
            let linked = held & (Self::HOLDS | Self::HELD) | u64::from(entry.raw()) << Self::FIRST;
            // ORDERING: Release, "fanout-push"; pairs with the addition in `Fanout::close`: the entry, and the
            // consumer's slot behind it, are visible to whoever walks the list.
            let order = mutant::order("fanout-push", Ordering::Release);
            match self.0.compare_exchange_weak(word, linked, order, Ordering::Relaxed) {
                Ok(_) => return Pushed::Linked,
                Err(now) => word = now,
            }
        }
    }

    /// Takes a hold as long as the list is open; false once it is closed.
    pub(crate) fn retain_open(&self) -> bool {
        let mut word = self.0.load(Ordering::Relaxed);
        while word & Self::CLOSED == 0 {
            match self.0.compare_exchange_weak(word, Self::held(word), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes a hold on a closed list: nobody else writes the word any more.
    pub(crate) fn retain_closed(&self) {
        // ORDERING: Acquire, "fanout-close"; pairs with the addition in `Fanout::close`: who sees this store, and not that addition,
        // is this thread, which goes on from what the producer wrote.
        let word = self.0.load(mutant::order("fanout-held", Ordering::Acquire));
        debug_assert_ne!(word & Self::CLOSED, 0, "its completer has yet to close it");
        self.0.store(Self::held(word), Ordering::Relaxed);
    }

    /// The word with one hold more.
    const fn held(word: u64) -> u64 {
        word & !Self::HOLDS | word.wrapping_add(Self::HOLD) & Self::HOLDS | Self::HELD
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

    /// Closes it, and gives the first entry of the list: every push fails from here on. Where nobody retains the task, its slot may
    /// be another's at once.
    #[inline]
    pub(crate) fn close(&self, failed: bool) -> Option<DepRef> {
        let flags = if failed { Self::CLOSED | Self::FAILED } else { Self::CLOSED };
        // ORDERING: AcqRel, "fanout-push" and "fanout-close"; pairs with the compare-exchange in
        // `Fanout::push` (the entries are filled in), with the load in `Fanout::closed` (what the producer wrote is
        // visible) and with the load in `Fanout::stand` (its completer is done with its slot).
        let word = self.0.fetch_add(flags, mutant::order("fanout-close", Ordering::AcqRel));
        debug_assert_eq!(word & (Self::CLOSED | Self::FAILED), 0, "a task completed twice");
        DepRef::decode(Self::first(word))
    }

    /// The first entry at the moment, if there is one: to ask for its line, not to read it.
    #[inline]
    pub(crate) fn first_now(&self) -> Option<DepRef> {
        DepRef::decode(Self::first(self.0.load(Ordering::Relaxed)))
    }

    /// How it stands, for who has to know whether it is consumed.
    #[inline]
    pub(crate) fn stand(&self) -> Stand {
        // ORDERING: Acquire, "fanout-close"; pairs with the addition in `Fanout::close`: its completer is done with its slot.
        let word = self.0.load(mutant::order("holds-load", Ordering::Acquire));
        if word & Self::CLOSED == 0 {
            Stand::Open
        } else if word & Self::HELD == 0 {
            Stand::NeverHeld
        } else {
            Stand::Held(Taken(word as u32))
        }
    }

    /// How many hold the task, of whom so many have `given_back` their holds: itself until it is complete, and consumers. For
    /// reports.
    pub(crate) fn holds(&self, given_back: u32) -> u32 {
        let word = self.0.load(Ordering::Relaxed);
        Taken(word as u32).left(given_back) + u32::from(word & Self::CLOSED == 0)
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use crate::deps::Deps;
    use crate::table::HEAP;

    /// How many are left of the holds on what is closed, if any was taken.
    fn left(fanout: &Fanout, given_back: u32) -> Option<u32> {
        match fanout.stand() {
            Stand::Held(taken) => Some(taken.left(given_back)),
            Stand::Open | Stand::NeverHeld => None,
        }
    }

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
            assert!(fanout.retain_open());
            assert_eq!((fanout.holds(0), fanout.holds(1), fanout.closed()), (3, 2, None));
            assert_eq!(fanout.stand(), Stand::Open);
            assert_eq!((fanout.close(ring == 3), fanout.holds(0)), (Some(far), 2));
            let how = if ring == 3 { Pushed::ClosedFailed } else { Pushed::ClosedOk };
            assert_eq!((fanout.closed(), fanout.push(name, dep, consumer, EdgeKind::BOTH)), (Some(how), how));
            assert!(!fanout.retain_open(), "it is closed");
            assert_eq!((left(&fanout, 1), left(&fanout, 2)), (Some(1), Some(0)));
            fanout.retain_closed();
            assert_eq!((left(&fanout, 2), left(&fanout, 3)), (Some(1), Some(0)));
        }
    }

    #[test]
    fn what_was_never_held_says_so() {
        let pools = Deps::new([4; 4], HEAP);
        let (name, fanout) = (pools.pools[0].entry(0), Fanout::default());
        assert_eq!(fanout.push(name, pools.at(name), SlotRef::from_raw(1), EdgeKind::WAIT), Pushed::Linked);
        assert_eq!((fanout.stand(), fanout.close(false)), (Stand::Open, Some(name)));
        assert_eq!(fanout.stand(), Stand::NeverHeld);
    }

    #[test]
    fn holds_go_round() {
        let pools = Deps::new([4; 4], HEAP);
        let (name, consumer) = (pools.pools[0].entry(0), SlotRef::from_raw(1));
        let mut given_back = Fanout::HOLDS as u32 - 1;
        let fanout = Fanout(AtomicU64::new(Fanout::HELD | u64::from(given_back)));
        assert_eq!(fanout.holds(given_back), 1, "itself");
        for _ in 0..2 {
            assert_eq!(fanout.push(name, pools.at(name), consumer, EdgeKind::BOTH), Pushed::Linked);
        }
        assert!(fanout.retain_open());
        assert_eq!((fanout.holds(given_back), fanout.first_now()), (4, Some(name)));
        assert_eq!((fanout.close(false), fanout.holds(given_back)), (Some(name), 3));
        fanout.retain_closed();
        for others in (0..4).rev() {
            given_back = given_back.wrapping_add(1);
            assert_eq!((fanout.holds(given_back), left(&fanout, given_back)), (others, Some(others)));
        }
        assert!(given_back > Fanout::HOLDS as u32);
    }
}
