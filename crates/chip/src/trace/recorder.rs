//! Collects the events of a run. Invariant: an event is recorded before what follows from it can be: a submit before the
//! task is published, a completion before its consumers are told.

use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prewire_abi::TaskId;
use prewire_orchestrator::Orchestrator;
use prewire_platform::{Awaited, ChipSpec, LaneId, Work};
use prewire_ring::{RING_COUNT, SlotRef, Verdict};
use prewire_sim::Mode;

use super::{Ending, Event, Head, SubTask, Trace, What};
use crate::engine::Engine;
use crate::place::Place;

/// The events so far, and the last trace that was finished.
#[derive(Debug)]
struct State {
    /// The first local number of the run, by ring.
    first: [u32; RING_COUNT],
    start: Instant,
    events: Vec<Event>,
    finished: Option<Trace>,
}

/// The recorder of a chip. Whoever records takes the lock: it is there only where somebody asked for it.
#[derive(Debug)]
pub(crate) struct Recorder {
    head: Head,
    state: Mutex<State>,
}

impl Recorder {
    pub(crate) fn new(spec: &ChipSpec, mode: Mode) -> Self {
        let seed = if let Mode::Seeded { seed } = mode { Some(seed) } else { None };
        let head = Head { chip: spec.name, clusters: spec.clusters, domains: spec.domains, seed };
        let (first, events) = ([0; RING_COUNT], Vec::new());
        Self { head, state: Mutex::new(State { first, start: Instant::now(), events, finished: None }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins: what was recorded of an earlier one is gone.
    pub(crate) fn begin(&self, orchestrator: &Orchestrator, site: &'static Location<'static>) {
        let mut state = self.state();
        state.first = orchestrator.first_numbers();
        state.start = Instant::now();
        state.finished = None;
        state.events = vec![Event { time: 0, what: What::RunBegan { site } }];
    }

    /// The run has ended.
    pub(crate) fn finish(&self, engine: &Engine, ok: bool, tasks: u64) {
        self.record(engine, What::RunEnded { ok, tasks });
        let mut state = self.state();
        let events = std::mem::take(&mut state.events);
        state.finished = Some(Trace { head: self.head, events });
    }

    /// The trace of the last run that has ended, once.
    pub(crate) fn take(&self) -> Option<Trace> {
        self.state().finished.take()
    }

    fn record(&self, engine: &Engine, mut what: What) {
        let mut state = self.state();
        let time = match self.head.seed {
            Some(_) => engine.sim().now(),
            // Under the lock, so that times go up.
            None => state.start.elapsed().as_nanos() as u64,
        };
        let first = state.first;
        what.each_task(|task| {
            let ring = task.ring();
            *task = TaskId::new(ring, task.local().wrapping_sub(first[ring as usize & 3]));
        });
        state.events.push(Event { time, what });
    }
}

impl What {
    /// Every task number in it.
    fn each_task(&mut self, mut change: impl FnMut(&mut TaskId)) {
        match self {
            Self::Submitted { task, producers, .. } => {
                change(task);
                producers.iter_mut().for_each(|(producer, _)| change(producer));
            }
            Self::Began(SubTask { task, .. })
            | Self::Ended(SubTask { task, .. })
            | Self::Allocated { task, .. }
            | Self::Failed { task, .. }
            | Self::Off { task }
            | Self::Completed { task, .. }
            | Self::WaitBegan { what: Awaited::Element { task } } => change(task),
            Self::RunBegan { .. }
            | Self::ScopeOpened { .. }
            | Self::ScopeClosed { .. }
            | Self::Host { .. }
            | Self::WaitBegan { .. }
            | Self::WaitEnded { .. }
            | Self::RunEnded { .. } => {}
        }
    }
}

/// What the parts of a chip tell its recorder, if there is one.
impl Engine {
    /// Records what `what` says, which is not asked unless somebody records.
    #[inline]
    pub(crate) fn record(&self, what: impl FnOnce() -> What) {
        if let Some(recorder) = self.recorder() {
            self.tell(recorder, what);
        }
    }

    /// Out of line: whoever records nothing has no frame for it.
    #[cold]
    fn tell(&self, recorder: &Recorder, what: impl FnOnce() -> What) {
        recorder.record(self, what());
    }

    fn sub_task(&self, lane: LaneId, work: Work) -> SubTask {
        let task = self.rings().slot(SlotRef::from_raw(work.slot)).id();
        SubTask { task, block: work.block.into(), place: Place::of(work.place), core: lane.0 }
    }

    #[inline]
    pub(crate) fn record_began(&self, lane: LaneId, work: Work) {
        self.record(|| What::Began(self.sub_task(lane, work)));
    }

    #[inline]
    pub(crate) fn record_ended(&self, lane: LaneId, work: Work) {
        self.record(|| What::Ended(self.sub_task(lane, work)));
    }

    /// The task was committed and is not published: its slot says what it is.
    #[inline]
    pub(crate) fn record_submitted(&self, task: TaskId, producers: &[(TaskId, prewire_abi::EdgeKind)]) {
        self.record(|| {
            let slot = self.rings().slot_of(task);
            let cold = self.rings().slot(slot).cold();
            What::Submitted {
                task,
                kernel: self.kernels().named(cold.callable),
                shape: cold.shape,
                blocks: cold.blocks,
                sync_start: cold.attrs.sync_start,
                producers: producers.to_vec(),
                site: self.rings().site(slot),
            }
        });
    }

    #[inline]
    pub(crate) fn record_completed(&self, slot: SlotRef) {
        self.record(|| {
            let state = self.rings().slot(slot);
            let how = match state.verdict() {
                Verdict::Sound => Ending::Ok,
                Verdict::Failed => Ending::Failed,
                Verdict::Poisoned => Ending::Skipped,
            };
            What::Completed { task: state.id(), how }
        });
    }
}
