//! Reads found and recorded in one, or left to the caller, for a task that is not submitted yet: what is recorded can be taken back.

use super::{Access, Hazards, Life, TensorMap};
use crate::buffers::Buffer;
use crate::place::{At, Place};
use crate::plane::Home;
use crate::region::Memory;
use prewire_abi::TaskId;

/// What has become of a [read](TensorMap::read).
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// It is on record.
    Recorded,
    /// Nothing is remembered of its buffer, and it is left to the caller, who keeps it as long as its task counts and
    /// [records](TensorMap::record_left) it before that buffer is written, see [`has_left`](TensorMap::has_left); or now.
    Left,
    /// It is to be recorded at this place once the task is submitted.
    Later(Place),
    /// Not all of its buffer is read, that is not all that is remembered of it, or nothing is to be left: it is to be
    /// [found](TensorMap::find), and recorded once the task is submitted.
    Declined,
}

impl TensorMap {
    /// Whether up to `n` [reads](TensorMap::read) may follow: there is room for them, and hazards are such that a read is
    /// remembered.
    #[must_use]
    #[inline]
    pub fn takes_reads(&self, n: u32) -> bool {
        self.hazards == Hazards::All && self.has_room(n)
    }

    /// [Finds](TensorMap::find) and [records](TensorMap::record) a read in one, if all of its buffer is read and that is all
    /// that is remembered of it. Of what nothing is remembered it is left to the caller, and takes no entry. For a task that is not
    /// submitted yet: until it is, or what it read is taken [back](TensorMap::unread), `life` is to say that it lives, and no
    /// entries are to be [reserved](TensorMap::reserve) that its own may be in the way of. For as many reads as the map
    /// [takes](TensorMap::takes_reads).
    ///
    /// ```
    /// use prewire_abi::{ChipTensor, DataType, TaskId};
    /// use prewire_tensormap::{Access, Hazards, Life, Read, TensorMap};
    ///
    /// let x = ChipTensor::contiguous(0x1000, &[64], DataType::F32)?;
    /// let (reader, alive) = (TaskId::new(0, 1), |_: TaskId| Life::Live);
    /// let mut map = TensorMap::new(16, Hazards::All);
    /// assert!(map.takes_reads(1));
    /// assert!(matches!(map.read(&x, reader, alive, |_| ()), Read::Left));
    /// assert!(map.is_empty() && map.has_left(0x1000));
    ///
    /// // Somebody is about to write it.
    /// map.record_left(&x, reader, alive);
    /// map.all_recorded();
    /// let mut waits = Vec::new();
    /// map.find(&x, Access::Write, alive, |task| waits.push(task));
    /// assert_eq!(waits, [reader]);
    /// # Ok::<(), prewire_abi::TensorError>(())
    /// ```
    #[inline(always)]
    pub fn read(
        &mut self,
        region: &impl Memory,
        task: TaskId,
        life: impl Fn(TaskId) -> Life,
        dep: impl FnMut(TaskId),
    ) -> Read {
        let buffer = self.plane.buffers.find(region.buffer());
        let end = region.end_from_start();
        if buffer == 0 {
            if end == 0 || !self.left.is_open() {
                return Read::Declined;
            }
            self.left.cover(region.buffer());
            return Read::Left;
        }
        if !self.plane.holds_alone(buffer, end) {
            return Read::Declined;
        }
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        Self::report_writer(&mut self.readers, writer, readers, life, dep);
        if self.readers.push_in_place(readers, task) {
            return Read::Recorded;
        }
        Read::Later(Place::new(At::In(Home::Buffer(buffer)), self.plane.stamp()))
    }

    /// Whether a read of `region` is [left](Read::Left) to the caller. Else nothing has happened, and it is to be found and recorded.
    #[must_use]
    pub fn leaves(&mut self, region: &impl Memory) -> bool {
        let buffer = region.buffer();
        let leaves = self.hazards == Hazards::All
            && self.left.is_open()
            && region.end_from_start() != 0
            && self.plane.buffers.find(buffer) == 0;
        if leaves {
            self.left.cover(buffer);
        }
        leaves
    }

    /// Whether a read of the buffer at address `buffer` may have been [left](Read::Left) to the caller, and not been recorded since.
    /// Such reads are to be recorded before a [find](TensorMap::find) for a write.
    #[must_use]
    #[inline]
    pub fn has_left(&self, buffer: u64) -> bool {
        self.left.covers(buffer)
    }

    /// Records a read that was [left](Read::Left). If no entry is free it takes one more than there are: nothing is recorded that
    /// needs one until as many have been given back.
    pub fn record_left(&mut self, region: &impl Memory, task: TaskId, life: impl Fn(TaskId) -> Life) {
        let borrowed = self.readers.borrow_entry();
        let recorded = self.record(region, Access::Read, task, life);
        debug_assert!(recorded.is_ok(), "there is an entry");
        self.readers.give_back(borrowed);
    }

    /// A read of the buffer at address `buffer` is still left to the caller, though [all others](TensorMap::all_recorded) are recorded.
    pub fn leave(&mut self, buffer: u64) {
        self.left.cover(buffer);
    }

    /// The caller has recorded every read that was [left](Read::Left) to it, and counts.
    pub fn all_recorded(&mut self) {
        self.left.clear();
    }

    /// From here on no read is [left](Read::Left) to the caller, until the map is [cleared](TensorMap::clear).
    pub fn leave_none(&mut self) {
        self.left.close();
    }

    /// Takes back what a [read](TensorMap::read) recorded last; whether it had. A buffer of which nothing else is remembered
    /// goes with it. What was left to the caller is the caller's to drop.
    pub fn unread(&mut self, region: &impl Memory, task: TaskId) -> bool {
        let buffer = self.plane.buffers.find(region.buffer());
        let taken = buffer != 0
            && self.plane.holds_alone(buffer, region.end_from_start())
            && self.readers.pop_in_place(&mut self.plane.buffers[buffer].readers, task);
        if taken {
            self.plane.drop_if_bare(buffer);
            return true;
        }
        // Behind what was left and has been recorded since, it may be anywhere among the readers.
        let Some(home) = self.plane.get(&region.region()) else { return false };
        let taken = self.readers.remove(self.plane.readers(home), task);
        if taken && let Home::Buffer(buffer) = home {
            self.plane.drop_if_bare(buffer);
        }
        taken
    }
}
