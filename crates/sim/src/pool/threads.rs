//! The threads of a pool: how they start, how one more is added, and how they end.
//!
//! **Invariant: no thread of one run is there in the next.** Whoever starts or stops the pool holds `leaving`, and a start joins
//! what a stop has left behind. A worker that stops the pool cannot wait for itself; nor for a thread that waits for it.

use super::Pool;
use crate::error::SimError;
use crate::local;
use crate::watchman;
use crate::worker::Worker;
use alloc::sync::Arc;
use core::time::Duration;
use prewire_platform::Host;
use prewire_runs::event;
use prewire_sync::atomic::Ordering;
use std::io;
use std::sync::{MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

/// Bytes of stack of a worker: kernels are called on it.
const STACK: usize = 8 << 20;

/// What exists while the pool runs.
pub(super) struct Running {
    host: Arc<dyn Host>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    // A panic while the lock is held happens between whole steps only.
    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host, while the pool runs.
    pub(crate) fn host(&self) -> Option<Arc<dyn Host>> {
        self.running().as_ref().map(|r| r.host.clone())
    }

    /// Threads now, and the most that there were.
    pub(crate) fn threads(&self) -> (u16, u16) {
        let workers = self.workers.load(Ordering::Relaxed);
        let watchman = u32::from(workers > 0 && self.base < self.most);
        ((workers + watchman) as u16, self.peak.load(Ordering::Relaxed) as u16)
    }

    /// Starts the workers, parked, and the watchman.
    pub(crate) fn start(&self, host: Arc<dyn Host>) -> Result<(), SimError> {
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        if leaving.iter().any(|thread| thread.thread().id() == thread::current().id()) {
            return Err(SimError::Running);
        }
        for thread in leaving.drain(..) {
            let _ = thread.join();
        }
        let mut running = self.running();
        if running.is_some() {
            return Err(SimError::Running);
        }
        let started = self.open(&mut running, host);
        for _ in 0..self.base {
            if let Err(source) = self.add_worker(started, false) {
                drop(running);
                return Err(self.give_up(source, &mut leaving));
            }
        }
        if self.base < self.most
            && let Err(source) = self.add_watchman(started)
        {
            drop(running);
            return Err(self.give_up(source, &mut leaving));
        }
        Ok(())
    }

    /// A pool whose threads are yet to be added: the cores are on, and the census counts the workers as parked.
    fn open<'a>(&self, running: &'a mut Option<Running>, host: Arc<dyn Host>) -> &'a mut Running {
        self.cores.power_on();
        self.census.open(self.base);
        running.insert(Running { host, threads: Vec::new() })
    }

    /// As a start, with the threads left to the model.
    #[cfg(all(test, prewire_loom))]
    pub(crate) fn open_for_model(&self, host: Arc<dyn Host>) {
        let _ = self.open(&mut self.running(), host);
    }

    /// Undoes a start that failed.
    fn give_up(&self, source: io::Error, leaving: &mut Vec<JoinHandle<()>>) -> SimError {
        let started = self.threads().0;
        self.end(leaving);
        SimError::Thread { started, source }
    }

    fn add(
        &self,
        to: &mut Running,
        name: String,
        main: impl FnOnce(&Self, &dyn Host) + Send + 'static,
    ) -> io::Result<()> {
        let Some(pool) = self.this.upgrade() else { return Err(io::ErrorKind::NotFound.into()) };
        let host = to.host.clone();
        self.alive.fetch_add(1, Ordering::Relaxed);
        let thread = thread::Builder::new().name(name).stack_size(STACK).spawn(move || {
            main(&pool, &*host);
            drop(host);
            pool.alive.fetch_sub(1, Ordering::Relaxed);
            pool.ended.notify_all();
        });
        let thread = thread.inspect_err(|_| {
            self.alive.fetch_sub(1, Ordering::Relaxed);
        })?;
        to.threads.push(thread);
        let threads = to.threads.len() as u32;
        self.peak.fetch_max(threads, Ordering::Relaxed);
        Ok(())
    }

    fn add_worker(&self, to: &mut Running, granted: bool) -> io::Result<()> {
        let number = self.workers.load(Ordering::Relaxed) as u16;
        let main = move |pool: &Self, host: &dyn Host| Worker::main(pool, host, number, granted);
        self.add(to, format!("prewire-sim-{number}"), main)?;
        self.workers.store(u32::from(number) + 1, Ordering::Relaxed);
        Ok(())
    }

    fn add_watchman(&self, to: &mut Running) -> io::Result<()> {
        self.add(to, "prewire-sim-w".to_owned(), watchman::main)
    }

    /// Ends the threads, waits until they have ended (except for the calling one), and drops the host. Kernels that
    /// run are waited for; those that wait for a peer are told. Does nothing if the pool does not run. On a worker that
    /// another thread waits for in its own stop, it leaves the rest to that thread.
    pub(crate) fn stop(&self) {
        self.census.stop();
        let guard = if local::is_worker_of(self.id()) {
            self.leaving.try_lock()
        } else {
            self.leaving.lock().map_err(TryLockError::from)
        };
        match guard {
            Ok(mut leaving) => self.end(&mut leaving),
            Err(TryLockError::Poisoned(poisoned)) => self.end(&mut poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// As `stop`, but gives up on threads that have not ended after `patience`: how many.
    pub(crate) fn abandon(&self, patience: Duration) -> usize {
        self.census.stop();
        let mut leaving = self.leaving.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(running) = self.dismiss() else { return 0 };
        let gone = || (self.alive.load(Ordering::Relaxed) == 0).then_some(());
        let _ = self.ended.wait_until(Some(patience), gone);
        // Whoever was counted as ended is about to end; the others are joined by a later start, if they ever end.
        let (ended, stuck): (Vec<_>, Vec<_>) = running.threads.into_iter().partition(JoinHandle::is_finished);
        ended.into_iter().for_each(|thread| drop(thread.join()));
        let left = self.alive.load(Ordering::Relaxed) as usize;
        leaving.extend(stuck);
        self.workers.store(0, Ordering::Relaxed);
        left
    }

    /// Tells the threads to end. What ran, if the pool did.
    fn dismiss(&self) -> Option<Running> {
        let running = self.running().take()?;
        // Again: a start may have come in between.
        self.census.stop();
        self.idle.notify_all();
        self.watch.notify_all();
        self.peers.notify_all();
        Some(running)
    }

    /// Ends the threads; a worker that does this itself goes to `leaving`.
    fn end(&self, leaving: &mut Vec<JoinHandle<()>>) {
        let Some(running) = self.dismiss() else { return };
        for thread in running.threads {
            if thread.thread().id() == thread::current().id() {
                leaving.push(thread);
            } else {
                // A worker does not unwind: its thread would have ended the process.
                let _ = thread.join();
            }
        }
        self.workers.store(0, Ordering::Relaxed);
        self.cores.power_off();
    }

    /// Starts a worker that the census counts already.
    pub(super) fn start_one(&self) {
        let mut running = self.running();
        let added = match running.as_mut() {
            Some(to) if self.workers.load(Ordering::Relaxed) < u32::from(self.most) => {
                self.add_worker(to, true)
            }
            _ => Err(io::ErrorKind::WouldBlock.into()),
        };
        if let Err(error) = added {
            self.census.not_started();
            if error.kind() != io::ErrorKind::WouldBlock {
                if !self.census.view().watching() {
                    event!(warn, %error, "the simulator got no further thread, and tries again; cores wait");
                }
                // He wakes the pool again each while, and so tries again.
                self.census.resume_watch();
                self.watch.notify_one();
            }
        }
    }
}
