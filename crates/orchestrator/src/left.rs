//! Reads that the tensor map is not told of until somebody writes: the argument records of their tasks say so.
//!
//! Invariant: a read that was left, of a task that lives or that failed, is of the task that is being submitted, or of one
//! that is not before `from` in its ring, and whose record is there. Records are overwritten by submits alone, and only those
//! of tasks that were retired when the submit looked for room: so it looks for a failure after that, and before it stores its own.

use prewire_abi::TaskId;
use prewire_ring::{Allocator, RING_COUNT};
use prewire_tensormap::{Life, Region, TensorMap};

use crate::args::Args;
use crate::infer::life;
use crate::orchestrator::Orchestrator;
use crate::record::Record;

/// The reads of a run that are left.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// Those of the task that is being submitted: a bit for each argument, as many as a [record](Record::LEAVES) has.
    pub(crate) own: u32,
    /// How many those are: kept, as to count bits takes longer than all that is done with it.
    pub(crate) count: u32,
    /// By ring: what tasks before this one have read is recorded.
    from: [u32; RING_COUNT],
    /// How many tasks and allocations there had been when that was so of all of them.
    at: u64,
    /// How many allocations there have been.
    pub(crate) allocs: u64,
}

impl Left {
    /// A run begins, in each ring with the task of this number.
    pub(crate) fn start_run(&mut self, first: [u32; RING_COUNT]) {
        *self = Self { from: first, ..Self::default() };
    }

    /// Argument `number` of the task is left.
    #[inline]
    pub(crate) fn add_own(&mut self, number: usize) {
        self.own |= 1 << number;
        self.count += 1;
    }

    /// Nothing of the task is known.
    #[inline]
    pub(crate) fn forget_own(&mut self) {
        (self.own, self.count) = (0, 0);
    }

    /// Records what tasks of `ring` before `upto` have left. If it has been `long`, tasks have other numbers by now.
    fn record(&mut self, map: &mut TensorMap, allocator: &Allocator, ring: usize, upto: u32, long: bool) {
        let rings = allocator.rings();
        // First, so that whoever is before it and failed is known to have.
        let oldest = rings.watermark(ring);
        let in_slots = allocator.next(ring).wrapping_sub(allocator.window(ring));
        // Nobody asks about tasks before that one: they ended well, or what they have left is recorded.
        let first = if rings.has_failed() { in_slots } else { oldest };
        let from = &mut self.from[ring];
        *from = later(*from, first, upto, long);
        let life = |id| life(allocator, id);
        while *from != upto {
            let id = TaskId::new(ring as u32, *from);
            // The record of one that ended well may be overwritten.
            if life(id) != Life::Retired {
                let record = Record::of(rings, rings.slot_of(id));
                record.left().for_each(|(buffer, bytes)| {
                    map.record_left(&Region::whole(buffer, bytes), id, life);
                });
            }
            *from = from.wrapping_add(1);
        }
    }
}

/// The later one of `from` and `first`, which are before `upto` or there; `first` if `from` was so `long` ago that it says nothing.
fn later(from: u32, first: u32, upto: u32, long: bool) -> u32 {
    if long || upto.wrapping_sub(from) > upto.wrapping_sub(first) { first } else { from }
}

impl Orchestrator {
    /// Records what is left, of all tasks but the one that is being submitted, if there is such a one.
    #[inline(never)]
    pub(crate) fn record_left(&mut self) {
        self.record_left_before(None);
        self.map.all_recorded();
    }

    /// As [`record_left`](Orchestrator::record_left), while a task with `args` is submitted that has left reads itself.
    pub(crate) fn record_left_of_others(&mut self, args: &Args) {
        self.record_left();
        for (number, arg) in args.tensors().iter().enumerate().take(Record::LEAVES) {
            if self.left.own >> number & 1 != 0 {
                self.map.leave(arg.tensor().buffer_addr());
            }
        }
    }

    /// Something has failed: records what tasks before `own` have left, which has found room where such tasks may have been, and has yet to
    /// store its record. From here on nothing is left.
    #[cold]
    #[inline(never)]
    pub(crate) fn recall_left(&mut self, own: TaskId) {
        self.map.leave_none();
        self.record_left_before(Some(own));
    }

    /// Records what tasks before `own`, which has its slot, have left; or what all have.
    fn record_left_before(&mut self, own: Option<TaskId>) {
        let submits = self.tasks() + self.left.allocs;
        let Self { map, allocator, left, .. } = self;
        let long = submits - left.at > u64::from(u32::MAX / 2);
        for ring in 0..RING_COUNT {
            let own = own.filter(|own| own.ring() as usize == ring);
            left.record(map, allocator, ring, own.map_or(allocator.next(ring), TaskId::local), long);
        }
        left.at = submits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_gone_through_from_where_that_was_last_done_or_what_counts_begins() {
        for upto in [1000, 5, 0] {
            let before = |n: u32| u32::wrapping_sub(upto, n);
            let begin = |from, first| upto.wrapping_sub(later(before(from), before(first), upto, false));
            assert_eq!([begin(7, 3), begin(3, 7), begin(0, 7), begin(7, 0), begin(0, 0)], [3, 3, 0, 0, 0]);
            // Numbers have gone round since.
            assert_eq!(later(before(3), before(7), upto, true), before(7));
        }
    }
}
