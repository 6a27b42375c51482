//! A worker at work: its runs, from their turn to their end, and what its owner and their limits do to them meanwhile.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prewire_abi::ScopeMode;
use prewire_chip::Store;
use prewire_orchestrator::Orchestrator;
use prewire_os::clock;
use prewire_platform::MemoryError;
use prewire_runs::{Current, Held, Launcher, News, Runner, Turn, contained, message};
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::devices::Devices;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::orch::{Orch, Scratch};
use crate::run::{Launched, RunReport};
use crate::settings::Settings;
use crate::waiter::Waiter;

/// How long an orchestration is given to come back after its run was ended, before the worker is given up.
const GRACE: Duration = Duration::from_secs(1);

thread_local! {
    /// This thread is inside of a run or a callable of some worker: it must not wait for another run.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as inside of a run or a callable while it lives.
#[derive(Debug)]
pub(crate) struct Inside(bool);

impl Inside {
    pub(crate) fn enter() -> Self {
        Self(INSIDE.replace(true))
    }

    /// A child that orchestrates on behalf of its parent is a worker of its own.
    pub(crate) fn leave() -> Self {
        Self(INSIDE.replace(false))
    }

    pub(crate) fn is_here() -> bool {
        INSIDE.get()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}

/// Numbers the runs of a process. Raised by every run.
static RUNS: AtomicU64 = AtomicU64::new(1);

/// What one run at a time works with.
#[derive(Debug)]
pub(crate) struct Conductor {
    pub(crate) orchestrator: Orchestrator,
    pub(crate) scratch: Scratch,
}

/// What a worker, its handles and its launched runs share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) engine: Arc<Engine>,
    pub(crate) store: Store,
    /// Device memory of the children.
    pub(crate) devices: Arc<Devices>,
    pub(crate) settings: Settings,
    turn: Turn<Conductor>,
    launcher: Launcher<RunReport, Error>,
    news: Arc<News>,
    current: Current<RunReport, Error>,
    /// Until when a child may take to die that was killed after the run was to be given up. Written by whoever holds
    /// `current`, and before a run begins.
    dying: Mutex<Option<Duration>>,
}

impl Inner {
    pub(crate) fn new(
        engine: Arc<Engine>,
        store: Store,
        devices: Arc<Devices>,
        orchestrator: Orchestrator,
        settings: Settings,
    ) -> Self {
        let news = Arc::<News>::default();
        let conductor = Conductor { orchestrator, scratch: Scratch::default() };
        Self {
            engine,
            store,
            devices,
            settings,
            turn: Turn::new(conductor, Arc::clone(&news)),
            launcher: Launcher::default(),
            news,
            current: Current::default(),
            dying: Mutex::new(None),
        }
    }

    fn lost(&self, why: String) -> Error {
        Error::Lost { path: self.engine.path().to_owned(), why }
    }

    /// Waits for the turn of a call that comes from outside of runs.
    pub(crate) fn idle(&self, call: &'static str) -> Result<Held<'_, Conductor>> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call });
        }
        let turn = self.wait(None, || self.turn.try_take());
        // A wait without a limit ends with what it waits for.
        turn.unwrap_or_else(|| Err("its turn never came".into())).map_err(|why| self.lost(why))
    }

    /// Waits until `look` returns something, up to `limit`.
    pub(crate) fn wait<T>(&self, limit: Option<Duration>, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        let end = limit.map(|limit| clock::monotonic().saturating_add(limit));
        loop {
            let times = self.news.times();
            let left = end.map(|end| end.saturating_sub(clock::monotonic()));
            if let Some(found) = self.news.wait(left, times, &mut look) {
                return Some(found);
            }
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
        }
    }

    /// What the worker is doing now.
    pub(crate) fn doing(&self) -> String {
        self.engine.doing()
    }

    /// A launched run begins as soon as those before it are over.
    pub(crate) fn launch(
        self: &Arc<Self>,
        site: &'static Location<'static>,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Arc<Launched>> {
        if let Some(why) = self.turn.lost() {
            return Err(self.lost(why));
        }
        let launched = Launched::new(site, &self.news);
        let (inner, told) = (Arc::clone(self), Arc::clone(&launched));
        let job = move || {
            let result = inner.run(&told, orchestration).unwrap_or_else(|panic| {
                let message = message(&*panic);
                contained(|| drop(panic));
                Err(Error::Panicked { site, message })
            });
            told.finish(result);
        };
        self.launcher
            .launch(Arc::clone(&launched), Box::new(job))
            .map_err(Error::system("no thread could be started for launched runs"))?;
        if let Some(why) = self.turn.lost() {
            // It was lost meanwhile, and whoever lost it may have looked at the queue before.
            self.launcher.drain(|| self.lost(why.clone()));
        }
        Ok(launched)
    }

    /// A run on the calling thread. The outer error is the panic of an orchestration.
    pub(crate) fn run_here(
        &self,
        site: &'static Location<'static>,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> std::thread::Result<Result<RunReport>> {
        let launched = Launched::new(site, &self.news);
        let result = self.run(&launched, orchestration);
        // One that was given up has its outcome already.
        if result.is_ok() && launched.is_over() { Ok(launched.take()) } else { result }
    }

    /// A run from its turn to its end.
    fn run(
        &self,
        launched: &Arc<Launched>,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> std::thread::Result<Result<RunReport>> {
        let (site, control) = (launched.site, &launched.control);
        let mut conductor = match self.idle("Worker::run") {
            Ok(conductor) => conductor,
            Err(error) => return Ok(Err(error)),
        };
        let Conductor { orchestrator, scratch } = &mut *conductor;
        let inside = Inside::enter();
        let start = Instant::now();
        let executed = self.engine.completed();
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        orchestrator.start_run();
        self.begin(launched, run);
        let kept = self.store.keep();
        let waiter = Waiter::new(&self.engine, control);
        if let Some(allowed) = self.settings.deadline {
            waiter.set_deadline(allowed);
        }
        let mut orch = Orch { engine: &self.engine, orchestrator, waiter, store: &self.store, scratch, run };
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
        if let Some(why) = self.engine.lost() {
            // What still runs may use the memory.
            std::mem::forget(kept);
            self.lose(&why);
        } else {
            drop(kept);
        }
        let report = RunReport {
            tasks: orchestrator.tasks(),
            executed: self.engine.completed() - executed,
            wall: start.elapsed(),
            usage: orchestrator.usage(),
        };
        // Where the worker is lost, what there was to say was told to whoever has the handle; what the run was to do was not
        // done.
        let cause = self.current.end(&*self.engine).or_else(|| self.engine.lost().map(|why| self.lost(why)));
        drop(inside);
        drop(conductor);
        match (result, cause) {
            (Err(panic), _) => Err(panic),
            (Ok(_), Some(cause)) => Ok(Err(cause)),
            (Ok(_), None) => Ok(Ok(report)),
        }
    }

    fn dying(&self) -> MutexGuard<'_, Option<Duration>> {
        self.dying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run begins: from here on it can be ended from outside.
    fn begin(&self, launched: &Arc<Launched>, run: u64) {
        self.engine.begin(run);
        *self.dying() = None;
        self.current.begin(launched, &*self.engine);
        if launched.control.deadline().is_some() {
            self.engine.times_changed();
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

    /// What is told of this worker's shared memory.
    pub(crate) fn memory_error(&self, error: prewire_chip::Error) -> Error {
        match error {
            prewire_chip::Error::Memory(MemoryError::Exhausted { wanted, used, limit }) => {
                Error::Memory { path: self.engine.path().to_owned(), wanted, used, limit }
            }
            prewire_chip::Error::Memory(MemoryError::BeyondMachine { wanted, used, machine }) => {
                Error::BeyondMachine { path: self.engine.path().to_owned(), wanted, used, machine }
            }
            other => other.into(),
        }
    }

    /// No further runs: whoever waits for one hears why.
    pub(crate) fn lose(&self, why: &str) {
        self.turn.lose(why.to_owned());
        self.launcher.drain(|| self.lost(why.to_owned()));
    }

    /// Sees to the limits of the run that goes on, whatever its orchestration does: called by the progress thread, and
    /// returns when it wants to be called again, on the monotonic clock.
    pub(crate) fn watch(&self) -> Option<Duration> {
        let current = self.current.lock();
        let launched = current.as_ref()?;
        let control = &launched.control;
        let now = clock::monotonic();
        let Some(give_up) = control.give_up() else {
            let deadline = control.deadline()?;
            if now < deadline {
                return Some(deadline);
            }
            let allowed = control.allowed();
            control.lose_patience(GRACE);
            self.engine.note_cause(Error::Overdue { allowed, doing: self.engine.doing() });
            // Before what has not begun is taken back: a child that does not take it is to be seen.
            self.engine.kill_running(allowed);
            self.engine.end_run();
            return control.give_up();
        };
        if now < give_up {
            return Some(give_up);
        }
        if self.engine.kill_running(self.settings.close_limit) > 0 {
            // Dead in a moment; if that does not end it, a later look says so.
            *self.dying() = Some(now.saturating_add(GRACE));
        }
        // The thread that looks here wakes for other reasons, too, that death among them.
        if let Some(end) = self.dying().filter(|end| now < *end) {
            return Some(end);
        }
        if self.engine.children().awaits_replacement() {
            // It comes, or is given up: what waits for it goes on either way.
            return Some(now.saturating_add(GRACE));
        }
        if self.turn.is_lost() {
            return None;
        }
        // Children in processes are dead by now: a thread does not come back.
        let why = format!("its run at {} did not come to an end: {}", launched.site, self.engine.doing());
        self.engine.lose(&why);
        let cause = self.engine.take_cause();
        launched.finish(Err(cause.unwrap_or_else(|| self.lost(why.clone()))));
        drop(current);
        self.lose(&why);
        None
    }

    /// Ends the run that goes on and those that wait for their turn.
    pub(crate) fn close(&self) {
        self.current.close(self.settings.close_limit, &*self.engine);
        self.engine.times_changed();
        self.launcher.drain(|| Error::Cancelled);
        self.launcher.close();
        self.turn.lose("it was closed".into());
    }

    /// After [`close`](Inner::close): whether the thread of launched runs has ended, within `limit`.
    pub(crate) fn wait_for_runs(&self, limit: Duration) -> bool {
        self.launcher.is_here() || self.launcher.wait_for_end(Some(limit))
    }
}
