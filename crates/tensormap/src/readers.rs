//! The tasks that have read one region since it was written: a few in place, more in a ring of chunks, each looked at
//! once in a while.

use crate::map::Life;
use alloc::vec;
use alloc::vec::Vec;
use prewire_abi::TaskId;

/// How many readers a region keeps in place.
const FEW: usize = 6;
/// How many readers a chunk has: with its link it is a cache line.
const MANY: usize = 7;
/// A chunk with no more readers than this takes new ones before there is another chunk.
const LOW: usize = 3;

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

/// What a look at readers has met.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// One that lives.
    pub(crate) live: bool,
    failed: bool,
}

impl Seen {
    /// Whether a reader stays that is as `life` says.
    #[inline]
    fn stays(&mut self, life: Life) -> bool {
        match life {
            Life::Live => {
                self.live = true;
                true
            }
            Life::Retired => false,
            Life::Failed => !core::mem::replace(&mut self.failed, true),
        }
    }
}

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

#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Chunk {
    ids: [TaskId; MANY],
    /// The next of the ring, or the next free one.
    next: u32,
    /// How many of `ids` are readers, the first.
    count: u32,
}

const _: () = assert!(size_of::<Chunk>() == 64 && size_of::<Readers>() == 32);

impl Chunk {
    const EMPTY: Self = Self { ids: [TaskId::INVALID; MANY], next: 0, count: 0 };
    /// Nothing is added to it.
    const NONE: Self = Self { count: MANY as u32, ..Self::EMPTY };

    #[inline]
    fn tasks(&self) -> &[TaskId] {
        &self.ids[..MANY.min(self.count as usize)]
    }

    #[inline]
    fn add(&mut self, task: TaskId) -> bool {
        let Some(place) = self.ids.get_mut(self.count as usize) else { return false };
        *place = task;
        self.count += 1;
        true
    }
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
        self.capacity - self.used
    }

    /// How many readers were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// How many bytes the chunks take.
    pub(crate) fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// So many entries more, which there are.
    #[inline]
    pub(crate) fn count(&mut self, count: u32) {
        debug_assert!(self.left() >= count, "there are entries for them");
        self.used += count;
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

    /// Looks at all readers, drops those that retired, and calls `kept` with the others.
    #[inline]
    pub(crate) fn look(
        &mut self,
        readers: &mut Readers,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) -> Seen {
        let mut seen = Seen::default();
        self.tidy(readers, &mut seen, life, kept);
        if readers.chunk != 0 {
            self.look_at_chunks(readers, &mut seen, life, kept);
        }
        seen
    }

    /// Calls `kept` with the readers in place that did not retire, and leaves them as they are.
    #[inline(always)]
    pub(crate) fn tell(
        &mut self,
        readers: &Readers,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) -> Seen {
        let mut seen = Seen::default();
        let ids = &readers.ids[..FEW.min(readers.few.into())];
        self.visited += ids.len() as u64;
        for &local in ids {
            let task = TaskId::new(readers.ring.into(), local);
            if seen.stays(life(task)) {
                kept(task);
            }
        }
        seen
    }

    #[inline(never)]
    fn look_at_chunks(
        &mut self,
        readers: &mut Readers,
        seen: &mut Seen,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        let (last, mut before) = (readers.chunk, readers.chunk);
        while before != 0 {
            let at = self.chunks[before as usize].next;
            self.tidy_chunk(at, seen, life, kept);
            if self.chunks[at as usize].count > 0 {
                before = at;
            } else {
                self.unlink(readers, before, at);
            }
            if at == last {
                break;
            }
        }
    }

    /// Looks at a few readers, and drops those that retired.
    pub(crate) fn look_at_some(&mut self, readers: &mut Readers, life: &impl Fn(TaskId) -> Life) {
        let mut seen = Seen::default();
        self.tidy(readers, &mut seen, life, &mut |_| ());
        if readers.chunk != 0 {
            self.step(readers, &mut seen, life);
        }
    }

    /// Looks at the readers in place.
    #[inline]
    fn tidy(
        &mut self,
        readers: &mut Readers,
        seen: &mut Seen,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        let count = FEW.min(readers.few.into());
        let mut left = 0;
        for number in 0..count {
            let local = readers.ids[number];
            let task = TaskId::new(readers.ring.into(), local);
            if seen.stays(life(task)) {
                kept(task);
                readers.ids[left] = local;
                left += 1;
            }
        }
        readers.few = left as u16;
        self.visited += count as u64;
        self.drop_entries((count - left) as u32);
    }

    /// Looks at the readers of `chunk`.
    fn tidy_chunk(
        &mut self,
        chunk: u32,
        seen: &mut Seen,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        let at = &mut self.chunks[chunk as usize];
        let count = at.tasks().len();
        let mut left = 0;
        for number in 0..count {
            let task = at.ids[number];
            if seen.stays(life(task)) {
                kept(task);
                at.ids[left] = task;
                left += 1;
            }
        }
        at.count = left as u32;
        self.visited += count as u64;
        self.drop_entries((count - left) as u32);
    }

    /// Looks at the chunk of the ring that was looked at longest ago, and at the one after it, and makes the first of
    /// them with few readers the one to add to. What is empty beside it is dropped.
    fn step(&mut self, readers: &mut Readers, seen: &mut Seen, life: &impl Fn(TaskId) -> Life) {
        let last = readers.chunk;
        let first = self.chunks[last as usize].next;
        self.tidy_chunk(first, seen, life, &mut |_| ());
        let second = self.chunks[first as usize].next;
        if self.chunks[first as usize].count as usize <= LOW {
            readers.chunk = first;
        }
        if second != first {
            self.tidy_chunk(second, seen, life, &mut |_| ());
            if self.chunks[second as usize].count == 0 {
                self.unlink(readers, first, second);
            } else if readers.chunk == last && self.chunks[second as usize].count as usize <= LOW {
                readers.chunk = second;
            }
        }
        // Between two that were looked at just now, so that the others keep their turn.
        if readers.chunk == last && self.chunks[last as usize].count as usize == MANY {
            readers.chunk = first;
            self.grow(readers);
        }
        let only = readers.chunk;
        if only != 0 && self.chunks[only as usize].next == only && self.chunks[only as usize].count == 0 {
            self.unlink(readers, only, only);
        }
    }

    /// Takes `chunk`, which comes after `before`, from the ring.
    fn unlink(&mut self, readers: &mut Readers, before: u32, chunk: u32) {
        if before == chunk {
            readers.chunk = 0;
        } else {
            self.chunks[before as usize].next = self.chunks[chunk as usize].next;
            if readers.chunk == chunk {
                readers.chunk = before;
            }
        }
        self.give(chunk);
    }

    /// Adds an empty chunk to the ring.
    fn grow(&mut self, readers: &mut Readers) {
        let chunk = self.take();
        let next = match readers.chunk {
            0 => chunk,
            last => core::mem::replace(&mut self.chunks[last as usize].next, chunk),
        };
        self.chunks[chunk as usize].next = next;
        readers.chunk = chunk;
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

    fn drop_ring(&mut self, readers: &mut Readers) {
        let mut at = readers.chunk;
        loop {
            let Chunk { next, count, .. } = self.chunks[at as usize];
            self.drop_entries(count);
            self.give(at);
            at = next;
            if at == readers.chunk {
                break;
            }
        }
        readers.chunk = 0;
    }

    /// Forgets every entry at once.
    pub(crate) fn clear(&mut self) {
        self.chunks.truncate(1);
        self.free = 0;
        self.drop_entries(self.used);
    }

    fn take(&mut self) -> u32 {
        let chunk = self.free;
        if chunk != 0 {
            self.free = self.chunks[chunk as usize].next;
            self.chunks[chunk as usize] = Chunk::EMPTY;
            return chunk;
        }
        self.chunks.push(Chunk::EMPTY);
        (self.chunks.len() - 1) as u32
    }

    fn give(&mut self, chunk: u32) {
        self.chunks[chunk as usize].next = self.free;
        self.free = chunk;
    }
}
