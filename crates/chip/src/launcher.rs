//! The thread that launched runs go on: one a chip, started by the first launch. Runs follow one another in the order
//! in which they were launched.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use prewire_os::Event;
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A run that waits for its turn.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// Whether the thread has ended, and who waits for that.
#[derive(Debug)]
struct End {
    /// Written by the thread, once.
    ended: AtomicBool,
    event: Event,
}

/// How the thread ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// There is no such thread any more.
    Gone,
    /// It is the calling one, which ends after this.
    Myself,
    /// It has not come to its end, and is left to itself.
    Stuck,
}

#[derive(Debug)]
struct Started {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    end: Arc<End>,
}

/// The launched runs of a chip.
#[derive(Debug, Default)]
pub(crate) struct Launcher(Mutex<Option<Started>>);

fn main(jobs: &Receiver<Job>, end: &End) {
    while let Ok(job) = jobs.recv() {
        job();
    }
    end.ended.store(true, Ordering::Relaxed);
    end.event.notify_all();
}

impl Launcher {
    /// Puts `job` behind those that were launched before.
    pub(crate) fn launch(&self, job: Job) -> Result<()> {
        let mut started = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let started = match &mut *started {
            Some(started) => started,
            none => {
                let (sender, receiver) = channel();
                let end = Arc::new(End { ended: AtomicBool::new(false), event: Event::new() });
                let told = Arc::clone(&end);
                let thread = Builder::new().name("prewire-runs".into()).spawn(move || main(&receiver, &told));
                let thread = thread.map_err(Error::Thread)?;
                none.insert(Started { jobs: sender, thread, end })
            }
        };
        // The thread ends when the sender is dropped and not before: somebody is there to receive it.
        let _ = started.jobs.send(job);
        Ok(())
    }

    /// Ends the thread once it has carried out what was launched, and waits for that up to `patience`.
    pub(crate) fn end(&self, patience: Duration) -> Ended {
        let started = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Started { jobs, thread, end }) = started else { return Ended::Gone };
        drop(jobs);
        if thread.thread().id() == std::thread::current().id() {
            return Ended::Myself;
        }
        let ended = || end.ended.load(Ordering::Relaxed).then_some(());
        if end.event.wait_until(Some(patience), ended).is_none() {
            return Ended::Stuck;
        }
        // It does not unwind: an orchestration that panics is caught where it runs.
        let _ = thread.join();
        Ended::Gone
    }
}
