//! Reads found and recorded in one, or noted, for a task that is not submitted yet: what is recorded can be taken back.

use super::{Access, Hazards, Life, TensorMap};
use crate::buffers::Buffer;
use crate::place::{At, Place};
use crate::plane::Home;
use crate::region::Memory;
use prewire_abi::TaskId;

impl TensorMap {
    /// Whether up to `n` [reads](TensorMap::read) may follow: there is room for them, and hazards are such that a read is
    /// remembered.
    #[must_use]
    #[inline]
    pub fn takes_reads(&self, n: u32) -> bool {
        self.hazards == Hazards::All && self.has_room(n)
    }

    /// [Finds](TensorMap::find) and [records](TensorMap::record) a read in one, if all of its buffer is read and nothing
    /// else of that is remembered; else it is recorded at the place that is given back. For a task that is not submitted
    /// yet: until it is, or what it read is taken [back](TensorMap::unread), `life` is to say that it lives, and no entries are
    /// to be [reserved](TensorMap::reserve) that its own may be in the way of. For as many reads as the map
    /// [takes](TensorMap::takes_reads).
    #[inline(always)]
    pub fn read(
        &mut self,
        region: &impl Memory,
        task: TaskId,
        life: impl Fn(TaskId) -> Life,
        dep: impl FnMut(TaskId),
    ) -> Option<Place> {
        let buffer = self.plane.buffers.find(region.buffer());
        let end = region.end_from_start();
        if buffer == 0 {
            if end == 0 {
                return Some(Place::UNKNOWN);
            }
            self.note_read(region.buffer(), end, task, life);
            return None;
        }
        if !self.plane.holds_alone(buffer, end) {
            return Some(self.find_among(buffer, &region.region(), Access::Read, life, dep));
        }
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        Self::report_writer(&mut self.readers, writer, readers, life, dep);
        if self.readers.push_in_place(readers, task) {
            return None;
        }
        Some(Place::new(At::In(Home::Buffer(buffer)), self.plane.stamp()))
    }

    /// Takes back what a [read](TensorMap::read) recorded last; whether it had. A buffer of which nothing else is remembered
    /// goes with it.
    pub fn unread(&mut self, region: &impl Memory, task: TaskId) -> bool {
        if self.log.take_back(region.buffer(), region.end_from_start(), task) {
            self.readers.drop_entries(1);
            return true;
        }
        let buffer = self.plane.buffers.find(region.buffer());
        let taken = buffer != 0
            && self.plane.holds_alone(buffer, region.end_from_start())
            && self.readers.pop_in_place(&mut self.plane.buffers[buffer].readers, task);
        if taken {
            self.plane.drop_if_bare(buffer);
            return true;
        }
        // Sorted in from the log, it may be anywhere among the readers.
        let Some(home) = self.plane.get(&region.region()) else { return false };
        let taken = self.readers.remove(self.plane.readers(home), task);
        if taken && let Home::Buffer(buffer) = home {
            self.plane.drop_if_bare(buffer);
        }
        taken
    }
}
