//! The stall report: what a run is doing, and what waits for what.
//!
//! A report is a look at a chip at work, taken without stopping it: by the time it is read, what it names may have
//! gone on. It is exact where it matters: what does not move is named as it stands.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use prewire_abi::{ErrorCode, TaskId};
use prewire_os::clock;
use prewire_platform::{Awaited, Core};
use prewire_ring::{RING_COUNT, SlotRef};

use crate::engine::Engine;

/// How many entries of each list a text names.
const NAMED: usize = 8;

/// Why a report was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallReason {
    /// Somebody asked, or did not want to wait any longer. The run goes on.
    Asked,
    /// The run took longer than its deadline, and was ended.
    Deadline(Duration),
    /// No kernel began or ended for this long, and the run was ended.
    NoProgress(Duration),
}

/// What keeps a run, in the order in which they are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallClass {
    /// Kernels run. It is slow, not stuck, if they return.
    Running,
    /// Tasks are ready, and no core runs anything.
    ReadyButIdle,
    /// Tasks have run, and wait for counters that somebody outside of the chip is to raise.
    Deferred,
    /// Tasks wait for each other, and none is ready.
    Dependency,
    /// No task is alive: the orchestration itself is at work, or waits.
    Orchestration,
}

impl StallClass {
    /// The number that the chip's ABI has for it, the detail of code 100.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Running => 1,
            Self::ReadyButIdle => 3,
            Self::Deferred | Self::Dependency => 4,
            Self::Orchestration => 5,
        }
    }
}

impl fmt::Display for StallClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S{} ", self.code())?;
        f.write_str(match self {
            Self::Running => "kernels are running: the run is slow, not stuck, as long as they return",
            Self::ReadyButIdle => {
                "tasks are ready and no core runs any: the simulator's threads have not got to them"
            }
            Self::Deferred => "tasks have run, and wait for counters that somebody has to raise",
            Self::Dependency => {
                "no task runs and none is ready at this moment, which passes, or an edge was lost, which is a fault of prewire"
            }
            Self::Orchestration => {
                "no task is alive: the orchestration is at work, or waits for something outside of the chip"
            }
        })
    }
}

/// A task that is alive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AliveTask {
    /// Its id.
    pub task: TaskId,
    /// Its kernel's name.
    pub kernel: String,
    /// Where it was submitted.
    pub site: Option<&'static Location<'static>>,
    /// Sub-tasks that have ended, and how many there are.
    pub done: (u32, u32),
    /// The tasks that it waits for.
    pub waits_for: Vec<TaskId>,
}

impl fmt::Display for AliveTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} (kernel {:?}", self.task, self.kernel)?;
        if self.done.1 > 1 {
            write!(f, ", {} of {} sub-tasks done", self.done.0, self.done.1)?;
        }
        f.write_str(")")?;
        if let Some(site) = self.site {
            write!(f, ", submitted at {site}")?;
        }
        if let [first, others @ ..] = &self.waits_for[..] {
            write!(f, ", waits for task {first}")?;
            for other in others.iter().take(NAMED - 1) {
                write!(f, ", {other}")?;
            }
            if let Some(more) = others.len().checked_sub(NAMED - 1).filter(|&more| more > 0) {
                write!(f, " and {more} more")?;
            }
        }
        Ok(())
    }
}

/// A kernel that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunningKernel {
    /// Its task.
    pub task: AliveTask,
    /// The kind and number of its core.
    pub core: (Core, u16),
    /// Which block of the task.
    pub block: u32,
    /// How long it has been running, to some milliseconds. Not known of a kernel that began when neither its run had a
    /// limit of time nor the chip had launched one.
    pub running: Option<Duration>,
    /// Whether it waits for its peers at a barrier.
    pub at_barrier: bool,
}

impl fmt::Display for RunningKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, number) = self.core;
        write!(f, "{}, block {} on {kind} core {number}", self.task, self.block)?;
        if let Some(running) = self.running {
            write!(f, " for {running:.3?}")?;
        }
        if self.at_barrier { f.write_str(", at a barrier, waits for its peers") } else { Ok(()) }
    }
}

/// What the orchestrator waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrchestratorWait {
    /// What.
    pub what: Awaited,
    /// The submit, scope or access that waits; none at the end of the run.
    pub site: Option<&'static Location<'static>>,
    /// Where the innermost open scope was opened.
    pub scope: Option<&'static Location<'static>>,
    /// For how long, to some milliseconds.
    pub waiting: Duration,
}

impl fmt::Display for OrchestratorWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waits for {}, for {:.3?}", self.what, self.waiting)?;
        self.site.map_or(Ok(()), |site| write!(f, ", at {site}"))?;
        self.scope.map_or(Ok(()), |scope| write!(f, ", in the scope opened at {scope}"))
    }
}

/// A ring that has tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BusyRing {
    /// Which.
    pub ring: usize,
    /// Tasks that are not retired.
    pub alive: u32,
    /// The oldest of them, which everything behind it waits for to be reclaimed.
    pub oldest: AliveTask,
    /// What keeps it.
    pub kept: Kept,
}

/// What keeps the oldest task of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kept {
    /// It is not complete, or is just being retired.
    Alive,
    /// It is complete; so many consumers that are not keep its output.
    Consumers(u32),
    /// It is complete, and an open scope holds it.
    Scope,
}

/// What a run is doing: what waits for what, and why.
///
/// ```
/// use prewire_chip::{Chip, Core, StallClass};
/// use std::sync::{Mutex, mpsc};
/// use std::time::Duration;
///
/// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
/// let (go, gone) = mpsc::channel::<()>();
/// let gone = Mutex::new(gone);
/// let slow = chip.kernel("slow", Core::Aiv, move |_| {
///     let _ = gone.lock().map(|gone| gone.recv());
///     Ok(())
/// })?;
/// let run = chip.launch(move |orch| orch.submit(&slow).go().map(drop))?;
/// let mut stall = run.stall();
/// while stall.running.is_empty() {
///     stall = run.wait_for(Duration::from_millis(1)).unwrap_err();
/// }
/// assert_eq!(stall.class, StallClass::Running);
/// assert!(stall.to_string().contains("kernel \"slow\""));
/// drop(go);
/// run.wait()?;
/// # Ok::<(), prewire_chip::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StallReport {
    /// Why it was made.
    pub reason: StallReason,
    /// What keeps the run.
    pub class: StallClass,
    /// What runs, by core.
    pub running: Vec<RunningKernel>,
    /// Tasks that nothing gates and that do not run, oldest first.
    pub ready: Vec<AliveTask>,
    /// Tasks that have run and wait for counters, oldest first.
    pub deferred: Vec<AliveTask>,
    /// Tasks that wait for others, oldest first.
    pub waiting: Vec<AliveTask>,
    /// What the orchestrator waits for; none while the orchestration itself is at work.
    pub orchestrator: Option<OrchestratorWait>,
    /// The rings that have tasks.
    pub rings: Vec<BusyRing>,
}

impl StallReport {
    /// Looks at the chip.
    pub(crate) fn of(engine: &Engine, reason: StallReason) -> Box<Self> {
        let now = clock::monotonic();
        let rings = engine.rings();
        // What is over may not have been retired yet.
        rings.advance_all();
        let running: Vec<RunningKernel> = engine
            .busy()
            .seen()
            .map(|seen| RunningKernel {
                task: alive(engine, SlotRef::from_raw(seen.work.slot)),
                core: engine.core(seen.lane),
                block: seen.work.block.into(),
                running: seen.since.map(|since| now.saturating_sub(since)),
                at_barrier: seen.at_barrier,
            })
            .collect();
        let (mut ready, mut deferred, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for slot in rings.live() {
            let state = rings.slot(slot);
            if state.is_over() {
                continue;
            }
            if state.waits() > 0 {
                waiting.push(alive(engine, slot));
            } else if engine.deferred().holds(slot) {
                deferred.push(alive(engine, slot));
            } else if !running.iter().any(|kernel| kernel.task.task == state.id()) {
                ready.push(alive(engine, slot));
            }
        }
        let class = match (&running[..], &ready[..], &deferred[..], &waiting[..]) {
            ([_, ..], ..) => StallClass::Running,
            (_, [_, ..], ..) => StallClass::ReadyButIdle,
            (_, _, [_, ..], _) => StallClass::Deferred,
            (_, _, _, [_, ..]) => StallClass::Dependency,
            _ => StallClass::Orchestration,
        };
        let busy = (0..RING_COUNT).filter_map(|ring| {
            let usage = rings.usage(ring);
            let oldest = alive(engine, rings.slot_of(usage.oldest?));
            let is_over = rings.slot(rings.slot_of(oldest.task)).is_over();
            let kept = match rings.holds(oldest.task) {
                Some(0) if is_over && rings.is_held_by_scope(oldest.task) => Kept::Scope,
                Some(consumers) if is_over && consumers > 0 => Kept::Consumers(consumers),
                _ => Kept::Alive,
            };
            Some(BusyRing { ring, alive: usage.live, oldest, kept })
        });
        let rings = busy.collect();
        let orchestrator = engine.orchestrator_wait().map(|(mut wait, since)| {
            wait.waiting = now.saturating_sub(since);
            wait
        });
        // A completer may have left it to this thread to move a watermark, and told those who wait for that before it was moved.
        engine.progress().notify_all();
        Box::new(Self { reason, class, running, ready, deferred, waiting, orchestrator, rings })
    }

    /// The code that the chip's ABI has for a run that was ended for this: an orchestration that waits for the value of a
    /// tensor is told so, everything else is a scheduler without progress. Back-pressure is the latter too: the codes of
    /// full rings say that nothing can free them, which was not so.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self.orchestrator {
            Some(OrchestratorWait { what: Awaited::Element { .. }, .. }) => ErrorCode::TensorWaitTimeout,
            _ => ErrorCode::SchedulerTimeout,
        }
    }

    /// The kernels that run, for a message in one line.
    pub(crate) fn kernels(&self) -> String {
        let named: Vec<String> = self.running.iter().take(NAMED).map(ToString::to_string).collect();
        let more = self.running.len().saturating_sub(NAMED);
        if more > 0 { format!("{}; and {more} more", named.join("; ")) } else { named.join("; ") }
    }
}

/// What a slot holds.
fn alive(engine: &Engine, slot: SlotRef) -> AliveTask {
    let rings = engine.rings();
    let state = rings.slot(slot);
    let cold = state.cold();
    let waits_for = if state.waits() > 0 {
        let producers = rings.deps(slot).filter(|dep| dep.kind().waits()).map(|dep| dep.producer());
        producers.map(|p| rings.slot(p)).filter(|p| !p.is_over()).map(|p| p.id()).collect()
    } else {
        Vec::new()
    };
    AliveTask {
        task: state.id(),
        kernel: engine.kernels().name(cold.callable),
        site: rings.site(slot),
        done: (state.done(), cold.total()),
        waits_for,
    }
}

fn list<T: fmt::Display>(f: &mut fmt::Formatter<'_>, what: &str, entries: &[T]) -> fmt::Result {
    for entry in entries.iter().take(NAMED) {
        write!(f, "\n  {what}: {entry}")?;
    }
    match entries.len().saturating_sub(NAMED) {
        0 => Ok(()),
        more => write!(f, "\n  {what}: and {more} more"),
    }
}

impl fmt::Display for StallReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            StallReason::Asked => f.write_str("the run is not over: ")?,
            StallReason::Deadline(limit) => write!(
                f,
                "the run passed its deadline of {limit:?} and was ended (ChipBuilder::deadline, Orch::deadline): "
            )?,
            StallReason::NoProgress(limit) => write!(
                f,
                "no kernel began or ended for {limit:?} and the run was ended (ChipBuilder::stall_timeout): "
            )?,
        }
        write!(f, "{}", self.class)?;
        list(f, "running", &self.running)?;
        list(f, "ready", &self.ready)?;
        list(f, "waits for counters", &self.deferred)?;
        list(f, "waiting", &self.waiting)?;
        match &self.orchestrator {
            Some(wait) => write!(f, "\n  orchestrator: {wait}")?,
            None => f.write_str("\n  orchestrator: in the program's own code")?,
        }
        for BusyRing { ring, alive, oldest, kept } in &self.rings {
            write!(f, "\n  ring {ring}: {alive} tasks alive, the oldest is {oldest}")?;
            match kept {
                Kept::Alive => {}
                Kept::Consumers(n) => write!(f, "; it is complete, and {n} consumers keep its output")?,
                Kept::Scope => f.write_str("; it is complete, and an open scope holds it")?,
            }
        }
        Ok(())
    }
}
