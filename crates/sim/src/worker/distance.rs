//! How a worker that is close behind the orchestration falls back.
//!
//! A worker that is close behind takes each task as soon as it is there. Its producers are over by then, but only just: all that
//! the orchestration reads and writes of them, and of the queues, is in the caches of another processor. So the two are slower
//! together than either of them alone, and stay so, as neither gets away from the other. With some tasks between them neither
//! waits for the other's lines. So now and then a worker sees whether few tasks are unfinished, and, if they are, lets the orchestration
//! get ahead, as long as that goes on at such a pace that it was held up by lines, and not by what it has to do.
//!
//! Invariant: who falls back has looked at everything and has left nothing; what it was given is in its queue, and there is nobody who
//! could be woken for that. It does so for some microseconds.

use core::time::Duration;
use prewire_sync::hint;

/// With fewer tasks that have not completed it is close behind.
const FAR: u32 = 96;

/// As many more may have completed in each domain, which has yet to say so.
const UNTOLD: u32 = 32;

/// It falls back by so many.
const BY: u32 = 64;

/// It sees to its distance after so many polls. A model is to come there at each.
const SELDOM: u32 = if cfg!(prewire_loom) { 1 } else { 16 };

/// So many steps of the orchestration have come with these polls, or that is slow, or waits. A model counts none.
const STEPS: u64 = if cfg!(prewire_loom) { 0 } else { SELDOM as u64 };

/// An orchestration that takes longer for each task has more to do than to wait for lines.
const PACE: Duration = Duration::from_nanos(250);

/// No longer than this, however fast it goes on.
const LONGEST: Duration = Duration::from_micros(12);

/// The distance of one worker. Touched by it alone.
#[derive(Debug)]
pub(crate) struct Distance {
    /// With fewer tasks of which it is not known that they have completed it is close behind.
    far: u32,
    /// Polls since it saw to it.
    polls: u32,
    /// Steps that the orchestration had made then.
    steps: u64,
}

impl Distance {
    /// Of a worker of a simulator with so many domains.
    pub(crate) fn new(domains: u16) -> Self {
        Self { far: FAR + UNTOLD * u32::from(domains), polls: 0, steps: 0 }
    }

    /// The worker is about to poll: whether it is time to see to its distance.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.polls += 1;
        let due = self.polls >= SELDOM;
        if due {
            self.polls = 0;
        }
        due
    }

    /// Whether the worker is close behind, now that it is time to see: with so many `unfinished` tasks, after so many `steps` in
    /// all. Where nobody knows how many tasks there are it is not.
    pub(crate) fn is_close(&mut self, unfinished: impl Fn() -> Option<u32>, steps: u64) -> bool {
        let gone = steps.wrapping_sub(core::mem::replace(&mut self.steps, steps));
        gone >= STEPS && unfinished().is_some_and(|tasks| tasks < self.far)
    }
}

/// Lets the orchestration get ahead. `steps` is a number that grows as it goes on; `now`, the time.
pub(crate) fn fall_back(steps: impl Fn() -> u64, now: impl Fn() -> Duration) {
    let (first, begin) = (steps(), now());
    let (mut seen, mut since) = (first, begin);
    loop {
        hint::between_looks();
        let (at, time) = (steps(), now());
        let of = |from: u64| u32::try_from(at.wrapping_sub(from)).unwrap_or(BY).min(BY);
        let is_slow = time.saturating_sub(since) > PACE * of(seen);
        if is_slow || of(first) >= BY || time.saturating_sub(begin) > LONGEST {
            return;
        }
        (seen, since) = (at, time);
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
    fn it_waits_for_one_look_more_once_nothing_goes_on() {
        let looks = Cell::new(0u32);
        let time = Cell::new(Duration::ZERO);
        // Five steps a look for four looks, and none from then on.
        fall_back(
            || {
                looks.set(looks.get() + 1);
                5 * u64::from(looks.get().min(5))
            },
            || time.replace(time.get() + Duration::from_nanos(700)),
        );
        assert_eq!(looks.get(), 6);
    }

    #[test]
    fn it_is_close_while_few_tasks_are_unfinished_and_more_come() {
        let mut distance = Distance::new(1);
        assert!(distance.is_close(|| Some(0), 16) && distance.is_close(|| Some(127), 32));
        assert!(!distance.is_close(|| Some(128), 48) && !distance.is_close(|| None, 64));
        assert!(!distance.is_close(|| Some(0), 79), "fewer steps than polls");
        assert!(!distance.is_close(|| Some(0), 79) && distance.is_close(|| Some(0), 95));
        let mut of_three = Distance::new(3);
        assert!(of_three.is_close(|| Some(191), 16) && !of_three.is_close(|| Some(192), 32));
    }

    #[test]
    fn it_is_seen_to_now_and_then() {
        let mut distance = Distance::new(1);
        assert_eq!((0..160).filter(|_| distance.is_due()).count(), 10);
    }
}
