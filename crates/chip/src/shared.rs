//! A run of a chip, from its turn to its end, and what its owner and its limits do to it meanwhile.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prewire_abi::ScopeMode;
use prewire_orchestrator::{Args, Orchestrator};
use prewire_os::clock;
use prewire_runs::{Current, Launcher, News, Runner, event, message};
use prewire_sim::{Mode, Sim};
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::buffer::Kept;
use crate::described::Described;
use crate::device::Devices;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::inside::Inside;
use crate::limits::Limits;
use crate::orch::Orch;
use crate::run::Launched;
use crate::run_report::RunReport;
use crate::stall::{StallReason, StallReport};
use crate::store::Store;
use crate::submit::Draft;
use crate::tight::Tight;
use crate::waiter::{Guest, Waiter};

/// How long an orchestration is given to come back, beyond what kernels are given.
const GRACE: Duration = Duration::from_secs(1);

/// What one run at a time works with.
#[derive(Debug)]
pub(crate) struct Conductor {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) args: Args,
    pub(crate) described: Described,
    pub(crate) tight: Tight,
}

type Turn = prewire_runs::Turn<Conductor>;
pub(crate) type Held<'t> = prewire_runs::Held<'t, Conductor>;

/// What the chip and its launched runs share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) sim: Arc<Sim>,
    pub(crate) store: Store,
    /// Memory that was allocated by number.
    pub(crate) devices: Devices,
    pub(crate) turn: Turn,
    pub(crate) limits: Limits,
    /// The runs that wait for their turn, and the thread that they go on.
    pub(crate) launcher: Launcher<RunReport, Error>,
    /// Where everybody waits who waits for runs.
    pub(crate) news: Arc<News>,
    current: Current<RunReport, Error>,
    mode: Mode,
}

/// Tells the runs of a process apart, of all chips: a task of another chip is one of another run. Raised by every run.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Shared {
    pub(crate) fn new(
        engine: Arc<Engine>,
        sim: Arc<Sim>,
        store: Store,
        orchestrator: Orchestrator,
        mode: Mode,
        limits: Limits,
    ) -> Self {
        let news = Arc::<News>::default();
        let conductor = Conductor {
            orchestrator,
            args: Args::default(),
            described: Described::default(),
            tight: Tight::default(),
        };
        Self {
            engine,
            sim,
            store,
            devices: Devices::default(),
            turn: Turn::new(conductor, Arc::clone(&news)),
            launcher: Launcher::default(),
            news,
            limits,
            current: Current::default(),
            mode,
        }
    }

    /// Waits for the turn of a call that comes from outside of runs.
    pub(crate) fn idle(&self, call: &'static str, hint: &'static str) -> Result<Held<'_>> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call, hint });
        }
        let turn = self.wait(None, || self.turn.try_take());
        // A wait without a limit ends with what it waits for.
        let turn = turn.unwrap_or_else(|| Err("its turn never came".into()));
        turn.map_err(|why| Error::Lost { why })
    }

    /// Waits until `look` returns something, up to `limit`. Whoever waits from outside sees to the limits of the run that
    /// goes on, which may itself be in no state to.
    pub(crate) fn wait<T>(&self, limit: Option<Duration>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        if let Some(found) = look() {
            return Some(found);
        }
        let end = limit.map(|limit| clock::monotonic().saturating_add(limit));
        loop {
            let times = self.news.times();
            let next = self.watch();
            let left = end.map(|end| end.saturating_sub(clock::monotonic()));
            let timeout = [next, left].into_iter().flatten().min();
            if let Some(found) = self.news.wait(timeout, times, &mut look) {
                return Some(found);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
        }
    }

    /// Ends the run that goes on if it is overdue, and gives it up if that is of no use. How long nothing of this is due.
    pub(crate) fn watch(&self) -> Option<Duration> {
        let current = self.current.lock();
        let Launched { site, control, .. } = &**current.as_ref()?;
        let now = clock::monotonic();
        let Some(give_up) = control.give_up() else {
            let deadline = control.deadline()?;
            if now < deadline {
                return Some(deadline - now);
            }
            let reason = StallReason::Deadline(control.allowed());
            self.engine.end_overdue(control, self.limits.patience, reason);
            return Some(self.limits.patience.saturating_add(GRACE));
        };
        let last = give_up.saturating_add(GRACE);
        if now < last {
            return Some(last - now);
        }
        if self.turn.is_lost() {
            return None;
        }
        // A seeded simulation runs kernels on the thread that waits for them.
        if self.mode == Mode::Pool && self.engine.orchestrator_wait().is_some() {
            // It has come back, and gives up kernels itself.
            return Some(GRACE);
        }
        let report = StallReport::of(&self.engine, StallReason::Asked);
        let what =
            if self.mode == Mode::Pool { "the orchestration" } else { "a kernel, or the orchestration," };
        let why = format!("{what} of the run at {site} did not return: {report}");
        self.turn.lose(why.clone());
        if let Some(launched) = &*current {
            // What ended it, or what it failed of before.
            launched.finish(Err(self.engine.take_cause().unwrap_or(Error::Stalled(report))));
        }
        // What the runs that wait have captured may do anything when it is dropped.
        drop(current);
        self.launcher.drain(|| Error::Lost { why: why.clone() });
        None
    }

    /// A run from its turn to its end. The outer error is the panic of an orchestration.
    pub(crate) fn run(
        &self,
        launched: &Arc<Launched>,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> std::thread::Result<Result<RunReport>> {
        let Launched { site, control, .. } = &**launched;
        let site = *site;
        let mut conductor = match self.idle("Chip::run", "") {
            Ok(conductor) => conductor,
            Err(error) => return Ok(Err(error)),
        };
        let Conductor { orchestrator, args, described, tight } = &mut *conductor;
        let inside = Inside::enter(&self.engine);
        let start = Instant::now();
        let executed = self.sim.stats().executed;
        orchestrator.start_run();
        self.engine.kernels().begin_run();
        self.engine.pipes().clear();
        described.start();
        self.engine.races().inspect(|races| races.start());
        if let Some(allowed) = self.limits.deadline {
            control.set_deadline(allowed);
        }
        self.sim.rewind();
        if let Some(recorder) = self.engine.recorder() {
            recorder.begin(orchestrator, site);
        }
        self.begin(launched);
        let working = Working { shared: self, kept: Some(self.store.keep()) };
        let guest = Guest::come(&self.engine);
        let mut orch = Orch {
            engine: &self.engine,
            orchestrator,
            waiter: Waiter::new(&self.engine, self.mode, self.limits, control),
            store: &self.store,
            args,
            described,
            draft: Draft::new(site),
            seen: Vec::new(),
            chip: self.store.id(),
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
        if let Err(panic) = &result {
            self.engine.note_cause(Error::Panicked { site, message: message(&**panic) });
        }
        if !matches!(result, Ok(Ok(()))) {
            self.engine.end_run();
        }
        let Orch { orchestrator, mut waiter, .. } = orch;
        orchestrator.finish_run(&mut waiter);
        drop(guest);
        // Before anything of others is called: from here on nothing of the run is alive, or the chip is lost.
        let lost = waiter.into_lost();
        let kept = working.done();
        match &lost {
            Some(why) => {
                // Kernels may be blocked with views of it.
                std::mem::forget(kept);
                self.turn.lose(why.clone());
            }
            None => drop(kept),
        }
        let report = RunReport {
            tasks: orchestrator.tasks(),
            executed: self.sim.stats().executed - executed,
            wall: start.elapsed(),
            usage: orchestrator.usage(),
        };
        tight.look(&report.usage);
        self.engine.note_races();
        let cause = self.current.end(&*self.engine);
        if let Some(recorder) = self.engine.recorder() {
            recorder.finish(&self.engine, cause.is_none() && result.is_ok(), orchestrator.tasks());
        }
        let gone = lost.is_none().then(|| self.engine.kernels().end_run());
        if let Some(why) = lost {
            event!(error, site = %site, "the chip is lost: {why}");
            self.launcher.drain(|| Error::Lost { why: why.clone() });
        }
        drop(inside);
        drop(conductor);
        drop(gone);
        match (result, cause) {
            (Err(panic), _) => {
                event!(error, site = %site, "the orchestration panicked: {}", message(&*panic));
                Err(panic)
            }
            (Ok(_), Some(cause)) => Ok(Err(cause)),
            (Ok(_), None) => Ok(Ok(report)),
        }
    }

    /// The run begins: from here on it can be ended from outside.
    fn begin(&self, launched: &Arc<Launched>) {
        self.current.begin(launched, &*self.engine);
        if launched.control.deadline().is_some() {
            self.news.tell_times();
        }
    }

    /// Ends the run, or keeps it from doing anything when its turn comes.
    pub(crate) fn cancel(&self, launched: &Arc<Launched>) {
        self.current.cancel(launched, &*self.engine);
    }

    /// Has the run note what its root cause says so far, if it goes on.
    pub(crate) fn cause_of(&self, launched: &Arc<Launched>) {
        self.current.note_cause(launched, &*self.engine);
    }

    /// Ends the run that goes on and those that wait for their turn, and gives kernels `patience` from now on.
    pub(crate) fn close(&self) {
        self.current.close(self.limits.patience, &*self.engine);
        self.launcher.drain(|| Error::Cancelled);
        self.launcher.close();
    }
}

/// A run's hold on the memory of buffers. If what prewire itself calls in the middle of a run unwinds (a subscriber of its
/// log may), tasks may be alive: then nothing is freed, and the chip is lost.
struct Working<'s> {
    shared: &'s Shared,
    kept: Option<Kept<'s>>,
}

impl<'s> Working<'s> {
    /// Nothing of the run is alive, or the chip is lost.
    fn done(mut self) -> Option<Kept<'s>> {
        self.kept.take()
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            std::mem::forget(kept);
            self.shared.turn.lose("a panic that was not the program's interrupted a run".into());
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.engine.deferred().lookout.close();
        if self.turn.is_lost() {
            // Those that are parked end; whose kernel has not returned ends when it does.
            let _ = self.sim.abandon(Duration::ZERO);
        } else {
            self.sim.stop();
        }
    }
}
