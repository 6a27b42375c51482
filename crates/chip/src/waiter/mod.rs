//! How the orchestrator of a chip waits: parked beside the simulator's threads, or stepping a seeded simulation.
//!
//! Slow is not stuck: a wait goes on for as long as it takes, and says so now and then, unless the run has a deadline or
//! a limit on standing still. Then it ends the run, waits for the kernels that run as long as it has patience, and
//! gives the chip up after that.

mod guest;
mod park;
mod seeded;

pub(crate) use guest::Guest;

use std::panic::Location;
use std::time::Duration;

use prewire_abi::{EdgeKind, TaskId};
use prewire_os::clock;
use prewire_platform::{Awaited, DeviceMemory as _, Poll, Wait, WaitEnd};
use prewire_runs::Control;
use prewire_sim::Mode;

use crate::alarm::Heeds;
use crate::engine::Engine;
use crate::limits::Limits;
use crate::stall::{OrchestratorWait, StallReason};
use crate::trace::What;

/// Waits on behalf of one run.
#[derive(Debug)]
pub(crate) struct Waiter<'e> {
    engine: &'e Engine,
    mode: Mode,
    limits: Limits,
    control: &'e Control,
    /// The call of the program that waits.
    site: Option<&'static Location<'static>>,
    /// Where the innermost scope was opened that the program opened itself.
    pub(crate) scope: Option<&'static Location<'static>>,
    /// Decides how far a seeded simulation goes between two submits.
    dice: u64,
    /// When the wait that goes on ends, whatever it waits for.
    limit: Option<Duration>,
    /// The chip was given up, and why.
    lost: Option<String>,
    /// Something was published, and the simulation has not gone on yet: the race checker is to hear of it first.
    owes: bool,
    /// The last wait for room was soon over.
    soon: bool,
}

/// How the wait ends, if what a look has found ends it.
fn end(poll: Poll) -> Option<WaitEnd> {
    match poll {
        Poll::Ready => Some(WaitEnd::Ready),
        Poll::Impossible => Some(WaitEnd::Impossible),
        Poll::Pending => None,
    }
}

impl<'e> Waiter<'e> {
    pub(crate) fn new(engine: &'e Engine, mode: Mode, limits: Limits, control: &'e Control) -> Self {
        let dice = if let Mode::Seeded { seed } = mode { seed | 1 } else { 1 };
        Self {
            engine,
            mode,
            limits,
            control,
            site: None,
            scope: None,
            dice,
            limit: None,
            lost: None,
            owes: false,
            soon: true,
        }
    }

    /// Why the chip was given up, if it was.
    pub(crate) fn into_lost(self) -> Option<String> {
        self.lost
    }

    /// The run is to be over `allowed` from now.
    pub(crate) fn set_deadline(&self, allowed: Duration) {
        self.engine.busy().watch();
        self.control.set_deadline(allowed);
    }

    /// The program has made a call at `site`. Ends the run if its deadline has passed: a program that never waits has one
    /// too.
    #[inline]
    pub(crate) fn about(&mut self, site: &'static Location<'static>) {
        self.site = Some(site);
        self.check_deadline();
    }

    /// Waits as `body` does, but no wait of it goes on beyond `allowed`: whether one ended by that.
    pub(crate) fn limited<T>(&mut self, allowed: Duration, body: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        let limit = clock::monotonic() + allowed;
        self.limit = Some(limit);
        let result = body(self);
        // It was taken away by whoever ended a wait for it.
        let ended = self.limit.take().is_none();
        (result, ended)
    }

    /// How long a wait may go on before somebody has to see that its time is over.
    fn left(&self) -> Duration {
        let ends = [self.limit, self.control.deadline(), self.control.give_up()];
        let end = ends.into_iter().flatten().min();
        end.map_or(Duration::MAX, |end| end.saturating_sub(clock::monotonic()))
    }

    /// Whether the wait that goes on has had its time.
    fn is_overdue(&mut self, now: Duration) -> bool {
        self.limit.take_if(|limit| now >= *limit).is_some()
    }

    #[inline]
    fn check_deadline(&self) {
        if let Some(deadline) = self.control.deadline() {
            self.heed(deadline);
        }
    }

    #[cold]
    fn heed(&self, deadline: Duration) {
        if clock::monotonic() >= deadline && self.control.give_up().is_none() {
            self.end_run(StallReason::Deadline(self.control.allowed()));
        }
    }

    /// Ends the run for a limit of time.
    fn end_run(&self, reason: StallReason) {
        self.engine.end_overdue(self.control, self.limits.patience, reason);
    }
}

impl Wait for Waiter<'_> {
    fn wait(&mut self, what: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        if self.lost.is_some() {
            return WaitEnd::Impossible;
        }
        let heeds = match what {
            Awaited::End => Heeds::End,
            Awaited::Room { ring: Some(ring), .. } => Heeds::room(ring, self.engine.rings().usage(ring).live),
            _ => Heeds::All,
        };
        // Most waits of a pool are over while they spin: of those nobody hears.
        let brief = match (self.mode, heeds) {
            (Mode::Pool, Heeds::Room { ring, live }) => self.spin_for_room(ring, live, look),
            _ => self.engine.sim().guest_lingers(self.left(), || end(look())),
        };
        if let Some(end) = brief {
            return end;
        }
        let site = if what == Awaited::End { None } else { self.site };
        let wait = OrchestratorWait { what, site, scope: self.scope, waiting: Duration::ZERO };
        self.engine.record(|| What::WaitBegan { what });
        self.engine.set_orchestrator_wait(Some((wait, clock::monotonic())));
        let end = if self.mode == Mode::Pool {
            self.engine.sim().guest_goes();
            self.engine.set_alarm(heeds);
            let end = self.park(look);
            self.engine.set_alarm(Heeds::All);
            self.engine.sim().guest_comes();
            end
        } else {
            self.step(look)
        };
        self.engine.set_orchestrator_wait(None);
        self.engine.record(|| What::WaitEnded { met: end == WaitEnd::Ready });
        end
    }

    fn wired(&mut self, task: TaskId, producers: &[(TaskId, EdgeKind)]) {
        self.engine.record_submitted(task, producers);
        if self.mode == Mode::Pool {
            self.engine.sim().guest_goes_on();
        }
    }

    fn can_fill(&self) -> bool {
        true
    }

    fn fill(&mut self, addr: u64, bytes: u64, size: u32, bits: u64) {
        const CHUNK: u64 = 4096;
        let size = (size as usize).clamp(1, 8);
        let element = &bits.to_le_bytes()[..size];
        let mut chunk = [0; CHUNK as usize];
        chunk.chunks_exact_mut(size).for_each(|at| at.copy_from_slice(element));
        let mut done = 0;
        while done < bytes {
            let part = (bytes - done).min(CHUNK);
            let written = self.engine.sim().write(addr + done, &chunk[..part as usize]);
            debug_assert!(written.is_ok(), "outputs are in the heaps, which are memory of the chip");
            done += part;
        }
    }

    fn published(&mut self) {
        if self.mode == Mode::Pool {
            self.engine.sim().guest_made_work();
            return;
        }
        self.owes = true;
        if self.engine.races().is_none() {
            self.go_on();
        }
    }
}
