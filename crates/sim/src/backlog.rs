//! What a worker has left for a later poll: how many sub-tasks have ended, are left at its stand, and have
//! not been polled for by the worker that ran them.
//!
//! Leaving is worth it while sub-tasks are brief, as one poll then does for many. It must not make the consumers of a
//! task wait for a long kernel that happens to be next. So the next backlog is as long as what gathers within [`BRIEF`] at
//! the pace of the last one, and longer than that one only bit by bit; where not even two sub-tasks would gather, it is
//! the last one for a while.

use core::time::Duration;

/// The most that is ever left.
const MOST: u32 = 16;

/// What gathers within this time is brief: less than a worker spins before it parks.
const BRIEF: Duration = Duration::from_micros(8);

/// The backlog of one worker. Touched by it alone.
#[derive(Debug)]
pub(crate) struct Backlog {
    /// How many have been left since the last poll.
    left: u32,
    /// Up to so many with the one that is polled for at once. 1: nothing is left.
    most: u32,
    /// When the last backlog was polled for, if the worker has run sub-tasks ever since.
    since: Option<Duration>,
}

impl Backlog {
    /// Nothing left.
    pub(crate) const fn new() -> Self {
        Self { left: 0, most: 2, since: None }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Whether sub-tasks are brief, as far as it is known.
    pub(crate) const fn is_brief(&self) -> bool {
        self.most > 1
    }

    /// Whether one more may be left.
    #[inline]
    pub(crate) const fn has_room(&self) -> bool {
        self.left + 1 < self.most
    }

    /// One more is left.
    #[inline]
    pub(crate) fn leave(&mut self) {
        if self.since.is_none() {
            self.since = now();
        }
        self.left += 1;
    }

    /// All that was left has been polled for.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.left == 0 {
            return;
        }
        // With the one that was polled for at once.
        let gathered = self.left + 1;
        self.left = 0;
        let now = now();
        let spent = match (self.since, now) {
            (Some(since), Some(now)) => now.saturating_sub(since),
            _ => Duration::ZERO,
        };
        self.since = now;
        self.most = fit(gathered, spent).min(2 * self.most).min(MOST);
    }

    /// The worker has done something else: what it runs from now on is timed anew, and worth another try.
    pub(crate) fn begin(&mut self) {
        self.since = None;
        self.most = self.most.max(2);
    }
}

/// How many gather within [`BRIEF`] where `gathered` did in the time `spent`; at least one.
fn fit(gathered: u32, spent: Duration) -> u32 {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let fit = u64::from(gathered) * nanos(BRIEF) / nanos(spent).max(1);
    u32::try_from(fit).unwrap_or(u32::MAX).max(1)
}

/// A model has no time, and must not do other things when it is slow.
fn now() -> Option<Duration> {
    (!cfg!(prewire_loom)).then(prewire_os::clock::monotonic)
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    /// How many are left before the next poll.
    fn fill(backlog: &mut Backlog) -> u32 {
        let mut left = 0;
        while backlog.has_room() {
            backlog.leave();
            left += 1;
        }
        left
    }

    #[test]
    fn brief_ones_may_grow_and_a_long_one_is_the_last() {
        let mut backlog = Backlog::new();
        assert_eq!(fill(&mut backlog), 1);
        // As if it had taken no time, and then very long.
        backlog.since = now().map(|now| now + Duration::from_secs(3600));
        backlog.clear();
        assert_eq!(fill(&mut backlog), 3);
        backlog.since = Some(Duration::ZERO);
        backlog.clear();
        assert!(backlog.is_empty());
        assert_eq!(fill(&mut backlog), 0);
        backlog.clear();
        assert_eq!(fill(&mut backlog), 0);
        backlog.begin();
        assert_eq!(fill(&mut backlog), 1);
    }

    #[test]
    fn it_is_as_long_as_what_gathers_while_it_is_brief() {
        assert_eq!(fit(16, BRIEF), 16);
        assert_eq!(fit(16, 2 * BRIEF), 8);
        assert_eq!(fit(2, BRIEF / 8), 16);
        assert_eq!((fit(2, 2 * BRIEF), fit(2, 1000 * BRIEF)), (1, 1));
        assert_eq!(fit(2, Duration::ZERO), u32::try_from(2 * BRIEF.as_nanos()).unwrap());
    }

    #[test]
    fn it_is_never_longer_than_the_most() {
        let mut backlog = Backlog::new();
        for _ in 0..10 {
            let left = fill(&mut backlog);
            assert!(left < MOST, "{left}");
            backlog.since = now().map(|now| now + Duration::from_secs(3600));
            backlog.clear();
        }
        assert_eq!(fill(&mut backlog), MOST - 1);
    }
}
