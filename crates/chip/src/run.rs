//! A run that was launched: a handle to wait for it, watch it and end it, from any thread.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::chip::RunReport;
use crate::control::{Control, News};
use crate::engine::{Inside, text};
use crate::error::{Error, Result};
use crate::shared::Shared;
use crate::stall::{StallReason, StallReport};

/// How a run ended.
#[derive(Debug)]
enum Outcome {
    /// It has not.
    Open,
    /// It has not, and nobody will ask.
    Unasked,
    /// What it came to, until somebody takes that.
    Over(Result<Box<RunReport>>),
    Taken,
}

/// A run, as its handle and those who wait for it reach it.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) site: &'static Location<'static>,
    pub(crate) control: Control,
    outcome: Mutex<Outcome>,
    /// What its root cause said when it ended.
    cause: Mutex<Option<String>>,
    news: Arc<News>,
}

impl Launched {
    pub(crate) fn new(site: &'static Location<'static>, news: &Arc<News>) -> Arc<Self> {
        Arc::new(Self {
            site,
            control: Control::new(Arc::clone(news)),
            outcome: Mutex::new(Outcome::Open),
            cause: Mutex::new(None),
            news: Arc::clone(news),
        })
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the root cause says.
    pub(crate) fn note_cause(&self, cause: &Error) {
        self.note_text(&text(cause));
    }

    /// Keeps what the root cause says, as a text.
    pub(crate) fn note_text(&self, text: &str) {
        let mut kept = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_with(|| text.to_owned());
    }

    /// The run is over; the first outcome counts.
    pub(crate) fn finish(&self, result: Result<RunReport>) {
        if let Err(error) = &result
            && !self.is_over()
        {
            self.note_cause(error);
        }
        let mut outcome = self.outcome();
        match *outcome {
            Outcome::Open => *outcome = Outcome::Over(result.map(Box::new)),
            Outcome::Unasked => {
                *outcome = Outcome::Taken;
                drop(outcome);
                if let Err(error) = result {
                    unheard(self.site, &error);
                }
                return;
            }
            Outcome::Over(_) | Outcome::Taken => return,
        }
        drop(outcome);
        self.news.tell();
    }

    fn is_over(&self) -> bool {
        matches!(*self.outcome(), Outcome::Over(_) | Outcome::Taken)
    }
}

fn unheard(site: &'static Location<'static>, error: &Error) {
    tracing::warn!(site = %site, %error, "a run failed, and nobody waited for it");
}

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
        match std::mem::replace(&mut *self.launched.outcome(), Outcome::Taken) {
            Outcome::Over(result) => result.map(|report| *report),
            Outcome::Open | Outcome::Unasked | Outcome::Taken => Err(Error::Cancelled),
        }
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
        self.launched.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let mut outcome = self.launched.outcome();
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Over(Err(error)) => {
                drop(outcome);
                unheard(self.site(), &error);
            }
            Outcome::Open => *outcome = Outcome::Unasked,
            Outcome::Over(Ok(_)) | Outcome::Taken | Outcome::Unasked => {}
        }
    }
}
