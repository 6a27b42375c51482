//! Failed tasks whose slots were reused: what depends on them later is poisoned all the same.

use alloc::vec::Vec;

use crate::ring::is_before;

/// The failed tasks of one ring in a run, as runs of local numbers, first and last, in order. A failure takes what
/// depends on it along, so they come in runs.
#[derive(Debug, Default)]
pub(crate) struct Failures(Vec<(u32, u32)>);

impl Failures {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds `local`, which comes after all that are there.
    pub(crate) fn remember(&mut self, local: u32) {
        match self.0.last_mut() {
            Some((_, last)) if last.wrapping_add(1) == local => *last = local,
            _ => self.0.push((local, local)),
        }
    }

    /// Whether `local` is there.
    pub(crate) fn recall(&self, local: u32) -> bool {
        let after = self.0.partition_point(|&(first, _)| !is_before(local, first));
        after > 0 && !is_before(self.0[after - 1].1, local)
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use crate::{Cold, Need, RingSizes, Rings};
    use alloc::vec;

    #[test]
    fn failed_tasks_are_remembered_in_runs() {
        let mut failures = Failures::default();
        let failed = [3u32, 4, 5, 9, 11, 12, 19];
        for &local in &failed {
            // Around the wrap of local numbers.
            failures.remember(local.wrapping_add(u32::MAX - 8));
        }
        assert_eq!(failures.0.len(), 4);
        for local in 0..20u32 {
            assert_eq!(failures.recall(local.wrapping_add(u32::MAX - 8)), failed.contains(&local), "{local}");
        }
    }

    /// Those of earlier runs have numbers in no order: slots are found again that were left for many runs.
    #[test]
    fn what_is_remembered_is_in_order() {
        let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(8), 1).unwrap();
        for (tasks, failed) in [(5, 5), (3, 3), (20, 1)] {
            allocator.start_run();
            for task in 0..tasks {
                let placed = allocator.commit(0, &Need::default(), Cold::default());
                if task < failed {
                    rings.slot(placed.slot).fail();
                }
                let routed = rings.complete(0, &mut vec![placed.slot], &mut |_| ());
                rings.retire(&routed);
            }
        }
        // The last run began with task 16, the one before with 8: its slots were not left.
        let remembered = (0..40).filter(|&local| allocator.failures[0].recall(local));
        assert_eq!(remembered.collect::<Vec<_>>(), [9, 10, 16]);
    }
}
