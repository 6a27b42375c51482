//! How long the runs of a chip may take.

use std::time::Duration;

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A run, from its start.
    pub(crate) deadline: Option<Duration>,
    /// A run in which no kernel begins or ends.
    pub(crate) stall: Option<Duration>,
    /// Kernels, after their run was ended.
    pub(crate) patience: Duration,
}

impl Limits {
    pub(crate) const fn new() -> Self {
        Self { deadline: None, stall: None, patience: Duration::from_secs(5) }
    }
}
