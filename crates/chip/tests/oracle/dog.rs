//! A watchdog that knows which program runs. Invariant: a program that does not end in time is printed, and ends the
//! process.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What runs now: which in turn, and how it is printed.
type Watched = Option<Arc<dyn Fn() -> String + Send + Sync>>;

struct State {
    turn: u64,
    watched: Watched,
    done: bool,
}

/// Watches one program after the other.
pub(crate) struct Dog {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Dog {
    /// Every program has `limit`.
    pub(crate) fn new(limit: Duration) -> Self {
        let state = State { turn: 0, watched: None, done: false };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let (watch, test) = (Arc::clone(&shared), thread::current().name().unwrap_or("a test").to_owned());
        let thread = thread::spawn(move || {
            let (state, news) = &*watch;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            while !state.done {
                let turn = state.turn;
                let waited = news.wait_timeout_while(state, limit, |state| state.turn == turn && !state.done);
                let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = now;
                if timeout.timed_out()
                    && let Some(watched) = &state.watched
                {
                    eprintln!("{test}: a program has not ended after {limit:?}\n{}", watched());
                    std::process::abort();
                }
            }
        });
        Self { shared, thread: Some(thread) }
    }

    fn tell(&self, tell: impl FnOnce(&mut State)) {
        let mut state = self.shared.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.turn += 1;
        tell(&mut state);
        self.shared.1.notify_all();
    }

    /// Runs `work` under watch.
    pub(crate) fn watch<T>(
        &self,
        print: impl Fn() -> String + Send + Sync + 'static,
        work: impl FnOnce() -> T,
    ) -> T {
        self.tell(|state| state.watched = Some(Arc::new(print)));
        let result = work();
        self.tell(|state| state.watched = None);
        result
    }
}

impl Drop for Dog {
    fn drop(&mut self) {
        self.tell(|state| state.done = true);
        if let Some(thread) = self.thread.take() {
            // It does nothing that panics.
            let _ = thread.join();
        }
    }
}
