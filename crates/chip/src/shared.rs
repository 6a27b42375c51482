//! A run from its turn to its end, and how it is ended from outside.
//!
//! Whoever ends a run holds `current`, and so does the run when it begins and ends: no end is meant for one run and hits
//! another.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use prewire_abi::ScopeMode;
use prewire_orchestrator::{Args, Orchestrator};
use prewire_sim::{Mode, Sim};
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::buffer::Buffers;
use crate::chip::RunReport;
use crate::control::{Control, Limits};
use crate::engine::{Engine, Inside, message};
use crate::error::{Error, Result};
use crate::orch::Orch;
use crate::tight::Tight;
use crate::turn::{Conductor, Held, Turn};
use crate::waiter::Waiter;

/// What the chip and its launched runs share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) sim: Arc<Sim>,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) turn: Turn,
    pub(crate) limits: Limits,
    /// The run that goes on. Held while it is begun, ended, or cancelled.
    current: Mutex<Option<Arc<Control>>>,
    /// The chip is being dropped. Written by the drop.
    closing: AtomicBool,
    mode: Mode,
    pub(crate) id: u64,
}

/// Tells the runs of a process apart, of all chips: a task of another chip is one of another run. Raised by every run.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Shared {
    pub(crate) fn new(
        engine: Arc<Engine>,
        sim: Arc<Sim>,
        buffers: Arc<Buffers>,
        orchestrator: Orchestrator,
        mode: Mode,
        limits: Limits,
        id: u64,
    ) -> Self {
        Self {
            engine,
            sim,
            buffers,
            turn: Turn::new(Conductor { orchestrator, args: Args::default(), tight: Tight::default() }),
            limits,
            current: Mutex::new(None),
            closing: AtomicBool::new(false),
            mode,
            id,
        }
    }

    /// Waits for the turn of a call that comes from outside of runs.
    pub(crate) fn idle(&self, call: &'static str, hint: &'static str) -> Result<Held<'_>> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call, hint });
        }
        self.turn.take().map_err(|why| Error::Lost { why })
    }

    /// A run from its turn to its end. The outer error is the panic of an orchestration.
    pub(crate) fn run(
        &self,
        control: &Arc<Control>,
        site: &'static Location<'static>,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> std::thread::Result<Result<RunReport>> {
        let mut conductor = match self.idle("Chip::run", "") {
            Ok(conductor) => conductor,
            Err(error) => return Ok(Err(error)),
        };
        let Conductor { orchestrator, args, tight } = &mut *conductor;
        let inside = Inside::enter();
        let start = Instant::now();
        let executed = self.sim.stats().executed;
        orchestrator.start_run();
        self.engine.races().inspect(|races| races.start());
        if let Some(allowed) = self.limits.deadline {
            control.set_deadline(allowed);
        }
        self.sim.rewind();
        if let Some(recorder) = self.engine.recorder() {
            recorder.begin(orchestrator, site);
        }
        self.begin(control);
        let kept = self.buffers.keep();
        let mut orch = Orch {
            engine: &self.engine,
            orchestrator,
            waiter: Waiter::new(&self.engine, self.mode, self.limits, control),
            buffers: &self.buffers,
            args,
            seen: Vec::new(),
            chip: self.id,
            run: RUNS.fetch_add(1, Ordering::Relaxed),
        };
        // Refused if the run was cancelled before it began; then there is nothing to do.
        let opened = orch.orchestrator.open_scope(&mut orch.waiter, ScopeMode::Auto, site);
        let result = catch_unwind(AssertUnwindSafe(|| match opened {
            Ok(()) => orchestration(&mut orch),
            Err(_) => Ok(()),
        }));
        // What failed first is the root cause, and stays it.
        let result = result.map(|result| result.map_err(|error| self.engine.note_cause(error)));
        if !matches!(result, Ok(Ok(()))) {
            self.engine.end_run();
        }
        let Orch { orchestrator, mut waiter, .. } = orch;
        orchestrator.finish_run(&mut waiter);
        let report = RunReport {
            tasks: orchestrator.tasks(),
            executed: self.sim.stats().executed - executed,
            wall: start.elapsed(),
            usage: orchestrator.usage(),
        };
        tight.look(&report.usage);
        self.engine.note_races();
        let cause = self.end();
        if let Some(recorder) = self.engine.recorder() {
            recorder.finish(&self.engine, cause.is_none() && result.is_ok(), orchestrator.tasks());
        }
        match waiter.into_lost() {
            Some(why) => {
                tracing::error!(site = %site, "the chip is lost: {why}");
                // Kernels may be blocked with views of it.
                std::mem::forget(kept);
                self.turn.lose(why);
            }
            None => drop(kept),
        }
        drop(inside);
        drop(conductor);
        match (result, cause) {
            (Err(panic), _) => {
                tracing::error!(site = %site, "the orchestration panicked: {}", message(&*panic));
                Err(panic)
            }
            (Ok(_), Some(cause)) => Ok(Err(cause)),
            (Ok(_), None) => Ok(Ok(report)),
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Control>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run of `control` begins: from here on it can be ended from outside.
    fn begin(&self, control: &Arc<Control>) {
        let mut current = self.current();
        let _ = self.engine.take_cause();
        *current = Some(Arc::clone(control));
        if control.is_cancelled() || self.closing.load(Ordering::Relaxed) {
            self.end_cancelled();
        }
    }

    /// The run is over: its root cause, if it failed.
    fn end(&self) -> Option<Error> {
        *self.current() = None;
        self.engine.take_cause()
    }

    /// Ends the current run as cancelled. `current` is locked, so that no other run begins or ends meanwhile.
    fn end_cancelled(&self) {
        self.engine.note_cause(Error::Cancelled);
        self.engine.end_run();
    }

    /// Ends the run of `control`, or keeps it from doing anything when its turn comes.
    pub(crate) fn cancel(&self, control: &Arc<Control>) {
        let current = self.current();
        control.cancel();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, control)) {
            self.end_cancelled();
        }
    }

    /// What the root cause of the run of `control` says so far, if it goes on.
    pub(crate) fn cause_of(&self, control: &Arc<Control>) -> Option<String> {
        let current = self.current();
        let mine = current.as_ref().is_some_and(|current| Arc::ptr_eq(current, control));
        mine.then(|| self.engine.cause_so_far()).flatten()
    }

    /// Ends the run that goes on and those that wait for their turn, and gives kernels `patience` from now on.
    pub(crate) fn close(&self) {
        let current = self.current();
        self.closing.store(true, Ordering::Relaxed);
        if let Some(control) = &*current {
            control.lose_patience(self.limits.patience);
            self.end_cancelled();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.turn.lost().is_none() {
            self.sim.stop();
        }
    }
}
