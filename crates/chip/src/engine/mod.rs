//! The engine of a chip: what its cores, its scheduler and the thread of its runs share.
//!
//! Invariant: the first error of a run that is noted is its cause, whoever notes another one later.

mod env;
mod host;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prewire_abi::TaskId;
use prewire_os::Event;
use prewire_platform::{ChipSpec, Core, Host as _, LaneId, Work};
use prewire_ring::{Ready, Rings, SlotRef};
use prewire_runs::{Cause, Control, Runner, event};
use prewire_scheduler::Scheduler;
use prewire_sim::{Mode, Sim};

use crate::adopted::Adoptions;
use crate::alarm::{Alarm, Heeds};
use crate::barrier::Barriers;
use crate::busy::Busy;
use crate::deferred::Deferred;
use crate::error::{Error, Failure, KernelError};
use crate::guard::Guard;
use crate::kernels::Kernels;
use crate::lease::{Holder, Leases};
use crate::library::Pipes;
use crate::races::Races;
use crate::span::Span;
use crate::stall::{OrchestratorWait, StallReason, StallReport};
use crate::trace::{Recorder, What};

/// What the orchestrator waits for, and since when.
pub(crate) type OrchestratorWaits = (OrchestratorWait, Duration);

/// One chip at work: rings, scheduler, cores, kernels.
#[derive(Debug)]
pub(crate) struct Engine {
    spec: ChipSpec,
    rings: Arc<Rings>,
    scheduler: Scheduler<Sim>,
    sim: Arc<Sim>,
    kernels: Kernels,
    leases: Leases,
    /// Memory of others, which has leases of its own.
    adoptions: Arc<Adoptions>,
    barriers: Barriers,
    busy: Busy,
    /// Memory that the cores of a cluster share, for kernels of libraries.
    pipes: Pipes,
    /// Tasks whose kernels have returned and that wait for counters.
    deferred: Deferred,
    mode: Mode,
    /// For reports. Written by the orchestrator.
    waits: Mutex<Option<OrchestratorWaits>>,
    /// Where somebody asked for a trace.
    recorder: Option<Recorder>,
    /// Notified when tasks have completed and when a runner parks.
    progress: Event,
    /// What the orchestrator waits for.
    alarm: Alarm,
    /// The first error of the run.
    cause: Cause<Error>,
    /// Checks accesses, if that was asked for.
    races: Option<Box<Races>>,
}

impl Engine {
    pub(crate) fn new(
        spec: ChipSpec,
        rings: Arc<Rings>,
        ready: Arc<Ready>,
        sim: Arc<Sim>,
        mode: Mode,
        races: Option<Races>,
    ) -> Self {
        Self {
            spec,
            rings: Arc::clone(&rings),
            scheduler: Scheduler::new(spec, rings, ready, Arc::clone(&sim)),
            sim,
            kernels: Kernels::new(),
            leases: Leases::default(),
            adoptions: Arc::default(),
            barriers: Barriers::default(),
            busy: Busy::new(spec.cores()),
            pipes: Pipes::default(),
            deferred: Deferred::default(),
            mode,
            waits: Mutex::new(None),
            recorder: None,
            progress: Event::new(),
            alarm: Alarm::new(),
            cause: Cause::default(),
            races: races.map(Box::new),
        }
    }

    pub(crate) const fn spec(&self) -> &ChipSpec {
        &self.spec
    }

    pub(crate) fn rings(&self) -> &Rings {
        &self.rings
    }

    pub(crate) fn sim(&self) -> &Sim {
        &self.sim
    }

    pub(crate) const fn kernels(&self) -> &Kernels {
        &self.kernels
    }

    pub(crate) const fn leases(&self) -> &Leases {
        &self.leases
    }

    pub(crate) const fn adoptions(&self) -> &Arc<Adoptions> {
        &self.adoptions
    }

    /// Keeps others away from `span` for as long as the guard lives, or says who holds a view that conflicts.
    pub(crate) fn keep_away(&self, span: &Span, write: bool, holder: Holder) -> Result<Guard<'_>, Holder> {
        if let Some(memory) = self.adoptions.at(span.addr) {
            let id = memory.leases().take(span, write, holder)?;
            return Ok(Guard::shared(memory, id));
        }
        Ok(Guard::lease(&self.leases, self.leases.take(span, write, holder)?))
    }

    /// A sub-task of this chip, as a holder of leases.
    pub(crate) fn holder(&self, task: TaskId, work: Work) -> Holder {
        let Work { block, place, .. } = work;
        Holder::Kernel { engine: std::ptr::from_ref(self).addr(), task, block, place }
    }

    pub(crate) const fn barriers(&self) -> &Barriers {
        &self.barriers
    }

    pub(crate) const fn busy(&self) -> &Busy {
        &self.busy
    }

    pub(crate) const fn deferred(&self) -> &Deferred {
        &self.deferred
    }

    /// Kernels may wait for each other in ways of their own from now on.
    pub(crate) fn expect_waits(&self) {
        self.scheduler.use_idle_lanes_only();
    }

    pub(crate) const fn pipes(&self) -> &Pipes {
        &self.pipes
    }

    /// The kind and number of a core.
    pub(crate) const fn core(&self, lane: LaneId) -> (Core, u16) {
        (if lane.0 < self.spec.clusters { Core::Aic } else { Core::Aiv }, lane.0)
    }

    /// What the orchestrator waits for, if it does.
    pub(crate) fn orchestrator_wait(&self) -> Option<OrchestratorWaits> {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_orchestrator_wait(&self, waits: Option<OrchestratorWaits>) {
        *self.waits.lock().unwrap_or_else(PoisonError::into_inner) = waits;
    }

    /// From now on runs are recorded.
    pub(crate) fn with_recorder(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    pub(crate) const fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    pub(crate) const fn progress(&self) -> &Event {
        &self.progress
    }

    /// From now on the orchestrator wants to hear of this. It looks at how far things are after this and before it parks.
    pub(crate) fn set_alarm(&self, heeds: Heeds) {
        self.alarm.set(heeds);
    }

    /// What it wants to hear of.
    pub(crate) fn alarm(&self) -> Heeds {
        self.alarm.get()
    }

    /// The race checker, if there is one.
    pub(crate) fn races(&self) -> Option<&Races> {
        self.races.as_deref()
    }

    /// Makes what the race checker found the cause, unless the run failed for another one: then it is told as well.
    pub(crate) fn note_races(&self) {
        if let Some(report) = self.races().and_then(Races::report) {
            if self.cause.is_noted() {
                event!(warn, "the run failed, and beside that {report}");
            }
            self.note_cause(Error::Races(Box::new(report)));
        }
    }

    /// Keeps `error` if it is the first of the run.
    pub(crate) fn note_cause(&self, error: Error) {
        self.cause.note(error);
    }

    /// Ends the run of `control` because it exceeded a limit of time. Kernels that run are given `patience`.
    pub(crate) fn end_overdue(&self, control: &Control, patience: Duration, reason: StallReason) {
        let report = StallReport::of(self, reason);
        control.lose_patience(patience);
        self.note_cause(Error::Stalled(report));
        self.end_run();
    }

    /// Fails the task of `work`, which `lane` ran, or which was never dispatched.
    fn fail(&self, lane: Option<LaneId>, work: Work, error: KernelError) {
        let slot = SlotRef::from_raw(work.slot);
        let state = self.rings.slot(slot);
        let core = lane.map(|lane| self.core(lane));
        let cold = state.cold();
        self.note_cause(Error::Task(Box::new(Failure {
            task: state.id(),
            kernel: self.kernels.name(cold.callable),
            core,
            block: (work.block.into(), cold.blocks.into()),
            site: self.rings.site(slot),
            skipped: 0,
            error,
        })));
        state.fail();
        self.record(|| What::Failed {
            task: state.id(),
            block: work.block.into(),
            core: lane.map(|lane| lane.0),
        });
    }
}

impl Runner for Engine {
    type Error = Error;

    fn cause(&self) -> &Cause<Error> {
        &self.cause
    }

    fn take_cause(&self) -> Option<Error> {
        let mut cause = self.cause.take();
        if let Some(Error::Task(failure)) = &mut cause {
            failure.skipped = self.rings.failures().saturating_sub(1);
        }
        cause
    }

    /// What is not running yet completes without running. From any thread.
    fn end_run(&self) {
        self.rings.end();
        // A seeded simulation does nothing by itself, and nothing on any other thread: whoever steps it sees the end.
        if self.mode == Mode::Pool {
            for domain in 0..self.spec.domains {
                self.poll(domain);
            }
        }
        self.progress.notify_all();
    }
}
