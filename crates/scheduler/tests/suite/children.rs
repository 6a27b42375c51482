//! The children of a node, which do nothing by themselves: they take up work, finish it, die and come back when the test
//! says so; and a graph and a scheduler on top of them.

use prewire_abi::{EdgeKind, TaskId};
use prewire_platform::{LaneId, LaneSet, LaneStatus, Lanes, Standing, Token, Work};
use prewire_ring::{Allocator, Cold, Need, Placed, Ready, RingSizes, Rings, SlotRef, Verdict};
use prewire_scheduler::{Env, NodePlacement, NodeSpec, Progress, Scheduler};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

/// One dispatch, as a child saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dispatch {
    pub(crate) lane: u16,
    pub(crate) work: Work,
    /// It went behind something.
    pub(crate) behind: bool,
    /// It was taken back again.
    pub(crate) retracted: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    token: Token,
    work: Work,
    taken_up: bool,
    /// Which line of the log.
    line: usize,
}

#[derive(Debug)]
struct Child {
    status: LaneStatus,
    standing: Standing,
    held: VecDeque<Held>,
}

#[derive(Debug, Default)]
struct State {
    children: Vec<Child>,
    news: LaneSet,
    log: Vec<Dispatch>,
    /// Calls of `status`, of `retract`, of `kick`.
    asked: [usize; 3],
    /// Nothing is taken up until the test says so.
    lazy: bool,
}

/// The lanes.
#[derive(Debug)]
pub(crate) struct Children(Mutex<State>);

impl Child {
    fn take_up(&mut self) {
        if let Some(front) = self.held.front_mut() {
            front.taken_up = true;
            self.status = LaneStatus::Running(front.token);
        }
    }
}

impl Children {
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap())
    }

    /// From now on children begin when [`take_up`](Self::take_up) says so, and not at once.
    pub(crate) fn be_lazy(&self) {
        self.with(|state| state.lazy = true);
    }

    /// `lane` begins what it was given first.
    pub(crate) fn take_up(&self, lane: u16) {
        self.with(|state| {
            state.children[usize::from(lane)].take_up();
            state.news.insert(LaneId(lane));
        });
    }

    /// As [`take_up`](Self::take_up), where the scheduler has not heard of it yet.
    pub(crate) fn take_up_silently(&self, lane: u16) {
        self.with(|state| state.children[usize::from(lane)].take_up());
    }

    /// The scheduler does not hear yet what `lane` has done.
    pub(crate) fn hold_back_news(&self, lane: u16) -> LaneSet {
        self.with(|state| {
            let held = LaneSet(state.news.0 & 1 << lane);
            state.news.0 &= !held.0;
            held
        })
    }

    /// It hears it now.
    pub(crate) fn release_news(&self, news: LaneSet) {
        self.with(|state| state.news.0 |= news.0);
    }

    /// `lane` finishes what it runs, and takes up what waits behind: what it ran.
    #[track_caller]
    pub(crate) fn finish(&self, lane: u16) -> Work {
        self.with(|state| {
            let child = &mut state.children[usize::from(lane)];
            let done = child.held.pop_front().expect("the lane runs nothing");
            child.status = LaneStatus::Finished(done.token);
            if !state.lazy {
                child.take_up();
            }
            state.news.insert(LaneId(lane));
            done.work
        })
    }

    /// Changes how `lane` stands. Where it is no longer up, what it had is failed and then reported as finished.
    pub(crate) fn stand(&self, rings: &Rings, lane: u16, standing: Standing) {
        self.with(|state| {
            let child = &mut state.children[usize::from(lane)];
            child.standing = standing;
            if standing != Standing::Up {
                for held in child.held.drain(..) {
                    rings.slot(SlotRef::from_raw(held.work.slot)).fail();
                    child.status = LaneStatus::Finished(held.token);
                }
            }
            state.news.insert(LaneId(lane));
        });
    }

    /// What `lane` has: what runs, what waits behind.
    pub(crate) fn held(&self, lane: u16) -> Vec<(SlotRef, u32)> {
        let pair = |held: &Held| (SlotRef::from_raw(held.work.slot), u32::from(held.work.block));
        self.with(|state| state.children[usize::from(lane)].held.iter().map(pair).collect())
    }

    pub(crate) fn standing_of(&self, lane: u16) -> Standing {
        self.with(|state| state.children[usize::from(lane)].standing)
    }

    /// The lanes that have something, lowest first.
    pub(crate) fn busy(&self) -> Vec<u16> {
        let lanes = 0..self.with(|state| state.children.len() as u16);
        lanes.filter(|&lane| !self.held(lane).is_empty()).collect()
    }

    /// The dispatches so far, in order.
    pub(crate) fn log(&self) -> Vec<Dispatch> {
        self.with(|state| state.log.clone())
    }

    /// How often a status was asked for, something was to be taken back, and a batch was announced.
    pub(crate) fn asked(&self) -> [usize; 3] {
        self.with(|state| state.asked)
    }
}

impl Lanes for Children {
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        self.with(|state| {
            let child = &mut state.children[usize::from(lane.0)];
            assert_eq!(child.standing, Standing::Up, "lane {} takes nothing", lane.0);
            assert!(child.held.len() < 2, "lane {} has a running and a pending place, no third", lane.0);
            let behind = child.held.back().map(|before| {
                assert_ne!(before.token.0 & 1, token.0 & 1, "the frame of {:?} is in use", before.token);
            });
            let line = state.log.len();
            state.log.push(Dispatch { lane: lane.0, work, behind: behind.is_some(), retracted: false });
            child.held.push_back(Held { token, work, taken_up: false, line });
            if behind.is_none() && !state.lazy {
                child.take_up();
            }
        });
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        self.with(|state| {
            state.asked[0] += 1;
            state.children[usize::from(lane.0)].status
        })
    }

    fn take_news(&self, domain: u16) -> LaneSet {
        assert_eq!(domain, 0, "a node is one domain");
        self.with(|state| core::mem::take(&mut state.news))
    }

    fn kick(&self) {
        self.with(|state| state.asked[2] += 1);
    }

    fn retract(&self, lane: LaneId, token: Token) -> bool {
        self.with(|state| {
            state.asked[1] += 1;
            let child = &mut state.children[usize::from(lane.0)];
            let last = child.held.back().copied();
            let Some(last) = last.filter(|last| last.token == token && !last.taken_up) else { return false };
            child.held.pop_back();
            state.log[last.line].retracted = true;
            true
        })
    }

    fn standing(&self, lane: LaneId) -> Standing {
        self.standing_of(lane.0)
    }
}

/// What the scheduler asks and tells.
#[derive(Debug)]
pub(crate) struct Told {
    rings: Arc<Rings>,
    targets: Mutex<BTreeMap<u32, Vec<LaneId>>>,
    refused: Mutex<BTreeSet<u32>>,
    unavailable: Mutex<Vec<(SlotRef, u32, u16)>>,
    completed: Mutex<Vec<(TaskId, Verdict)>>,
    predicates: Mutex<usize>,
}

impl Told {
    /// Its predicate does not hold.
    pub(crate) fn refuse(&self, slot: SlotRef) {
        self.refused.lock().unwrap().insert(slot.raw());
    }

    /// How often a predicate was asked for.
    pub(crate) fn predicates(&self) -> usize {
        *self.predicates.lock().unwrap()
    }

    /// The members that were said to be unavailable, with the lane.
    pub(crate) fn unavailable(&self) -> Vec<(SlotRef, u32, u16)> {
        self.unavailable.lock().unwrap().clone()
    }

    /// The tasks that have completed, in order.
    pub(crate) fn completed(&self) -> Vec<(TaskId, Verdict)> {
        self.completed.lock().unwrap().clone()
    }
}

impl Env for Told {
    fn predicate_holds(&self, slot: SlotRef) -> bool {
        *self.predicates.lock().unwrap() += 1;
        !self.refused.lock().unwrap().contains(&slot.raw())
    }

    fn completed(&self, slot: SlotRef) {
        let state = self.rings.slot(slot);
        self.completed.lock().unwrap().push((state.id(), state.verdict()));
    }

    fn target(&self, slot: SlotRef, member: u32) -> LaneId {
        self.targets.lock().unwrap()[&slot.raw()][member as usize]
    }

    fn unavailable(&self, slot: SlotRef, member: u32, lane: LaneId) {
        self.unavailable.lock().unwrap().push((slot, member, lane.0));
        self.rings.slot(slot).fail();
    }
}

/// A node and its orchestrator.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) children: Arc<Children>,
    pub(crate) scheduler: Scheduler<Children, NodePlacement>,
    pub(crate) told: Told,
    allocator: Allocator,
}

impl Node {
    pub(crate) fn new(workers: u16, subs: u16) -> Self {
        Self::with_standing(workers, subs, &[])
    }

    /// As `new`, where some children are not up when the scheduler is made.
    pub(crate) fn with_standing(workers: u16, subs: u16, standing: &[(u16, Standing)]) -> Self {
        let sizes = RingSizes::default();
        let (rings, allocator) = Rings::new(&sizes, 1).unwrap();
        let child = || Child { status: LaneStatus::Idle, standing: Standing::Up, held: VecDeque::new() };
        let mut children: Vec<Child> = (0..workers + subs).map(|_| child()).collect();
        standing.iter().for_each(|&(lane, standing)| children[usize::from(lane)].standing = standing);
        let children = Arc::new(Children(Mutex::new(State { children, ..State::default() })));
        let ready = Arc::new(Ready::new(&sizes));
        let spec = NodeSpec::new(workers, subs);
        let scheduler = Scheduler::node(spec, rings.clone(), ready.clone(), children.clone()).unwrap();
        let told = Told {
            rings: rings.clone(),
            targets: Mutex::default(),
            refused: Mutex::default(),
            unavailable: Mutex::default(),
            completed: Mutex::default(),
            predicates: Mutex::default(),
        };
        Self { rings, ready, children, scheduler, told, allocator }
    }

    /// Submits a task that names these lanes and waits for `producers`, and routes it if it is ready.
    #[track_caller]
    pub(crate) fn submit(&mut self, cold: Cold, lanes: &[u16], producers: &[TaskId]) -> Placed {
        let edges: Vec<_> = producers.iter().map(|&id| (id, EdgeKind::WAIT)).collect();
        let need = Need { deps: edges.len() as u32, ..Need::default() };
        self.allocator.try_reserve(0, &need).expect("the test leaves room");
        let placed = self.allocator.commit(0, &need, cold);
        let lanes = lanes.iter().map(|&lane| LaneId(lane)).collect();
        self.told.targets.lock().unwrap().insert(placed.slot.raw(), lanes);
        if self.allocator.wire(&placed, &edges) {
            self.ready.route(&self.rings, placed.slot);
        }
        placed
    }

    /// The next run, once the one before has drained.
    pub(crate) fn start_run(&mut self) {
        (0..prewire_ring::RING_COUNT).for_each(|ring| self.rings.advance(ring));
        self.allocator.start_run();
    }

    /// A task for `lane`.
    #[track_caller]
    pub(crate) fn to(&mut self, lane: u16) -> Placed {
        self.submit(Cold::worker(1, 0), &[lane], &[])
    }

    /// A group on `lanes`.
    #[track_caller]
    pub(crate) fn group(&mut self, lanes: &[u16]) -> Placed {
        self.submit(Cold::worker(lanes.len() as u16, 0), lanes, &[])
    }

    /// A host function.
    #[track_caller]
    pub(crate) fn sub(&mut self) -> Placed {
        self.submit(Cold::sub(1, 0), &[], &[])
    }

    pub(crate) fn poll(&self) -> Progress {
        self.scheduler.poll(0, &self.told)
    }

    /// `lane` finishes what it runs, and the scheduler hears of it.
    #[track_caller]
    pub(crate) fn finish(&self, lane: u16) -> SlotRef {
        let work = self.children.finish(lane);
        let _ = self.poll();
        SlotRef::from_raw(work.slot)
    }

    /// A child dies, comes back or is given up, and the scheduler hears of it.
    pub(crate) fn stand(&self, lane: u16, standing: Standing) -> Progress {
        self.children.stand(&self.rings, lane, standing);
        self.poll()
    }

    /// Finishes whatever runs, again and again, until nothing does.
    pub(crate) fn drain(&self) {
        let _ = self.poll();
        loop {
            let busy = self.children.busy();
            if busy.is_empty() {
                return;
            }
            busy.into_iter().for_each(|lane| {
                self.children.finish(lane);
            });
            let _ = self.poll();
        }
    }

    /// The lanes that the members of a task were dispatched to and not taken back from, in order, with the member.
    pub(crate) fn placed(&self, slot: SlotRef) -> Vec<(u16, u32)> {
        let log = self.children.log();
        let of = log.iter().filter(|d| d.work.slot == slot.raw() && !d.retracted);
        of.map(|d| (d.lane, d.work.block.into())).collect()
    }

    /// What `lane` has: what runs, what waits behind.
    pub(crate) fn held(&self, lane: u16) -> Vec<SlotRef> {
        self.children.held(lane).into_iter().map(|(slot, _)| slot).collect()
    }

    /// How a task ended, if it has.
    pub(crate) fn verdict(&self, id: TaskId) -> Option<Verdict> {
        let completed = self.told.completed();
        let mut of = completed.iter().filter(|(task, _)| *task == id);
        let verdict = of.next().map(|(_, verdict)| *verdict);
        assert!(of.next().is_none(), "task {id} completed twice");
        verdict
    }

    /// Every task has ended and nothing of it is left.
    #[track_caller]
    pub(crate) fn assert_drained(&self) {
        assert_eq!(self.rings.usage(0).live, 0);
        assert!(self.children.busy().is_empty() && !self.ready.any());
    }
}
