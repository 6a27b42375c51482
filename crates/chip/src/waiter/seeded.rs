//! The waits of a seeded simulation, which goes on only where it is stepped: by who waits for it, and now and then by who
//! submits. Invariant: how far it goes between two submits is drawn from the seed, and from nothing else.

use std::time::Duration;

use prewire_os::clock;
use prewire_platform::{Poll, WaitEnd};

use super::{Waiter, end};
use crate::error::Error;
use crate::stall::{StallReason, StallReport};

/// How long a seeded simulation that can only wait for counters stands still between two looks.
const GLANCE: Duration = Duration::from_micros(200);

impl Waiter<'_> {
    /// Waits by stepping the simulation.
    pub(super) fn step(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        loop {
            if let Some(end) = end(look()) {
                return end;
            }
            self.check_deadline();
            if self.is_overdue(clock::monotonic()) {
                return WaitEnd::Impossible;
            }
            if !self.engine.sim().step() {
                // The last step may have left a watermark to a thread that reports how the run stands, and is at it still.
                self.engine.rings().advance_all_in_turn();
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
