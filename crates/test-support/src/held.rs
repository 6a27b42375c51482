//! What a process holds, before and after.

use core::time::Duration;
use prewire_os::process::{Statistics, statistics};
use prewire_os::{Event, clock};

/// A count of what the process holds. Tests that compare two run alone in their process: put each in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held(Statistics);

impl Held {
    /// How long the kernel may take to clear away threads that have been joined: a join returns a little earlier.
    const CLEARED: Duration = Duration::from_secs(10);

    /// Counts now.
    ///
    /// # Panics
    ///
    /// If `/proc` cannot be read.
    #[track_caller]
    #[must_use]
    pub fn now() -> Self {
        Self(statistics().expect("/proc/self can be read"))
    }

    /// The counts.
    #[must_use]
    pub fn counts(&self) -> Statistics {
        self.0
    }

    /// Counts now, and again until there are as many threads as here, or until the kernel has had its time.
    #[track_caller]
    fn after(&self) -> Self {
        let end = clock::monotonic() + Self::CLEARED;
        loop {
            let after = Self::now();
            if after.0.threads == self.0.threads || clock::monotonic() >= end {
                return after;
            }
            // The kernel tells nobody when it has cleared a thread away.
            let _ = Event::new().wait_until(Some(Duration::from_millis(1)), || None::<()>);
        }
    }

    /// That the process now holds the same threads, descriptors, shared memory and child processes as this. Returns the
    /// counts.
    ///
    /// # Panics
    ///
    /// If it does not, with both counts.
    #[track_caller]
    pub fn assert_same(&self) -> Self {
        let after = self.after();
        let counted = |held: &Statistics| (held.threads, held.descriptors, held.segments, held.children);
        assert!(
            counted(&self.0) == counted(&after.0),
            "threads, descriptors, shared memory or child processes differ:\nbefore {:?}\nafter  {:?}",
            self.0,
            after.0
        );
        after
    }

    /// As [`assert_same`](Held::assert_same), and that it holds at most `mappings` more mappings and `resident` more
    /// bytes in memory.
    ///
    /// # Panics
    ///
    /// If it does not, with both counts.
    #[track_caller]
    pub fn assert_grew_at_most(&self, mappings: u64, resident: u64) {
        let after = self.assert_same();
        let few = after.0.mappings <= self.0.mappings + mappings;
        let small = after.0.resident <= self.0.resident + resident;
        assert!(
            few && small,
            "more than {mappings} mappings or {resident} bytes were gained:\nbefore {:?}\nafter  {:?}",
            self.0,
            after.0
        );
    }
}
