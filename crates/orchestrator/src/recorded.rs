//! How much of the tensor map a run takes. Counted by the submitting thread alone.

use prewire_ring::{Mark, RING_COUNT};

/// Counts for the tensor map. What a task that a scope holds has recorded stays recorded, or is covered by a later
/// write; so what is needed is no more than what held tasks recorded, and no more than the map ever held.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The most entries in use and asked for together.
    high: u32,
    /// The most that one task asked for.
    own: u32,
    /// Accesses recorded so far, by ring.
    all: [u64; RING_COUNT],
    /// What `all` was when the scope floor of the ring was set.
    floors: [Option<u64>; RING_COUNT],
    /// The most that tasks had recorded while scopes held them.
    held: u64,
    waits: u64,
}

impl Recorded {
    /// A task of `ring` records `entries`, with which the map holds up to `len`.
    #[inline]
    pub(crate) fn note(&mut self, ring: usize, entries: u32, len: u32) {
        if entries > 0 {
            self.high = self.high.max(len);
            self.own = self.own.max(entries);
            self.all[ring] += u64::from(entries);
        }
    }

    pub(crate) fn note_wait(&mut self) {
        self.waits += 1;
    }

    /// The floor of `ring` is set or removed. Floors are removed in the reverse order, so what is held had grown up
    /// to here.
    pub(crate) fn set_floor(&mut self, ring: usize, set: bool) {
        let held: u64 =
            self.floors.iter().zip(self.all).filter_map(|(floor, all)| Some(all - (*floor)?)).sum();
        self.held = self.held.max(held);
        self.floors[ring] = set.then_some(self.all[ring]);
    }

    pub(crate) fn mark(&self, capacity: u32) -> Mark {
        let mut mark = Mark::default();
        mark.high = self.high.into();
        mark.needed = (self.held + u64::from(self.own)).min(mark.high);
        mark.capacity = capacity.into();
        mark.waits = self.waits;
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scopes_hold_and_one_task_more_is_needed() {
        let mut recorded = Recorded::default();
        recorded.note(0, 7, 97);
        recorded.set_floor(0, true);
        recorded.note(0, 3, 23);
        recorded.set_floor(1, true);
        recorded.note(1, 5, 15);
        recorded.set_floor(1, false);
        recorded.note(1, 1, 11);
        recorded.set_floor(1, true);
        recorded.note(1, 2, 12);
        recorded.set_floor(1, false);
        recorded.set_floor(0, false);
        let mark = recorded.mark(100);
        assert_eq!((mark.needed, mark.high, mark.capacity), (3 + 5 + 7, 97, 100));
    }

    #[test]
    fn what_later_writes_cover_is_not_needed() {
        let mut recorded = Recorded::default();
        recorded.set_floor(0, true);
        for _ in 0..1000 {
            recorded.note(0, 1, 5);
        }
        recorded.set_floor(0, false);
        assert_eq!(recorded.mark(64).needed, 5);
    }
}
