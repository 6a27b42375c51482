//! What is asked of a run from outside while it goes on: to end, and by when.
//!
//! A run is ended in one step for everybody: its cause is noted, and what has not begun will not. After a limit of time,
//! and when the chip is dropped, kernels that run are given [`patience`](Limits::patience); a chip whose kernels do not
//! return by then is lost. A cancelled run waits for them as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use prewire_os::{Event, clock};
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A run, from its start.
    pub(crate) deadline: Option<Duration>,
    /// A run in which no kernel begins or ends.
    pub(crate) stall: Option<Duration>,
    /// Kernels, after their run was ended.
    pub(crate) patience: Duration,
}

impl Limits {
    pub(crate) const fn new() -> Self {
        Self { deadline: None, stall: None, patience: Duration::from_secs(5) }
    }
}

/// Where those wait who wait for the runs of a chip.
#[derive(Debug, Default)]
pub(crate) struct News {
    event: Event,
    /// Raised whenever a time changes that somebody may wait for.
    times: AtomicU64,
}

impl News {
    /// Something is over, or lost, or free.
    pub(crate) fn tell(&self) {
        self.event.notify_all();
    }

    /// A time has changed: whoever waits is to find out anew how long.
    pub(crate) fn tell_times(&self) {
        // ORDERING: Release, "run-times"; pairs with the load in `News::times`. The times were stored before.
        self.times.fetch_add(1, Ordering::Release);
        self.event.notify_all();
    }

    /// Waits until `look` returns something, up to `limit` or until a time has changed since `times`.
    pub(crate) fn wait<T>(
        &self,
        limit: Option<Duration>,
        times: u64,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let changed = || (self.times() != times).then_some(None);
        self.event.wait_until(limit, || look().map(Some).or_else(changed)).flatten()
    }

    /// For [`wait`](News::wait): read before the times are.
    pub(crate) fn times(&self) -> u64 {
        // ORDERING: Acquire, "run-times"; pairs with the fetch_add in `News::tell_times`. Whoever has seen a change sees the
        // times that it was about.
        self.times.load(Ordering::Acquire)
    }
}

/// One run, as those outside of it reach it. Times are nanoseconds of the monotonic clock; 0 is none.
#[derive(Debug, Default)]
pub(crate) struct Control {
    /// Set by whoever cancels.
    cancelled: AtomicBool,
    /// When the run is to be over. Written by the run.
    deadline: AtomicU64,
    /// How long after its start that is. Written by the run, before `deadline`.
    allowed: AtomicU64,
    /// When kernels that still run are given up. Written by whoever ends the run; the first one counts.
    give_up: AtomicU64,
    /// Told when one of the times changes.
    news: Arc<News>,
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).max(1)
}

fn time(word: &AtomicU64) -> Option<Duration> {
    let nanoseconds = word.load(Ordering::Relaxed);
    (nanoseconds != 0).then(|| Duration::from_nanos(nanoseconds))
}

impl Control {
    pub(crate) fn new(news: Arc<News>) -> Self {
        Self { news, ..Self::default() }
    }

    /// Marks it as cancelled.
    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// The run is to be over `allowed` from now.
    pub(crate) fn set_deadline(&self, allowed: Duration) {
        self.allowed.store(nanoseconds(allowed), Ordering::Relaxed);
        let end = clock::monotonic().saturating_add(allowed);
        self.deadline.store(nanoseconds(end), Ordering::Relaxed);
        self.news.tell_times();
    }

    /// When the run is to be over.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        time(&self.deadline)
    }

    /// How long it was allowed.
    pub(crate) fn allowed(&self) -> Duration {
        time(&self.allowed).unwrap_or_default()
    }

    /// Kernels that run are given up after `patience`, unless somebody was less patient before.
    pub(crate) fn lose_patience(&self, patience: Duration) {
        let end = nanoseconds(clock::monotonic().saturating_add(patience));
        let _ = self.give_up.compare_exchange(0, end, Ordering::Relaxed, Ordering::Relaxed);
        self.news.tell_times();
    }

    /// When kernels that still run are given up.
    pub(crate) fn give_up(&self) -> Option<Duration> {
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
