//! Whose turn it is: what a run works with is handed from one to the next, and what is lost hands it out no more.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::News;

#[derive(Debug)]
struct State<C> {
    /// Here between runs.
    conductor: Option<Box<C>>,
    /// Why there are no further runs.
    lost: Option<String>,
}

/// Hands a conductor, which one run at a time works with, to one caller after another.
#[derive(Debug)]
pub struct Turn<C> {
    state: Mutex<State<C>>,
    /// Told when the conductor is back, or lost.
    news: Arc<News>,
}

/// The caller whose turn it is; over when this is dropped.
#[derive(Debug)]
pub struct Held<'t, C> {
    turn: &'t Turn<C>,
    conductor: Option<Box<C>>,
}

impl<C> Turn<C> {
    /// With `conductor` free. Those who wait for `news` are told when it is back, or lost.
    #[must_use]
    pub fn new(conductor: C, news: Arc<News>) -> Self {
        Self { state: Mutex::new(State { conductor: Some(Box::new(conductor)), lost: None }), news }
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conductor, if it is here; the reason if nothing can run any more; none while it is another's turn.
    pub fn try_take(&self) -> Option<Result<Held<'_, C>, String>> {
        let mut state = self.state();
        if let Some(why) = &state.lost {
            return Some(Err(why.clone()));
        }
        let conductor = state.conductor.take()?;
        Some(Ok(Held { turn: self, conductor: Some(conductor) }))
    }

    /// From here on there are no turns. The first reason stays.
    pub fn lose(&self, why: String) {
        self.state().lost.get_or_insert(why);
        self.news.tell();
    }

    /// Why nothing can run any more, if it is.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    /// Whether there are no further runs.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }
}

impl<C> Deref for Held<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.conductor.as_ref().expect("it is given back by the drop alone")
    }
}

impl<C> DerefMut for Held<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.conductor.as_mut().expect("it is given back by the drop alone")
    }
}

impl<C> Drop for Held<'_, C> {
    fn drop(&mut self) {
        self.turn.state().conductor = self.conductor.take();
        self.turn.news.tell();
    }
}
