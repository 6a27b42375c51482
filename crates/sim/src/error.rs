//! What can go wrong with a simulator, and what a scheduler can do wrong with a core.

use core::fmt;
use prewire_platform::{LaneId, Token};
use std::io;

/// Why a simulator could not be made or started.
#[derive(Debug)]
#[non_exhaustive]
pub enum SimError {
    /// The description is not that of a chip.
    Spec {
        /// The name of the chip.
        chip: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A field of the configuration is out of its range.
    Config {
        /// The field.
        field: &'static str,
        /// Its value.
        given: u64,
        /// The lowest allowed.
        low: u64,
        /// The highest allowed.
        high: u64,
    },
    /// The simulator runs already.
    Running,
    /// The system gave no thread.
    Thread {
        /// The threads that had been started before.
        started: u16,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for SimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec { chip, what } => write!(f, "`{chip}` is not a chip that can be simulated: {what}"),
            Self::Config { field, given, low, high } => {
                write!(f, "the simulator's {field} is {given}, allowed are {low} to {high}")
            }
            Self::Running => f.write_str("the simulator runs already; stop it before it is started again"),
            Self::Thread { started, source } => write!(
                f,
                "the simulator got no thread beyond {started}: {source}; ask for fewer threads, or raise the limit of \
                 the process"
            ),
        }
    }
}

impl core::error::Error for SimError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Thread { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// A breach of the dispatch protocol by whoever drives the cores. The simulator goes on as a chip would, so a task may
/// be lost or run with the arguments of another; the first breach is kept for [`Sim::fault`](crate::Sim::fault).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A dispatch to a core that the chip does not have.
    NoSuchLane {
        /// The core named.
        lane: LaneId,
        /// Cores that there are.
        cores: u16,
    },
    /// A dispatch to a core whose two places are both taken.
    TooMany {
        /// The core.
        lane: LaneId,
        /// The token of the dispatch.
        token: Token,
    },
    /// A dispatch under a token that is not below the exit word.
    BadToken {
        /// The core.
        lane: LaneId,
        /// The token.
        token: Token,
        /// The exit word.
        exit: u32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchLane { lane, cores } => {
                write!(f, "dispatch to core {} of a chip with {cores} cores", lane.0)
            }
            Self::TooMany { lane, token } => write!(
                f,
                "core {} got token {} while both its places were taken; a core takes one running and one pending",
                lane.0, token.0
            ),
            Self::BadToken { lane, token, exit } => {
                write!(f, "core {} got token {:#x}, allowed are 0 to {:#x}", lane.0, token.0, exit - 1)
            }
        }
    }
}

impl core::error::Error for Fault {}
