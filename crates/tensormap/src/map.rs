//! The map itself: which earlier tasks an access must wait for, and what later ones must wait for.

use crate::buffers::Buffer;
use crate::footprint::Meet;
use crate::place::{At, Place};
use crate::plane::{Home, Plane, Verdict};
use crate::readers::{ReaderPool, Readers};
use crate::region::{Memory, Region};
use core::fmt;
use prewire_abi::TaskId;

/// What a task does to a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Only reads it.
    Read,
    /// Writes it, whether it reads it before or not.
    Write,
}

/// Which orderings are inferred.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hazards {
    /// Read after write, write after write, write after read.
    #[default]
    All,
    /// Read after write and write after write. No read is recorded, so a write may overtake earlier readers.
    RawWaw,
    /// Read after write alone. A write waits for nothing, and takes the place of the last write of the same region;
    /// writes that it covers otherwise stay, as nothing is ordered after them. What a task reads and writes must be
    /// looked for with [`Access::Read`].
    Raw,
}

/// What has become of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Life {
    /// Not known to have ended: whoever conflicts with it waits.
    Live,
    /// Ended well. Nobody waits for it any more.
    Retired,
    /// Ended with an error. Reported until its region is written anew, so that whoever depends on it is poisoned.
    Failed,
}

/// The map has no entry left. Nothing was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How many entries there are.
    pub capacity: u32,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.capacity;
        write!(
            f,
            "the tensor map is full: all {capacity} entries are of tasks that have not retired; reserve entries \
             before recording, wait for tasks to retire, or raise the capacity of the map"
        )
    }
}

impl core::error::Error for Full {}

/// Regions of memory to the tasks that last wrote and since read them. See the [crate documentation](crate).
#[derive(Debug)]
pub struct TensorMap {
    plane: Plane,
    readers: ReaderPool,
    hazards: Hazards,
}

impl TensorMap {
    /// A map of up to `capacity` entries, one for each write and each read of a region that is remembered. Memory
    /// follows the entries in use, not the capacity.
    #[must_use]
    pub fn new(capacity: u32, hazards: Hazards) -> Self {
        Self { plane: Plane::new(capacity), readers: ReaderPool::new(capacity), hazards }
    }

    /// Calls `dep` with each task that an `access` of `region` must come after: one that conflicts with it and has
    /// not retired. A task may be reported more than once; one that is ordered before a reported task may not be
    /// reported at all.
    #[inline]
    pub fn find(
        &mut self,
        region: &impl Memory,
        access: Access,
        life: &impl Fn(TaskId) -> Life,
        dep: &mut impl FnMut(TaskId),
    ) -> Place {
        let writing = access == Access::Write;
        if writing && self.hazards == Hazards::Raw {
            return Place::UNKNOWN;
        }
        let buffer = self.plane.buffers.find(region.buffer());
        if buffer == 0 {
            return Place::UNKNOWN;
        }
        if !self.plane.holds_alone(buffer, region.end_from_start()) {
            return self.find_among(buffer, &region.region(), writing, life, dep);
        }
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        let looks = writing || self.hazards == Hazards::RawWaw;
        if looks && !readers.is_empty() {
            self.find_readers(buffer, life, dep);
        } else if writer.is_valid() {
            if life(*writer) != Life::Retired {
                dep(*writer);
            } else if !readers.is_empty() {
                self.readers.drop_writer(writer);
            }
        }
        Place::new(At::Buffer(buffer), self.plane.stamp())
    }

    /// As `find`, where the region is the only one of its buffer and its readers count.
    #[inline(never)]
    fn find_readers(&mut self, buffer: u32, life: &impl Fn(TaskId) -> Life, dep: &mut impl FnMut(TaskId)) {
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        Self::look(&mut self.readers, self.hazards, writer, readers, life, dep);
    }

    /// Reports the readers of a region, and its writer where they do not stand for it; drops those that retired. A reader
    /// that lives has waited for the writer, and fails if that failed. What is beside a writer under other hazards has not.
    #[inline]
    fn look(
        pool: &mut ReaderPool,
        hazards: Hazards,
        writer: &mut TaskId,
        readers: &mut Readers,
        life: &impl Fn(TaskId) -> Life,
        dep: &mut impl FnMut(TaskId),
    ) {
        let mut counts = writer.is_valid();
        if counts && life(*writer) == Life::Retired {
            pool.drop_writer(writer);
            counts = false;
        }
        let stand_in = hazards == Hazards::All;
        if counts && !stand_in {
            dep(*writer);
        }
        let seen = pool.look(readers, life, dep);
        if counts && stand_in && !seen.live {
            dep(*writer);
        }
    }

    /// As `find`, where there is more of the buffer, or something else.
    #[inline(never)]
    fn find_among(
        &mut self,
        buffer: u32,
        region: &Region,
        writing: bool,
        life: &impl Fn(TaskId) -> Life,
        dep: &mut impl FnMut(TaskId),
    ) -> Place {
        if region.is_empty() {
            return Place::UNKNOWN;
        }
        // What is about to be recorded finds its place again.
        let stays = writing || self.hazards == Hazards::All;
        // Without hazards of reads, those beside a writer are writers too, whom everybody waits for.
        let looks = writing || self.hazards == Hazards::RawWaw;
        let (pool, hazards) = (&mut self.readers, self.hazards);
        let mut judge = |writer: &mut TaskId, readers: &mut Readers, meet: Meet| {
            let stays = stays && meet == Meet::Same;
            if looks && !readers.is_empty() {
                Self::look(pool, hazards, writer, readers, life, dep);
            } else if writer.is_valid() {
                if life(*writer) != Life::Retired {
                    dep(*writer);
                } else if !(stays && readers.is_empty()) {
                    pool.drop_writer(writer);
                }
            }
            let counts = writer.is_valid() || !readers.is_empty() || stays;
            if counts { Verdict::Keep } else { Verdict::Drop }
        };
        match self.plane.sole(buffer, region, looks) {
            Some(0) if writing => Place::new(At::Clear, self.plane.stamp()),
            Some(0) => Place::UNKNOWN,
            Some(node) if stays => {
                self.plane.at(Home::Node(node), |writer, readers| judge(writer, readers, Meet::Same));
                Place::new(At::Node(node), self.plane.stamp())
            }
            _ => {
                self.plane.visit(buffer, region, !looks, judge);
                Place::UNKNOWN
            }
        }
    }

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
        life: &impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        self.record_at(Place::UNKNOWN, region, access, task, life)
    }

    /// As [`record`](TensorMap::record), of the `region` and for the `access` that `place` was found for.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn record_at(
        &mut self,
        place: Place,
        region: &impl Memory,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        let recorded = match place.read(self.plane.stamp()) {
            _ if !task.is_valid() => true,
            At::Buffer(buffer) => self.record_in(Home::Buffer(buffer), access, task, life),
            At::Node(node) => self.record_in(Home::Node(node), access, task, life),
            At::Clear => self.record_among(true, &region.region(), access, task, life),
            At::Unknown => self.record_somewhere(region, access, task, life),
        };
        if recorded { Ok(()) } else { Err(Full { capacity: self.capacity() }) }
    }

    /// As `record_at`, where no place is known.
    #[inline(never)]
    fn record_somewhere(
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
        let pool = &mut self.readers;
        self.plane.collect_buffers(|writer, readers| is_over_now(writer, readers, pool, life));
        if self.readers.left() == 0 {
            return false;
        }
        let buffer = self.plane.add_whole(addr, end);
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
    /// map.find(&x, Access::Read, &|_| Life::Live, &mut |task| found.push(task));
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
        life: &impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        if self.hazards != Hazards::RawWaw {
            return self.record(region, Access::Write, task, life);
        }
        let region = &region.region();
        if !task.is_valid() || region.is_empty() {
            return Ok(());
        }
        let recorded = match self.plane.get(region) {
            Some(home) => self.readers.push(self.plane.readers(home), task, life),
            None => self.insert(region, Access::Write, task, life),
        };
        if recorded { Ok(()) } else { Err(Full { capacity: self.capacity() }) }
    }

    /// Puts an access on record where its region is already; whether there was room.
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
        let pool = &mut self.readers;
        self.plane.collect_buffers(|writer, readers| is_over_now(writer, readers, pool, life));
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
        self.plane.visit(buffer, region, false, |writer, readers, meet| {
            if meet != Meet::Covers {
                return Verdict::Keep;
            }
            pool.drop_all(readers);
            pool.drop_writer(writer);
            Verdict::Drop
        });
        self.plane.get(region)
    }

    /// Makes sure that `n` entries are free. Where they are not, it looks for entries of retired tasks, from where it
    /// last stopped, until there are enough or it has seen all. False: not enough; wait until tasks have retired.
    #[inline]
    pub fn reserve(&mut self, n: u32, life: &impl Fn(TaskId) -> Life) -> bool {
        self.has_room(n) || self.make_room(n, life)
    }

    #[inline]
    fn has_room(&self, n: u32) -> bool {
        self.readers.left() >= n
    }

    fn make_room(&mut self, n: u32, life: &impl Fn(TaskId) -> Life) -> bool {
        const LOOKS: u32 = 64;
        let (mut buffers, mut nodes) = (self.plane.buffers.slots(), self.plane.slots());
        while !self.has_room(n) && (buffers > 0 || nodes > 0) {
            let pool = &mut self.readers;
            let dead = &mut |writer: &mut TaskId, readers: &mut Readers| {
                pool.look(readers, life, &mut |_| ());
                is_over(writer, readers, pool, life)
            };
            let looks = LOOKS.min(buffers);
            self.plane.sweep_buffers(looks, dead);
            buffers -= looks;
            let looks = LOOKS.min(nodes);
            self.plane.sweep_nodes(looks, dead);
            nodes -= looks;
        }
        self.has_room(n)
    }

    /// Drops what is recorded of the buffer at address `buffer`, of failed tasks too: the address is given to new
    /// memory, which has no past. The caller answers for it that whoever used the old memory has ended.
    pub fn forget(&mut self, buffer: u64) {
        let pool = &mut self.readers;
        self.plane.forget(buffer, |writer, readers| {
            pool.drop_all(readers);
            pool.drop_writer(writer);
        });
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.plane.clear();
        self.readers.clear();
    }

    /// How many entries are in use, those of retired tasks that were not yet met included.
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        self.readers.used()
    }

    /// Whether no entry is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there are.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.readers.capacity()
    }

    /// The most entries that were ever in use.
    #[must_use]
    pub fn high_water(&self) -> u32 {
        self.readers.high_water()
    }

    /// How many bytes of memory it holds. Its table of 4 bytes an entry of capacity counts whole, though only what is
    /// used of it is ever touched.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.plane.memory() + self.readers.memory()
    }

    /// The most bytes that an entry of a map can take, whatever the regions are: with a buffer of its own, and in tables
    /// that have just grown to twice what they hold.
    pub const MOST_BYTES_AN_ENTRY: u64 = 2 * (Plane::MOST_BYTES_A_REGION + ReaderPool::BYTES_A_READER);

    /// Which orderings are inferred.
    #[must_use]
    pub fn hazards(&self) -> Hazards {
        self.hazards
    }

    /// How many entries were looked at so far, those that are found without a search aside: what the cost of an access
    /// depends on.
    #[doc(hidden)]
    #[must_use]
    pub fn visited(&self) -> u64 {
        self.plane.visited() + self.readers.visited()
    }
}

/// Whether nothing of a region counts any more, once its writer is looked at.
fn is_over(
    writer: &mut TaskId,
    readers: &Readers,
    pool: &mut ReaderPool,
    life: &impl Fn(TaskId) -> Life,
) -> bool {
    if writer.is_valid() && life(*writer) == Life::Retired {
        pool.drop_writer(writer);
    }
    !writer.is_valid() && readers.is_empty()
}

/// As `is_over`, once some of its readers are looked at.
fn is_over_now(
    writer: &mut TaskId,
    readers: &mut Readers,
    pool: &mut ReaderPool,
    life: &impl Fn(TaskId) -> Life,
) -> bool {
    pool.look_at_some(readers, life);
    is_over(writer, readers, pool, life)
}
