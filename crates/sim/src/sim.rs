//! The simulator as its users see it: a chip that runs, and the memory beside it.

use crate::baton;
use crate::config::{Mode, SimConfig};
use crate::error::{Fault, SimError};
use crate::local;
use crate::memory::Memory;
use crate::peers::{self, PeerWait};
use crate::pool::Pool;
use crate::seeded::Seeded;
use crate::stats::{self, SimStats};
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use prewire_os::Pages;
use prewire_platform::{
    ChipSpec, DeviceMemory, Host, LaneId, LaneSet, LaneStatus, Lanes, MemoryError, Token, Work,
};
use prewire_sync::atomic::Ordering;

/// A simulated chip. It runs between [`start`](Sim::start) and [`stop`](Sim::stop), and can be started again.
///
/// Through [`Lanes`] it is driven as a chip is; through [`Host`] it calls back. One thread at a time may dispatch to a
/// core, which holds if a scheduler domain is driven by one thread at a time.
///
/// A host that keeps an `Arc<Sim>` and is not dropped otherwise keeps the simulator alive until `stop`.
///
/// ```
/// use prewire_platform::{Host, LaneId, LaneStatus, Lanes, Token, Work};
/// use prewire_sim::{Mode, Sim, SimConfig};
/// use std::sync::Arc;
///
/// struct Nothing;
/// impl Host for Nothing {
///     fn execute(&self, _: LaneId, _: Work) {}
///     fn poll(&self, _: u16) {}
///     fn has_ready(&self, _: u16) -> bool { false }
///     fn quiescent(&self) {}
/// }
///
/// let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default().mode(Mode::Seeded { seed: 1 }))?;
/// sim.start(Arc::new(Nothing))?;
/// sim.dispatch(LaneId(0), Token(2), Work::default());
/// assert!(sim.step());
/// assert_eq!(sim.status(LaneId(0)), LaneStatus::Finished(Token(2)));
/// # Ok::<(), prewire_sim::SimError>(())
/// ```
pub struct Sim {
    pool: Arc<Pool>,
    /// In seeded mode the pool has cores and no threads, and this drives them.
    seeded: Option<Seeded>,
    memory: Memory,
}

impl Sim {
    /// A chip as `spec` says, run as `config` says. Nothing runs before [`start`](Sim::start).
    ///
    /// # Errors
    ///
    /// [`SimError::Spec`], [`SimError::Config`].
    pub fn new(spec: ChipSpec, config: SimConfig) -> Result<Arc<Self>, SimError> {
        spec.validate().map_err(|what| SimError::Spec { chip: spec.name, what })?;
        let (base, most) = config.resolve(&spec)?;
        let seeded = match config.mode {
            Mode::Pool => None,
            Mode::Seeded { seed } => Some(Seeded::new(seed)),
        };
        // No thread of the pool runs a seeded one.
        let base = if seeded.is_none() { base } else { 1 };
        Ok(Arc::new(Self {
            pool: Pool::new(spec, base, most, config.grow_after),
            seeded,
            memory: Memory::new(config.memory_limit, config.machine_memory),
        }))
    }

    /// The chip that is simulated.
    #[must_use]
    pub fn spec(&self) -> &ChipSpec {
        &self.pool.cores.spec
    }

    /// Switches the cores on and, in pool mode, starts the threads that run them; they call `host` back. Every core is
    /// as if it had never run, with its dispatch path open. What was dispatched before is lost. The threads begin
    /// parked: [`kick`](Lanes::kick) once there is something to do.
    ///
    /// # Errors
    ///
    /// [`SimError::Running`], also on a worker that stopped the simulator itself; [`SimError::Thread`]. After an error the simulator does not run, and `host` is dropped.
    pub fn start(&self, host: Arc<dyn Host>) -> Result<(), SimError> {
        match &self.seeded {
            None => self.pool.start(host),
            Some(seeded) => seeded.start(&self.pool.cores, host),
        }
    }

    /// Ends the threads and waits until they have ended, drops the host, and switches the cores off. Kernels that run
    /// are waited for; those in [`wait_for_peer`](Sim::wait_for_peer) are told to return; work that nobody took up is
    /// lost. Does nothing if the simulator does not run. Called on a thread of the simulator it does not wait for that
    /// one; in seeded mode it does nothing in the middle of a step.
    pub fn stop(&self) {
        match &self.seeded {
            None => self.pool.stop(),
            Some(seeded) => {
                let _ = seeded.stop(&self.pool.cores);
            }
        }
    }

    /// As [`stop`](Sim::stop), but waits for the threads no longer than `patience`. Those whose kernels have not returned
    /// by then are left behind: each keeps the simulator and its host alive until its kernel returns, if ever, and
    /// then ends. Returns how many. A simulator that left threads behind cannot be started again before they have ended.
    ///
    /// In seeded mode kernels run on the thread that steps: while one does, nothing is stopped, and that thread is
    /// counted as left behind.
    pub fn abandon(&self, patience: Duration) -> usize {
        match &self.seeded {
            None => self.pool.abandon(patience),
            Some(seeded) => usize::from(!seeded.stop(&self.pool.cores)),
        }
    }

    /// In a kernel: waits until `look` is true, while other cores run. `look` is called at once and after each
    /// [`peer_news`](Sim::peer_news), on this thread. May be called from any thread.
    pub fn wait_for_peer(&self, look: &mut dyn FnMut() -> bool) -> PeerWait {
        match &self.seeded {
            None => peers::wait(&self.pool, look),
            Some(_) => baton::wait(look),
        }
    }

    /// In a kernel: runs `body`, which may wait for peers in a way of its own, such as a loop that looks at memory. Others run
    /// from its beginning on, each on a thread that is added if need be; without this such a wait is noticed after a while.
    /// In seeded mode there is no other thread: a wait in `body` never ends.
    pub fn while_waiting(&self, body: impl FnOnce()) {
        match &self.seeded {
            None => peers::while_waiting(&self.pool, body),
            Some(_) => body(),
        }
    }

    /// Something changed that a [`wait_for_peer`](Sim::wait_for_peer) looks at. What the caller wrote before is visible
    /// to the look. Cheap when nobody waits.
    pub fn peer_news(&self) {
        if self.seeded.is_none() {
            self.pool.peers.notify_all();
        }
    }

    /// Seeded mode: does one thing, drawn from the seed: runs one sub-task, lets one blocked kernel look again, or polls
    /// one domain. False if nothing can be done: no core has work, every blocked kernel goes on waiting, and a poll of
    /// every domain changed nothing. False in pool mode, and if called from inside a callback.
    pub fn step(&self) -> bool {
        self.seeded.as_ref().is_some_and(|s| s.step(&self.pool.cores, &self.pool.counters[0]))
    }

    /// Seeded mode: the virtual time, in steps that did something since [`start`](Sim::start) or [`rewind`](Sim::rewind). 0 in pool mode.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.seeded.as_ref().map_or(0, Seeded::now)
    }

    /// The calling thread, which is none of the simulator's, begins to make work for it: while it does, one thread of the
    /// simulator fewer runs cores, if more than one may, so that there are no more of them than processors. It is
    /// [`guest_goes`](Sim::guest_goes) that ends this; one that does not [go on](Sim::guest_goes_on) for a while loses its place
    /// by itself, until it goes on steadily again. One guest at a time. Does nothing in seeded mode.
    pub fn guest_comes(&self) {
        if self.seeded.is_none() {
            self.pool.guest_comes();
        }
    }

    /// The guest goes on to something else, or is about to wait.
    pub fn guest_goes(&self) {
        if self.seeded.is_none() {
            self.pool.guest_goes();
        }
    }

    /// The [guest](Sim::guest_comes) waits for something that the simulator brings about: looks for it until `look` has found it,
    /// or another thread would be of more use in the guest's place. That is after some 10 us; or, as long as sub-tasks are so
    /// brief that it is completing them that takes time, after 2 ms at most, or after `longest`. Then it is to
    /// [go](Sim::guest_goes) before it waits on. In seeded mode it looks once.
    ///
    /// ```
    /// use prewire_sim::{Sim, SimConfig};
    /// use std::time::Duration;
    ///
    /// let sim = Sim::new(prewire_a2a3::a2a3(), SimConfig::default())?;
    /// assert_eq!(sim.guest_lingers(Duration::MAX, || None::<u32>), None);
    /// assert_eq!(sim.guest_lingers(Duration::ZERO, || Some(7)), Some(7));
    /// # Ok::<(), prewire_sim::SimError>(())
    /// ```
    pub fn guest_lingers<T>(&self, longest: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if self.seeded.is_none() { self.pool.linger(longest, look) } else { look() }
    }

    /// The [guest](Sim::guest_comes) goes on: it has done one more thing that is part of its work, whether that has made any for
    /// the simulator yet or not. Does nothing in seeded mode.
    #[inline]
    pub fn guest_goes_on(&self) {
        if self.seeded.is_none() {
            self.pool.guest_goes_on();
        }
    }

    /// The guest has made work: as [`kick`](Lanes::kick), but no step of the guest and so cheaper. Does nothing in seeded mode.
    #[inline]
    pub fn guest_made_work(&self) {
        if self.seeded.is_none() {
            self.pool.wake();
        }
    }

    /// Whether a thread of the simulator has nothing to do, so that a processor is free. False in seeded mode.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.seeded.is_none() && self.pool.has_place()
    }

    /// Seeded mode: begins again with the seed and at time 0, so that what is run from here on has the same order whatever
    /// was run before. Only while nothing is dispatched. Does nothing in pool mode, or in the middle of a step.
    pub fn rewind(&self) {
        if let Some(seeded) = &self.seeded {
            seeded.rewind();
        }
    }

    /// The word at a byte offset in the register block of a core: the dispatch word, the condition word, or the word
    /// of the dispatch path. `None` for anything else.
    #[must_use]
    pub fn read_register(&self, lane: LaneId, byte_offset: u32) -> Option<u32> {
        self.pool.cores.register(lane, byte_offset)
    }

    /// Opens or closes the dispatch path of a core. A dispatch to a closed path is not taken up until it opens. False if
    /// the chip has no such core or no such word. Only while nobody dispatches to the core.
    pub fn set_path(&self, lane: LaneId, open: bool) -> bool {
        match self.pool.cores.set_path(lane, open) {
            None => false,
            Some(false) => true,
            Some(true) => {
                self.pool.cores.enqueue(local::stand_for(self.pool.id()), lane.0);
                self.pool.wake();
                true
            }
        }
    }

    /// The first breach of the dispatch protocol, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.pool.cores.fault()
    }

    /// What the simulator has done and what it holds.
    #[must_use]
    pub fn stats(&self) -> SimStats {
        let pool = &self.pool;
        let (threads, peak_threads, blocked) = match &self.seeded {
            Some(seeded) => seeded.threads(),
            None => {
                let (now, peak) = pool.threads();
                (now, peak, pool.blocked.load(Ordering::Relaxed) as u16)
            }
        };
        let view = pool.census.view();
        SimStats {
            threads,
            peak_threads,
            parked: if view.stopping() { 0 } else { view.parked() as u16 },
            blocked,
            executed: stats::executed(&pool.counters),
            returned: stats::returned(&pool.counters),
            polls: stats::polls(&pool.counters),
            grown: pool.grown.load(Ordering::Relaxed),
        }
    }
}

impl Sim {
    /// Makes memory of others a part of device memory: copies reach it, and kernels of this process too, at the address
    /// that is returned. It is not counted, and lives until it is [released](Sim::release).
    ///
    /// # Errors
    ///
    /// [`MemoryError::Overlaps`].
    pub fn adopt(&self, memory: Arc<dyn Pages>) -> Result<u64, MemoryError> {
        self.memory.adopt(memory)
    }

    /// Lets go of what was adopted at `addr`. The caller answers for it that no kernel uses it any more.
    ///
    /// # Errors
    ///
    /// [`MemoryError::NotAllocated`].
    pub fn release(&self, addr: u64) -> Result<(), MemoryError> {
        self.memory.release(addr)
    }
}

impl Lanes for Sim {
    #[inline]
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        let cores = &self.pool.cores;
        let id = self.pool.id();
        if cores.put(lane, token, work) && !local::offer(id, lane.0) {
            cores.enqueue(local::stand_for(id), lane.0);
        }
    }

    #[inline]
    fn status(&self, lane: LaneId) -> LaneStatus {
        self.pool.cores.status(lane)
    }

    #[inline]
    fn take_news(&self, domain: u16) -> LaneSet {
        self.pool.take_news(domain)
    }

    #[inline]
    fn kick(&self) {
        // A worker in its own poll sees to it when the poll has returned.
        if !local::is_polling(self.pool.id()) {
            self.pool.visited();
            self.pool.wake();
        }
    }
}

impl DeviceMemory for Sim {
    fn allocate(&self, bytes: u64) -> Result<u64, MemoryError> {
        self.memory.allocate(bytes)
    }

    fn free(&self, addr: u64) -> Result<(), MemoryError> {
        self.memory.free(addr)
    }

    fn write(&self, addr: u64, from: &[u8]) -> Result<(), MemoryError> {
        self.memory.write(addr, from)
    }

    fn read(&self, addr: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(addr, to)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("chip", &self.spec().name)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
