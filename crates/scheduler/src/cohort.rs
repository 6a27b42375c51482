//! Cohorts: tasks all of whose blocks start together, on idle lanes of all domains.
//!
//! One cohort gathers at a time. Each domain, when polled, reserves idle units (lanes, or clusters) for it and
//! dispatches nothing else; whoever brings the reservations to the number of blocks launches, and each domain then
//! dispatches onto what it has reserved. Only idle units are reserved and a cohort is never wider than the chip, so
//! every cohort starts as soon as what runs has finished; a unit is never reserved for two cohorts, so none waits for
//! another that has half of the chip.

use prewire_ring::SlotRef;
use prewire_sync::atomic::{AtomicU32, Ordering};

/// The cohort that is being gathered or launched, shared by all domains.
#[derive(Debug)]
pub(crate) struct Cohort {
    /// What goes on. Moved from `FREE` to `CLAIMED` by one poller; to `GATHERING` by it; to `LAUNCHING` by whoever
    /// makes the last reservation; to `FREE` by whoever launches the last block.
    phase: AtomicU32,
    /// The task. Written by the claimer before `GATHERING`.
    slot: AtomicU32,
    /// How many blocks it has. Written by the claimer before `GATHERING`.
    blocks: AtomicU32,
    /// Units reserved. Raised by each domain's poller.
    reserved: AtomicU32,
    /// The next block to number. Raised by each domain's poller.
    next: AtomicU32,
    /// Blocks launched. Raised by each domain's poller.
    launched: AtomicU32,
}

const FREE: u32 = 0;
const CLAIMED: u32 = 1;
const GATHERING: u32 = 2;
const LAUNCHING: u32 = 3;

/// What a poller has to do for the cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// There is none.
    None,
    /// Reserve what is idle, and dispatch nothing else.
    Gather(SlotRef),
    /// Dispatch onto what is reserved.
    Launch(SlotRef),
}

impl Cohort {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU32::new(FREE),
            slot: AtomicU32::new(0),
            blocks: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            next: AtomicU32::new(0),
            launched: AtomicU32::new(0),
        }
    }

    /// What is to be done.
    pub(crate) fn duty(&self) -> Duty {
        // ORDERING: Acquire, "cohort-phase"; pairs with the stores in `start`, `reserve` and `launched`: the task's
        // words are there, and, in the launch, what those who reserved did before.
        match self.phase.load(Ordering::Acquire) {
            GATHERING => Duty::Gather(SlotRef::from_raw(self.slot.load(Ordering::Relaxed))),
            LAUNCHING => Duty::Launch(SlotRef::from_raw(self.slot.load(Ordering::Relaxed))),
            _ => Duty::None,
        }
    }

    /// Becomes the one who may start the next cohort, if none is under way. Then [`start`](Cohort::start) or
    /// [`give_up`](Cohort::give_up) follows.
    pub(crate) fn claim(&self) -> bool {
        // ORDERING: Acquire, "cohort-phase"; pairs with the store in `launched`: the last cohort is over.
        self.phase.compare_exchange(FREE, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// There was none to start.
    pub(crate) fn give_up(&self) {
        // ORDERING: Release, "cohort-phase"; pairs with the exchange in `claim`.
        self.phase.store(FREE, Ordering::Release);
    }

    /// Starts to gather for `slot`.
    pub(crate) fn start(&self, slot: SlotRef, blocks: u32) {
        self.slot.store(slot.raw(), Ordering::Relaxed);
        self.blocks.store(blocks, Ordering::Relaxed);
        self.reserved.store(0, Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
        self.launched.store(0, Ordering::Relaxed);
        // ORDERING: Release, "cohort-phase"; pairs with the load in `duty`.
        self.phase.store(GATHERING, Ordering::Release);
    }

    /// Reserves up to `units`: how many were still wanted, and whether these were the last.
    pub(crate) fn reserve(&self, units: u32) -> (u32, bool) {
        let blocks = self.blocks.load(Ordering::Relaxed);
        let mut reserved = self.reserved.load(Ordering::Relaxed);
        loop {
            let taken = units.min(blocks - reserved);
            if taken == 0 {
                return (0, false);
            }
            match self.reserved.compare_exchange_weak(
                reserved,
                reserved + taken,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    let last = reserved + taken == blocks;
                    if last {
                        // ORDERING: Release, "cohort-phase"; pairs with the load in `duty`.
                        self.phase.store(LAUNCHING, Ordering::Release);
                    }
                    return (taken, last);
                }
                Err(now) => reserved = now,
            }
        }
    }

    /// Numbers `n` blocks that are about to be dispatched: the first.
    pub(crate) fn number(&self, n: u32) -> u32 {
        self.next.fetch_add(n, Ordering::Relaxed)
    }

    /// Counts `n` blocks as launched. The one who counts the last makes room for the next cohort.
    pub(crate) fn launched(&self, n: u32) {
        // ORDERING: AcqRel, "cohort-launched"; pairs with itself in `Cohort::launched`: every domain is done with the
        // cohort's words before they are written anew.
        let launched = self.launched.fetch_add(n, Ordering::AcqRel) + n;
        if launched == self.blocks.load(Ordering::Relaxed) {
            // ORDERING: Release, "cohort-phase"; pairs with the exchange in `claim`.
            self.phase.store(FREE, Ordering::Release);
        }
    }
}
