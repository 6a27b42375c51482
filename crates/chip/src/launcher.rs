//! The thread that launched runs go on: one a chip, started by the first launch. Runs follow one another in the order
//! in which they were launched.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use prewire_os::Event;

use crate::error::{Error, Result};
use crate::run::Launched;

/// What carries out a run. It finishes what it was launched with, however it ends.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Arc<Launched>, Job)>,
    /// No more will come.
    closed: bool,
    /// The thread has ended.
    ended: bool,
}

/// The runs that wait for the thread, shared with it.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Notified when a run is launched, when no more will come, and when the thread ends.
    news: Event,
}

/// The launched runs of a chip.
#[derive(Default)]
pub(crate) struct Launcher {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Launcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launcher").field("waiting", &self.queue.waiting().jobs.len()).finish_non_exhaustive()
    }
}

/// Runs `what`, and lets nothing that it throws, or that dropping that throws, get any further.
pub(crate) fn contained(what: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(what)) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
    }
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        // Nothing of others runs while it is locked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn main(&self) {
        let next = || {
            let mut waiting = self.waiting();
            let job = waiting.jobs.pop_front();
            if job.is_some() || waiting.closed { Some(job) } else { None }
        };
        while let Some(Some((launched, job))) = self.news.wait_until(None, next) {
            contained(job);
            launched.finish(Err(Error::Cancelled));
        }
        self.waiting().ended = true;
        self.news.notify_all();
    }
}

impl Launcher {
    /// Puts a run behind those that were launched before.
    pub(crate) fn launch(&self, launched: Arc<Launched>, job: Job) -> Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let queue = Arc::clone(&self.queue);
            let started = Builder::new().name("prewire-runs".into()).spawn(move || queue.main());
            *thread = Some(started.map_err(Error::Thread)?);
        }
        drop(thread);
        self.queue.waiting().jobs.push_back((launched, job));
        self.queue.news.notify_all();
        Ok(())
    }

    /// Finishes the runs that have not begun with `error`, without running them.
    pub(crate) fn drain(&self, error: impl Fn() -> Error) {
        // One after the other: dropping what the program gave may call back.
        loop {
            let Some((launched, job)) = self.queue.waiting().jobs.pop_front() else { return };
            launched.finish(Err(error()));
            contained(|| drop(job));
        }
    }

    /// No more runs will be launched: the thread ends once it has carried out what is there.
    pub(crate) fn close(&self) {
        self.queue.waiting().closed = true;
        self.queue.news.notify_all();
    }

    /// Whether this is the thread of the launched runs.
    pub(crate) fn is_here(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id())
    }

    /// After `close`: waits for the end of the thread, up to `limit`. Whether it has ended.
    pub(crate) fn wait_for_end(&self, limit: Option<Duration>) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            return true;
        }
        let ended = self.queue.news.wait_until(limit, || self.queue.waiting().ended.then_some(()));
        if ended.is_some()
            && let Some(thread) = thread.take()
        {
            // It does not unwind.
            let _ = thread.join();
        }
        ended.is_some()
    }
}
