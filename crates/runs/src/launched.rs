//! A run as its handle and those who wait for it reach it: where it was launched, how it came out, what its cause said.
//!
//! Invariant: the first outcome counts, and it is handed out once.

use std::fmt::Display;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::RunError;
use crate::contain::text;
use crate::control::{Control, News};

/// How a run ended.
#[derive(Debug)]
enum Outcome<R, E> {
    /// It has not.
    Open,
    /// It has not, and nobody will ask.
    Unasked,
    /// What it came to, until somebody takes that.
    Over(Result<Box<R>, E>),
    Taken,
}

/// A run, as its handle and those who wait for it reach it.
#[derive(Debug)]
pub struct Launched<R, E> {
    /// Where it was launched.
    pub site: &'static Location<'static>,
    /// What is asked of it from outside.
    pub control: Control,
    outcome: Mutex<Outcome<R, E>>,
    /// What its root cause said when it ended.
    cause: Mutex<Option<String>>,
    news: Arc<News>,
}

impl<R, E: RunError> Launched<R, E> {
    /// A run that has not begun. Those who wait for `news` are told when it is over.
    #[must_use]
    pub fn new(site: &'static Location<'static>, news: &Arc<News>) -> Arc<Self> {
        Arc::new(Self {
            site,
            control: Control::new(Arc::clone(news)),
            outcome: Mutex::new(Outcome::Open),
            cause: Mutex::new(None),
            news: Arc::clone(news),
        })
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome<R, E>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what the root cause says.
    pub fn note_cause(&self, cause: &E) {
        self.note_text(&text(cause));
    }

    /// Keeps what the root cause says, as a text.
    pub fn note_text(&self, text: &str) {
        let mut kept = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert_with(|| text.to_owned());
    }

    /// The run is over; the first outcome counts.
    pub fn finish(&self, result: Result<R, E>) {
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

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(*self.outcome(), Outcome::Over(_) | Outcome::Taken)
    }

    /// What it came to, for the one who asks first and not before it is over.
    ///
    /// # Errors
    ///
    /// What the run failed of; and cancelled, to who asks too early or second.
    pub fn take(&self) -> Result<R, E> {
        match std::mem::replace(&mut *self.outcome(), Outcome::Taken) {
            Outcome::Over(result) => result.map(|report| *report),
            Outcome::Open | Outcome::Unasked | Outcome::Taken => Err(E::cancelled()),
        }
    }

    /// What its root cause said, as far as that is known.
    #[must_use]
    pub fn cause(&self) -> Option<String> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody will ask: if it fails, or has failed, that is logged.
    pub fn leave(&self) {
        let mut outcome = self.outcome();
        match std::mem::replace(&mut *outcome, Outcome::Taken) {
            Outcome::Over(Err(error)) => {
                drop(outcome);
                unheard(self.site, &error);
            }
            Outcome::Open => *outcome = Outcome::Unasked,
            Outcome::Over(Ok(_)) | Outcome::Taken | Outcome::Unasked => {}
        }
    }
}

fn unheard(site: &'static Location<'static>, error: &impl Display) {
    crate::event!(warn, site = %site, %error, "a run failed, and nobody waited for it");
}
