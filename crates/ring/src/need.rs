//! What a task takes of its ring, and what is said when the ring has not got it.

use core::fmt;

/// What a task needs of its ring beside a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Need {
    /// Bytes of outputs.
    pub heap: u64,
    /// Edges.
    pub deps: u32,
    /// Argument words.
    pub args: u32,
}

/// What a ring is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The window has no free slot.
    Window,
    /// The heap has no room for the outputs.
    Heap,
    /// The dep-list pool has no room for the edges.
    Deps,
    /// The argument ring has no room for the arguments.
    Args,
}

/// Why nothing could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is short.
    pub shortage: Shortage,
    /// How much of it was wanted.
    pub wanted: u64,
    /// How much is in use.
    pub used: u64,
    /// How much there is.
    pub capacity: u64,
}

impl Blocked {
    /// Whether waiting cannot help: more is wanted than there is.
    #[must_use]
    pub const fn is_hopeless(&self) -> bool {
        self.wanted > self.capacity
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit) = match self.shortage {
            Shortage::Window => ("window", "slots"),
            Shortage::Heap => ("heap", "bytes"),
            Shortage::Deps => ("dep-list pool", "entries"),
            Shortage::Args => ("argument ring", "words"),
        };
        write!(f, "{what}: {} {unit} wanted, {} of {} in use", self.wanted, self.used, self.capacity)
    }
}
