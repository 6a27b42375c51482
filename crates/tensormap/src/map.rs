//! The map itself: which earlier tasks an access must wait for, and what later ones must wait for.

use crate::left::Left;
use crate::plane::Plane;
use crate::readers::{ReaderPool, Readers};
use core::fmt;
use prewire_abi::TaskId;

pub use read::Read;

mod find;
mod read;
mod record;

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
    /// Under [`Hazards::All`].
    left: Left,
    hazards: Hazards,
}

impl TensorMap {
    /// A map of up to `capacity` entries, one for each write and each read of a region that is remembered. Memory
    /// follows the entries in use, not the capacity.
    #[must_use]
    pub fn new(capacity: u32, hazards: Hazards) -> Self {
        let (plane, readers) = (Plane::new(capacity), ReaderPool::new(capacity));
        Self { plane, readers, left: Left::NONE, hazards }
    }

    /// Looks at some of the buffers that are remembered, and drops what is over.
    #[inline(never)]
    fn collect(&mut self, adds: u32, life: &impl Fn(TaskId) -> Life) {
        let pool = &mut self.readers;
        self.plane.collect_buffers(adds, |writer, readers| is_over_now(writer, readers, pool, life));
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

    #[inline(never)]
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
    /// memory, which has no past. The caller answers for it that whoever used the old memory has ended; and of who failed it
    /// records nothing afterwards that was [left](Read::Left) to it.
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
        self.left = Left::NONE;
        self.readers.clear();
    }

    /// How many entries are in use, those of retired tasks that were not yet met included. More than there are where what was
    /// [left](TensorMap::record_left) took more.
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

    /// How many entries were looked at so far, those that are found without a search aside: what the cost of an access depends on.
    #[doc(hidden)]
    #[must_use]
    pub fn visited(&self) -> u64 {
        self.plane.visited() + self.readers.visited()
    }
}

/// Whether `a` was submitted before `b`, of the same ring: not told of others, or of what is 2^31 numbers apart.
#[inline]
fn is_before(a: TaskId, b: TaskId) -> bool {
    a.ring() == b.ring() && a.local().wrapping_sub(b.local()) >= 1 << 31
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
