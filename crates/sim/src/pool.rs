//! The pool of threads that run the cores: who wakes whom, who starts whom, and how it ends.
//!
//! # No wake-up is lost
//!
//! *Work* is a lane in a queue, or a domain of which the host says that it has something ready, or that has news which a
//! worker has left for later (it polls for them itself before it looks for anything else to do). Whoever makes work
//! (1) makes it, (2) passes a `SeqCst` fence, (3) reads the census, and does nothing if a thread searches or as many
//! are active as may be. A thread that stops being one that will look (a) says so in the census, (b) passes a `SeqCst`
//! fence, (c) looks for work once more, and goes on or wakes another if there is some.
//!
//! - If (2) comes before (b), the look (c) sees the work.
//! - If (b) comes before (2), the read (3) sees what (a) wrote: that thread is not among those counted.
//!
//! So if (3) counts a thread, that thread looks again after the work was there. It looks when it parks, when it ends a
//! search as the last one that searched, and when its kernel blocks. The one that looks nowhere is a thread that parks
//! because more are active than may be: it does so in one step that leaves another one active, of which the same
//! holds. A thread that is active and gets nowhere, because its kernel waits in foreign code, is the watchman's.
//!
//! Work that is on the way from one place to another, lanes between two queues and left news that become told ones, is in
//! neither, and nobody who looks sees it. Whoever carries it makes it again where it arrives, by the same three steps, or
//! polls for it next. News that a worker has left are its own affair while it has enough to do, and others poll for them when they
//! have nothing, or at each turn; if it is in a long kernel and nobody comes, the watchman tells them.
//!
//! To wake is to grant: the waker counts the parked thread as active and searching and leaves a ticket, in one step,
//! so that a second waker sees somebody searching and does nothing. A batch of dispatches costs one wake at most; the
//! thread that was woken wakes the next one if it leaves work behind.

use crate::census::{Census, Plan};
use crate::cores::Cores;
use crate::error::SimError;
use crate::local;
use crate::seats::Seats;
use crate::stats::{AllCounters, counters};
use crate::watchman;
use crate::worker::Worker;
use alloc::sync::{Arc, Weak};
use core::time::Duration;
use prewire_os::Event;
use prewire_platform::{ChipSpec, Host, LaneId, LaneSet};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use prewire_sync::mutant;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

/// Bytes of stack of a worker: kernels are called on it.
const STACK: usize = 8 << 20;

/// What exists while the pool runs.
struct Running {
    host: Arc<dyn Host>,
    threads: Vec<JoinHandle<()>>,
}

/// The pool, and the cores that it runs.
pub(crate) struct Pool {
    pub(crate) cores: Cores,
    pub(crate) census: Padded<Census>,
    /// Where workers park.
    pub(crate) idle: Event,
    /// Where the watchman parks.
    pub(crate) watch: Event,
    /// Where kernels wait for their peers.
    pub(crate) peers: Event,
    pub(crate) counters: AllCounters,
    /// Where they run.
    pub(crate) seats: Seats,
    /// How often the guest has made work. Written by it alone, for each task: one guest comes after the other.
    made: Padded<AtomicU64>,
    /// How often somebody else who is no worker has, such as who polls for what was raised or ended outside. Raised by each of
    /// them: a count that goes back would make a guest that moves look like one that is stuck.
    visits: Padded<AtomicU64>,
    /// Workers that may be active when none is stuck.
    pub(crate) base: u16,
    /// Workers that there may be.
    pub(crate) most: u16,
    pub(crate) grow_after: Duration,
    /// Workers that exist. Written under the lock of `running`.
    workers: AtomicU32,
    /// Threads that have not ended. Raised by whoever starts one, lowered by it as the last thing that it does.
    alive: AtomicU32,
    /// Notified when a thread ends.
    ended: Event,
    /// The most threads that there were. Written under the lock of `running`.
    peak: AtomicU32,
    /// Kernels that are blocked. Written by the threads that they block.
    pub(crate) blocked: AtomicU32,
    /// How often the pool grew. Written by the watchman.
    pub(crate) grown: AtomicU64,
    running: Mutex<Option<Running>>,
    /// Held while the pool starts or stops, so that no thread of one run is there in the next. In it: workers that
    /// stopped the pool themselves and may not have ended.
    leaving: Mutex<Vec<JoinHandle<()>>>,
    this: Weak<Self>,
}

impl Pool {
    pub(crate) fn new(spec: ChipSpec, base: u16, most: u16, grow_after: Duration) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            cores: Cores::new(spec, base),
            census: Padded::new(Census::stopped()),
            idle: Event::new(),
            watch: Event::new(),
            peers: Event::new(),
            counters: counters(most),
            seats: Seats::new(most),
            made: Padded::default(),
            visits: Padded::default(),
            base,
            most,
            grow_after,
            workers: AtomicU32::new(0),
            alive: AtomicU32::new(0),
            ended: Event::new(),
            peak: AtomicU32::new(0),
            blocked: AtomicU32::new(0),
            grown: AtomicU64::new(0),
            running: Mutex::new(None),
            leaving: Mutex::new(Vec::new()),
            this: this.clone(),
        })
    }

    /// Names this pool to the threads that belong to it.
    #[inline]
    pub(crate) fn id(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

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

    pub(crate) fn stopping(&self) -> bool {
        self.census.view().stopping()
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

    /// A thread that is not of the pool becomes active for it.
    pub(crate) fn guest_comes(&self) {
        self.census.guest_comes();
        self.seats.note_guest(self.workers.load(Ordering::Relaxed) as u16);
    }

    /// It is so no longer: another thread may take its place.
    pub(crate) fn guest_goes(&self) {
        self.seats.leave(self.seats.guest());
        if !self.census.guest_goes() {
            return;
        }
        self.look_again();
        if !matches!(self.census.view().plan(), Plan::Grant | Plan::Start) {
            return;
        }
        // MUTANT "no-look-when-guest-goes": what was left to the guest's place stays where it is.
        if !mutant::skips("no-look-when-guest-goes") && self.host().is_some_and(|host| self.has_work(&*host))
        {
            self.wake();
        }
    }

    /// Whether fewer threads are active than may be.
    pub(crate) fn has_place(&self) -> bool {
        self.census.view().has_place()
    }

    /// The guest has made work.
    #[inline]
    pub(crate) fn guest_made(&self) {
        let before = self.made.load(Ordering::Relaxed);
        self.made.store(before.wrapping_add(1), Ordering::Relaxed);
    }

    /// Somebody who is neither a worker nor the guest has made work.
    #[inline]
    pub(crate) fn visited(&self) {
        self.visits.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes when somebody who is no worker makes work.
    pub(crate) fn visits(&self) -> u64 {
        self.made.load(Ordering::Relaxed).wrapping_add(self.visits.load(Ordering::Relaxed))
    }

    /// There is work that nobody may have seen: sees to it that somebody looks.
    #[inline]
    pub(crate) fn wake(&self) {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in look_again. Puts the work before the look at the
        // census.
        // MUTANT "wake-fence": the look at the census may come before the work.
        if !mutant::skips("wake-fence") {
            fence(Ordering::SeqCst);
        }
        if self.census.view().plan() != Plan::Nothing {
            self.wake_now();
        }
    }

    /// The calling thread has just stopped being one that will look, and said so in the census: whether it must look
    /// for work once more is answered after this.
    #[inline]
    pub(crate) fn look_again(&self) {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in wake. Puts the census before the look for work.
        // MUTANT "look-again-fence": the look for work may come before the census.
        if !mutant::skips("look-again-fence") {
            fence(Ordering::SeqCst);
        }
    }

    /// Carries out the plan.
    #[cold]
    fn wake_now(&self) {
        loop {
            let plan = self.census.view().plan();
            if plan == Plan::Start && self.workers.load(Ordering::Relaxed) >= u32::from(self.most) {
                return;
            }
            if !self.census.carry_out(plan) {
                continue;
            }
            match plan {
                Plan::Nothing => {}
                Plan::Grant => {
                    self.idle.notify_one();
                }
                Plan::Start => self.start_one(),
                Plan::Watch => {
                    self.watch.notify_one();
                }
            }
            return;
        }
    }

    /// Starts a worker that the census counts already.
    fn start_one(&self) {
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
                    tracing::warn!(%error, "the simulator got no further thread, and tries again; cores wait");
                }
                // He wakes the pool again each while, and so tries again.
                self.census.resume_watch();
                self.watch.notify_one();
            }
        }
    }

    /// The news of a domain, for the poll of the calling thread: what was told, and, if it is a worker, what it has run and left
    /// itself. What others have left is told by who polls for them, and by the watchman.
    #[inline]
    pub(crate) fn take_news(&self, domain: u16) -> LaneSet {
        let (cores, id) = (&self.cores, self.id());
        let mut news = cores.take_news(domain);
        if let Some(stand) = local::left(id) {
            news.0 |= cores.take_left(stand, domain).0;
        }
        if let Some(lane) = local::tell(id, |lane| cores.domain(lane) == domain) {
            news.insert(LaneId(lane));
        }
        news
    }

    /// Whether there is work: a lane in a queue, or a domain that is due.
    pub(crate) fn has_work(&self, host: &dyn Host) -> bool {
        self.cores.queued() || (0..self.cores.spec.domains).any(|domain| self.is_due(host, domain))
    }

    /// Whether a poll of `domain` would bring something about: it has something ready, or news that a worker has left.
    #[inline]
    pub(crate) fn is_due(&self, host: &dyn Host, domain: u16) -> bool {
        // MUTANT "no-look-at-news": what a worker has left is its own affair.
        (self.cores.has_news(domain) && !mutant::skips("no-look-at-news")) || host.has_ready(domain)
    }
}
