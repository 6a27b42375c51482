//! Ring sizes that suit a run. Invariant: a program that ran to its end does so again with them, however fast or slow
//! its tasks are then; for dep entries, as surely as with the sizes that it ran with.

use crate::heap::Heap;
use crate::ring::RING_COUNT;
use crate::sizes::RingSizes;
use crate::usage::{Mark, RunUsage};

impl RingSizes {
    /// The smallest legal sizes with which the same program runs as it did, with a quarter more than it took: as many
    /// tasks alive at a time, and more of what it [`needed`](Mark::needed). Where a submit had waited, the
    /// size stays what it was: it takes what it can get. Sizes grow where the program needed more than 80 % of them.
    ///
    /// How many edges a task has depends on which of its producers have retired when it is submitted; so dep entries
    /// become fewer only as far as there are enough for the slowest of chips, and otherwise stay as many as they were.
    ///
    /// ```
    /// use prewire_ring::{RingSizes, RunUsage};
    ///
    /// let mut usage = RunUsage::default();
    /// let window = &mut usage.rings[1].window;
    /// (window.needed, window.high, window.capacity) = (3, 20, 16383);
    /// let sizes = RingSizes::fit(&usage);
    /// assert_eq!(sizes.window, [4, 32, 4, 4]);
    /// ```
    #[must_use]
    pub fn fit(usage: &RunUsage) -> Self {
        Self::sized(usage, Mark::with_margin)
    }

    /// The smallest legal sizes with which the same program runs to its end, however long it waits for slots and
    /// memory: for finding out how small it can be made, or for a test. No margin, no tasks ahead.
    #[must_use]
    pub fn tightest(usage: &RunUsage) -> Self {
        Self::sized(usage, |mark| mark.needed)
    }

    fn sized(usage: &RunUsage, wanted: impl Fn(&Mark) -> u64) -> Self {
        let mut sizes = Self::smallest();
        for (ring, marks) in usage.rings.iter().enumerate() {
            let slots = wanted(&marks.window).saturating_add(1).min(1 << 24) as u32;
            let mut window = slots.next_power_of_two().max(4);
            let words = wanted(&marks.args);
            while u64::from(sizes.args_words(window)) < words && window < 1 << 24 {
                window *= 2;
            }
            sizes.window[ring] = window;
            let heap = wanted(&marks.heap).min(1 << 46);
            sizes.heap[ring] = heap.next_multiple_of(Heap::ALIGN).max(Heap::ALIGN);
        }
        // A task has no more edges than tasks are alive, or than there are.
        let alive: u64 = sizes.window.iter().map(|&window| u64::from(window) - 1).sum();
        let producers = alive.min(usage.slots);
        for ring in 0..RING_COUNT {
            let (window, deps) = (&usage.rings[ring].window, &usage.rings[ring].deps);
            let ever = window.needed.saturating_mul(producers).min(deps.capacity);
            sizes.deps[ring] = wanted(deps).max(ever).clamp(4, 1 << 29) as u32;
        }
        sizes.tensor_map = wanted(&usage.tensor_map).clamp(64, 1 << 28) as u32;
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::usage::RingMarks;

    fn mark(needed: u64, high: u64, capacity: u64) -> Mark {
        Mark { needed, high, capacity, waits: 0 }
    }

    fn usage(marks: RingMarks) -> RunUsage {
        RunUsage { rings: [marks; RING_COUNT], slots: 1000, ..RunUsage::default() }
    }

    #[test]
    fn nothing_used_is_the_smallest() {
        assert_eq!(RingSizes::fit(&RunUsage::default()), RingSizes::smallest());
        assert_eq!(RingSizes::tightest(&RunUsage::default()), RingSizes::smallest());
    }

    #[test]
    fn a_window_keeps_one_slot_free_and_grows_only_when_it_is_needed() {
        let window = |needed, high| {
            let sizes = usage(RingMarks { window: mark(needed, high, 31), ..RingMarks::default() });
            (RingSizes::fit(&sizes).window[0], RingSizes::tightest(&sizes).window[0])
        };
        assert_eq!(window(1, 12), (16, 4), "15 tasks fit into 16 slots");
        assert_eq!(window(1, 13), (32, 4));
        assert_eq!(window(1, 31), (32, 4), "back-pressure is no reason to grow");
        assert_eq!(window(24, 31), (32, 32));
        assert_eq!(window(25, 31), (64, 32), "the need is above 80 %");
        assert_eq!(window(15, 15), (32, 16));
    }

    #[test]
    fn a_window_has_the_arguments_that_are_held() {
        let marks = |needed| RingMarks { args: mark(needed, needed, 1 << 20), ..RingMarks::default() };
        assert_eq!(RingSizes::tightest(&usage(marks(8192))).window[0], 4);
        let sizes = RingSizes::tightest(&usage(marks(8193)));
        assert!(sizes.args_words(sizes.window[0]) >= 8193);
    }

    #[test]
    fn heaps_are_rounded_and_edges_are_enough_for_slow_tasks() {
        let marks = RingMarks {
            window: mark(6, 6, 31),
            heap: mark(3072, 10_000, 1 << 20),
            deps: mark(0, 0, 16384),
            args: mark(0, 0, 8192),
        };
        let sizes = RingSizes::fit(&usage(marks));
        assert_eq!(sizes.heap[0], 13_312);
        // Six held tasks, each behind all that can be alive: 15 in each of four rings.
        assert_eq!((sizes.window[0], sizes.deps[0]), (16, 6 * 60));
        let few = RunUsage { slots: 5, ..usage(marks) };
        assert_eq!(RingSizes::fit(&few).deps[0], 30);
        let huge = RingMarks { window: mark(1 << 40, 1 << 40, 1 << 40), ..marks };
        let sizes = RingSizes::fit(&usage(huge));
        assert_eq!((sizes.window[0], sizes.deps[0]), (1 << 24, 16384));
        sizes.validate().unwrap();
        let most = RingMarks { heap: mark(u64::MAX, u64::MAX, u64::MAX), ..huge };
        let most = RunUsage { tensor_map: mark(u64::MAX, 0, 0), ..usage(most) };
        RingSizes::fit(&most).validate().unwrap();
    }
}
