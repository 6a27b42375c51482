//! The list of a producer's waiting consumers: a stack that one swap closes.

use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::mutant;

use crate::deps::{Dep, DepRef};

/// The head of the list, in a word of the producer's slot. Only the orchestrator pushes; whoever completes the
/// producer closes it, once.
#[derive(Debug, Default)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), derive(bytemuck::Zeroable))]
#[repr(transparent)]
pub struct Fanout(AtomicU32);

/// What a push found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed {
    /// The consumer is on the list; the close will take its wait.
    Linked,
    /// The producer is complete: this wait is over.
    ClosedOk,
    /// The producer failed: this wait is over, and the consumer is poisoned.
    ClosedFailed,
}

impl Fanout {
    const EMPTY: u32 = u32::MAX;
    const CLOSED_OK: u32 = u32::MAX - 1;
    const CLOSED_FAILED: u32 = DepRef::FREE;

    /// Makes it an empty, open list. The orchestrator's, on a slot that it owns.
    pub(crate) fn open(&self) {
        self.0.store(Self::EMPTY, Ordering::Relaxed);
    }

    /// Pushes `entry`, whose consumer is filled in.
    pub(crate) fn push(&self, entry: DepRef, dep: &Dep) -> Pushed {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // MUTANT "push-on-closed": a closed list takes an entry, as an empty one does.
            if (head == Self::CLOSED_OK || head == Self::CLOSED_FAILED) && !mutant::skips("push-on-closed") {
                // Read again, with the ordering that a finished wait needs.
                return self.closed().unwrap_or(Pushed::ClosedOk);
            }
            dep.set_next(head);
            // ORDERING: Release, "fanout-push"; pairs with the swap in `Fanout::close`: the entry, and the consumer's
            // slot behind it, are visible to whoever walks the list.
            let order = mutant::order("fanout-push", Ordering::Release);
            match self.0.compare_exchange_weak(head, entry.raw(), order, Ordering::Relaxed) {
                Ok(_) => return Pushed::Linked,
                Err(now) => head = now,
            }
        }
    }

    /// How it was closed, if it was.
    pub(crate) fn closed(&self) -> Option<Pushed> {
        // ORDERING: Acquire, "fanout-close"; pairs with the swap in `Fanout::close`: a wait that is over here is over
        // for the consumer's run too, so what the producer wrote must be visible behind it.
        match self.0.load(mutant::order("fanout-closed", Ordering::Acquire)) {
            Self::CLOSED_OK => Some(Pushed::ClosedOk),
            Self::CLOSED_FAILED => Some(Pushed::ClosedFailed),
            _ => None,
        }
    }

    /// Closes the list and gives its first entry. Afterwards every push fails.
    pub(crate) fn close(&self, failed: bool) -> Option<DepRef> {
        let closed = if failed { Self::CLOSED_FAILED } else { Self::CLOSED_OK };
        // ORDERING: AcqRel, "fanout-push" and "fanout-close"; pairs with the compare-exchange in `Fanout::push`
        // (the entries are filled in) and with the load in `Fanout::closed` (what the producer wrote is visible).
        let head = self.0.swap(closed, mutant::order("fanout-close", Ordering::AcqRel));
        debug_assert!(head != Self::CLOSED_OK && head != Self::CLOSED_FAILED, "a task completed twice");
        DepRef::decode(head)
    }
}

impl DepRef {
    /// The entry that a `next` or head word names; none at the end of a list.
    pub(crate) fn decode(word: u32) -> Option<Self> {
        (word < Fanout::CLOSED_FAILED).then(|| Self::from_raw(word))
    }
}
