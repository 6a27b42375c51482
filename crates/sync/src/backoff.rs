//! How long to spin before parking.

use crate::hint;

/// A bounded spin: each [`snooze`](Backoff::snooze) waits twice as long as the one before, until it says that the
/// time has come to park. It never sleeps and never yields: a waiter that has nothing to do parks instead.
///
/// ```
/// let mut backoff = prewire_sync::Backoff::new(3);
/// while backoff.snooze() { /* look again */ }
/// // now park
/// ```
#[derive(Debug)]
pub struct Backoff {
    step: u32,
    limit: u32,
}

impl Backoff {
    /// The longest single wait, as a power of two of spin hints.
    const LONGEST: u32 = 6;

    /// A backoff that spins `limit` times before it asks to park. 20 steps are some 20 microseconds on a
    /// 3 GHz machine whose spin hint takes 40 cycles.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        // In a model a thread that spins lets all others go first, which hides what they do while it parks. Shuttle draws a
        // schedule at each step: more of them than one find nothing more, and take long.
        let most = if cfg!(prewire_loom) {
            0
        } else if cfg!(prewire_shuttle) {
            1
        } else {
            limit
        };
        Self { step: 0, limit: if limit < most { limit } else { most } }
    }

    /// Spins a little; false when the limit is reached and the caller should park.
    pub fn snooze(&mut self) -> bool {
        if self.step >= self.limit {
            return false;
        }
        let spins = if cfg!(prewire_shuttle) { 1 } else { 1 << self.step.min(Self::LONGEST) };
        for _ in 0..spins {
            hint::spin_loop();
        }
        self.step += 1;
        true
    }

    /// Starts over: something happened.
    pub fn reset(&mut self) {
        self.step = 0;
    }
}
