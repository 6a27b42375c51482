//! What runs on each core, and since when: for reports of runs that take long.
//!
//! A core's entry is written by the thread that runs the core, and read by anybody at any time: what is read may be
//! over by then, and is never taken for more than a report. The clock is read only once somebody wants to know.

use std::time::Duration;

use prewire_os::clock;
use prewire_platform::{LaneId, Work};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// In the word of a sub-task: that there is one. The highest bit of its place, which is 2 at most.
const RUNS: u64 = 1 << 31;

/// One core.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Slot, place and block of the sub-task that runs; 0 if none does. Written by the thread that runs the core.
    work: AtomicU64,
    /// When it began, in nanoseconds of the coarse clock; 0 if nobody wanted to know yet. Written by the same thread.
    since: AtomicU64,
    /// Whether it waits for its peers at a barrier. Written by the same thread.
    at_barrier: AtomicBool,
}

impl Entry {
    /// What the core runs has ended.
    #[inline]
    pub(crate) fn end(&self) {
        self.work.store(0, Ordering::Relaxed);
    }
}

/// A sub-task that was running when somebody looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) lane: LaneId,
    pub(crate) work: Work,
    /// When it began, if somebody wanted to know then.
    pub(crate) since: Option<Duration>,
    pub(crate) at_barrier: bool,
}

/// All cores of a chip.
#[derive(Debug)]
pub(crate) struct Busy {
    entries: Box<[Padded<Entry>]>,
    /// Somebody wants to know when things begin: a run has a limit of time, or a handle. Set once, by anybody.
    timed: AtomicBool,
}

impl Busy {
    pub(crate) fn new(cores: u16) -> Self {
        let entries = (0..cores).map(|_| Padded::default()).collect();
        Self { entries, timed: AtomicBool::new(false) }
    }

    #[inline]
    fn entry(&self, lane: LaneId) -> &Entry {
        &self.entries[usize::from(lane.0)]
    }

    /// From now on somebody wants to know when things begin.
    pub(crate) fn watch(&self) {
        self.timed.store(true, Ordering::Relaxed);
    }

    /// `lane` begins `work`. It goes on until the [end](Entry::end) of the entry.
    #[inline]
    pub(crate) fn begin(&self, lane: LaneId, work: Work) -> &Entry {
        let entry = self.entry(lane);
        if self.timed.load(Ordering::Relaxed) {
            entry.since.store(now(), Ordering::Relaxed);
        }
        entry.work.store(work.raw() | RUNS, Ordering::Relaxed);
        entry
    }

    /// What `lane` runs waits for its peers from now on, or does so no longer.
    pub(crate) fn at_barrier(&self, lane: LaneId, waits: bool) {
        self.entry(lane).at_barrier.store(waits, Ordering::Relaxed);
    }

    /// What runs now, by core.
    pub(crate) fn seen(&self) -> impl Iterator<Item = Seen> {
        self.entries.iter().enumerate().filter_map(|(lane, entry)| {
            let (word, since) = (entry.work.load(Ordering::Relaxed), entry.since.load(Ordering::Relaxed));
            (word != 0).then(|| Seen {
                lane: LaneId(lane as u16),
                work: Work::from_raw(word & !RUNS),
                since: (since != 0).then(|| Duration::from_nanos(since)),
                at_barrier: entry.at_barrier.load(Ordering::Relaxed),
            })
        })
    }
}

/// By the coarse clock, never 0.
#[cold]
fn now() -> u64 {
    clock::coarse().as_nanos().max(1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_is_seen_until_it_ends() {
        let busy = Busy::new(4);
        let work = Work { slot: u32::MAX, block: 65_534, place: 2 };
        busy.begin(LaneId(3), work);
        assert!(busy.seen().all(|s| s.since.is_none()));
        busy.watch();
        let entry = busy.begin(LaneId(3), work);
        assert!(busy.seen().all(|s| s.since.is_some()));
        busy.at_barrier(LaneId(3), true);
        let seen: Vec<_> = busy.seen().map(|s| (s.lane, s.work, s.at_barrier)).collect();
        assert_eq!(seen, [(LaneId(3), work, true)]);
        entry.end();
        assert_eq!(busy.seen().count(), 0);
    }
}
