//! What a process holds, before and after.

use prewire_os::process::{Statistics, statistics};

/// A count of what the process holds. Tests that compare two run alone in their process: put each in a file of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held(Statistics);

impl Held {
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

    /// That `after` holds the same threads and descriptors as this.
    ///
    /// # Panics
    ///
    /// If it does not, with both counts.
    #[track_caller]
    pub fn assert_same(&self, after: &Self) {
        let kept = (self.0.threads, self.0.descriptors) == (after.0.threads, after.0.descriptors);
        assert!(kept, "threads or descriptors differ:\nbefore {:?}\nafter  {:?}", self.0, after.0);
    }

    /// That `after` holds the same threads and descriptors as this, at most `mappings` more mappings, and at most
    /// `resident` more bytes in memory.
    ///
    /// # Panics
    ///
    /// If it does not, with both counts.
    #[track_caller]
    pub fn assert_grew_at_most(&self, after: &Self, mappings: u64, resident: u64) {
        self.assert_same(after);
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
