//! Benchmarks of prewire, one file a subsystem under `benches/benches`; and what they share: an engine on lanes that
//! finish at once, driven by one thread.
//!
//! `cargo bench --package prewire-benches` runs them all, `--bench engine` one file. The numbers are for comparing two
//! versions on one machine, not for comparing machines.
#![forbid(unsafe_code)]

extern crate alloc;

pub mod taskbench;

use alloc::sync::Arc;
use core::panic::Location;

use prewire_abi::{ScopeMode, Shape};
use prewire_orchestrator::{Args, Capacity, Orchestrator, Setup};
use prewire_platform::{
    Awaited, ChipSpec, LaneId, LaneSet, LaneStatus, Lanes, Poll, Token, Wait, WaitEnd, Work,
};
use prewire_ring::{Cold, Ready, RingSizes, Rings, SlotRef};
use prewire_scheduler::{Env, Scheduler};
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_tensormap::Hazards;

/// Lanes that have finished whatever they are given.
#[derive(Debug)]
pub struct Instant {
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

/// Waits by polling the scheduler on the same thread.
struct Poller<'s>(&'s Scheduler<Instant>);

impl Wait for Poller<'_> {
    fn wait(&mut self, _: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        loop {
            match look() {
                Poll::Ready => return WaitEnd::Ready,
                Poll::Impossible => return WaitEnd::Impossible,
                Poll::Pending => {
                    self.0.poll(0, &Always);
                }
            }
        }
    }

    fn published(&mut self) {}
}

/// An orchestrator and a scheduler on lanes that finish at once.
#[derive(Debug)]
pub struct Engine {
    orchestrator: Orchestrator,
    scheduler: Scheduler<Instant>,
    /// The arguments of the next task.
    pub args: Args,
}

/// A task on one vector core.
#[must_use]
pub fn vector_task() -> Cold {
    Cold { shape: Shape::Aiv, lanes: prewire_abi::LaneMask::AIV0, callable: 0, ..Cold::default() }
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
        let (rings, allocator) = Rings::new(sizes).expect("legal sizes");
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
        Self { orchestrator, scheduler, args: Args::default() }
    }

    /// Runs `body` in a run with one open scope, and drains it.
    ///
    /// # Panics
    ///
    /// If no scope can be opened, which cannot be.
    pub fn run(&mut self, body: impl FnOnce(&mut Self)) {
        self.orchestrator.start_run();
        self.open();
        body(self);
        self.orchestrator.finish_run(&mut Poller(&self.scheduler));
    }

    /// Opens a scope.
    ///
    /// # Panics
    ///
    /// If it is too deep.
    pub fn open(&mut self) {
        self.orchestrator
            .open_scope(&mut Poller(&self.scheduler), ScopeMode::Auto, Location::caller())
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

    /// Submits a vector task with `self.args`: its id and its first output, if it has one.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn submit(&mut self) -> (prewire_abi::TaskId, Option<prewire_abi::ValidTensor>) {
        let submitted = self
            .orchestrator
            .submit(&mut Poller(&self.scheduler), vector_task(), &mut self.args, Location::caller())
            .expect("the task is legal");
        (submitted.id, self.args.outputs().next().copied())
    }

    /// Polls the scheduler once.
    pub fn poll(&self) {
        self.scheduler.poll(0, &Always);
    }
}
