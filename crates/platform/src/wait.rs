//! How a thread that drives the engine waits.

use core::fmt;
use prewire_abi::{EdgeKind, TaskId};

/// What a look at the awaited condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Poll {
    /// It holds: go on.
    Ready,
    /// Not yet, and somebody else may bring it about.
    Pending,
    /// It cannot come about: nobody but the caller could bring it about, and the caller is waiting; or the run is over.
    Impossible,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum WaitEnd {
    /// The condition holds.
    Ready,
    /// The condition cannot come about.
    Impossible,
}

/// What a wait is for: what a report says of a thread that waits long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Awaited {
    /// Room for a task that is being submitted.
    Room {
        /// The ring that is to have it; none if all of them share it.
        ring: Option<usize>,
        /// What is short, and in which unit it is counted.
        what: &'static str,
        /// How much of it the task wants.
        wanted: u64,
        /// How much was in use when the wait began.
        used: u64,
        /// How much there is.
        capacity: u64,
        /// What to raise to wait less.
        knob: &'static str,
    },
    /// Everything submitted so far, before the first access that edges do not order.
    Earlier,
    /// Whoever writes, or reads, an element that the host wants.
    Element {
        /// One of them.
        task: TaskId,
    },
    /// The last task of the run.
    End,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Room { ring, what, wanted, used, capacity, knob } => {
                write!(f, "room for a task: {wanted} {what}")?;
                if let Some(ring) = ring {
                    write!(f, " of ring {ring}")?;
                }
                write!(f, " wanted, {used} of {capacity} in use ({knob} is the knob)")
            }
            Self::Earlier => {
                f.write_str("every task submitted so far, before the first one that edges do not order")
            }
            Self::Element { task } => write!(f, "an element that task {task} uses"),
            Self::End => f.write_str("the last task of the run"),
        }
    }
}

/// Waiting, handed to the engine from above: it parks a thread, or steps a simulation.
pub trait Wait {
    /// Waits until `look` says something else than [`Poll::Pending`]. `look` is called at once and again after every
    /// progress of the engine, and when the run is ended: it sees to that itself. `what` is for reports.
    fn wait(&mut self, what: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd;

    /// `task` is about to be published, linked to these producers. For whoever records what happens.
    fn wired(&mut self, task: TaskId, producers: &[(TaskId, EdgeKind)]) {
        let _ = (task, producers);
    }

    /// Whether [`fill`](Wait::fill) fills: whether there is memory that outputs can be filled in.
    fn can_fill(&self) -> bool {
        false
    }

    /// Fills `bytes` bytes at `addr`, an output of the task that is about to be published, with elements of `size` bytes:
    /// each holds the low bytes of `bits`. Only called where [`can_fill`](Wait::can_fill) says so.
    fn fill(&mut self, addr: u64, bytes: u64, size: u32, bits: u64) {
        let _ = (addr, bytes, size, bits);
    }

    /// Something became ready: whoever dispatches should look. Called by the orchestrator after each publication;
    /// cheap where nobody sleeps.
    fn published(&mut self);
}
