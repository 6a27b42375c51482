//! A place of the pipeline: the run that is in it, from its preparation until it is finalized. Invariant: a run leaves its
//! place by being finalized and in no other way, and a place has one run at a time.

use std::fmt;
use std::sync::Arc;

use prewire_chip::{Chip, Run};

use super::acceptance::Acceptance;
use super::callables::Content;
use super::sizes::Wanted;
use super::staging::{Buffer, Staged};
use crate::orchestration::Bound;

/// A run that was prepared.
pub(crate) struct Ready {
    /// Its callable, and the number of that.
    pub(crate) id: i32,
    pub(crate) content: Arc<Content>,
    /// What chip it wants, and the one that it was prepared for.
    pub(crate) wanted: Wanted,
    pub(crate) chip: Arc<Chip>,
    pub(crate) bound: Arc<Bound>,
    pub(crate) staged: Arc<Staged>,
    pub(crate) acceptance: Acceptance,
}

/// What is kept of a run that was launched.
#[derive(Clone)]
pub(crate) struct Kept {
    /// Its kernels stay registered.
    pub(crate) _bound: Arc<Bound>,
    pub(crate) staged: Arc<Staged>,
}

/// What a run came to: how its chip says it.
pub(crate) type Outcome = prewire_chip::Result<prewire_chip::RunReport>;

/// Where in its life the run of a place is.
#[derive(Default)]
pub(crate) enum Phase {
    /// There is none.
    #[default]
    Free,
    /// A call has it: it is being prepared, launched, waited for or finalized.
    Held(&'static str),
    /// It can be launched.
    Prepared(Ready),
    /// It goes on.
    Running(Run, Kept),
    /// It is over.
    Over(i32, Option<Kept>),
}

impl Phase {
    /// In a word.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Free => "not there",
            Self::Held(what) => what,
            Self::Prepared(_) => "prepared",
            Self::Running(..) => "launched",
            Self::Over(..) => "over",
        }
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A place of the pipeline.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The number of the run that is in it, or was last.
    pub(crate) number: u64,
    pub(crate) phase: Phase,
    /// What runs in it stage through. Whoever prepares a run has it.
    pub(crate) buffer: Buffer,
}
