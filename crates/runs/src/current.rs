//! The run that goes on, and how it is ended from inside and outside.
//!
//! **Invariant: no end is meant for one run and hits another.** Whoever ends a run holds the lock, and so does the run
//! when it begins and when it is over.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::{Cause, Launched, RunError};

/// What runs one run after the other.
pub trait Runner {
    /// What its runs fail with.
    type Error: RunError;

    /// Where the root cause of the run that goes on is kept.
    fn cause(&self) -> &Cause<Self::Error>;

    /// Takes the root cause of the run that has ended, if it failed, and makes it whole.
    fn take_cause(&self) -> Option<Self::Error>;

    /// Ends the run that goes on: what has not begun will not.
    fn end_run(&self);
}

type Going<R, E> = Option<Arc<Launched<R, E>>>;

/// The run that goes on.
#[derive(Debug)]
pub struct Current<R, E> {
    /// Written by the run when it begins and when it is over.
    going: Mutex<Going<R, E>>,
    /// No further run is to do anything. Written by the owner of the runs, under the lock.
    closing: AtomicBool,
}

impl<R, E> Default for Current<R, E> {
    fn default() -> Self {
        Self { going: Mutex::new(None), closing: AtomicBool::new(false) }
    }
}

impl<R, E: RunError> Current<R, E> {
    /// The run that goes on. It neither begins nor ends while this is held.
    pub fn lock(&self) -> MutexGuard<'_, Going<R, E>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is(going: &Going<R, E>, run: &Arc<Launched<R, E>>) -> bool {
        going.as_ref().is_some_and(|going| Arc::ptr_eq(going, run))
    }

    /// `run` begins: from here on it can be ended from outside. One that was cancelled before ends at once.
    pub fn begin(&self, run: &Arc<Launched<R, E>>, runner: &impl Runner<Error = E>) {
        drop(runner.take_cause());
        let mut going = self.lock();
        *going = Some(Arc::clone(run));
        if run.control.is_cancelled() || self.closing.load(Ordering::Relaxed) {
            end_cancelled(runner);
        }
    }

    /// The run is over: its root cause, if it failed.
    pub fn end(&self, runner: &impl Runner<Error = E>) -> Option<E> {
        let run = self.lock().take();
        let cause = runner.take_cause();
        if let (Some(run), Some(cause)) = (run, &cause) {
            run.note_cause(cause);
        }
        cause
    }

    /// Ends `run`, or keeps it from doing anything when its turn comes.
    pub fn cancel(&self, run: &Arc<Launched<R, E>>, runner: &impl Runner<Error = E>) {
        let going = self.lock();
        run.control.cancel();
        if Self::is(&going, run) {
            end_cancelled(runner);
        }
    }

    /// Has `run` note what its root cause says so far, if it goes on.
    pub fn note_cause(&self, run: &Arc<Launched<R, E>>, runner: &impl Runner<Error = E>) {
        let going = self.lock();
        if Self::is(&going, run) {
            runner.cause().so_far().iter().for_each(|text| run.note_text(text));
        }
    }

    /// Ends the run that goes on, and gives what it runs `patience` from now on. Later ones end as they begin.
    pub fn close(&self, patience: Duration, runner: &impl Runner<Error = E>) {
        let going = self.lock();
        self.closing.store(true, Ordering::Relaxed);
        if let Some(run) = &*going {
            run.control.lose_patience(patience);
            end_cancelled(runner);
        }
    }
}

/// Ends the run that goes on as cancelled. The lock is held.
fn end_cancelled<E: RunError>(runner: &impl Runner<Error = E>) {
    runner.cause().note(E::cancelled());
    runner.end_run();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::News;
    use prewire_sync::atomic::AtomicU32;
    use std::fmt;
    use std::panic::Location;

    #[derive(Debug, PartialEq, Eq)]
    enum Failed {
        Cancelled,
        Kernel,
    }

    impl fmt::Display for Failed {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{self:?}")
        }
    }

    impl std::error::Error for Failed {}

    impl RunError for Failed {
        fn cancelled() -> Self {
            Self::Cancelled
        }
    }

    /// Counts how often a run was ended.
    #[derive(Default)]
    struct Counting {
        cause: Cause<Failed>,
        ended: AtomicU32,
    }

    impl Counting {
        fn ended(&self) -> u32 {
            self.ended.load(Ordering::Relaxed)
        }
    }

    impl Runner for Counting {
        type Error = Failed;

        fn cause(&self) -> &Cause<Failed> {
            &self.cause
        }

        fn take_cause(&self) -> Option<Failed> {
            self.cause.take()
        }

        fn end_run(&self) {
            self.ended.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn run() -> Arc<Launched<(), Failed>> {
        Launched::new(Location::caller(), &Arc::<News>::default())
    }

    #[test]
    fn a_cancel_hits_its_own_run_alone() {
        let (current, runner, first, second) = (Current::default(), Counting::default(), run(), run());
        current.begin(&first, &runner);
        current.cancel(&second, &runner);
        assert_eq!((runner.ended(), current.end(&runner)), (0, None));
        current.begin(&second, &runner);
        assert_eq!((runner.ended(), current.end(&runner)), (1, Some(Failed::Cancelled)));
        current.cancel(&second, &runner);
        assert_eq!(runner.ended(), 1, "a run that is over was ended");
    }

    #[test]
    fn what_failed_first_stays_the_cause_and_is_not_handed_on() {
        let (current, runner, first, second) = (Current::default(), Counting::default(), run(), run());
        current.begin(&first, &runner);
        runner.cause.note(Failed::Kernel);
        current.note_cause(&second, &runner);
        current.note_cause(&first, &runner);
        assert_eq!((first.cause().as_deref(), second.cause()), (Some("Kernel"), None));
        current.cancel(&first, &runner);
        assert_eq!(current.end(&runner), Some(Failed::Kernel));
        runner.cause.note(Failed::Kernel);
        current.begin(&second, &runner);
        assert_eq!(current.end(&runner), None, "the cause of nobody's failure became a run's");
    }

    #[test]
    fn after_the_close_runs_end_as_they_begin() {
        let (current, runner, first, second) = (Current::default(), Counting::default(), run(), run());
        current.begin(&first, &runner);
        current.close(Duration::ZERO, &runner);
        assert_eq!((runner.ended(), current.end(&runner)), (1, Some(Failed::Cancelled)));
        assert!(first.control.give_up().is_some());
        current.begin(&second, &runner);
        assert_eq!((runner.ended(), current.end(&runner)), (2, Some(Failed::Cancelled)));
    }
}
