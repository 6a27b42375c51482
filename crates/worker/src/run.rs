//! A run that was launched: a handle to wait for it, watch it and end it, from any thread.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use prewire_ring::RunUsage;

use crate::error::{Error, Result};
use crate::inner::{Inner, Inside};

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RunReport {
    /// Tasks that were submitted; a group is one, allocations are none.
    pub tasks: u64,
    /// Members of tasks that children completed.
    pub executed: u64,
    /// From the first submit to the last completion.
    pub wall: Duration,
    /// What it took of the worker's rings and tensor map, of what there is.
    pub usage: RunUsage,
}

/// A run of a worker.
pub(crate) type Launched = prewire_runs::Launched<RunReport, Error>;

/// A run that goes on by itself, made by [`Worker::launch`](crate::Worker::launch).
///
/// Dropping the handle lets the run go on; if it fails, that is logged.
#[must_use = "wait for the run, or nobody hears whether it failed"]
pub struct Run {
    inner: Arc<Inner>,
    launched: Arc<Launched>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("site", &self.site())
            .field("over", &self.is_over())
            .finish_non_exhaustive()
    }
}

impl Run {
    pub(crate) const fn new(inner: Arc<Inner>, launched: Arc<Launched>) -> Self {
        Self { inner, launched }
    }

    /// Where it was launched.
    #[must_use]
    pub fn site(&self) -> &'static Location<'static> {
        self.launched.site
    }

    /// Whether it is over: then [`wait`](Run::wait) returns at once.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.launched.is_over()
    }

    /// Waits until the run is over, and returns what it came to. A run with a deadline is over soon after it, even if a
    /// callable, or the orchestration, never returns.
    ///
    /// # Errors
    ///
    /// As [`Worker::run`](crate::Worker::run); [`Error::Cancelled`]; [`Error::Overdue`]; or the orchestration panicked.
    /// Also if this is called inside a run.
    pub fn wait(self) -> Result<RunReport> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call: "Run::wait" });
        }
        let _ = self.inner.wait(None, || self.is_over().then_some(()));
        self.launched.take()
    }

    /// Waits until the run is over, but not longer than `limit`, and inside a run not at all. Whether it is over. The run
    /// goes on if it is not.
    ///
    /// # Errors
    ///
    /// It is not over: what the worker is doing.
    pub fn wait_for(&self, limit: Duration) -> Result<(), String> {
        let limit = if Inside::is_here() { Duration::ZERO } else { limit };
        let over = self.inner.wait(Some(limit), || self.is_over().then_some(()));
        over.ok_or_else(|| self.inner.doing())
    }

    /// Ends the run: what children run goes on to its end, what has not begun does not run, and the orchestration's next
    /// call is refused. The run then fails with [`Error::Cancelled`], unless it has failed before or is over. Does not
    /// wait.
    pub fn cancel(&self) {
        self.inner.cancel(&self.launched);
    }

    /// The first error of the run so far, while it goes on and after it.
    #[must_use]
    pub fn root_cause(&self) -> Option<String> {
        self.inner.cause_of(&self.launched);
        self.launched.cause()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.launched.leave();
    }
}
