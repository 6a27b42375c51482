//! Counts that a process and its forks share, and wait for.
//!
//! **Invariant:** the memory is only ever reached as the atomics that it holds, in every process that has it.

use core::time::Duration;
use std::io;

use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::hint;

use crate::event::Event;
use crate::scope::Shared;
use crate::segment::Segment;

/// A count that only grows, on a line of its own, and the event of those who wait for it.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Beacon {
    /// Raised by whoever calls [`raise`](Beacon::raise).
    count: AtomicU32,
    event: Event<Shared>,
}

impl Beacon {
    /// How far it is.
    #[must_use]
    pub fn count(&self) -> u32 {
        // ORDERING: Acquire, "beacon"; pairs with the fetch_add in raise: what was done before is seen.
        self.count.load(Ordering::Acquire)
    }

    /// Raises it by one, and wakes those who wait.
    pub fn raise(&self) {
        // ORDERING: Release, "beacon"; pairs with the load in count.
        self.count.fetch_add(1, Ordering::Release);
        self.event.notify_all();
    }

    /// Waits until it is at `count`, parked from the start. False if that took longer than `limit`.
    pub fn wait(&self, count: u32, limit: Option<Duration>) -> bool {
        let mut in_time = true;
        while self.count() < count {
            if !in_time {
                return false;
            }
            let key = self.event.prepare();
            if self.count() < count {
                in_time = self.event.wait(key, limit);
            }
        }
        true
    }

    /// Waits until it is at `count`, looking all the time. For measurements.
    pub fn spin(&self, count: u32) {
        while self.count() < count {
            hint::spin_loop();
        }
    }
}

/// Beacons in memory that forks of this process share: what a process and its children use to tell each other how far they
/// are, without a protocol.
///
/// ```
/// use prewire_os::Beacons;
///
/// let beacons = Beacons::new(2)?;
/// beacons.get(1).raise();
/// assert_eq!((beacons.get(0).count(), beacons.get(1).count()), (0, 1));
/// assert!(beacons.get(1).wait(1, None));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Beacons {
    memory: Segment,
    count: usize,
}

impl Beacons {
    /// So many, all at 0.
    ///
    /// # Errors
    ///
    /// As [`Segment::new`].
    pub fn new(count: usize) -> io::Result<Self> {
        let memory = Segment::new("beacons", count.saturating_mul(size_of::<Beacon>()))?;
        Ok(Self { memory, count })
    }

    /// One of them.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    #[must_use]
    #[track_caller]
    pub fn get(&self, index: usize) -> &Beacon {
        assert!(index < self.count, "there are {} beacons, and no number {index}", self.count);
        // SAFETY: the segment has room for `count` beacons, of which this is one.
        let at = unsafe { self.memory.as_ptr().cast::<Beacon>().add(index) };
        // SAFETY: it is inside the segment, which starts on a page and lives as long as `self`; zeroed memory is a beacon,
        // all of it is atomic, and nobody else has the memory.
        unsafe { &*at }
    }
}
