//! One simulated core: its registers, its two payload places, and the gate that says who is responsible for it.
//!
//! Invariants:
//!
//! - The gate counts dispatches that are not finished. Whoever raises it from 0 makes somebody responsible for the core
//!   (the queue, or himself); whoever is responsible runs the dispatches one by one and lowers the gate after each, and
//!   is rid of the core when it reaches 0. So a core has one owner at a time, and no dispatch is lost: it raises the
//!   gate either from 0, or before the owner's decrement, which then does not reach 0.
//! - A core has one dispatcher at a time: its scheduler domain is driven by one thread at a time.

use prewire_platform::{ChipSpec, LaneStatus, Token, Work};
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_sync::mutant;

/// A payload buffer. Written by the dispatcher before it raises the gate, read by the owner.
#[derive(Debug)]
struct Place {
    token: AtomicU32,
    /// A [`Work`].
    work: AtomicU64,
}

/// What the dispatcher writes: one cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Front {
    /// Dispatches not finished. Raised by the dispatcher, lowered by the owner.
    gate: AtomicU32,
    /// The dispatch word. Written by the dispatcher.
    dispatch: AtomicU32,
    /// The word of the dispatch path. Written by whoever opens or closes it.
    fast_path: AtomicU32,
    /// Dispatches ever written. Written by the dispatcher.
    issued: AtomicU32,
    /// Dispatches written while the path was closed. Written by the dispatcher and whoever opens the path.
    withheld: AtomicU32,
    /// The payloads, in turn. The tokens of consecutive dispatches alternate in their low bit, so these are the two
    /// buffers that the low bit names.
    places: [Place; 2],
}

/// What the owner writes: another cache line.
#[derive(Debug)]
#[repr(C, align(64))]
struct Back {
    /// The condition word. Written by the owner.
    condition: AtomicU32,
    /// Dispatches ever taken up. Written by the owner.
    taken: AtomicU32,
}

/// A core.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Core {
    front: Front,
    back: Back,
}

#[cfg(not(prewire_loom))]
const _: () = assert!(size_of::<Core>() == 128 && core::mem::offset_of!(Core, back) == 64);

/// What became of a dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Put {
    /// The core was free: the caller must see to it that somebody runs it.
    Free,
    /// The core has an owner, who will come to it.
    Owned,
    /// The dispatch path is closed: not taken up before it opens.
    Closed,
    /// As `Owned`, but both places were taken.
    TooMany,
}

impl Core {
    pub(crate) fn new(spec: &ChipSpec) -> Self {
        let place = || Place { token: AtomicU32::new(0), work: AtomicU64::new(0) };
        let core = Self {
            front: Front {
                gate: AtomicU32::new(0),
                dispatch: AtomicU32::new(0),
                fast_path: AtomicU32::new(0),
                issued: AtomicU32::new(0),
                withheld: AtomicU32::new(0),
                places: [place(), place()],
            },
            back: Back { condition: AtomicU32::new(0), taken: AtomicU32::new(0) },
        };
        core.reset(spec);
        core.close(spec);
        core
    }

    /// As after power-on: idle, nothing dispatched. Only while nobody runs or dispatches.
    pub(crate) fn reset(&self, spec: &ChipSpec) {
        for word in [&self.front.gate, &self.front.issued, &self.front.withheld, &self.back.taken] {
            word.store(0, Ordering::Relaxed);
        }
        self.front.dispatch.store(spec.tokens.dispatch_idle, Ordering::Relaxed);
        self.back.condition.store(spec.tokens.core_idle, Ordering::Relaxed);
    }

    /// Leaves the loop, as on the exit word. Only while nobody runs.
    pub(crate) fn exit(&self, spec: &ChipSpec) {
        self.front.dispatch.store(spec.tokens.exit, Ordering::Relaxed);
        self.back.condition.store(spec.tokens.core_exited, Ordering::Relaxed);
        self.close(spec);
    }

    /// Opens the dispatch path. True when dispatches had been waiting for it on a free core: as [`Put::Free`].
    pub(crate) fn open(&self, spec: &ChipSpec) -> bool {
        let Some(path) = spec.registers.fast_path else { return false };
        self.front.fast_path.store(path.open, Ordering::Relaxed);
        let withheld = self.front.withheld.swap(0, Ordering::Relaxed);
        // ORDERING: AcqRel, "core-gate"; pairs with release. As in put.
        withheld > 0 && self.front.gate.fetch_add(withheld, Ordering::AcqRel) == 0
    }

    /// Closes the dispatch path.
    pub(crate) fn close(&self, spec: &ChipSpec) {
        if let Some(path) = spec.registers.fast_path {
            self.front.fast_path.store(path.close, Ordering::Relaxed);
        }
    }

    /// Dispatcher: writes the payload, then the dispatch word.
    pub(crate) fn put(&self, spec: &ChipSpec, token: Token, work: Work) -> Put {
        let front = &self.front;
        let issued = front.issued.load(Ordering::Relaxed);
        let place = &front.places[(issued & 1) as usize];
        place.token.store(token.0, Ordering::Relaxed);
        place.work.store(work.raw(), Ordering::Relaxed);
        front.issued.store(issued.wrapping_add(1), Ordering::Relaxed);
        front.dispatch.store(token.0, Ordering::Relaxed);
        if spec.registers.fast_path.is_some_and(|path| front.fast_path.load(Ordering::Relaxed) != path.open) {
            front.withheld.fetch_add(1, Ordering::Relaxed);
            return Put::Closed;
        }
        // ORDERING: Acquire, "core-gate"; pairs with release. Takes over, for the next owner, what the last one wrote.
        if front.gate.load(mutant::order("gate-look", Ordering::Acquire)) == 0 {
            // Nobody owns the core, and nobody but a dispatcher raises the gate from 0. Whoever becomes the owner learns of
            // it from this thread.
            front.gate.store(1, Ordering::Relaxed);
            return Put::Free;
        }
        // ORDERING: AcqRel, "core-gate"; pairs with release. Release publishes the place to an owner that finds the
        // gate raised; Acquire takes over, for the next owner, what the last one wrote to the core.
        match front.gate.fetch_add(1, mutant::order("gate-raise", Ordering::AcqRel)) {
            0 => Put::Free,
            1 => Put::Owned,
            // The third is legal while the first has finished and its owner has not come to lower the gate.
            2 if issued.wrapping_sub(self.back.taken.load(Ordering::Relaxed)) < 2 => Put::Owned,
            _ => Put::TooMany,
        }
    }

    /// Owner: takes up the next dispatch and acknowledges it in the condition word.
    pub(crate) fn take(&self) -> (Token, Work) {
        let taken = self.back.taken.load(Ordering::Relaxed);
        let place = &self.front.places[(taken & 1) as usize];
        let token = place.token.load(Ordering::Relaxed);
        let work = Work::from_raw(place.work.load(Ordering::Relaxed));
        self.back.taken.store(taken.wrapping_add(1), Ordering::Relaxed);
        // ORDERING: Release, "condition"; pairs with status. The acknowledgement says that everything before has
        // finished, so it carries the results of the one before.
        self.back.condition.store(token, mutant::order("condition-taken", Ordering::Release));
        (Token(token), work)
    }

    /// Owner: says that `token` has finished.
    pub(crate) fn finish(&self, spec: &ChipSpec, token: Token) {
        // ORDERING: Release, "condition"; pairs with status. Whoever sees the token finished sees its results.
        let word = token.0 | spec.tokens.finished_bit;
        self.back.condition.store(word, mutant::order("condition-finished", Ordering::Release));
    }

    /// Owner: one dispatch is done with. True when another one is there; else the core is no longer the caller's.
    pub(crate) fn release(&self) -> bool {
        // ORDERING: AcqRel, "core-gate"; pairs with put and open. Acquire: the place of a dispatch that is counted here
        // is visible. Release: what this owner wrote to the core is visible to the next one.
        self.front.gate.fetch_sub(1, mutant::order("gate-lower", Ordering::AcqRel)) != 1
    }

    /// What the condition word says.
    pub(crate) fn status(&self, spec: &ChipSpec) -> LaneStatus {
        // ORDERING: Acquire, "condition"; pairs with take and finish. The results of what has finished are visible.
        let word = self.back.condition.load(mutant::order("condition-read", Ordering::Acquire));
        let tokens = &spec.tokens;
        let token = word & !tokens.finished_bit;
        if token == tokens.core_idle {
            LaneStatus::Idle
        } else if token == tokens.core_exited {
            LaneStatus::Exited
        } else if word & tokens.finished_bit != 0 {
            LaneStatus::Finished(Token(token))
        } else {
            LaneStatus::Running(Token(token))
        }
    }

    /// The word at a byte offset of the register block, if it is a register of the simulation.
    pub(crate) fn register(&self, spec: &ChipSpec, offset: u32) -> Option<u32> {
        let word = if offset == spec.registers.dispatch {
            &self.front.dispatch
        } else if offset == spec.registers.condition {
            &self.back.condition
        } else if spec.registers.fast_path.is_some_and(|path| path.offset == offset) {
            &self.front.fast_path
        } else {
            return None;
        };
        // ORDERING: Acquire, "condition"; pairs with take and finish.
        Some(word.load(Ordering::Acquire))
    }
}
