//! A chip that does nothing by itself: its lanes take work, note it, and finish it when the test says so; and a graph
//! and a scheduler on top of it, driven by hand.

use prewire_abi::{EdgeKind, LaneMask, TaskId};
use prewire_platform::{
    ChipSpec, LaneId, LaneSet, LaneStatus, Lanes, Limits, Registers, Token, Tokens, Work,
};
use prewire_ring::{Allocator, Cold, Need, Placed, Ready, RingSizes, Rings, SlotRef};
use prewire_scheduler::{Env, Progress, Scheduler};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// A chip of `clusters`, whose registers nobody reads.
pub(crate) fn spec(clusters: u16, domains: u16) -> ChipSpec {
    ChipSpec {
        name: "by hand",
        clusters,
        domains,
        limits: Limits { task_tensors: 32, task_scalars: 16, blocks: 1024 },
        registers: Registers { block_bytes: 64, dispatch: 0, condition: 4, fast_path: None },
        tokens: Tokens {
            finished_bit: 1 << 31,
            exit: 0x7FFF_FFF0,
            dispatch_idle: 0x7FFF_FFFD,
            core_idle: 0x7FFF_FFFF,
            core_exited: 0x7FFF_FFFE,
        },
        counter_hz: 1,
    }
}

/// One dispatch, as a lane saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    pub(crate) lane: u16,
    pub(crate) work: Work,
    /// It went behind something that was running.
    pub(crate) behind: bool,
}

#[derive(Debug)]
struct Core {
    status: LaneStatus,
    /// What it runs, and what waits behind.
    work: VecDeque<(Token, Work)>,
}

#[derive(Debug)]
struct State {
    cores: Vec<Core>,
    news: Vec<LaneSet>,
    log: Vec<Dispatch>,
    kicks: usize,
}

/// The lanes.
#[derive(Debug)]
pub(crate) struct Chip {
    spec: ChipSpec,
    state: Mutex<State>,
}

impl Chip {
    fn new(spec: ChipSpec) -> Self {
        let core = || Core { status: LaneStatus::Idle, work: VecDeque::new() };
        Self {
            spec,
            state: Mutex::new(State {
                cores: (0..spec.cores()).map(|_| core()).collect(),
                news: vec![LaneSet::EMPTY; usize::from(spec.domains)],
                log: Vec::new(),
                kicks: 0,
            }),
        }
    }

    fn cluster(&self, lane: u16) -> u16 {
        let n = self.spec.clusters;
        if lane < n { lane } else { (lane - n) / 2 }
    }

    /// The domain of a lane.
    pub(crate) fn domain(&self, lane: u16) -> u16 {
        self.cluster(lane) % self.spec.domains
    }

    /// `lane` finishes what it runs, and takes up what waits behind: what it ran.
    #[track_caller]
    pub(crate) fn finish(&self, lane: u16) -> Work {
        let mut state = self.state.lock().unwrap();
        let core = &mut state.cores[usize::from(lane)];
        let (token, work) = core.work.pop_front().expect("the lane runs nothing");
        core.status =
            core.work.front().map_or(LaneStatus::Finished(token), |next| LaneStatus::Running(next.0));
        state.news[usize::from(self.cluster(lane) % self.spec.domains)].insert(LaneId(lane));
        work
    }

    /// The lanes that run something, lowest first.
    pub(crate) fn busy(&self) -> Vec<u16> {
        let state = self.state.lock().unwrap();
        (0..self.spec.cores()).filter(|&lane| !state.cores[usize::from(lane)].work.is_empty()).collect()
    }

    /// The dispatches so far, in order.
    pub(crate) fn log(&self) -> Vec<Dispatch> {
        self.state.lock().unwrap().log.clone()
    }

    pub(crate) fn kicks(&self) -> usize {
        self.state.lock().unwrap().kicks
    }
}

impl Lanes for Chip {
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        let mut state = self.state.lock().unwrap();
        let core = &mut state.cores[usize::from(lane.0)];
        assert!(core.work.len() < 2, "lane {} has a running and a pending place, no third", lane.0);
        if let Some((before, _)) = core.work.back() {
            assert_ne!(before.0 & 1, token.0 & 1, "the payload buffer of {before:?} is in use");
        } else {
            core.status = LaneStatus::Running(token);
        }
        let behind = !core.work.is_empty();
        core.work.push_back((token, work));
        state.log.push(Dispatch { lane: lane.0, work, behind });
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        self.state.lock().unwrap().cores[usize::from(lane.0)].status
    }

    fn take_news(&self, domain: u16) -> LaneSet {
        core::mem::take(&mut self.state.lock().unwrap().news[usize::from(domain)])
    }

    fn kick(&self) {
        self.state.lock().unwrap().kicks += 1;
    }
}

/// The predicates that do not hold, and how often any was asked for.
#[derive(Debug, Default)]
pub(crate) struct Predicates {
    refused: Mutex<BTreeSet<u32>>,
    asked: Mutex<usize>,
}

impl Predicates {
    pub(crate) fn refuse(&self, slot: SlotRef) {
        self.refused.lock().unwrap().insert(slot.raw());
    }

    pub(crate) fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

impl Env for Predicates {
    fn predicate_holds(&self, slot: SlotRef) -> bool {
        *self.asked.lock().unwrap() += 1;
        !self.refused.lock().unwrap().contains(&slot.raw())
    }
}

/// What several threads may drive.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) chip: Arc<Chip>,
    pub(crate) scheduler: Scheduler<Chip>,
    pub(crate) predicates: Predicates,
    domains: u16,
}

impl Machine {
    pub(crate) fn poll(&self, domain: u16) -> Progress {
        self.scheduler.poll(domain, &self.predicates)
    }

    /// Polls a domain for the news of its lanes.
    pub(crate) fn poll_news(&self, domain: u16) -> Progress {
        self.scheduler.poll_news(domain, &self.predicates)
    }

    /// Polls every domain.
    pub(crate) fn poll_all(&self) -> Progress {
        (0..self.domains).map(|domain| self.poll(domain)).fold(Progress::default(), |sum, more| Progress {
            completed: sum.completed + more.completed,
            failed: sum.failed + more.failed,
            dispatched: sum.dispatched + more.dispatched,
            retired: sum.retired | more.retired,
        })
    }

    /// Finishes whatever runs, again and again, until nothing does: how many tasks completed.
    pub(crate) fn drain(&self) -> u32 {
        let mut completed = self.poll_all().completed;
        loop {
            let busy = self.chip.busy();
            if busy.is_empty() {
                return completed;
            }
            busy.into_iter().for_each(|lane| {
                self.chip.finish(lane);
            });
            completed += self.poll_all().completed;
        }
    }

    /// The tasks in the order in which their first block was dispatched.
    pub(crate) fn order(&self) -> Vec<SlotRef> {
        let mut seen = BTreeSet::new();
        let slots = self.chip.log().into_iter().map(|dispatch| dispatch.work.slot);
        slots.filter(|&slot| seen.insert(slot)).map(SlotRef::from_raw).collect()
    }

    /// The lanes that the blocks of `slot` went to, in order of dispatch, with the number of the block.
    pub(crate) fn placed(&self, slot: SlotRef) -> Vec<(u16, u32)> {
        let log = self.chip.log();
        log.iter().filter(|d| d.work.slot == slot.raw()).map(|d| (d.lane, d.work.block.into())).collect()
    }
}

/// A machine and its orchestrator.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) machine: Arc<Machine>,
    pub(crate) allocator: Allocator,
}

impl Rig {
    pub(crate) fn new(spec: ChipSpec, sizes: &RingSizes) -> Self {
        let (rings, allocator) = Rings::new(sizes, spec.domains).unwrap();
        let (ready, chip) = (Arc::new(Ready::new(sizes)), Arc::new(Chip::new(spec)));
        let scheduler = Scheduler::new(spec, rings.clone(), ready.clone(), chip.clone());
        let predicates = Predicates::default();
        let machine = Machine { rings, ready, chip, scheduler, predicates, domains: spec.domains };
        Self { machine: Arc::new(machine), allocator }
    }

    /// Submits a task that waits for `producers`, and routes it if it is ready.
    #[track_caller]
    pub(crate) fn submit(&mut self, cold: Cold, producers: &[TaskId]) -> Placed {
        let edges: Vec<_> = producers.iter().map(|&id| (id, EdgeKind::WAIT)).collect();
        let need = Need { deps: edges.len() as u32, ..Need::default() };
        self.allocator.try_reserve(0, &need).expect("the test leaves room");
        let placed = self.allocator.commit(0, &need, cold);
        if self.allocator.wire(&placed, &edges) {
            self.machine.ready.route(&self.machine.rings, placed.slot);
        }
        placed
    }

    /// Submits a task that waits for nothing, as an orchestrator does.
    #[track_caller]
    pub(crate) fn publish(&mut self, cold: Cold) -> Placed {
        let need = Need::default();
        self.allocator.try_reserve(0, &need).expect("the test leaves room");
        let placed = self.allocator.commit(0, &need, cold);
        assert!(self.allocator.wire(&placed, &[]));
        self.machine.ready.publish(&mut self.allocator, placed.slot);
        placed
    }
}

/// A task on these lanes of a cluster.
pub(crate) fn on(lanes: LaneMask, blocks: u16) -> Cold {
    Cold { shape: lanes.shape(), lanes, blocks, ..Cold::default() }
}
