//! What is asked of a run from outside while it goes on: to end, and by when.
//!
//! A run is ended in one step for everybody: its cause is noted, and what has not begun will not. After a limit of time,
//! and when its owner is dropped, what runs is given some patience; what has not returned by then is given up. A cancelled
//! run waits for it as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use prewire_os::{Event, clock};
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where those wait who wait for the runs of one owner.
#[derive(Debug, Default)]
pub struct News {
    event: Event,
    /// Raised whenever a time changes that somebody may wait for.
    times: AtomicU64,
}

impl News {
    /// Something is over, or lost, or free.
    pub fn tell(&self) {
        self.event.notify_all();
    }

    /// A time has changed: whoever waits is to find out anew how long.
    pub fn tell_times(&self) {
        // ORDERING: Release, "run-times"; pairs with the load in `News::times`. The times were stored before.
        self.times.fetch_add(1, Ordering::Release);
        self.event.notify_all();
    }

    /// Waits until `look` returns something, up to `limit` or until a time has changed since `times`.
    pub fn wait<T>(
        &self,
        limit: Option<Duration>,
        times: u64,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let changed = || (self.times() != times).then_some(None);
        self.event.wait_until(limit, || look().map(Some).or_else(changed)).flatten()
    }

    /// For [`wait`](News::wait): read before the times are.
    #[must_use]
    pub fn times(&self) -> u64 {
        // ORDERING: Acquire, "run-times"; pairs with the fetch_add in `News::tell_times`. Whoever has seen a change sees the
        // times that it was about.
        self.times.load(Ordering::Acquire)
    }
}

/// One run, as those outside of it reach it. Times are nanoseconds of the monotonic clock; 0 is none.
#[derive(Debug, Default)]
pub struct Control {
    /// Set by whoever cancels.
    cancelled: AtomicBool,
    /// When the run is to be over. Written by the run.
    deadline: AtomicU64,
    /// How long after its start that is. Written by the run, before `deadline`.
    allowed: AtomicU64,
    /// When what still runs is given up. Written by whoever ends the run; the first one counts.
    give_up: AtomicU64,
    /// Told when one of the times changes.
    news: Arc<News>,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[inline]
fn time(word: &AtomicU64) -> Option<Duration> {
    let nanoseconds = word.load(Ordering::Relaxed);
    (nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds))
}

impl Control {
    /// Nothing is asked yet. Those who wait for `news` are told when a time changes.
    #[must_use]
    pub fn new(news: Arc<News>) -> Self {
        Self { news, ..Self::default() }
    }

    /// Marks it as cancelled.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The run is to be over `allowed` from now.
    pub fn set_deadline(&self, allowed: Duration) {
        self.allowed.store(nanoseconds(allowed), Ordering::Relaxed);
        let end = clock::monotonic().saturating_add(allowed);
        self.deadline.store(nanoseconds(end), Ordering::Relaxed);
        self.news.tell_times();
    }

    /// When the run is to be over.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Option<Duration> {
        time(&self.deadline)
    }

    /// How long it was allowed.
    #[must_use]
    pub fn allowed(&self) -> Duration {
        time(&self.allowed).unwrap_or_default()
    }

    /// What runs is given up after `patience`, unless somebody was less patient before.
    pub fn lose_patience(&self, patience: Duration) {
        let end = nanoseconds(clock::monotonic().saturating_add(patience));
        let _ = self.give_up.compare_exchange(0, end, Ordering::Relaxed, Ordering::Relaxed);
        self.news.tell_times();
    }

    /// When what still runs is given up.
    #[must_use]
    pub fn give_up(&self) -> Option<Duration> {
        time(&self.give_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_to_lose_patience_says_when() {
        let control = Control::default();
        assert_eq!(control.give_up(), None);
        control.lose_patience(Duration::from_secs(1));
        let end = control.give_up();
        control.lose_patience(Duration::ZERO);
        assert_eq!(control.give_up(), end);
    }

    #[test]
    fn a_limit_beyond_all_clocks_is_no_overflow() {
        let control = Control::default();
        control.set_deadline(Duration::MAX);
        assert!(control.deadline().is_some_and(|end| end > clock::monotonic()));
        assert_eq!(control.allowed(), Duration::from_nanos(u64::MAX));
    }
}
