//! How the orchestrator of a chip waits: parked beside the simulator's threads, or stepping a seeded simulation.
//!
//! Slow is not stuck: a wait goes on for as long as it takes, and says so now and then, unless the run has a deadline or
//! a limit on standing still. Then it ends the run, waits for the kernels that run as long as it has patience, and
//! gives the chip up after that.

use std::panic::Location;
use std::time::Duration;

use prewire_abi::{EdgeKind, TaskId};
use prewire_os::clock;
use prewire_platform::{Awaited, DeviceMemory as _, Poll, Wait, WaitEnd};
use prewire_runs::Control;
use prewire_sim::Mode;
use prewire_sync::Backoff;

use crate::alarm::Heeds;
use crate::deferred::lookout;
use crate::engine::Engine;
use crate::error::Error;
use crate::limits::Limits;
use crate::stall::{OrchestratorWait, StallReason, StallReport};
use crate::trace::What;

/// How long no kernel may begin or end before a wait says what it waits for, and again each time.
const STALL: Duration = Duration::from_secs(10);

/// How long to wait for what takes no time but that of its threads to get to it.
const SOON: Duration = Duration::from_millis(5);

/// The longest spin for room: about what it takes to park and to wake up again.
const SOON_ENOUGH: Duration = Duration::from_micros(64);

/// After so long it is seen whether such a spin will be long enough.
const TRIAL: Duration = Duration::from_micros(8);

/// The steps of a spin between two looks at the clock get longer so often.
const STEPS: u32 = 4;

/// How long a seeded simulation that can only wait for counters stands still between two looks.
const GLANCE: Duration = Duration::from_micros(200);

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
}

/// What ends a turn of waiting.
enum Turn {
    End(WaitEnd),
    /// Somebody outside lost patience.
    Hurry,
    /// Tasks wait for counters, and there is no look-out.
    Watch,
}

fn end(poll: Poll) -> Option<WaitEnd> {
    match poll {
        Poll::Ready => Some(WaitEnd::Ready),
        Poll::Impossible => Some(WaitEnd::Impossible),
        Poll::Pending => None,
    }
}

/// Counts the thread of the orchestration among those that use a processor for the chip, but for the times that it is
/// parked, while this lives.
#[derive(Debug)]
pub(crate) struct Guest<'e>(&'e Engine);

impl<'e> Guest<'e> {
    pub(crate) fn come(engine: &'e Engine) -> Self {
        engine.sim().guest_comes();
        Self(engine)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.sim().guest_goes();
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

    /// How long to wait at most before the next look at the clock.
    fn interval(&self) -> Duration {
        let stall = self.limits.stall.map_or(STALL, |limit| limit.min(STALL)) / 2;
        let now = clock::monotonic();
        let stall = self.limit.map_or(stall, |limit| limit.saturating_sub(now).min(stall));
        match (self.control.give_up(), self.control.deadline()) {
            // What has no kernel to wait for any more is over soon.
            (Some(time), _) => time.saturating_sub(now).clamp(SOON, STALL),
            (None, Some(time)) => time.saturating_sub(now).min(stall),
            (None, None) => stall,
        }
    }

    /// Waits parked.
    fn park(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        let mut before = None;
        let mut still_since = clock::monotonic();
        let patient = self.control.give_up().is_none();
        let mut watches = false;
        loop {
            let (control, engine) = (self.control, self.engine);
            let progress = engine.progress();
            let unwatched = || engine.deferred().is_unwatched();
            let glance = || {
                let hurry = || (patient && control.give_up().is_some()).then_some(Turn::Hurry);
                let watch = || (!watches && unwatched()).then_some(Turn::Watch);
                end(look()).map(Turn::End).or_else(hurry).or_else(watch)
            };
            let turn = match engine.alarm() {
                _ if watches => progress.park_until(Some(self.interval().min(lookout::GLANCE)), glance),
                // Nobody tells of a little room while all threads run kernels, and one of these may wait for this thread.
                Heeds::Room { .. } => progress.park_until(Some(self.interval().min(SOON)), glance),
                _ => progress.wait_until(Some(self.interval()), glance),
            };
            if let Some(Turn::End(end)) = turn {
                return end;
            }
            watches = unwatched();
            if watches {
                prewire_platform::Host::poll(engine, 0);
            }
            let now = clock::monotonic();
            if self.is_overdue(now) {
                return WaitEnd::Impossible;
            }
            if let Some(give_up) = control.give_up() {
                // Without a kernel that runs, what is left to do takes no time.
                if now >= give_up && self.engine.busy().seen().next().is_some() {
                    return self.lose();
                }
                if matches!(turn, Some(Turn::Hurry)) {
                    return self.park(look);
                }
                continue;
            }
            if control.deadline().is_some_and(|deadline| now >= deadline) {
                self.end_run(StallReason::Deadline(control.allowed()));
                return self.park(look);
            }
            let progress = self.progress();
            let still = now - still_since;
            if before != Some(progress) {
                // The first look is taken after the first interval: whoever parks for less pays for none.
                (before, still_since) = (Some(progress), now);
            } else if let Some(limit) = self.limits.stall.filter(|&limit| still >= limit) {
                self.end_run(StallReason::NoProgress(limit));
                return self.park(look);
            } else if still >= STALL {
                still_since = now;
                let report = StallReport::of(self.engine, StallReason::Asked);
                tracing::warn!("no kernel has begun or ended for {still:.0?}; {report}");
            }
        }
    }

    /// Spins until at most `live` tasks are left in a ring, if that is soon: who spins takes a processor from those who run
    /// them.
    fn spin_for_room(&self, ring: usize, live: u32, look: &mut dyn FnMut() -> Poll) -> Option<WaitEnd> {
        let left = || self.engine.rings().usage(ring).live.saturating_sub(live);
        let (wanted, begin) = (left(), clock::monotonic());
        let mut backoff = Backoff::new(STEPS);
        loop {
            let left = left();
            let end = end(look());
            if left == 0 || end == Some(WaitEnd::Impossible) {
                return end;
            }
            let spent = clock::monotonic() - begin;
            let soon = spent < TRIAL
                || SOON_ENOUGH.as_nanos() * u128::from(wanted - left)
                    >= spent.as_nanos() * u128::from(wanted);
            if spent >= SOON_ENOUGH || !soon {
                return None;
            }
            if !backoff.snooze() {
                backoff = Backoff::new(STEPS);
            }
        }
    }

    /// Sub-tasks taken up and returned.
    fn progress(&self) -> (u64, u64) {
        let stats = self.engine.sim().stats();
        (stats.executed, stats.returned)
    }

    /// Kernels did not return in time: the chip is given up.
    fn lose(&mut self) -> WaitEnd {
        let report = StallReport::of(self.engine, StallReason::Asked);
        let why = format!(
            "kernels did not return within {:?} after their run was ended (ChipBuilder::patience): {}",
            self.limits.patience,
            report.kernels()
        );
        self.lost.get_or_insert(why);
        WaitEnd::Impossible
    }

    /// Waits by stepping the simulation.
    fn step(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        loop {
            if let Some(end) = end(look()) {
                return end;
            }
            self.check_deadline();
            if self.is_overdue(clock::monotonic()) {
                return WaitEnd::Impossible;
            }
            if !self.engine.sim().step() {
                if let Some(end) = end(look()) {
                    return end;
                }
                if self.engine.deferred().waiting() > 0 {
                    // Somebody outside is to raise a counter, and tells nobody.
                    let _ = self.engine.progress().park_until(Some(GLANCE), || None::<()>);
                    continue;
                }
                let report = StallReport::of(self.engine, StallReason::Asked);
                let why = format!("the seeded simulation can take no further step: {report}");
                self.engine.note_cause(Error::Lost { why: why.clone() });
                self.engine.rings().end();
                self.lost.get_or_insert(why);
                return WaitEnd::Impossible;
            }
        }
    }

    /// Goes on with a simulation that waited for the race checker to hear of a task.
    pub(crate) fn go_on(&mut self) {
        if std::mem::take(&mut self.owes) {
            self.drift();
        }
    }

    /// Lets a seeded simulation take some steps.
    fn drift(&mut self) {
        for _ in 0..self.roll() % 4 {
            let _ = self.engine.sim().step();
        }
    }

    /// xorshift64: enough to vary how submits and steps interleave.
    fn roll(&mut self) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice
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
            (Mode::Pool, _) => self.engine.progress().wait_until(Some(Duration::ZERO), || end(look())),
            _ => end(look()),
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
