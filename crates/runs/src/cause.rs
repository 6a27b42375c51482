//! The first error of a run: its root cause. What followed from it never replaces it.

use std::sync::{Arc, Mutex, PoisonError};

use crate::RunError;
use crate::contain::text;

/// Where whoever fails a run leaves the reason.
#[derive(Debug)]
pub struct Cause<E> {
    /// Written once a run, by the first who fails it.
    first: Mutex<Option<(E, Arc<str>)>>,
}

impl<E> Default for Cause<E> {
    fn default() -> Self {
        Self { first: Mutex::new(None) }
    }
}

impl<E: RunError> Cause<E> {
    /// Keeps `error` if it is the first of the run.
    pub fn note(&self, error: E) {
        // What an error of the program's own says is the program's code: nothing is locked, and nothing gets out.
        let said = Arc::<str>::from(text(&error));
        let mut cause = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((_, first)) = &*cause else {
            *cause = Some((error, said));
            return;
        };
        let first = Arc::clone(first);
        drop(cause);
        crate::event!(debug, error = %said, cause = %first, "an error after the root cause");
    }

    /// The root cause of the run that has ended, if it failed. The next run starts without one.
    pub fn take(&self) -> Option<E> {
        let cause = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        cause.map(|(error, _)| error)
    }

    /// Whether the run has failed so far.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What the run's root cause says so far, if there is one.
    #[must_use]
    pub fn so_far(&self) -> Option<Arc<str>> {
        let cause = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        cause.as_ref().map(|(_, text)| Arc::clone(text))
    }
}
