//! How a worker without work looks for some: spinning, then parked.
//!
//! Invariant: it says that it parks, and looks once more after that; whoever makes work says so, and then looks who parks.

use super::Worker;
use prewire_sync::{Backoff, mutant};

/// Steps of the spin before parking: some 15 microseconds.
const SPINS: u32 = 22;

impl Worker<'_> {
    /// Looks for a core to run: spinning, then parked. `None` when the pool stops. The worker is counted as active and
    /// searching when this begins, and when it returns a lane.
    pub(super) fn search(&mut self) -> Option<u16> {
        let pool = self.pool;
        loop {
            let mut backoff = Backoff::new(SPINS);
            // What the orchestration makes may wait, and news that others have left; not what they have put into a queue.
            self.gathering.pause(|| pool.cores.queued() || pool.stopping());
            let mut first = true;
            while !pool.stopping() {
                if let Some(lane) = self.claim().or_else(|| self.steal()) {
                    self.gathering.looked(0);
                    return Some(lane);
                }
                let found = self.poll_due();
                if core::mem::take(&mut first) {
                    self.gathering.looked(found.map_or(0, |_| 1 + self.given.0.count_ones()));
                }
                if found.is_some() {
                    return found;
                }
                if !backoff.snooze() {
                    break;
                }
            }
            pool.census.park(pool.base);
            pool.look_again();
            // A poll that gives no lane is no reason to stay: the domain has nothing to dispatch, or another thread is
            // at it, which looks once more because this poll asked.
            // MUTANT "no-poll-when-parked": a domain that became ready meanwhile is not polled.
            let found = if mutant::skips("no-poll-when-parked") { None } else { self.poll_due() };
            // MUTANT "no-end-of-search": a lane that nobody runs any more, as the pool stops, is looked for again and again.
            let goes_on = !pool.stopping() || mutant::skips("no-end-of-search");
            // MUTANT "no-look-when-parked": a lane that was queued meanwhile is not seen.
            let queued = goes_on && pool.cores.queued() && !mutant::skips("no-look-when-parked");
            if found.is_some() || queued {
                pool.census.unpark();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            match pool.census.view().active() {
                _ if pool.stopping() => {}
                0 => self.host.quiescent(),
                _ => self.host.idles(),
            }
            if !self.sleep() {
                return None;
            }
        }
    }

    /// Parks until granted to go on; false when the pool stops.
    pub(super) fn sleep(&self) -> bool {
        self.pool.seats.leave(self.number);
        loop {
            let key = self.pool.idle.prepare();
            if self.pool.stopping() {
                return false;
            }
            if self.pool.census.take_ticket() {
                self.pool.seats.take(self.number);
                return true;
            }
            self.pool.idle.wait(key, None);
        }
    }
}
