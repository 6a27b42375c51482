//! The waits of a chip whose cores have threads of their own: a spin where it is soon over, else parked.

use std::time::Duration;

use prewire_os::clock;
use prewire_platform::{Poll, WaitEnd};
use prewire_runs::event;
use prewire_sync::hint;

use super::{Waiter, end};
use crate::alarm::Heeds;
use crate::deferred::lookout;
use crate::stall::{StallReason, StallReport};

/// How long no kernel may begin or end before a wait says what it waits for, and again each time.
const STALL: Duration = Duration::from_secs(10);

/// How long to wait for what takes no time but that of its threads to get to it.
const SOON: Duration = Duration::from_millis(5);

/// The longest spin for room: about what it takes to park and to wake up again.
const SOON_ENOUGH: Duration = Duration::from_micros(64);

/// After so long it is seen whether such a spin will be long enough.
const TRIAL: Duration = Duration::from_micros(8);

/// What ends a turn of waiting.
enum Turn {
    End(WaitEnd),
    /// Somebody outside lost patience.
    Hurry,
    /// Tasks wait for counters, and there is no look-out.
    Watch,
}

impl Waiter<'_> {
    /// Spins until at most `live` tasks are left in a ring, if that is soon: who spins takes a processor from those who run
    /// them.
    pub(super) fn spin_for_room(
        &mut self,
        ring: usize,
        live: u32,
        look: &mut dyn FnMut() -> Poll,
    ) -> Option<WaitEnd> {
        let engine = self.engine;
        let left = || engine.rings().usage(ring).live.saturating_sub(live);
        let (wanted, begin) = (left(), clock::monotonic());
        loop {
            let remaining = left();
            let end = end(look());
            if remaining == 0 || end == Some(WaitEnd::Impossible) {
                self.soon = true;
                return end;
            }
            let spent = clock::monotonic() - begin;
            let soon = self.soon
                || spent < TRIAL
                || SOON_ENOUGH.as_nanos() * u128::from(wanted - remaining)
                    >= spent.as_nanos() * u128::from(wanted);
            if spent >= SOON_ENOUGH || !soon {
                // What is over may not have been retired yet.
                engine.rings().advance(ring);
                self.soon = left() == 0;
                return if self.soon { end } else { None };
            }
            hint::between_looks();
        }
    }

    /// Waits parked.
    pub(super) fn park(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
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
                event!(warn, "no kernel has begun or ended for {still:.0?}; {report}");
            }
        }
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
}
