//! Cohorts: tasks all of whose blocks start together, on idle lanes of all domains.
//!
//! One cohort gathers at a time. Each domain, when polled, reserves idle units (lanes, or clusters) for it and
//! dispatches nothing else; whoever brings the reservations to the number of blocks launches, and each domain then
//! dispatches onto what it has reserved. Only idle units are reserved and a cohort is never wider than the chip, so
//! every cohort starts as soon as what runs has finished; a unit is never reserved for two cohorts, so none waits for
//! another that has half of the chip.

use prewire_ring::SlotRef;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_sync::mutant;

/// The cohort that is being gathered or launched, shared by all domains.
#[derive(Debug)]
pub(crate) struct Cohort {
    /// The number of the cohort in the high half, and what goes on in the low: moved from `FREE` to `CLAIMED` by one
    /// poller; to `GATHERING`, with a new number, by it; to `LAUNCHING` by whoever makes the last reservation; to `FREE`
    /// by whoever launches the last block.
    phase: AtomicU64,
    /// The task. Written by the claimer before `GATHERING`.
    slot: AtomicU32,
    /// How many blocks it has. Written by the claimer before `GATHERING`.
    blocks: AtomicU32,
    /// The number of the cohort in the high half, units that it still wants in the low. Written by the claimer before
    /// `GATHERING`; lowered by each domain's poller, which may have read of a cohort that is over by now: number and
    /// want are one word, so that nothing is taken from one cohort in the name of another.
    wanted: AtomicU64,
    /// The next block to number. Raised by each domain's poller.
    next: AtomicU32,
    /// Blocks launched. Raised by each domain's poller.
    launched: AtomicU32,
}

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const GATHERING: u64 = 2;
const LAUNCHING: u64 = 3;

const fn word(number: u32, low: u64) -> u64 {
    (number as u64) << 32 | low
}

/// What a poller has to do for the cohort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    /// There is none.
    None,
    /// Reserve what is idle, and dispatch nothing else. The number of the cohort, and its task.
    Gather(u32, SlotRef),
    /// Dispatch onto what is reserved.
    Launch(SlotRef),
}

impl Cohort {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU64::new(FREE),
            slot: AtomicU32::new(0),
            blocks: AtomicU32::new(0),
            wanted: AtomicU64::new(0),
            next: AtomicU32::new(0),
            launched: AtomicU32::new(0),
        }
    }

    /// Whether there is anything to be done: who reads what asks for the [`duty`](Cohort::duty).
    #[inline]
    pub(crate) fn is_under_way(&self) -> bool {
        self.phase.load(Ordering::Relaxed) & 3 >= GATHERING
    }

    /// What is to be done.
    #[inline]
    pub(crate) fn duty(&self) -> Duty {
        // ORDERING: Acquire, "cohort-phase"; pairs with the stores in `start`, `reserve` and `launched`: the task's
        // words are there, and, in the launch, what those who reserved did before.
        let phase = self.phase.load(mutant::order("cohort-duty", Ordering::Acquire));
        let slot = || SlotRef::from_raw(self.slot.load(Ordering::Relaxed));
        match phase & 3 {
            GATHERING => Duty::Gather((phase >> 32) as u32, slot()),
            LAUNCHING => Duty::Launch(slot()),
            _ => Duty::None,
        }
    }

    /// Becomes the one who may start the next cohort, if none is under way. Then [`start`](Cohort::start) or
    /// [`give_up`](Cohort::give_up) follows.
    pub(crate) fn claim(&self) -> bool {
        let phase = self.phase.load(Ordering::Relaxed);
        // ORDERING: Acquire, "cohort-phase"; pairs with the store in `launched`: the last cohort is over.
        let order = mutant::order("cohort-claim", Ordering::Acquire);
        phase & 3 == FREE
            && self.phase.compare_exchange(phase, phase | CLAIMED, order, Ordering::Relaxed).is_ok()
    }

    /// There was none to start.
    pub(crate) fn give_up(&self) {
        // ORDERING: Release, "cohort-phase"; pairs with the exchange in `claim`.
        self.phase.store(word(self.number_of(), FREE), Ordering::Release);
    }

    /// The number of the last cohort, for who has claimed.
    fn number_of(&self) -> u32 {
        (self.phase.load(Ordering::Relaxed) >> 32) as u32
    }

    /// Starts to gather for `slot`.
    pub(crate) fn start(&self, slot: SlotRef, blocks: u32) {
        let number = self.number_of().wrapping_add(1);
        self.slot.store(slot.raw(), Ordering::Relaxed);
        self.blocks.store(blocks, Ordering::Relaxed);
        self.wanted.store(word(number, u64::from(blocks)), Ordering::Relaxed);
        self.next.store(0, Ordering::Relaxed);
        self.launched.store(0, Ordering::Relaxed);
        // ORDERING: Release, "cohort-phase"; pairs with the load in `duty`.
        self.phase.store(word(number, GATHERING), mutant::order("cohort-start", Ordering::Release));
    }

    /// Reserves up to `units` for cohort `number`: how many it wanted of them, and whether these were the last. None if
    /// that cohort has all it wants, or is over.
    pub(crate) fn reserve(&self, number: u32, units: u32) -> (u32, bool) {
        let mut wanted = self.wanted.load(Ordering::Relaxed);
        loop {
            let taken = units.min(wanted as u32);
            // MUTANT "cohort-any-number": units are reserved for a cohort in the name of another.
            let other = (wanted >> 32) as u32 != number && !mutant::skips("cohort-any-number");
            if taken == 0 || other {
                return (0, false);
            }
            let after = wanted - u64::from(taken);
            match self.wanted.compare_exchange_weak(wanted, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let last = after as u32 == 0;
                    if last {
                        // ORDERING: Release, "cohort-phase"; pairs with the load in `duty`.
                        self.phase.store(word(number, LAUNCHING), Ordering::Release);
                    }
                    return (taken, last);
                }
                Err(now) => wanted = now,
            }
        }
    }

    /// Numbers `n` blocks that are about to be dispatched: the first.
    pub(crate) fn number(&self, n: u32) -> u32 {
        self.next.fetch_add(n, Ordering::Relaxed)
    }

    /// Counts `n` blocks as launched. The one who counts the last makes room for the next cohort.
    pub(crate) fn launched(&self, n: u32) {
        // Read before the count: once all are counted, the next cohort may begin.
        // ORDERING: AcqRel, "cohort-launched"; pairs with itself in `Cohort::launched`: every domain is done with the
        // cohort's words before they are written anew.
        let (blocks, number) = (self.blocks.load(Ordering::Relaxed), self.number_of());
        let launched = self.launched.fetch_add(n, Ordering::AcqRel) + n;
        if launched == blocks {
            // ORDERING: Release, "cohort-phase"; pairs with the exchange in `claim`.
            self.phase.store(word(number, FREE), mutant::order("cohort-over", Ordering::Release));
        }
    }
}
