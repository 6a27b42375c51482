//! When the reads that were only noted are looked over, and when they are sorted in.

use super::{Access, Life, TensorMap};
use crate::log::Read;
use crate::region::Region;
use prewire_abi::TaskId;

impl TensorMap {
    /// Notes a read by `task` of the buffer at `buffer`, of which nothing is remembered but in the log, from its start to `end`.
    /// There is an entry for it.
    #[inline]
    pub(super) fn note_read(&mut self, buffer: u64, end: u64, task: TaskId, life: impl Fn(TaskId) -> Life) {
        if self.log.is_full() {
            self.make_place(&life);
        }
        self.readers.count(1);
        self.log.add(Read { buffer, end, task });
    }

    /// There is place for one more noted read.
    #[inline(never)]
    fn make_place(&mut self, life: &impl Fn(TaskId) -> Life) {
        let visited = &mut self.visited;
        let dropped = self.log.drop_first(|task| {
            *visited += 1;
            life(task) == Life::Retired
        });
        self.readers.drop_entries(dropped as u32);
        if dropped > 0 {
            return;
        }
        if self.log.middle().is_some_and(|read| life(read.task) == Life::Live) {
            self.log.grow();
        } else {
            self.look_over(life);
        }
    }

    /// Drops the noted reads of tasks that retired. Those of failed ones are sorted in, where one stands for many.
    #[inline(never)]
    pub(super) fn look_over(&mut self, life: &impl Fn(TaskId) -> Life) {
        let mut reads = self.log.take();
        self.visited += reads.len() as u64;
        reads.retain(|read| match life(read.task) {
            Life::Live => true,
            Life::Retired => {
                self.readers.drop_entries(1);
                false
            }
            Life::Failed => {
                self.sort_in(read, life);
                false
            }
        });
        self.log.put_back(reads);
    }

    /// Sorts the noted reads in, if one of them may be of `buffer`: whoever is about to write it asks for them.
    #[inline(always)]
    pub(super) fn settle(&mut self, buffer: u64, life: &impl Fn(TaskId) -> Life) {
        if self.log.covers(buffer) {
            self.settle_all(life);
        }
    }

    #[inline(never)]
    pub(super) fn settle_all(&mut self, life: &impl Fn(TaskId) -> Life) {
        let mut reads = self.log.take();
        self.visited += reads.len() as u64;
        for read in reads.drain(..) {
            if life(read.task) == Life::Retired {
                self.readers.drop_entries(1);
            } else {
                self.sort_in(&read, life);
            }
        }
        self.log.put_back(reads);
    }

    /// Remembers a noted read by its buffer. It has its entry.
    fn sort_in(&mut self, read: &Read, life: &impl Fn(TaskId) -> Life) {
        self.readers.drop_entries(1);
        let recorded =
            self.record_somewhere(&Region::whole(read.buffer, read.end), Access::Read, read.task, life);
        debug_assert!(recorded, "there was an entry for it");
    }
}
