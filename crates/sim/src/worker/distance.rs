//! How a worker that is close behind the orchestration falls back.
//!
//! A worker that is close behind takes each task as soon as it is there. Its producers are over by then, but only just: all that
//! the orchestration reads and writes of them, and of the queues, is in the caches of another processor. So the two are slower
//! together than either of them alone, and stay so, as neither gets away from the other. With some tasks between them neither
//! waits for the other's lines. So now and then a worker sees whether few tasks are alive, and, if they are, lets the orchestration
//! get ahead, as long as that goes on at such a pace that it was held up by lines, and not by what it has to do.
//!
//! Invariant: who falls back holds no lane, and there is nothing that it has left; and it does so for some microseconds.

use core::time::Duration;
use prewire_sync::hint;

/// With fewer tasks alive it is close behind, and it falls back by so many.
const FAR: u32 = 64;

/// It sees to its distance after so many polls. A model is to come there at each.
const SELDOM: u32 = if cfg!(prewire_loom) { 1 } else { 16 };

/// An orchestration that takes longer for each task has more to do than to wait for lines.
const PACE: Duration = Duration::from_nanos(250);

/// No longer than this, however fast it goes on.
const LONGEST: Duration = Duration::from_micros(12);

/// Spin hints between two looks: each look takes a line away from the orchestration. Half a microsecond to one and a half.
const HINTS: u32 = 64;

/// The distance of one worker. Touched by it alone.
#[derive(Debug, Default)]
pub(crate) struct Distance {
    /// Polls since it saw to it.
    polls: u32,
}

impl Distance {
    /// The worker has polled: whether it is time to see to its distance.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.polls += 1;
        let due = self.polls >= SELDOM;
        if due {
            self.polls = 0;
        }
        due
    }
}

/// Whether with so many tasks alive a worker is close behind. Where nobody knows how many there are it is not.
pub(crate) fn is_close(live: Option<u32>) -> bool {
    live.is_some_and(|live| live < FAR)
}

/// Lets the orchestration get ahead. `steps` is a number that grows as it goes on; `now`, the time.
pub(crate) fn fall_back(steps: impl Fn() -> u64, now: impl Fn() -> Duration) {
    let (first, begin) = (steps(), now());
    loop {
        (0..HINTS).for_each(|_| hint::spin_loop());
        let gone = u32::try_from(steps().wrapping_sub(first)).unwrap_or(FAR);
        let spent = now().saturating_sub(begin);
        if gone >= FAR || spent > PACE * gone || spent > LONGEST {
            return;
        }
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// How many steps are waited for, and how often it is looked, of an orchestration that takes `pace` nanoseconds a step, where
    /// the looks are `apart`.
    fn waited(pace: u64, apart: u64) -> (u64, u32) {
        let (time, looks) = (Cell::new(0), Cell::new(0));
        fall_back(
            || {
                looks.set(looks.get() + 1);
                time.get() / pace
            },
            || {
                time.set(time.get() + apart);
                Duration::from_nanos(time.get() - apart)
            },
        );
        ((time.get() - apart) / pace, looks.get())
    }

    #[test]
    fn it_falls_back_by_so_many_tasks() {
        let (steps, looks) = waited(100, 700);
        assert!((64..64 + 14).contains(&steps), "{steps} steps in {looks} looks");
    }

    #[test]
    fn it_waits_for_nobody_who_is_slow_or_stands_still() {
        assert_eq!(waited(260, 700).1, 2);
        assert_eq!(waited(1_000_000_000, 700).1, 2);
    }

    #[test]
    fn it_does_not_wait_long() {
        let (steps, looks) = waited(240, 4_800);
        assert!(steps < 64, "{steps} steps in {looks} looks");
    }

    #[test]
    fn it_is_close_while_few_tasks_are_alive() {
        assert!(is_close(Some(0)) && is_close(Some(63)));
        assert!(!is_close(Some(64)) && !is_close(None));
    }

    #[test]
    fn it_is_seen_to_now_and_then() {
        let mut distance = Distance::default();
        assert_eq!((0..160).filter(|_| distance.is_due()).count(), 10);
    }
}
