//! Whose turn it is: what a run works with is handed from one to the next, and a lost chip hands it out no more.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_orchestrator::{Args, Orchestrator};

use crate::control::News;
use crate::tight::Tight;

/// What one run at a time works with.
#[derive(Debug)]
pub(crate) struct Conductor {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) args: Args,
    pub(crate) tight: Tight,
}

#[derive(Debug)]
struct State {
    /// Here between runs.
    conductor: Option<Box<Conductor>>,
    /// Why there are no further runs.
    lost: Option<String>,
}

/// Hands the conductor to one caller after another.
#[derive(Debug)]
pub(crate) struct Turn {
    state: Mutex<State>,
    /// Told when the conductor is back, or lost.
    news: Arc<News>,
}

/// The caller whose turn it is; over when this is dropped.
#[derive(Debug)]
pub(crate) struct Held<'t> {
    turn: &'t Turn,
    conductor: Option<Box<Conductor>>,
}

impl Turn {
    pub(crate) fn new(conductor: Conductor, news: Arc<News>) -> Self {
        Self { state: Mutex::new(State { conductor: Some(Box::new(conductor)), lost: None }), news }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is locked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The conductor, if it is here; the reason if the chip is lost; none while it is another's turn.
    pub(crate) fn try_take(&self) -> Option<Result<Held<'_>, String>> {
        let mut state = self.state();
        if let Some(why) = &state.lost {
            return Some(Err(why.clone()));
        }
        let conductor = state.conductor.take()?;
        Some(Ok(Held { turn: self, conductor: Some(conductor) }))
    }

    /// From here on there are no turns. The first reason stays.
    pub(crate) fn lose(&self, why: String) {
        self.state().lost.get_or_insert(why);
        self.news.tell();
    }

    /// Why the chip is lost, if it is.
    pub(crate) fn lost(&self) -> Option<String> {
        self.state().lost.clone()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }
}

impl Deref for Held<'_> {
    type Target = Conductor;

    fn deref(&self) -> &Conductor {
        self.conductor.as_ref().expect("it is given back by the drop alone")
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Conductor {
        self.conductor.as_mut().expect("it is given back by the drop alone")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.turn.state().conductor = self.conductor.take();
        self.turn.news.tell();
    }
}
