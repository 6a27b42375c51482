//! The map itself: which earlier tasks an access must wait for, and what later ones must wait for.

use crate::footprint::Meet;
use crate::plane::{Plane, Verdict};
use crate::readers::{ReaderPool, Readers};
use crate::region::Region;
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
    writes: Plane<TaskId>,
    reads: Plane<Readers>,
    readers: ReaderPool,
    hazards: Hazards,
    capacity: u32,
    high_water: u32,
}

impl TensorMap {
    /// How many readers of a region an incremental step looks at.
    const READER_LOOKS: u32 = 16;

    /// A map of up to `capacity` entries, one for each write and each read of a region that is remembered. Memory
    /// follows the entries in use, not the capacity.
    #[must_use]
    pub fn new(capacity: u32, hazards: Hazards) -> Self {
        Self {
            writes: Plane::new(capacity, TaskId::INVALID),
            reads: Plane::new(capacity, Readers::default()),
            readers: ReaderPool::new(),
            hazards,
            capacity,
            high_water: 0,
        }
    }

    /// Calls `dep` with each task that an `access` of `region` must come after: one that conflicts with it and has
    /// not retired. A task may be reported more than once; one that is ordered before a reported task may not be
    /// reported at all.
    #[inline]
    pub fn find(
        &mut self,
        region: &Region,
        access: Access,
        life: &impl Fn(TaskId) -> Life,
        dep: &mut impl FnMut(TaskId),
    ) {
        let writing = access == Access::Write;
        if writing && self.hazards == Hazards::Raw {
            return;
        }
        self.writes.visit(region, |task, meet| match life(*task) {
            // The write that is about to be recorded takes its place.
            Life::Retired if writing && meet == Meet::Same => Verdict::Keep,
            Life::Retired => Verdict::Drop,
            Life::Live | Life::Failed => {
                dep(*task);
                Verdict::Keep
            }
        });
        if writing {
            self.reads.visit(region, |readers, meet| {
                self.readers.look(readers, u32::MAX, life, dep);
                // Who reads and writes a region in turn finds the place of its readers again.
                if readers.is_empty() && meet != Meet::Same { Verdict::Drop } else { Verdict::Keep }
            });
        }
    }

    /// Records that `task` accesses `region`. A write removes the entries that it covers: `task` waits for theirs.
    /// Never fails if an entry was reserved.
    ///
    /// # Errors
    ///
    /// [`Full`], if that takes an entry and there is none.
    #[inline]
    pub fn record(
        &mut self,
        region: &Region,
        access: Access,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> Result<(), Full> {
        let recorded = match access {
            _ if region.is_empty() => true,
            Access::Read if self.hazards == Hazards::All => self.record_read(region, task, life),
            Access::Read => true,
            Access::Write => self.record_write(region, task, life),
        };
        self.high_water = self.high_water.max(self.len());
        if recorded { Ok(()) } else { Err(Full { capacity: self.capacity }) }
    }

    fn record_read(&mut self, region: &Region, task: TaskId, life: &impl Fn(TaskId) -> Life) -> bool {
        let room = self.capacity.saturating_sub(self.writes.len());
        if let Some(readers) = self.reads.get(region) {
            return self.readers.push(readers, task, room, life);
        }
        self.collect_reads(life);
        let mut readers = Readers::default();
        let recorded = self.readers.push(&mut readers, task, room, life);
        if recorded {
            self.reads.insert(region, readers);
        }
        recorded
    }

    fn record_write(&mut self, region: &Region, task: TaskId, life: &impl Fn(TaskId) -> Life) -> bool {
        let mut replaced = false;
        if self.hazards == Hazards::Raw {
            if let Some(last) = self.writes.get(region) {
                *last = task;
                return true;
            }
        } else {
            self.writes.visit(region, |last, meet| match meet {
                Meet::Same => {
                    *last = task;
                    replaced = true;
                    Verdict::Keep
                }
                Meet::Covers => Verdict::Drop,
                Meet::Partly | Meet::Apart => Verdict::Keep,
            });
            self.reads.visit(region, |readers, meet| match meet {
                Meet::Same => {
                    self.readers.drop_all(readers);
                    Verdict::Keep
                }
                Meet::Covers => {
                    self.readers.drop_all(readers);
                    Verdict::Drop
                }
                Meet::Partly | Meet::Apart => Verdict::Keep,
            });
        }
        if !replaced {
            self.writes.collect(|task| life(*task) == Life::Retired);
            if self.len() >= self.capacity {
                return false;
            }
            self.writes.insert(region, task);
        }
        true
    }

    /// Makes sure that `n` entries are free. Where they are not, it looks for entries of retired tasks, from where it
    /// last stopped, until there are enough or it has seen all. False: not enough; wait until tasks have retired.
    pub fn reserve(&mut self, n: u32, life: &impl Fn(TaskId) -> Life) -> bool {
        const LOOKS: u32 = 64;
        let enough = |map: &Self| map.capacity - map.len().min(map.capacity) >= n;
        let (mut writes, mut reads) = (self.writes.slots(), self.reads.slots());
        while !enough(self) && (writes > 0 || reads > 0) {
            let looks = LOOKS.min(writes);
            self.writes.sweep(looks, |task| life(*task) == Life::Retired);
            writes -= looks;
            let looks = if enough(self) { 0 } else { LOOKS.min(reads) };
            self.reads.sweep(looks, |readers| {
                self.readers.look(readers, u32::MAX, life, &mut |_| ());
                readers.is_empty()
            });
            reads -= looks;
        }
        enough(self)
    }

    /// Drops what is recorded of the buffer at address `buffer`, of failed tasks too: the address is given to new
    /// memory, which has no past. The caller answers for it that whoever used the old memory has ended.
    pub fn forget(&mut self, buffer: u64) {
        self.writes.forget(buffer, |_| ());
        self.reads.forget(buffer, |readers| self.readers.drop_all(readers));
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.writes.clear();
        self.reads.clear();
        self.readers.clear();
    }

    /// How many entries are in use, those of retired tasks that were not yet met included.
    #[must_use]
    #[inline]
    pub fn len(&self) -> u32 {
        self.writes.len() + self.readers.len()
    }

    /// Whether no entry is in use.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries there are.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The most entries that were ever in use.
    #[must_use]
    pub fn high_water(&self) -> u32 {
        self.high_water
    }

    /// How many bytes of memory it holds. Its tables of 16 bytes an entry of capacity count whole, though only what
    /// is used of them is ever touched.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.writes.memory() + self.reads.memory() + self.readers.memory()
    }

    /// The most bytes that an entry of a map can take, whatever the regions are: with a buffer of its own, and in tables
    /// that have just grown to twice what they hold.
    pub const MOST_BYTES_AN_ENTRY: u64 =
        2 * (Plane::<Readers>::MOST_BYTES_A_REGION + ReaderPool::BYTES_AN_ENTRY);

    /// Which orderings are inferred.
    #[must_use]
    pub fn hazards(&self) -> Hazards {
        self.hazards
    }

    /// How many entries were looked at so far: what the cost of an access depends on.
    #[doc(hidden)]
    #[must_use]
    pub fn visited(&self) -> u64 {
        self.writes.visited() + self.reads.visited() + self.readers.visited()
    }

    fn collect_reads(&mut self, life: &impl Fn(TaskId) -> Life) {
        self.reads.collect(|readers| {
            self.readers.look(readers, Self::READER_LOOKS, life, &mut |_| ());
            readers.is_empty()
        });
    }
}
