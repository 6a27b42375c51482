//! How much of the tensor map a run takes. Counted by the submitting thread alone.

use prewire_ring::{Mark, RING_COUNT};

/// Counts for the tensor map. What a task that a scope holds has recorded stays recorded, or is covered by a later
/// write; so what is needed is no more than what held tasks recorded, and no more than the map ever held. What they left it may be
/// told of in another run, and so is needed besides.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The most entries in use and asked for together.
    high: u32,
    /// The most that one task asked for.
    own: u32,
    /// Accesses recorded or left so far, and those left, by ring.
    all: [(u64, u64); RING_COUNT],
    /// What `all` was when the scope floor of the ring was set.
    floors: [Option<(u64, u64)>; RING_COUNT],
    /// The most that tasks had recorded while scopes held them, and the most that they had left.
    held: (u64, u64),
    waits: u64,
}

impl Recorded {
    /// A task of `ring` has so many `accesses`, with which the map holds up to `len`, and of which so many are left.
    #[inline]
    pub(crate) fn note(&mut self, ring: usize, accesses: u32, left: u32, len: u32) {
        if accesses > 0 {
            self.high = self.high.max(len);
            self.own = self.own.max(accesses);
            self.all[ring].0 += u64::from(accesses);
            self.all[ring].1 += u64::from(left);
        }
    }

    pub(crate) fn note_wait(&mut self) {
        self.waits += 1;
    }

    /// The floor of `ring` is set or removed. Floors are removed in the reverse order, so what is held had grown up
    /// to here.
    pub(crate) fn set_floor(&mut self, ring: usize, set: bool) {
        let mut held = (0, 0);
        for (floor, all) in self.floors.iter().zip(self.all) {
            if let Some(floor) = floor {
                let left = all.1 - floor.1;
                held = (held.0 + all.0 - floor.0 - left, held.1 + left);
            }
        }
        self.held = (self.held.0.max(held.0), self.held.1.max(held.1));
        self.floors[ring] = set.then_some(self.all[ring]);
    }

    pub(crate) fn mark(&self, capacity: u32) -> Mark {
        let mut mark = Mark::default();
        let own = u64::from(self.own);
        mark.high = u64::from(self.high).max(own);
        // A task may ask for an entry of all that it has left, another time.
        let left = self.all.iter().any(|all| all.1 > 0);
        let most = u64::from(self.high) + if left { own } else { 0 };
        mark.needed = (self.held.0 + own).min(most) + self.held.1;
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
        recorded.note(0, 7, 0, 97);
        recorded.set_floor(0, true);
        recorded.note(0, 3, 0, 23);
        recorded.set_floor(1, true);
        recorded.note(1, 5, 0, 15);
        recorded.set_floor(1, false);
        recorded.note(1, 1, 0, 11);
        recorded.set_floor(1, true);
        recorded.note(1, 2, 0, 12);
        recorded.set_floor(1, false);
        recorded.set_floor(0, false);
        let mark = recorded.mark(100);
        assert_eq!((mark.needed, mark.high, mark.capacity), (3 + 5 + 7, 97, 100));
    }

    #[test]
    fn what_is_left_may_be_recorded_another_time() {
        let mut recorded = Recorded::default();
        recorded.set_floor(0, true);
        recorded.note(0, 7, 5, 2);
        recorded.note(0, 4, 4, 1);
        recorded.set_floor(0, false);
        recorded.note(0, 30, 30, 0);
        assert_eq!((recorded.mark(100).needed, recorded.mark(100).high), (2 + 30 + 9, 30));
    }

    #[test]
    fn what_later_writes_cover_is_not_needed() {
        let mut recorded = Recorded::default();
        recorded.set_floor(0, true);
        for _ in 0..1000 {
            recorded.note(0, 1, 0, 5);
        }
        recorded.set_floor(0, false);
        assert_eq!(recorded.mark(64).needed, 5);
    }
}
