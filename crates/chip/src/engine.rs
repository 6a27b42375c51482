//! The engine of a chip: what its cores call back into.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prewire_abi::TaskId;
use prewire_orchestrator::{Predicate, Record};
use prewire_os::Event;
use prewire_platform::{ChipSpec, Core, DeviceMemory, Host, LaneId, Work};
use prewire_ring::{RING_COUNT, Ready, Rings, SlotRef};
use prewire_runs::{Cause, Control, Runner, contained, message};
use prewire_scheduler::{Env, Progress, Scheduler};
use prewire_sim::{Mode, Sim};

use crate::adopted::Adoptions;
use crate::alarm::{Alarm, Heeds};
use crate::barrier::Barriers;
use crate::busy::Busy;
use crate::context::{KernelCtx, may_meet};
use crate::deferred::Deferred;
use crate::error::{Error, Failure, KernelError};
use crate::foreign_element;
use crate::guard::Guard;
use crate::kernel::Body;
use crate::kernels::Kernels;
use crate::lease::{Holder, Leases};
use crate::library::Pipes;
use crate::races::Races;
use crate::span::Span;
use crate::stall::{OrchestratorWait, StallReason, StallReport};
use crate::trace::{Recorder, What};

thread_local! {
    /// The engine whose orchestration or kernel this thread is inside of, by its address: then it must not wait for a
    /// chip. 0 is none.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Marks this thread as inside of a run or kernel while it lives.
#[derive(Debug)]
pub(crate) struct Inside(usize);

impl Inside {
    pub(crate) fn enter(engine: &Engine) -> Self {
        Self(INSIDE.replace(std::ptr::from_ref(engine).addr()))
    }

    pub(crate) fn is_here() -> bool {
        INSIDE.get() != 0
    }

    /// Whether this thread is inside of this chip.
    pub(crate) fn is_of(engine: &Engine) -> bool {
        INSIDE.get() == std::ptr::from_ref(engine).addr()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

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
    pub(crate) fn holder(&self, task: TaskId, block: u32, place: u32) -> Holder {
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

    /// Tasks have completed: wakes the orchestrator if it can make use of that. While it waits for the end, or for room in
    /// a full ring, it would mostly look, and park again. Should two threads complete the last tasks, and neither find the
    /// rings drained, they have nothing to do any more, and say so.
    fn tell_progress(&self) {
        // It sets the alarm before it says that it waits, and looks after that.
        if !self.progress.is_awaited() {
            return;
        }
        let heeded = match self.alarm.get() {
            Heeds::All => true,
            Heeds::End => (0..RING_COUNT).all(|ring| self.rings.usage(ring).live == 0),
            Heeds::Room { ring, live } => self.rings.usage(ring).live <= live || self.sim.has_place(),
        };
        if heeded {
            self.progress.notify_all();
        }
    }

    /// The race checker, if there is one.
    pub(crate) fn races(&self) -> Option<&Races> {
        self.races.as_deref()
    }

    /// Makes what the race checker found the cause, unless the run failed for another one: then it is told as well.
    pub(crate) fn note_races(&self) {
        if let Some(report) = self.races().and_then(Races::report) {
            if self.cause.is_noted() {
                tracing::warn!("the run failed, and beside that {report}");
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
            block: (work.block, u32::from(cold.blocks)),
            site: self.rings.site(slot),
            skipped: 0,
            error,
        })));
        state.fail();
        self.record(|| What::Failed { task: state.id(), block: work.block, core: lane.map(|lane| lane.0) });
    }

    /// A sub-task that a core took up after the end of the run. It does not begin; peers that did hear that it never comes.
    #[cold]
    fn skip(&self, lane: LaneId, work: Work) {
        let state = self.rings.slot(SlotRef::from_raw(work.slot));
        state.poison();
        KernelCtx::new(self, lane, work, state).leave();
    }

    #[inline(always)]
    fn run_kernel(&self, lane: LaneId, work: Work) {
        let state = self.rings.slot(SlotRef::from_raw(work.slot));
        let mut ctx = KernelCtx::new(self, lane, work, state);
        // SAFETY: a kernel of a run.
        let error = match unsafe { self.kernels.body(state.callable(), work.place) } {
            Some(body) => call(body, &mut ctx),
            None => Some(Box::new(KernelError::new("the task names no kernel for this core"))),
        };
        match error {
            None => ctx.leave(),
            Some(error) => self.end_failed(lane, work, &ctx, *error),
        }
    }

    #[inline(never)]
    fn run_recorded(&self, lane: LaneId, work: Work) {
        self.record_began(lane, work);
        self.run_kernel(lane, work);
        self.record_ended(lane, work);
    }

    /// The kernel of `ctx` has failed.
    #[cold]
    fn end_failed(&self, lane: LaneId, work: Work, ctx: &KernelCtx<'_>, error: KernelError) {
        // What was to wait for counters would never be known to be complete.
        let ends = matches!(error, KernelError::Deferred(_));
        // Before the peers hear of it: what they say then is a consequence, not the cause.
        self.fail(Some(lane), work, error);
        ctx.leave();
        if ends {
            self.end_run();
        }
    }
}

/// Runs a kernel: why it failed, if it did. Boxed, so that what is handed on is one word whatever it says.
#[inline]
fn call(body: &Body, ctx: &mut KernelCtx<'_>) -> Option<Box<KernelError>> {
    let run = || match body(ctx) {
        Ok(()) => None,
        Err(error) => Some(Box::new(error)),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Some(Box::new(panicked(panic))))
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) -> KernelError {
    let text = message(&*panic);
    // Dropping what the kernel threw is the kernel's code again, and may panic again.
    contained(|| drop(panic));
    KernelError::Panicked(text)
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

impl Host for Engine {
    fn execute(&self, lane: LaneId, work: Work) {
        if self.rings.is_ended() {
            return self.skip(lane, work);
        }
        let _inside = Inside::enter(self);
        let busy = self.busy.begin(lane, work);
        match self.recorder() {
            None => self.run_kernel(lane, work),
            Some(_) => self.run_recorded(lane, work),
        }
        busy.end();
    }

    fn may_block(&self, work: Work) -> bool {
        may_meet(self.rings.slot(SlotRef::from_raw(work.slot)).kind())
    }

    fn poll(&self, domain: u16) {
        let Progress { completed, .. } = self.scheduler.poll(domain, self);
        if completed > 0 {
            self.tell_progress();
        }
    }

    fn has_ready(&self, domain: u16) -> bool {
        self.scheduler.has_ready(domain)
    }

    fn quiescent(&self) {
        self.progress.notify_all();
    }

    fn idles(&self) {
        if self.progress.is_awaited() && matches!(self.alarm.get(), Heeds::Room { .. }) {
            self.progress.notify_all();
        }
    }
}

impl Env for Engine {
    fn completed(&self, slot: SlotRef) {
        self.record_completed(slot);
    }

    #[inline]
    fn may_wait(&self) -> bool {
        self.deferred.any()
    }

    fn waits(&self, slot: SlotRef) -> bool {
        self.deferred.waits(&self.rings, slot)
    }

    fn settled(&self, back: &mut dyn FnMut(SlotRef)) {
        self.deferred.settled(&self.rings, back);
    }

    fn predicate_holds(&self, slot: SlotRef) -> bool {
        let holds = self.judge(slot);
        if !holds {
            self.record(|| What::Off { task: self.rings.slot(slot).id() });
        }
        holds
    }
}

impl Engine {
    /// Whether the predicate of a task holds. One that may not be looked at fails its task.
    fn judge(&self, slot: SlotRef) -> bool {
        let record = Record::of(&self.rings, slot);
        let Some(predicate) = record.predicate() else { return true };
        if record.has_raw_predicate() {
            return compares(predicate, read_raw(predicate.addr, predicate.dtype.size()));
        }
        let mut bytes = [0; 8];
        let size = (predicate.dtype.size() as usize).min(bytes.len());
        let state = self.rings.slot(slot);
        let mut lease = None;
        let span = Span::dense(predicate.addr, size as u64, 1);
        if let Some(races) = self.races() {
            races.predicate(state.id(), Record::of(&self.rings, slot).tensors(), &span);
        }
        if state.cold().attrs.unordered || self.adoptions.at(span.addr).is_some() {
            // Nothing but its submitter's word says that nobody writes the element now; or it is not this chip's alone.
            let holder = self.holder(state.id(), 0, 0);
            lease = match self.keep_away(&span, false, holder) {
                Ok(lease) => Some(lease),
                Err(other) => {
                    let error = KernelError::new(format!(
                        "its predicate reads what {} writes; add an edge",
                        other.beside(&holder)
                    ));
                    self.fail(None, Work { slot: slot.raw(), ..Work::default() }, error);
                    return false;
                }
            };
        }
        let read = self.sim.read(predicate.addr, &mut bytes[..size]);
        drop(lease);
        // The tensor was checked at submit, and lives as long as the task: there is no other answer.
        read.is_err() || compares(predicate, u64::from_le_bytes(bytes))
    }
}

/// The bits of an element whose address is its submitter's word.
fn read_raw(addr: u64, size: u32) -> u64 {
    // SAFETY: who submits by `Orch::foreign` answers for the memory of its predicates until the task has ended.
    unsafe { foreign_element::read(addr, size) }
}

/// Whether an element, as its bytes, compares with the target as the predicate says. Its sign is its dtype's.
fn compares(predicate: Predicate, raw: u64) -> bool {
    use prewire_abi::DataType as D;
    let element = match predicate.dtype {
        D::I8 => i64::from(raw as i8),
        D::I16 => i64::from(raw as i16),
        D::I32 => i64::from(raw as i32),
        // Above every target that there can be.
        D::U64 if raw > i64::MAX as u64 => return predicate.op.holds(1, 0),
        _ => raw as i64,
    };
    predicate.op.holds(element, predicate.target)
}
