//! The thread that launched runs go on: one an owner, started by the first launch. Runs follow one another in the order
//! in which they were launched.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use prewire_os::Event;

use crate::RunError;
use crate::contain::contained;
use crate::launched::Launched;

/// Bytes of stack of the thread: as many as a program's first thread usually has, since orchestrations run on it.
const STACK: usize = 8 << 20;

/// What carries out a run. It finishes what it was launched with, however it ends.
pub type Job = Box<dyn FnOnce() + Send>;

struct Waiting<R, E> {
    jobs: VecDeque<(Arc<Launched<R, E>>, Job)>,
    /// No more will come.
    closed: bool,
    /// The thread has ended.
    ended: bool,
}

/// The runs that wait for the thread, shared with it.
struct Queue<R, E> {
    waiting: Mutex<Waiting<R, E>>,
    /// Notified when a run is launched, when no more will come, and when the thread ends.
    news: Event,
}

/// The launched runs of one owner.
pub struct Launcher<R, E> {
    queue: Arc<Queue<R, E>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<R, E> Default for Launcher<R, E> {
    fn default() -> Self {
        let waiting = Waiting { jobs: VecDeque::new(), closed: false, ended: false };
        let queue = Queue { waiting: Mutex::new(waiting), news: Event::new() };
        Self { queue: Arc::new(queue), thread: Mutex::new(None) }
    }
}

impl<R, E> std::fmt::Debug for Launcher<R, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launcher").field("waiting", &self.queue.waiting().jobs.len()).finish_non_exhaustive()
    }
}

impl<R, E> Queue<R, E> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<R, E>> {
        // Nothing of others runs while it is locked.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R, E: RunError> Queue<R, E> {
    /// The thread.
    fn main(&self) {
        let next = || {
            let mut waiting = self.waiting();
            let job = waiting.jobs.pop_front();
            if job.is_some() || waiting.closed { Some(job) } else { None }
        };
        while let Some(Some((launched, job))) = self.news.wait_until(None, next) {
            contained(job);
            launched.finish(Err(E::cancelled()));
        }
        self.waiting().ended = true;
        self.news.notify_all();
    }
}

impl<R: Send + 'static, E: RunError> Launcher<R, E> {
    /// Puts a run behind those that were launched before.
    ///
    /// # Errors
    ///
    /// No thread could be started for it.
    pub fn launch(&self, launched: Arc<Launched<R, E>>, job: Job) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let queue = Arc::clone(&self.queue);
            let started =
                Builder::new().name("prewire-runs".into()).stack_size(STACK).spawn(move || queue.main());
            *thread = Some(started?);
        }
        drop(thread);
        self.queue.waiting().jobs.push_back((launched, job));
        self.queue.news.notify_all();
        Ok(())
    }

    /// Finishes the runs that have not begun with `error`, without running them.
    pub fn drain(&self, error: impl Fn() -> E) {
        // One after the other: dropping what the program gave may call back.
        loop {
            let Some((launched, job)) = self.queue.waiting().jobs.pop_front() else { return };
            launched.finish(Err(error()));
            contained(|| drop(job));
        }
    }

    /// No more runs will be launched: the thread ends once it has carried out what is there.
    pub fn close(&self) {
        self.queue.waiting().closed = true;
        self.queue.news.notify_all();
    }

    /// Whether this is the thread of the launched runs.
    #[must_use]
    pub fn is_here(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| thread.thread().id() == std::thread::current().id())
    }

    /// After `close`: waits for the end of the thread, up to `limit`. Whether it has ended.
    #[must_use]
    pub fn wait_for_end(&self, limit: Option<Duration>) -> bool {
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
