//! A run that was launched: a handle to wait for it, watch it and end it, from any thread.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::inside::Inside;
use crate::run_report::RunReport;
use crate::shared::Shared;
use crate::stall::{StallReason, StallReport};

/// A run of a chip.
pub(crate) type Launched = prewire_runs::Launched<RunReport, Error>;

/// A run that goes on by itself, made by [`Chip::launch`](crate::Chip::launch).
///
/// Dropping the handle lets the run go on; if it fails, that is logged.
#[must_use = "wait for the run, or nobody hears whether it failed"]
pub struct Run {
    shared: Arc<Shared>,
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
    pub(crate) fn new(shared: Arc<Shared>, launched: Arc<Launched>) -> Self {
        Self { shared, launched }
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
    /// kernel or the orchestration never returns: then the chip is lost.
    ///
    /// # Errors
    ///
    /// As [`Chip::run`](crate::Chip::run); [`Error::Cancelled`]; [`Error::Stalled`]; or the orchestration panicked.
    /// Also if this is called inside a run or a kernel.
    pub fn wait(self) -> Result<RunReport> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call: "Run::wait", hint: "" });
        }
        let _ = self.shared.wait(None, || self.is_over().then_some(()));
        self.launched.take()
    }

    /// Waits until the run is over, but not longer than `limit`, and inside a run or a kernel not at all. The run goes on
    /// if it is not over by then.
    ///
    /// # Errors
    ///
    /// It is not over: what it is doing.
    pub fn wait_for(&self, limit: Duration) -> Result<(), Box<StallReport>> {
        let limit = if Inside::is_here() { Duration::ZERO } else { limit };
        let over = self.shared.wait(Some(limit), || self.is_over().then_some(()));
        over.ok_or_else(|| self.stall())
    }

    /// Ends the run: kernels that run go on to their end, what has not begun does not run, and the orchestration's next
    /// call is refused. The run then fails with [`Error::Cancelled`], unless it has failed before or is over. The chip can
    /// be used for further runs. Does not wait. A kernel that never returns keeps a cancelled run from being over, unless
    /// the run has a deadline.
    pub fn cancel(&self) {
        self.shared.cancel(&self.launched);
    }

    /// What the chip is doing now, whether this run's or another's.
    #[must_use]
    pub fn stall(&self) -> Box<StallReport> {
        StallReport::of(&self.shared.engine, StallReason::Asked)
    }

    /// The first error of the run so far, while it goes on and after it.
    #[must_use]
    pub fn root_cause(&self) -> Option<String> {
        self.shared.cause_of(&self.launched);
        self.launched.cause()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.launched.leave();
    }
}
