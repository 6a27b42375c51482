//! One ring: where its slots are, its arguments, and the watermark that moves over what is consumed.
//!
//! Invariant: the watermark moves in order, under a lock whose losers leave their errand to the winner, over slots that are
//! initialised, whose tasks are complete, and that no open scope and no consumer holds. Before it is stored, what was given back of
//! these tasks is forgotten. Between two runs it goes on over numbers that no task has.

use core::mem;

use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::lock::CombiningLock;
use crate::slot::{SlotRef, Window};
use crate::slots::Slots;
use crate::table::{Pages, Table};

/// How many rings there are: one for each scope depth, the last one for all deeper ones.
pub const RING_COUNT: usize = 4;

/// How far there is anything for the watermark to move over, as far as who wants it moved knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Upto {
    /// As far as those knew who wanted it before, or will when they come: what was let go of has ended, and who has ended it says so. What
    /// is complete from birth nobody ends: there the orchestrator says so who takes a hold on it, or looks when its scope closes.
    Known,
    /// Before this number all slots are initialised, and in use by tasks that have ended or not.
    Number(u32),
    /// As far as there are tasks.
    Head,
}

/// One ring, beside its slots and edges.
#[derive(Debug)]
pub(crate) struct Ring {
    /// Where its slots are.
    window: Window,
    /// Argument words. Written by the orchestrator before publication.
    pub(crate) args: Table<AtomicU64>,
    /// The next local number. Written by the orchestrator.
    pub(crate) head: Padded<AtomicU32>,
    /// The local number of the oldest task that an open scope holds, or [`Ring::NO_FLOOR`]. Written by the
    /// orchestrator.
    pub(crate) floor: AtomicU64,
    /// The oldest live task. Written under `walk`.
    watermark: Padded<AtomicU32>,
    /// Who moves the watermark. In it: up to where there are slots in use, as far as those who were at it knew. On a line of
    /// its own, as the orchestrator reads what is around it at every submit.
    walk: Padded<CombiningLock<u32>>,
    /// In a model, the number that was gone on to last: nobody is to tell an earlier one. Written under `walk`.
    #[cfg(prewire_loom)]
    skipped_to: AtomicU32,
}

impl Ring {
    /// No open scope holds a task.
    pub(crate) const NO_FLOOR: u64 = u64::MAX;
    /// What is told late is told within so many tasks, or so late that nothing is known of it; but for a number that is 2^32 tasks old to
    /// within a window, which nobody can tell from a new one. Numbers are left out only where nobody is late.
    const RECENT: u32 = 1 << 30;

    pub(crate) fn new(window: Window, args: u32, pages: Pages<'_>) -> Self {
        Self {
            window,
            args: Table::new(args as usize, pages),
            head: Padded::new(AtomicU32::new(0)),
            floor: AtomicU64::new(Self::NO_FLOOR),
            watermark: Padded::new(AtomicU32::new(0)),
            walk: Padded::new(CombiningLock::new(0)),
            #[cfg(prewire_loom)]
            skipped_to: AtomicU32::new(0),
        }
    }

    #[inline]
    pub(crate) fn watermark(&self) -> u32 {
        // ORDERING: Acquire, "watermark"; pairs with the store in `Ring::walk`: what the retired tasks' completers
        // did, and that what was given back of them is forgotten, happened before their slots, entries and bytes are used again.
        self.watermark.load(mutant::order("watermark-load", Ordering::Acquire))
    }

    /// Whether an open scope holds the task `local`.
    #[inline]
    pub(crate) fn is_pinned(&self, local: u32) -> bool {
        // ORDERING: Acquire, "scope-floor"; pairs with the store in `Allocator::set_floor`: a floor that was raised
        // is seen together with what the scope did before it closed.
        let floor = self.floor.load(mutant::order("floor-load", Ordering::Acquire));
        floor != Self::NO_FLOOR && !is_before(local, floor as u32)
    }

    /// Whether nothing holds the task `local`, which is known to be in this slot: then what was given back of it is forgotten, and the
    /// watermark is to be moved over it.
    ///
    /// The floor is read after the slot was known, and before the holds: a task that a scope holds had its floor stored before the
    /// head, and before anybody else saw it, so a floor above it is that of a closed scope, and is seen together with every
    /// hold that was taken under it. Read the other way round, a hold taken between the two reads would be missed.
    fn retire(&self, local: u32, slots: &Slots, slot: SlotRef) -> bool {
        // MUTANT "holds-before-floor": read the other way round.
        if mutant::skips("holds-before-floor") {
            return slots.retire(slot) && !self.is_pinned(local);
        }
        !self.is_pinned(local) && slots.retire(slot)
    }

    /// Moves the watermark over consumed slots, which are among these. Returns without waiting if another thread is at
    /// it; that thread looks again.
    ///
    /// Who completes tasks, or is told of it by who does, says before which number all of them are: so far the slots are
    /// initialised for it, as it knows of the last one, and behind it there is nothing that it would have to walk over. So it
    /// does not read the head, which the orchestrator writes all the time.
    ///
    /// One body for all who call it: in line with some of them the walk would be a call of its own, and all that it knows in memory.
    #[inline(never)]
    pub(crate) fn advance(&self, slots: &Slots, mut upto: Upto) {
        self.walk.combine(|reach| self.walk(slots, reach, mem::replace(&mut upto, Upto::Head)));
    }

    /// As [`advance`](Ring::advance), but waits, spinning, for whoever is at it.
    pub(crate) fn advance_in_turn(&self, slots: &Slots) {
        self.walk.enter(|reach| self.walk(slots, reach, Upto::Head));
    }

    /// What [`advance`](Ring::advance) does, by the thread that is at it.
    #[inline(always)]
    fn walk(&self, slots: &Slots, reach: &mut u32, upto: Upto) {
        #[cfg(prewire_loom)]
        if let Upto::Number(upto) = upto {
            assert!(!is_before(upto, self.skipped_to.load(Ordering::Relaxed)), "{upto} is told late");
        }
        let window = self.window;
        let start = self.watermark.load(Ordering::Relaxed);
        let upto = match upto {
            Upto::Known => *reach,
            Upto::Number(upto) if upto.wrapping_sub(start) <= window.most() => upto,
            // Others have moved the watermark past it.
            Upto::Number(upto) if start.wrapping_sub(upto) < Self::RECENT => *reach,
            // MUTANT "head-not-renewed": what others have consumed, who ask meanwhile, stays.
            _ if mutant::skips("head-not-renewed") => *reach,
            // As far as there are tasks. Who knows of a number may have known it for so long that the numbers have gone round since.
            // ORDERING: Acquire, "ring-head"; pairs with the store in `Allocator::commit`: a slot below the head is
            // initialised.
            Upto::Number(_) | Upto::Head => self.head.load(mutant::order("head-load", Ordering::Acquire)),
        };
        // MUTANT "reach-forgotten": what was consumed before what is in front of it stays.
        let end = if is_before(*reach, upto) || mutant::skips("reach-forgotten") { upto } else { *reach };
        *reach = end;
        let mut at = start;
        while at != end && self.retire(at, slots, window.slot(at)) {
            at = at.wrapping_add(1);
        }
        if at != start {
            // ORDERING: Release, "watermark"; pairs with the load in `Ring::watermark`.
            self.watermark.store(at, mutant::order("watermark-store", Ordering::Release));
        }
        if cfg!(prewire_loom) {
            (start..at).for_each(|local| slots.forget(window.slot(local), true));
        }
    }

    /// Leaves out the numbers before `next`, which no task has. The orchestrator's, when no task is alive and nobody has a number of an
    /// earlier one to tell: others may look, and are waited for.
    pub(crate) fn skip_to(&self, slots: &Slots, next: u32) {
        self.while_still(slots, |_, reach| {
            *reach = next;
            #[cfg(prewire_loom)]
            self.skipped_to.store(next, Ordering::Relaxed);
            // Before the head: see `Ring::live`.
            self.watermark.store(next, Ordering::Relaxed);
            // ORDERING: Release, "ring-skip"; pairs with the load in `Ring::live`: whoever sees this head sees the watermark.
            self.head.store(next, mutant::order("skip-head", Ordering::Release));
        });
    }

    /// The oldest live task, and how many tasks live, at one moment: whoever looks does not do so before and behind numbers that are left
    /// out between them.
    pub(crate) fn live(&self) -> (u32, u32) {
        loop {
            let oldest = self.watermark();
            // ORDERING: Acquire, "ring-skip"; pairs with the store in `Ring::skip_to`.
            let head = self.head.load(mutant::order("live-head", Ordering::Acquire));
            // MUTANT "live-once": the watermark is of before, the head of behind.
            if self.watermark() == oldest || mutant::skips("live-once") {
                let live = head.wrapping_sub(oldest);
                // A watermark that went on without tasks, and a head that has yet to.
                return (oldest, if live > self.window.most() { 0 } else { live });
            }
        }
    }

    /// Takes a hold on the task `local`, which is complete and in this slot; false if it is retired. Whoever moves the watermark next
    /// sees the hold. The orchestrator's, of what no scope holds.
    #[cold]
    pub(crate) fn retain_closed(&self, slots: &Slots, slot: SlotRef, local: u32) -> bool {
        self.while_still(slots, |oldest, reach| {
            // MUTANT "retain-retired": a hold is taken on what is not there any more.
            let lives = !is_before(local, oldest) || mutant::skips("retain-retired");
            if lives {
                slots.wrap(slot.place()).fanout.retain_closed();
                // Whoever lets go of it may know no number.
                if is_before(*reach, local.wrapping_add(1)) {
                    *reach = local.wrapping_add(1);
                }
            }
            lives
        })
    }

    /// Whether anybody retains the task `local`, which is in this slot, or has been, and is complete. For whoever is told when that
    /// changes.
    #[cold]
    pub(crate) fn is_retained(&self, slots: &Slots, slot: SlotRef, local: u32) -> bool {
        // Of what is being retired, what was given back may be forgotten already.
        self.while_still(slots, |oldest, _| !is_before(local, oldest) && !slots.is_consumed(slot))
    }

    /// How many hold the task `local`, which is in this slot, or has been; none if it is not alive.
    #[cold]
    pub(crate) fn holds(&self, slots: &Slots, slot: SlotRef, local: u32) -> Option<u32> {
        self.while_still(slots, |oldest, _| {
            let live = self.head.load(Ordering::Relaxed).wrapping_sub(oldest);
            (local.wrapping_sub(oldest) < live).then(|| slots.holds(slot))
        })
    }

    /// Asks `what` of the oldest live task, and of how far there is anything to walk over, while nobody moves the watermark: spins
    /// for whoever is at it, as nobody else can do that for this thread.
    fn while_still<R: Default>(&self, slots: &Slots, what: impl FnOnce(u32, &mut u32) -> R) -> R {
        let mut what = Some(what);
        let mut ask =
            |reach: &mut u32| what.take().map(|what| what(self.watermark.load(Ordering::Relaxed), reach));
        // MUTANT "still-beside": whoever moves the watermark may be in the middle of it.
        if mutant::skips("still-beside") {
            return ask(&mut 0).unwrap_or_default();
        }
        let mut said = R::default();
        self.walk.enter(|reach| match ask(reach) {
            Some(answer) => said = answer,
            // Who has asked for it meanwhile has left it to this thread.
            None => self.walk(slots, reach, Upto::Head),
        });
        said
    }
}

/// Whether local number `a` comes before `b`, when they are less than 2^31 numbers apart.
pub(crate) const fn is_before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) >= 1 << 31
}
