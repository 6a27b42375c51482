//! How the orchestrator of a chip waits: parked beside the simulator's threads, or stepping a seeded simulation.

use std::time::Duration;

use prewire_platform::{Poll, Wait, WaitEnd};
use prewire_sim::Mode;

use crate::engine::Engine;
use crate::error::Error;

/// How long no kernel may begin before a wait says what it waits for, and again each time.
const STALL: Duration = Duration::from_secs(10);

/// Waits on behalf of one run.
#[derive(Debug)]
pub(crate) struct Waiter<'e> {
    engine: &'e Engine,
    mode: Mode,
    /// Decides how far a seeded simulation goes between two submits.
    dice: u64,
    /// Nothing can happen any more although something is awaited.
    stuck: bool,
}

impl<'e> Waiter<'e> {
    pub(crate) fn new(engine: &'e Engine, mode: Mode) -> Self {
        let dice = if let Mode::Seeded { seed } = mode { seed | 1 } else { 1 };
        Self { engine, mode, dice, stuck: false }
    }

    /// Whether the chip can make no progress any more.
    pub(crate) const fn is_stuck(&self) -> bool {
        self.stuck
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
    fn wait(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        let end = |poll| match poll {
            Poll::Ready => Some(WaitEnd::Ready),
            Poll::Impossible => Some(WaitEnd::Impossible),
            Poll::Pending => None,
        };
        if self.mode == Mode::Pool {
            let mut before = None;
            loop {
                if let Some(end) = self.engine.progress().wait_until(Some(STALL), || end(look())) {
                    return end;
                }
                // Slow is not stuck: it is said, and waited on.
                let now = self.engine.sim().stats().executed;
                if before == Some(now) {
                    tracing::warn!(
                        "no kernel has begun for {STALL:?} or more; still to end: {}",
                        self.engine.stall()
                    );
                }
                before = Some(now);
            }
        }
        loop {
            if let Some(end) = end(look()) {
                return end;
            }
            if !self.engine.sim().step() {
                if let Some(end) = end(look()) {
                    return end;
                }
                self.stuck = true;
                self.engine.note_cause(Error::Lost {
                    why: "the seeded simulation can take no further step, but tasks are not complete".into(),
                });
                self.engine.rings().end();
                return WaitEnd::Impossible;
            }
        }
    }

    fn published(&mut self) {
        if self.mode == Mode::Pool {
            prewire_platform::Lanes::kick(self.engine.sim());
            return;
        }
        for _ in 0..self.roll() % 4 {
            let _ = self.engine.sim().step();
        }
    }
}
