//! The tasks that have read one region since it was written: a few in place, more in a ring of chunks, each looked at
//! once in a while.

mod chunks;
mod look;

use crate::map::Life;
use alloc::vec;
use alloc::vec::Vec;
use chunks::Chunk;
use prewire_abi::TaskId;

/// How many readers a region keeps in place.
const FEW: usize = 6;

/// The readers of one region.
///
/// Of the readers that failed one is enough: a writer that comes after any of them is poisoned, and after one as well. Those
/// that are looked at together keep one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readers {
    /// The first `few` are the numbers of readers, all of them of `ring`.
    ids: [u32; FEW],
    /// The chunk last added to; the ring of chunks goes on with the one that was looked at longest ago. 0: there is none.
    chunk: u32,
    few: u16,
    ring: u16,
}

const _: () = assert!(size_of::<Readers>() == 32);

impl Readers {
    /// None.
    pub(crate) const NONE: Self = Self { ids: [0; FEW], chunk: 0, few: 0, ring: 0 };

    /// Whether there is no reader.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        u32::from(self.few) | self.chunk == 0
    }

    /// Whether all are in place.
    #[inline]
    pub(crate) fn are_few(&self) -> bool {
        self.chunk == 0
    }

    /// Whether `task` was the last to be put in place.
    #[inline]
    fn is_last(&self, task: TaskId) -> bool {
        let last = self.ids.get(usize::from(self.few).wrapping_sub(1));
        last == Some(&task.local()) && u32::from(self.ring) == task.ring()
    }

    /// Adds `task` in place, if it is not the last one there already, and if there is a place for it.
    #[inline]
    fn add(&mut self, task: TaskId) -> Added {
        let ring = task.ring();
        match usize::from(self.few) {
            // One of a ring beyond these is in no place.
            0 if ring <= u32::from(u16::MAX) => {
                self.ring = ring as u16;
                self.ids[0] = task.local();
                self.few = 1;
                Added::Now
            }
            few @ 1..FEW if u32::from(self.ring) == ring => {
                if self.ids[few - 1] == task.local() {
                    return Added::Before;
                }
                self.ids[few] = task.local();
                self.few = few as u16 + 1;
                Added::Now
            }
            _ => Added::No,
        }
    }
}

/// Whether a reader was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    Now,
    Before,
    No,
}

/// How many entries there were before one was borrowed.
pub(crate) struct Borrowed(u32);

/// The chunks of all rings, and the count of the entries that the map has: the readers, and the writers that it is told of.
/// Chunk 0 is none.
#[derive(Debug)]
pub(crate) struct ReaderPool {
    chunks: Vec<Chunk>,
    free: u32,
    used: u32,
    capacity: u32,
    /// The most that were in use when one was dropped.
    high_water: u32,
    visited: u64,
}

impl ReaderPool {
    /// The most that a reader takes beside its region.
    pub(crate) const BYTES_A_READER: u64 = size_of::<Chunk>() as u64;

    pub(crate) fn new(capacity: u32) -> Self {
        Self { chunks: vec![Chunk::NONE], free: 0, used: 0, capacity, high_water: 0, visited: 0 }
    }

    /// How many entries are in use.
    #[inline]
    pub(crate) fn used(&self) -> u32 {
        self.used
    }

    /// How many entries there are.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The most entries that were ever in use.
    #[inline]
    pub(crate) fn high_water(&self) -> u32 {
        self.high_water.max(self.used)
    }

    /// How many entries are free.
    #[inline]
    pub(crate) fn left(&self) -> u32 {
        self.capacity.saturating_sub(self.used)
    }

    /// Has one entry more until it is [given back](ReaderPool::give_back), if none is free.
    pub(crate) fn borrow_entry(&mut self) -> Borrowed {
        let capacity = self.capacity;
        self.capacity = capacity.max(self.used + 1);
        Borrowed(capacity)
    }

    /// Has as many entries as before; what was recorded meanwhile stays.
    pub(crate) fn give_back(&mut self, borrowed: Borrowed) {
        self.capacity = borrowed.0;
    }

    /// How many readers were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// How many bytes the chunks take.
    pub(crate) fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// So many entries fewer.
    #[inline]
    pub(crate) fn drop_entries(&mut self, count: u32) {
        if count > 0 {
            self.high_water = self.high_water();
            self.used -= count;
        }
    }

    /// Makes `task` the writer of a region: in the place of another, or with a new entry; false if there is none.
    #[inline]
    pub(crate) fn put(&mut self, writer: &mut TaskId, task: TaskId) -> bool {
        if !writer.is_valid() {
            if self.left() == 0 {
                return false;
            }
            self.used += 1;
        }
        *writer = task;
        true
    }

    /// A region has no writer any more, if it had one.
    #[inline]
    pub(crate) fn drop_writer(&mut self, writer: &mut TaskId) {
        self.drop_entries(writer.is_valid().into());
        *writer = TaskId::INVALID;
    }

    /// Adds `task`, unless it is the last one added already; false if there is no entry.
    #[inline]
    pub(crate) fn push(
        &mut self,
        readers: &mut Readers,
        task: TaskId,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if self.left() > 0 {
            match readers.add(task) {
                Added::Now => {
                    self.used += 1;
                    return true;
                }
                Added::Before => return true,
                Added::No => {}
            }
        }
        self.push_more(readers, task, life)
    }

    /// Adds `task` in place, unless it is the last there already; false if there is no place. There is an entry for it.
    #[inline]
    pub(crate) fn push_in_place(&mut self, readers: &mut Readers, task: TaskId) -> bool {
        debug_assert!(self.left() > 0, "there is an entry for it");
        let added = readers.add(task);
        self.used += u32::from(added == Added::Now);
        added != Added::No
    }

    /// Drops `task` if it is the last in place; whether it was.
    pub(crate) fn pop_in_place(&mut self, readers: &mut Readers, task: TaskId) -> bool {
        let last = readers.is_last(task);
        if last {
            readers.few -= 1;
            self.drop_entries(1);
        }
        last
    }

    /// Drops `task`, wherever it is; whether it was there.
    #[cold]
    pub(crate) fn remove(&mut self, readers: &mut Readers, task: TaskId) -> bool {
        let before = self.used;
        let life = |id: TaskId| if id == task { Life::Retired } else { Life::Live };
        self.look(readers, &life, &mut |_| ());
        self.used != before
    }

    /// As `push`, where there is no room in place: it looks at what is there, and at a chunk or two where the last
    /// one is full, so that the ring holds at most about twice the readers that live.
    #[inline(never)]
    fn push_more(&mut self, readers: &mut Readers, task: TaskId, life: &impl Fn(TaskId) -> Life) -> bool {
        if !task.is_valid() {
            return true;
        }
        // Chunk 0 is always full.
        let chunk = &mut self.chunks[readers.chunk as usize];
        if readers.chunk != 0 && chunk.tasks().last() == Some(&task) {
            return true;
        }
        if self.used < self.capacity && chunk.add(task) {
            self.used += 1;
            return true;
        }
        self.look_at_some(readers, life);
        if self.left() == 0 {
            return readers.is_last(task);
        }
        match readers.add(task) {
            Added::Now => {}
            Added::Before => return true,
            Added::No if self.chunks[readers.chunk as usize].add(task) => {}
            Added::No => {
                self.grow(readers);
                self.chunks[readers.chunk as usize].add(task);
            }
        }
        self.used += 1;
        true
    }

    /// Drops all readers.
    #[inline]
    pub(crate) fn drop_all(&mut self, readers: &mut Readers) {
        self.drop_entries(readers.few.into());
        readers.few = 0;
        if readers.chunk != 0 {
            self.drop_ring(readers);
        }
    }

    /// Forgets every entry at once.
    pub(crate) fn clear(&mut self) {
        self.chunks.truncate(1);
        self.free = 0;
        self.drop_entries(self.used);
    }
}
