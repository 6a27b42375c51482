//! A small scheduler for tests: it dispatches numbered works to the cores and counts what comes back.
#![allow(dead_code, reason = "each test file uses a part")]

use alloc::sync::{Arc, Weak};
use core::time::Duration;
use prewire_os::Event;
use prewire_platform::{Host, LaneId, LaneSet, LaneStatus, Lanes, Token, Work};
use prewire_sim::{Sim, SimConfig};
use prewire_sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::sync::{Mutex, OnceLock};

/// What a work does.
pub(crate) type Kernel = Box<dyn Fn(&Sim, LaneId, Work) + Send + Sync>;

/// What a domain knows of a lane.
#[derive(Clone, Copy, Default)]
struct Lane {
    last: Token,
    running: Option<Token>,
    pending: Option<Token>,
}

#[derive(Default)]
struct Domain {
    lanes: Vec<Lane>,
    /// Lanes with both places free; lanes with the pending place free.
    idle: LaneSet,
    half: LaneSet,
}

struct Guarded {
    domain: Mutex<Domain>,
    /// Somebody asked for a poll. Written by every poller.
    asked: AtomicBool,
    /// A place is free. Written by the poller that holds the lock.
    room: AtomicBool,
}

/// The scheduler.
pub(crate) struct Farm {
    sim: OnceLock<Weak<Sim>>,
    kernel: Kernel,
    /// How many works there are, and how often each was run.
    pub(crate) runs: Vec<AtomicU32>,
    /// The next work, and how many are ready.
    next: AtomicU64,
    ready: AtomicU64,
    /// Each completion makes one more ready.
    chain: bool,
    /// Whether the pending places are used.
    two_places: bool,
    pub(crate) may_block: bool,
    pub(crate) done: AtomicU64,
    pub(crate) quiescent: AtomicU64,
    pub(crate) progress: Event,
    /// Whoever waits is told of completions from this one on.
    pub(crate) wake_at: AtomicU64,
    domains: Vec<Guarded>,
    /// The works in the order in which they were run, if kept.
    pub(crate) order: Option<Mutex<Vec<(u16, u32)>>>,
}

/// How a farm is to be.
pub(crate) struct Plan {
    pub(crate) works: usize,
    pub(crate) ready: usize,
    pub(crate) chain: bool,
    pub(crate) two_places: bool,
    pub(crate) may_block: bool,
    pub(crate) keep_order: bool,
    pub(crate) kernel: Kernel,
}

impl Plan {
    /// `works` works that do nothing, all of them ready.
    pub(crate) fn independent(works: usize) -> Self {
        Self {
            works,
            ready: works,
            chain: false,
            two_places: true,
            may_block: false,
            keep_order: false,
            kernel: Box::new(|_, _, _| {}),
        }
    }

    pub(crate) fn kernel(mut self, kernel: impl Fn(&Sim, LaneId, Work) + Send + Sync + 'static) -> Self {
        self.kernel = Box::new(kernel);
        self
    }
}

impl Farm {
    /// A simulator that is started, and the farm on it.
    pub(crate) fn start(
        spec: prewire_platform::ChipSpec,
        config: SimConfig,
        plan: Plan,
    ) -> (Arc<Sim>, Arc<Self>) {
        let sim = Sim::new(spec, config).unwrap();
        let farm = Self::new(&sim, plan);
        sim.start(farm.clone()).unwrap();
        (sim, farm)
    }

    pub(crate) fn new(sim: &Arc<Sim>, plan: Plan) -> Arc<Self> {
        let spec = *sim.spec();
        let domain = |d: u16| {
            let mut idle = LaneSet::EMPTY;
            for lane in 0..spec.cores() {
                let cluster = if lane < spec.clusters { lane } else { (lane - spec.clusters) / 2 };
                if cluster % spec.domains == d {
                    idle.insert(LaneId(lane));
                }
            }
            let fresh = Lane { last: spec.tokens.none(), ..Lane::default() };
            let lanes = vec![fresh; spec.cores().into()];
            Guarded {
                domain: Mutex::new(Domain { lanes, idle, half: LaneSet::EMPTY }),
                asked: AtomicBool::new(false),
                room: AtomicBool::new(true),
            }
        };
        let farm = Arc::new(Self {
            sim: OnceLock::new(),
            kernel: plan.kernel,
            runs: (0..plan.works).map(|_| AtomicU32::new(0)).collect(),
            next: AtomicU64::new(0),
            ready: AtomicU64::new(plan.ready as u64),
            chain: plan.chain,
            two_places: plan.two_places,
            may_block: plan.may_block,
            done: AtomicU64::new(0),
            quiescent: AtomicU64::new(0),
            progress: Event::new(),
            wake_at: AtomicU64::new(plan.works as u64),
            domains: (0..spec.domains).map(domain).collect(),
            order: plan.keep_order.then(Mutex::default),
        });
        farm.sim.set(Arc::downgrade(sim)).unwrap();
        farm
    }

    fn works(&self) -> u64 {
        self.runs.len() as u64
    }

    /// Takes one of the works that are ready.
    fn take_one(&self) -> Option<u64> {
        let ready = self.ready.load(Ordering::Relaxed).min(self.works());
        self.next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| (next < ready).then_some(next + 1))
            .ok()
    }

    /// Makes more works ready.
    pub(crate) fn publish(&self, more: u64) {
        self.ready.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire) == self.works()
    }

    /// Waits until every work has been seen finished.
    pub(crate) fn wait(&self) {
        let limit = Some(Duration::from_secs(100));
        let done = self.progress.wait_until(limit, || self.is_done().then_some(()));
        assert!(done.is_some(), "only {:?} of {} works are done", self.done, self.works());
    }

    /// That each work was run once.
    pub(crate) fn assert_each_once(&self) {
        for (work, runs) in self.runs.iter().enumerate() {
            assert_eq!(runs.load(Ordering::Relaxed), 1, "work {work}");
        }
    }

    fn drive(&self, sim: &Sim, number: u16, domain: &mut Domain) {
        let mut news = sim.take_news(number);
        while let Some(id) = news.pop() {
            let lane = &mut domain.lanes[usize::from(id.0)];
            let (running, pending) = (lane.running, lane.pending);
            match sim.status(id) {
                LaneStatus::Finished(t) if pending == Some(t) => {
                    self.complete(2);
                    (lane.running, lane.pending) = (None, None);
                }
                LaneStatus::Finished(t) if running == Some(t) => {
                    self.complete(1);
                    (lane.running, lane.pending) = (pending, None);
                }
                LaneStatus::Running(t) if pending == Some(t) => {
                    self.complete(1);
                    (lane.running, lane.pending) = (pending, None);
                }
                _ => {}
            }
            let bit = 1 << id.0;
            domain.idle.0 &= !bit;
            domain.half.0 &= !bit;
            if lane.running.is_none() {
                domain.idle.0 |= bit;
            } else if lane.pending.is_none() && self.two_places {
                domain.half.0 |= bit;
            }
        }
        let mut dispatched = false;
        for first in [true, false] {
            let set = if first { &mut domain.idle } else { &mut domain.half };
            let mut places = *set;
            let mut filled = LaneSet::EMPTY;
            while let Some(id) = places.pop() {
                let Some(work) = self.take_one() else { break };
                let lane = &mut domain.lanes[usize::from(id.0)];
                let token = sim.spec().tokens.after(lane.last);
                lane.last = token;
                *(if first { &mut lane.running } else { &mut lane.pending }) = Some(token);
                filled.insert(id);
                sim.dispatch(id, token, Work { slot: work as u32, block: !(work as u16), place: 7 });
                dispatched = true;
            }
            set.0 &= !filled.0;
            if first && self.two_places {
                domain.half.0 |= filled.0;
            }
        }
        let room = !domain.idle.is_empty() || !domain.half.is_empty();
        self.domains[usize::from(number)].room.store(room, Ordering::Relaxed);
        if dispatched {
            sim.kick();
        }
    }

    fn complete(&self, how_many: u64) {
        if self.chain {
            self.publish(how_many);
        }
        let done = self.done.fetch_add(how_many, Ordering::AcqRel) + how_many;
        if done >= self.wake_at.load(Ordering::Relaxed) {
            self.progress.notify_all();
        }
    }
}

impl Host for Farm {
    fn execute(&self, lane: LaneId, work: Work) {
        assert_eq!((work.block, work.place), (!(work.slot as u16), 7), "the payload is torn");
        self.runs[work.slot as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(order) = &self.order {
            order.lock().unwrap().push((lane.0, work.slot));
        }
        let sim = self.sim.get().and_then(Weak::upgrade).expect("the simulator runs");
        (self.kernel)(&sim, lane, work);
    }

    fn may_block(&self, _: Work) -> bool {
        self.may_block
    }

    fn poll(&self, number: u16) {
        let guarded = &self.domains[usize::from(number)];
        let Some(sim) = self.sim.get().and_then(Weak::upgrade) else { return };
        guarded.asked.store(true, Ordering::Relaxed);
        loop {
            fence(Ordering::SeqCst);
            let Ok(mut domain) = guarded.domain.try_lock() else { return };
            guarded.asked.store(false, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            self.drive(&sim, number, &mut domain);
            drop(domain);
            fence(Ordering::SeqCst);
            if !guarded.asked.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn has_ready(&self, number: u16) -> bool {
        let ready = self.ready.load(Ordering::Relaxed).min(self.works());
        self.next.load(Ordering::Relaxed) < ready
            && self.domains[usize::from(number)].room.load(Ordering::Relaxed)
    }

    fn quiescent(&self) {
        self.quiescent.fetch_add(1, Ordering::Release);
        self.progress.notify_all();
    }
}
