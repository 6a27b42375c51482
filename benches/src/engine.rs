//! An orchestrator and a scheduler on lanes that finish at once: the engine and nothing else.

use core::panic::Location;
use std::sync::Arc;

use prewire_abi::{LaneMask, ScopeMode, Shape, TaskId};
use prewire_orchestrator::{Args, Capacity, Orchestrator, ScopeKey, Setup};
use prewire_os::process;
use prewire_platform::{
    Awaited, ChipSpec, LaneId, LaneSet, LaneStatus, Lanes, Poll, Token, Wait, WaitEnd, Work,
};
use prewire_ring::{Cold, Packed, Ready, RingSizes, Rings, RunUsage, SlotRef};
use prewire_scheduler::{Env, Scheduler};
use prewire_sync::Gathering;
use prewire_sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use prewire_sync::hint::spin_loop;
use prewire_tensormap::Hazards;

/// Lanes that have finished whatever they are given.
#[derive(Debug)]
pub(crate) struct Instant {
    last: Vec<AtomicU32>,
    news: [AtomicU64; 2],
}

impl Lanes for Instant {
    fn dispatch(&self, lane: LaneId, token: Token, _: Work) {
        self.last[usize::from(lane.0)].store(token.0, Ordering::Relaxed);
        let (word, bit) = (usize::from(lane.0) / 64, lane.0 % 64);
        self.news[word].store(self.news[word].load(Ordering::Relaxed) | 1 << bit, Ordering::Relaxed);
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        LaneStatus::Finished(Token(self.last[usize::from(lane.0)].load(Ordering::Relaxed)))
    }

    fn take_news(&self, _: u16) -> LaneSet {
        let take = |word: &AtomicU64| {
            let news = word.load(Ordering::Relaxed);
            word.store(0, Ordering::Relaxed);
            u128::from(news)
        };
        LaneSet(take(&self.news[0]) | take(&self.news[1]) << 64)
    }

    fn kick(&self) {}
}

struct Always;

impl Env for Always {
    fn predicate_holds(&self, _: SlotRef) -> bool {
        true
    }
}

/// Waits by polling the scheduler on the same thread, or by looking again and again while another one does.
struct Poller<'s> {
    scheduler: &'s Scheduler<Instant>,
    alone: bool,
}

impl Wait for Poller<'_> {
    fn wait(&mut self, _: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        loop {
            match look() {
                Poll::Ready => return WaitEnd::Ready,
                Poll::Impossible => return WaitEnd::Impossible,
                Poll::Pending if self.alone => {
                    self.scheduler.poll(0, &Always);
                }
                Poll::Pending => spin_loop(),
            }
        }
    }

    fn published(&mut self) {}
}

/// An orchestrator and a scheduler on lanes that finish at once.
#[derive(Debug)]
pub struct Engine {
    orchestrator: Orchestrator,
    scheduler: Arc<Scheduler<Instant>>,
    /// No other thread polls.
    alone: bool,
    /// The arguments of the next task.
    pub args: Args,
}

/// A task on one vector core.
#[must_use]
#[inline]
pub fn vector_task() -> Packed {
    Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, callable: 0, ..Cold::default() }.into()
}

impl Engine {
    /// An engine of one scheduler domain on the cores of `spec`.
    ///
    /// # Panics
    ///
    /// If `sizes` are not legal.
    #[must_use]
    pub fn new(spec: ChipSpec, sizes: &RingSizes, hazards: Hazards) -> Self {
        let spec = spec.with_domains(1);
        let (rings, allocator) = Rings::new(sizes, spec.domains).expect("legal sizes");
        let ready = Arc::new(Ready::new(sizes));
        let lanes = Instant {
            last: (0..spec.cores()).map(|_| AtomicU32::new(0)).collect(),
            news: [AtomicU64::new(0), AtomicU64::new(0)],
        };
        let scheduler = Scheduler::new(spec, rings, Arc::clone(&ready), Arc::new(lanes));
        let orchestrator = Orchestrator::new(Setup {
            allocator,
            ready,
            heaps: [1 << 40, 2 << 40, 3 << 40, 4 << 40],
            limits: spec.limits,
            capacity: Capacity::chip(spec.clusters.into(), spec.aiv_cores().into()),
            tensor_map: sizes.tensor_map,
            hazards,
        });
        Self { orchestrator, scheduler: Arc::new(scheduler), alone: true, args: Args::default() }
    }

    /// Runs `body` on one processor while a thread polls on another.
    ///
    /// # Panics
    ///
    /// If `body` does.
    pub fn beside_a_poller<T: Send>(&mut self, body: impl FnOnce(&mut Self) -> T + Send) -> T {
        let (scheduler, over) = (Arc::clone(&self.scheduler), AtomicBool::new(false));
        self.alone = false;
        let engine = &mut *self;
        let ended = std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = process::run_on(1);
                // As a worker of the simulator looks for what the orchestration makes. All lanes are idle after a poll.
                let mut gathering = Gathering::default();
                while !over.load(Ordering::Relaxed) {
                    gathering.pause(|| false);
                    let first = scheduler.poll(0, &Always);
                    let mut found = first.any();
                    gathering.looked(first.dispatched);
                    while !found && !over.load(Ordering::Relaxed) {
                        spin_loop();
                        found = scheduler.poll(0, &Always).any();
                    }
                }
            });
            // On a thread that is over afterwards: what is started later is placed as this one is.
            let here = scope.spawn(|| {
                let _ = process::run_on(0);
                body(engine)
            });
            let ended = here.join();
            over.store(true, Ordering::Relaxed);
            ended
        });
        self.alone = true;
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs `body` in a run with one open scope, and drains it.
    pub fn run<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.start();
        let result = body(self);
        self.finish();
        result
    }

    /// Starts a run with one open scope.
    pub fn start(&mut self) {
        self.orchestrator.start_run();
        self.open();
    }

    /// Closes all scopes and drains the run.
    pub fn finish(&mut self) {
        let mut poller = Poller { scheduler: &self.scheduler, alone: self.alone };
        self.orchestrator.finish_run(&mut poller);
    }

    /// Opens a scope.
    ///
    /// # Panics
    ///
    /// If it is too deep.
    pub fn open(&mut self) {
        let mut poller = Poller { scheduler: &self.scheduler, alone: self.alone };
        self.orchestrator
            .open_scope(&mut poller, ScopeMode::Auto, Location::caller())
            .expect("a scope opens");
    }

    /// Closes the innermost scope.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn close(&mut self) {
        self.orchestrator.close_scope().expect("a scope is open");
    }

    /// Submits a vector task with `self.args`, in which its outputs are from then on.
    ///
    /// # Panics
    ///
    /// If it is refused.
    #[inline]
    pub fn submit(&mut self) -> TaskId {
        let mut poller = Poller { scheduler: &self.scheduler, alone: self.alone };
        self.orchestrator
            .submit(&mut poller, vector_task(), &mut self.args, Location::caller())
            .expect("the task is legal")
            .id
    }

    /// Polls the scheduler once.
    pub fn poll(&self) {
        self.scheduler.poll(0, &Always);
    }

    /// Polls until no task is left that could run.
    pub fn drain(&self) {
        while self.scheduler.poll(0, &Always).any() {}
    }

    /// The innermost scope, for arguments that were made in it.
    #[must_use]
    pub fn scope(&self) -> ScopeKey {
        self.orchestrator.scope()
    }

    /// What the last run took.
    #[must_use]
    pub fn usage(&self) -> RunUsage {
        self.orchestrator.usage()
    }

    /// The rings.
    #[must_use]
    pub fn rings(&self) -> &Rings {
        self.orchestrator.rings()
    }
}
