//! How a guest that waits for what it has made keeps its place for a while.
//!
//! Where sub-tasks are brief it is completing tasks that takes time. One thread at a time does that for a domain, so a further
//! worker, in the guest's place, would take turns with the one that is there, each taking the lines of the other away: both
//! together are slower than one. So a guest keeps its place, and spins in it, as long as the workers take up sub-tasks at such a
//! pace.
//!
//! Invariant: it looks for what it waits for all the time; and it stops, so that it can go and another thread have its place, after
//! an interval in which the workers were slower, once it is in nobody's place any more, when it may wait no longer, or after two
//! milliseconds.

use super::Pool;
use crate::stats;
use core::time::Duration;
use prewire_os::clock;
use prewire_sync::{Backoff, hint};

/// A worker that takes longer for a sub-task has to do with kernels.
const PACE: Duration = Duration::from_nanos(300);

/// After so long it is seen how the workers get on, and after twice as long each time that they do, up to [`LAST`]: each look
/// takes away a line that each of them writes for every sub-task.
const FIRST: Duration = Duration::from_micros(8);

/// Less than it takes to park and to wake up again.
const LAST: Duration = Duration::from_micros(32);

/// No longer than this, however fast they are.
const LONGEST: Duration = Duration::from_millis(2);

/// The first looks follow each other more closely than later ones: so many.
const CLOSE: u32 = 18;

impl Pool {
    /// For the guest: looks until `look` has found something, as long as no other thread would be of more use in its place, and not
    /// beyond `longest`.
    pub(crate) fn linger<T>(&self, longest: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
        // Most of what is waited for is there. A model has no time, and explores every schedule anyway.
        let found = look();
        if found.is_some() || cfg!(prewire_loom) {
            return found;
        }
        let workers = || {
            let view = self.census.view();
            // One that may run alone takes no place from anybody, and those that search take up nothing.
            let takes_place = view.has_guest() && view.limit() > 1;
            if takes_place && view.active() > 0 {
                view.active().saturating_sub(view.searching()).max(1)
            } else {
                0
            }
        };
        let taken = || stats::executed(&self.counters);
        linger(LONGEST.min(longest), look, taken, workers, clock::monotonic)
    }
}

/// As [`Pool::linger`], where `taken` is how many sub-tasks were taken up in all, and `workers` how many threads take them up;
/// none if the guest is in nobody's place.
fn linger<T>(
    longest: Duration,
    mut look: impl FnMut() -> Option<T>,
    taken: impl Fn() -> u64,
    workers: impl Fn() -> u64,
    now: impl Fn() -> Duration,
) -> Option<T> {
    let (mut before, begin) = (taken(), now());
    let (mut since, mut interval) = (begin, FIRST);
    let mut close = Backoff::new(CLOSE);
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if !close.snooze() {
            hint::between_looks();
        }
        let time = now();
        let (spent, in_all) = (time.saturating_sub(since), time.saturating_sub(begin));
        if spent < interval && in_all < longest {
            continue;
        }
        let at = taken();
        if in_all >= longest || !is_brisk(at.wrapping_sub(before), spent, workers()) {
            return look();
        }
        (before, since, interval) = (at, time, LAST.min(2 * interval));
    }
}

/// Whether so many `workers`, who took up so many sub-tasks in the time `spent`, have to do with completing them.
fn is_brisk(taken: u64, spent: Duration, workers: u64) -> bool {
    let (taken, workers) = (u128::from(taken), u128::from(workers));
    workers > 0 && taken * PACE.as_nanos() >= workers * spent.as_nanos()
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// How long a guest lingers beside `workers` workers who take `pace` nanoseconds for a sub-task until some time, and take none
    /// after that; where its looks are a microsecond apart, and find something at some time.
    fn lingered(workers: u64, pace: u64, until: Duration, found: Duration) -> (Option<()>, Duration) {
        let time = Cell::new(Duration::ZERO);
        let end = linger(
            LONGEST,
            || (time.get() >= found).then_some(()),
            || workers * u64::try_from(time.get().min(until).as_nanos()).unwrap() / pace,
            || workers,
            || time.replace(time.get() + Duration::from_micros(1)),
        );
        (end, time.get())
    }

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn it_stays_as_long_as_sub_tasks_are_brief() {
        for workers in [1, 2, 15] {
            assert_eq!(lingered(workers, 280, micros(500), micros(500)), (Some(()), micros(500)));
            let (end, gone) = lingered(workers, 280, micros(100), micros(500));
            assert!(
                end.is_none() && (micros(100)..micros(170)).contains(&gone),
                "{workers} workers: {gone:?}"
            );
        }
    }

    #[test]
    fn it_goes_soon_where_they_are_not_or_nobody_takes_them_up() {
        for (workers, pace) in [(1, 400), (15, 400), (1, 1_000_000), (0, 100)] {
            let (end, gone) = lingered(workers, pace, micros(500), micros(500));
            assert!(end.is_none() && gone < micros(12), "{workers} workers, {pace} ns: {gone:?}");
        }
    }

    #[test]
    fn it_does_not_stay_for_ever() {
        let (end, gone) = lingered(1, 100, Duration::MAX, Duration::MAX);
        assert!(end.is_none() && gone < LONGEST + LAST + micros(4), "{gone:?}");
    }

    #[test]
    fn it_stays_no_longer_than_it_may() {
        for longest in [Duration::ZERO, micros(3), micros(100)] {
            let time = Cell::new(0);
            let now = || micros(time.replace(time.get() + 1));
            let end = linger(longest, || None::<()>, || 100 * time.get(), || 1, now);
            assert!(end.is_none() && micros(time.get()) < longest + micros(4), "{} us", time.get());
        }
    }

    #[test]
    fn it_looks_before_and_after() {
        assert_eq!(lingered(1, 1_000_000, micros(500), Duration::ZERO).0, Some(()));
        let looks = Cell::new(0);
        let end = linger(
            LONGEST,
            || {
                looks.set(looks.get() + 1);
                // Not before the time is up.
                (looks.get() == 2).then_some(())
            },
            || 0,
            || 1,
            || micros(FIRST.as_micros() as u64 * looks.get()),
        );
        assert_eq!(end, Some(()));
    }
}
