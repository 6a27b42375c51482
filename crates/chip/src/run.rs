//! A run that was launched: a handle to wait for it, watch it and end it, from any thread.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prewire_os::clock;

use crate::chip::RunReport;
use crate::control::Control;
use crate::engine::Inside;
use crate::error::{Error, Result};
use crate::shared::Shared;
use crate::stall::{StallReason, StallReport};

/// How a run ended.
#[derive(Debug)]
enum Outcome {
    /// It has not.
    Open,
    /// What it came to, until somebody takes that.
    Over(Result<Box<RunReport>>),
    Taken,
}

/// What a launched run and its handle share.
pub(crate) struct Launched {
    pub(crate) control: Arc<Control>,
    outcome: Mutex<Outcome>,
}

impl Launched {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { control: Arc::default(), outcome: Mutex::new(Outcome::Open) })
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run is over; the first outcome counts.
    pub(crate) fn finish(&self, result: Result<RunReport>) {
        let mut outcome = self.outcome();
        if matches!(*outcome, Outcome::Open) {
            *outcome = Outcome::Over(result.map(Box::new));
        }
        drop(outcome);
        self.control.news().notify_all();
    }

    fn is_over(&self) -> bool {
        !matches!(*self.outcome(), Outcome::Open)
    }
}

/// A run that goes on by itself, made by [`Chip::launch`](crate::Chip::launch).
///
/// Dropping the handle lets the run go on; what it came to is then logged if it failed.
#[must_use = "wait for the run, or nobody hears whether it failed"]
pub struct Run {
    shared: Arc<Shared>,
    launched: Arc<Launched>,
    site: &'static Location<'static>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("site", &self.site).field("over", &self.is_over()).finish_non_exhaustive()
    }
}

impl Run {
    pub(crate) fn new(
        shared: Arc<Shared>,
        launched: Arc<Launched>,
        site: &'static Location<'static>,
    ) -> Self {
        Self { shared, launched, site }
    }

    /// Where it was launched.
    #[must_use]
    pub const fn site(&self) -> &'static Location<'static> {
        self.site
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
        let control = &self.launched.control;
        while !self.is_over() {
            let overdue = control.overdue();
            let changed = || (self.is_over() || control.overdue() != overdue).then_some(());
            let waited = control.news().wait_until(self.longest(overdue), changed);
            if waited.is_none() && !self.is_over() {
                self.give_up();
            }
        }
        match std::mem::replace(&mut *self.launched.outcome(), Outcome::Taken) {
            Outcome::Over(result) => result.map(|report| *report),
            Outcome::Open | Outcome::Taken => Err(Error::Cancelled),
        }
    }

    /// Waits until the run is over, but not longer than `limit`. The run goes on if it is not over by then.
    ///
    /// # Errors
    ///
    /// It is not over: what it is doing.
    pub fn wait_for(&self, limit: Duration) -> Result<(), Box<StallReport>> {
        let control = &self.launched.control;
        let over = control.news().wait_until(Some(limit), || self.is_over().then_some(()));
        over.ok_or_else(|| self.stall())
    }

    /// Ends the run: kernels that run go on to their end, what has not begun does not run, and the orchestration's next
    /// call is refused. The run then fails with [`Error::Cancelled`], unless it has failed before or is over. The chip can
    /// be used for further runs. Does not wait.
    pub fn cancel(&self) {
        self.shared.cancel(&self.launched.control);
    }

    /// What the chip is doing now, whether this run's or another's.
    #[must_use]
    pub fn stall(&self) -> Box<StallReport> {
        StallReport::of(&self.shared.engine, StallReason::Asked)
    }

    /// The first error of the run so far, while it goes on and after it.
    #[must_use]
    pub fn root_cause(&self) -> Option<String> {
        match &*self.launched.outcome() {
            Outcome::Over(Err(error)) => return Some(error.to_string()),
            Outcome::Over(Ok(_)) | Outcome::Taken => return None,
            Outcome::Open => {}
        }
        self.shared.cause_of(&self.launched.control)
    }

    /// How long to wait at most before the run counts as one that does not come back: twice as long as kernels are given
    /// after the run was overdue, for as long as it can it sees to that itself.
    fn longest(&self, overdue: Option<Duration>) -> Option<Duration> {
        let end = overdue?.saturating_add(self.shared.limits.patience.saturating_mul(2));
        Some(end.saturating_sub(clock::monotonic()))
    }

    /// The orchestration has not come back: it cannot be ended from outside, so the chip is lost.
    fn give_up(&self) {
        let reason = StallReason::Deadline(self.launched.control.allowed());
        let report = StallReport::of(&self.shared.engine, reason);
        self.shared
            .turn
            .lose(format!("the orchestration of the run at {} did not return: {report}", self.site));
        self.launched.finish(Err(Error::Stalled(report)));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Outcome::Over(Err(error)) = &*self.launched.outcome() {
            tracing::warn!(site = %self.site, %error, "a run failed, and nobody waited for it");
        }
    }
}
