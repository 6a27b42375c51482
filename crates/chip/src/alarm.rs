//! What a waiting orchestrator is woken for.
//!
//! Each wake-up costs a system call, and a processor that a core's thread has to give back. So who waits for room in a
//! ring that is full of work is not woken for the first slot: it leaves its processor to the cores until a good part of
//! the ring is free, or until one of them has nothing to do. The invariant: a wait that could end is told of, at the
//! latest when a thread of the cores finds nothing to run.

use prewire_sync::atomic::{AtomicU64, Ordering};

/// Progress that a waiting orchestrator can make use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heeds {
    /// Every completion.
    All,
    /// That all tasks are over.
    End,
    /// That at most so many tasks of a ring are left, or that a core's thread has nothing to do.
    Room { ring: usize, live: u32 },
}

/// Below this many tasks a core's thread would run out of work before the orchestrator has woken up.
const PLENTY: u32 = 128;

impl Heeds {
    /// What to heed while waiting for room in `ring`, in which `live` tasks are.
    pub(crate) const fn room(ring: usize, live: u32) -> Self {
        if live < PLENTY { Self::All } else { Self::Room { ring, live: live - live / 4 } }
    }
}

/// Says what the orchestrator heeds. Written by it; whoever completes tasks reads it, after a fence that comes after what it
/// completed. The orchestrator looks at how far things are after a change of it and before it parks.
#[derive(Debug)]
pub(crate) struct Alarm(AtomicU64);

const END: u64 = 1;
const ROOM: u64 = 1 << 63;

impl Alarm {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(crate) fn set(&self, heeds: Heeds) {
        let word = match heeds {
            Heeds::All => 0,
            Heeds::End => END,
            Heeds::Room { ring, live } => ROOM | (ring as u64) << 32 | live as u64,
        };
        self.0.store(word, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn get(&self) -> Heeds {
        match self.0.load(Ordering::Relaxed) {
            0 => Heeds::All,
            END => Heeds::End,
            word => Heeds::Room { ring: (word >> 32 & 0xFF) as usize, live: word as u32 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_heeded() {
        let alarm = Alarm::new();
        assert_eq!(alarm.get(), Heeds::All);
        for heeds in [
            Heeds::End,
            Heeds::Room { ring: 3, live: u32::MAX },
            Heeds::Room { ring: 0, live: 0 },
            Heeds::All,
        ] {
            alarm.set(heeds);
            assert_eq!(alarm.get(), heeds);
        }
    }

    #[test]
    fn a_ring_with_little_work_in_it_is_refilled_at_once() {
        assert_eq!(Heeds::room(1, PLENTY - 1), Heeds::All);
        assert_eq!(Heeds::room(1, 1024), Heeds::Room { ring: 1, live: 768 });
    }
}
