//! A set of lanes that threads share: at most 128. Each bit is put in by one thread and taken out by one.

use prewire_platform::{LaneId, LaneSet};
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

/// The set. Written by whoever has something to say about a lane, and by whoever takes it.
#[derive(Debug, Default)]
pub(crate) struct LaneBits {
    words: [AtomicU64; 2],
}

impl LaneBits {
    fn place(lane: u16) -> (usize, u64) {
        (usize::from(lane >> 6) & 1, 1 << (lane & 63))
    }

    /// Puts `lane` in. What the caller wrote before is visible to whoever takes it out.
    pub(crate) fn insert(&self, lane: u16) {
        let (word, bit) = Self::place(lane);
        // ORDERING: Release, "lane-bit"; pairs with remove, take and take_all.
        self.words[word].fetch_or(bit, mutant::order("lane-insert", Ordering::Release));
    }

    /// As [`insert`](LaneBits::insert), and so that what the caller looks at next with `SeqCst` it does not see as it was before.
    pub(crate) fn insert_first(&self, lane: u16) {
        let (word, bit) = Self::place(lane);
        // ORDERING: SeqCst, "lane-bit", "work-made"; pairs with remove, take and take_all, and with the fence in
        // Pool::look_again: before the load in Pool::wake_for_left.
        self.words[word].fetch_or(bit, mutant::order("lane-insert-first", Ordering::SeqCst));
    }

    /// Puts `lanes` in, as [`insert`](LaneBits::insert).
    pub(crate) fn insert_all(&self, lanes: LaneSet) {
        for (word, bits) in self.words.iter().zip([lanes.0 as u64, (lanes.0 >> 64) as u64]) {
            if bits != 0 {
                // ORDERING: Release, "lane-bit"; pairs with remove, take and take_all.
                word.fetch_or(bits, mutant::order("lane-insert-all", Ordering::Release));
            }
        }
    }

    /// Takes `lane` out; false if it was not in.
    pub(crate) fn remove(&self, lane: u16) -> bool {
        let (word, bit) = Self::place(lane);
        // ORDERING: Acquire, "lane-bit"; pairs with insert, insert_first and insert_all.
        self.words[word].fetch_and(!bit, mutant::order("lane-remove", Ordering::Acquire)) & bit != 0
    }

    /// Takes all lanes out. Costs two loads when there is none.
    pub(crate) fn take_all(&self) -> LaneSet {
        let take = |word: &AtomicU64| {
            if word.load(Ordering::Relaxed) == 0 {
                return 0;
            }
            // ORDERING: Acquire, "lane-bit"; pairs with insert, insert_first and insert_all.
            word.swap(0, mutant::order("lane-take-all", Ordering::Acquire))
        };
        LaneSet(u128::from(take(&self.words[0])) | u128::from(take(&self.words[1])) << 64)
    }

    /// Takes those of `lanes` out that are in. Costs two loads when there is none.
    pub(crate) fn take(&self, lanes: LaneSet) -> LaneSet {
        let take = |word: &AtomicU64, bits: u64| {
            if word.load(Ordering::Relaxed) & bits == 0 {
                return 0;
            }
            // ORDERING: Acquire, "lane-bit"; pairs with insert, insert_first and insert_all.
            word.fetch_and(!bits, mutant::order("lane-take", Ordering::Acquire)) & bits
        };
        let (low, high) = (lanes.0 as u64, (lanes.0 >> 64) as u64);
        LaneSet(u128::from(take(&self.words[0], low)) | u128::from(take(&self.words[1], high)) << 64)
    }

    /// What is in it, at a glance.
    pub(crate) fn peek(&self) -> u128 {
        let word = |i: usize| u128::from(self.words[i].load(Ordering::Relaxed));
        word(0) | word(1) << 64
    }

    /// Whether nothing is in it, at a glance.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|w| w.load(Ordering::Relaxed) == 0)
    }

    /// Takes out the first lane from `start` on, going around, of those that are in `first`, or of all if none of them is
    /// in; `None` if the set was empty.
    pub(crate) fn claim(&self, start: LaneId, first: LaneSet) -> Option<u16> {
        loop {
            let seen = self.peek();
            if seen == 0 {
                return None;
            }
            let seen = if seen & first.0 != 0 { seen & first.0 } else { seen };
            let start = u32::from(start.0) & 127;
            let lane = (seen.rotate_right(start).trailing_zeros() + start) & 127;
            let lane = lane as u16;
            // MUTANT "lane-claimed-twice": a lane that another has just taken is taken too.
            if self.remove(lane) || mutant::skips("lane-claimed-twice") {
                return Some(lane);
            }
        }
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    #[test]
    fn claims_go_around_from_where_they_start() {
        let bits = LaneBits::default();
        for lane in [3, 64, 127] {
            bits.insert(lane);
        }
        let claim = |start| bits.claim(LaneId(start), LaneSet::EMPTY);
        assert_eq!([claim(64), claim(65), claim(65), claim(65)], [Some(64), Some(127), Some(3), None]);
    }

    #[test]
    fn lanes_that_come_first_are_claimed_first() {
        let bits = LaneBits::default();
        bits.insert_all(LaneSet(0b1111));
        let claim = |start| bits.claim(LaneId(start), LaneSet(0b0101));
        assert_eq!([claim(1), claim(1), claim(1), claim(1)], [Some(2), Some(0), Some(1), Some(3)]);
    }

    #[test]
    fn what_is_taken_is_out() {
        let bits = LaneBits::default();
        bits.insert_all(LaneSet(1 | 1 << 100));
        assert!(bits.remove(100) && !bits.remove(100));
        bits.insert_all(LaneSet(0b1110));
        assert_eq!(bits.take(LaneSet(0b10110 | 1 << 100)), LaneSet(0b0110));
        assert_eq!(bits.take_all(), LaneSet(0b1001));
        assert!(bits.is_empty() && bits.take_all().is_empty());
    }
}
