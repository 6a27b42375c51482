//! What later accesses must wait for.

use super::{Access, Full, Hazards, Life, TensorMap, is_before, is_over_now};
use crate::footprint::Meet;
use crate::place::{At, Place};
use crate::plane::{Home, Verdict};
use crate::readers::Readers;
use crate::region::{Memory, Region};
use prewire_abi::TaskId;

impl TensorMap {
    /// Records that `task` accesses `region`; nothing, if it names no task. A read has waited for what a
    /// [find](TensorMap::find) told of. A write removes the entries that it covers: `task` waits for theirs. Never fails if an
    /// entry was reserved.
    ///
    /// # Errors
    ///
    /// [`Full`], if that takes an entry and there is none.
    #[inline]
    pub fn record(
        &mut self,
        region: &impl Memory,
        access: Access,
        task: TaskId,
        life: impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        self.record_at(Place::UNKNOWN, region, access, task, life)
    }

    /// As [`record`](TensorMap::record), of the `region` and for the `access` that `place` was found for.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline(always)]
    pub fn record_at(
        &mut self,
        place: Place,
        region: &impl Memory,
        access: Access,
        task: TaskId,
        life: impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        let recorded = match place.buffer(self.plane.stamp()) {
            Some(buffer) => self.record_in(Home::Buffer(buffer), access, task, &life),
            None => self.record_elsewhere(place, region, access, task, &life),
        };
        if recorded { Ok(()) } else { Err(Full { capacity: self.capacity() }) }
    }

    /// As `record_at`, where the place is not one in a buffer, or behind a task.
    #[inline(never)]
    fn record_elsewhere(
        &mut self,
        place: Place,
        region: &impl Memory,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if let Some(writer) = place.is_behind(task) {
            self.stand_in(place, region, writer);
        }
        match place.read(self.plane.stamp()) {
            _ if !task.is_valid() => true,
            At::In(home) => self.record_in(home, access, task, life),
            At::Clear => self.record_among(true, &region.region(), access, task, life),
            At::Unknown => self.record_somewhere(region, access, task, life),
        }
    }

    /// Drops the readers of a region that were there before `writer` wrote a part of it and waited for them: a reader that is
    /// about to be recorded waits for `writer`, or for whoever has written that part since, and so comes after all of them. Parts
    /// that are written one after the other never cover what is read across them, so nobody else drops those. It looks at a few
    /// of them, as each that is added does: those that came after `writer` stay, however many they are.
    #[inline(never)]
    fn stand_in(&mut self, place: Place, region: &impl Memory, writer: TaskId) {
        let home = match place.read(self.plane.stamp()) {
            At::In(home) => Some(home),
            _ => self.plane.get(&region.region()),
        };
        let Some(home) = home else { return };
        let readers = self.plane.readers(home);
        let is_over = |reader| if is_before(reader, writer) { Life::Retired } else { Life::Live };
        self.readers.look_at_some(readers, &is_over);
    }

    /// As `record_at`, where no place is known.
    #[inline]
    pub(super) fn record_somewhere(
        &mut self,
        region: &impl Memory,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        let (buffer, end) = (self.plane.buffers.find(region.buffer()), region.end_from_start());
        if buffer == 0 && end != 0 {
            return self.record_first(region.buffer(), end, access, task, life);
        }
        if buffer != 0 && self.plane.holds_alone(buffer, end) {
            return self.record_in(Home::Buffer(buffer), access, task, life);
        }
        self.record_among(false, &region.region(), access, task, life)
    }

    /// Records the first access of a buffer that nothing is remembered of, from its start to `end`.
    #[inline]
    fn record_first(
        &mut self,
        addr: u64,
        end: u64,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if access == Access::Read && self.hazards != Hazards::All {
            return true;
        }
        if self.plane.is_large() {
            self.collect(1, life);
        }
        if self.readers.left() == 0 {
            return false;
        }
        let (buffer, _) = self.plane.add_whole(addr, end);
        self.record_in(Home::Buffer(buffer), access, task, life)
    }

    /// Remembers a write that waited for nothing: what was written before is remembered beside it, and later accesses wait
    /// for all of them, until a write that did wait covers them. Only under [`Hazards::RawWaw`]; under others it is a write
    /// as any other, which must have waited.
    ///
    /// ```
    /// use prewire_abi::{ChipTensor, DataType, TaskId};
    /// use prewire_tensormap::{Access, Hazards, Life, TensorMap};
    ///
    /// let x = ChipTensor::contiguous(0x1000, &[64], DataType::F32)?;
    /// let mut map = TensorMap::new(16, Hazards::RawWaw);
    /// let (first, second) = (TaskId::new(0, 1), TaskId::new(0, 2));
    /// for task in [first, second] {
    ///     map.record_beside(&x, task, &|_| Life::Live).unwrap();
    /// }
    /// let mut found = Vec::new();
    /// map.find(&x, Access::Read, &|_| Life::Live, |task| found.push(task));
    /// assert_eq!(found, [first, second]);
    /// # Ok::<(), prewire_abi::TensorError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`record`](TensorMap::record).
    pub fn record_beside(
        &mut self,
        region: &impl Memory,
        task: TaskId,
        life: impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        if self.hazards != Hazards::RawWaw {
            return self.record(region, Access::Write, task, life);
        }
        let region = &region.region();
        if !task.is_valid() || region.is_empty() {
            return Ok(());
        }
        let recorded = match self.plane.get(region) {
            Some(home) => self.readers.push(self.plane.readers(home), task, &life),
            None => self.insert(region, Access::Write, task, &life),
        };
        if recorded { Ok(()) } else { Err(Full { capacity: self.capacity() }) }
    }

    /// Records an access of what is remembered at `home` and covers no other; whether there was room.
    #[inline(always)]
    fn record_in(
        &mut self,
        home: Home,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        let pool = &mut self.readers;
        if access == Access::Read {
            return self.hazards != Hazards::All || pool.push(self.plane.readers(home), task, life);
        }
        self.plane.at(home, |writer, readers| {
            if !task.is_valid() {
                return true;
            }
            pool.drop_all(readers);
            pool.put(writer, task)
        })
    }

    /// As `record_at`, where there is more of the buffer; `clear`: nothing that it meets.
    #[inline(never)]
    fn record_among(
        &mut self,
        clear: bool,
        region: &Region,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if region.is_empty() || (access == Access::Read && self.hazards != Hazards::All) {
            return true;
        }
        let home = if access == Access::Read || self.hazards == Hazards::Raw {
            self.plane.get(region)
        } else if clear {
            None
        } else {
            self.cover(region)
        };
        if let Some(home) = home {
            return self.record_in(home, access, task, life);
        }
        self.insert(region, access, task, life)
    }

    /// Adds a region that is not there yet, unless the map is full.
    fn insert(
        &mut self,
        region: &Region,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if self.plane.is_large() {
            self.collect(1, life);
        }
        let pool = &mut self.readers;
        self.plane.collect_nodes(|writer, readers| is_over_now(writer, readers, pool, life));
        if self.readers.left() == 0 {
            return false;
        }
        let (mut writer, mut readers) = (TaskId::INVALID, Readers::NONE);
        match access {
            Access::Read => self.readers.push(&mut readers, task, life),
            Access::Write => self.readers.put(&mut writer, task),
        };
        self.plane.insert(region, writer, readers);
        true
    }

    /// Drops what `region` covers, and says where the region itself is remembered.
    fn cover(&mut self, region: &Region) -> Option<Home> {
        let buffer = self.plane.buffers.find(region.buffer());
        if buffer == 0 {
            return None;
        }
        match self.plane.sole(buffer, region, true) {
            Some(0) => return None,
            Some(node) => return Some(Home::Node(node)),
            None => {}
        }
        let pool = &mut self.readers;
        self.plane.visit(buffer, region, false, |_, writer, readers, meet| {
            if meet != Meet::Covers {
                return Verdict::Keep;
            }
            pool.drop_all(readers);
            pool.drop_writer(writer);
            Verdict::Drop
        });
        self.plane.get(region)
    }
}
