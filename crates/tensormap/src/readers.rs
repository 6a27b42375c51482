//! The tasks that have read one region since it was written: a few in place, more in a ring of chunks, each looked at
//! once in a while.

use crate::map::Life;
use alloc::vec;
use alloc::vec::Vec;
use prewire_abi::TaskId;

/// How many readers a region keeps in place.
const FEW: usize = 3;
/// How many readers a chunk has: with its link it is a cache line.
const MANY: usize = 7;
/// A chunk with no more readers than this takes new ones before there is another chunk.
const LOW: usize = 3;

/// The readers of one region.
///
/// Of the readers that failed one is kept: a writer that comes after any of them is poisoned, and after one as well.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Readers {
    /// The first `few` are readers. The last is the one that failed, if one did.
    ids: [TaskId; FEW],
    /// The chunk last added to; the ring goes on with the one that was looked at longest ago. 0: there is none.
    chunk: u32,
    few: u8,
    failed: bool,
}

impl Default for Readers {
    fn default() -> Self {
        Self { ids: [TaskId::INVALID; FEW], chunk: 0, few: 0, failed: false }
    }
}

impl Readers {
    /// Whether there is no reader.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.few == 0 && self.chunk == 0 && !self.failed
    }

    /// How many it has room for in place.
    #[inline]
    fn places(&self) -> usize {
        FEW - usize::from(self.failed)
    }

    /// What becomes of `task`, which is as `life` says: whether it stays among the readers that live.
    #[inline]
    fn stays(&mut self, task: TaskId, life: Life, dropped: &mut u32) -> bool {
        match life {
            Life::Live => return true,
            Life::Failed if !self.failed => {
                self.failed = true;
                self.ids[FEW - 1] = task;
            }
            Life::Failed | Life::Retired => *dropped += 1,
        }
        false
    }
}

/// The chunks of all rings. Chunk 0 is none.
#[derive(Debug)]
pub(crate) struct ReaderPool {
    chunks: Vec<Chunk>,
    free: u32,
    live: u32,
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
    fn add(&mut self, task: TaskId) {
        if let Some(place) = self.ids.get_mut(self.count as usize) {
            *place = task;
            self.count += 1;
        }
    }
}

impl ReaderPool {
    /// The most that a reader takes beside its region.
    pub(crate) const BYTES_A_READER: u64 = size_of::<Chunk>() as u64;

    pub(crate) fn new() -> Self {
        Self { chunks: vec![Chunk::NONE], free: 0, live: 0, visited: 0 }
    }

    /// How many readers there are.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// How many readers were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// How many bytes the chunks take.
    pub(crate) fn memory(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
    }

    /// Adds `task`, unless it is the last one added already; false if there are `capacity` readers even so.
    #[inline]
    pub(crate) fn push(
        &mut self,
        readers: &mut Readers,
        task: TaskId,
        capacity: u32,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if self.live < capacity {
            let few = usize::from(readers.few);
            if few < readers.places() {
                if few == 0 || readers.ids[few - 1] != task {
                    readers.ids[few] = task;
                    readers.few += 1;
                    self.live += 1;
                }
                return true;
            }
            // Chunk 0 is always full.
            let chunk = &mut self.chunks[readers.chunk as usize];
            let count = chunk.count as usize;
            if let Some(place) = chunk.ids.get_mut(count) {
                *place = task;
                let twice = count > 0 && chunk.ids[count - 1] == task;
                chunk.count += u32::from(!twice);
                self.live += u32::from(!twice);
                return true;
            }
        }
        self.push_more(readers, task, capacity, life)
    }

    /// As `push`, where there is no room: it looks at what is in place, and at a chunk or two where the last
    /// one is full, so that the ring holds at most about twice the readers that live.
    #[inline(never)]
    fn push_more(
        &mut self,
        readers: &mut Readers,
        task: TaskId,
        capacity: u32,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        let last = match readers.chunk {
            0 => readers.ids.get(usize::from(readers.few).wrapping_sub(1)),
            chunk => self.chunks[chunk as usize].tasks().last(),
        };
        if last == Some(&task) {
            return true;
        }
        self.tidy(readers, life, &mut |_| ());
        self.step(readers, life);
        if self.live >= capacity {
            return false;
        }
        self.live += 1;
        let few = usize::from(readers.few);
        if few < readers.places() {
            readers.ids[few] = task;
            readers.few += 1;
            return true;
        }
        if readers.chunk == 0 || self.chunks[readers.chunk as usize].count as usize == MANY {
            self.grow(readers);
        }
        self.chunks[readers.chunk as usize].add(task);
        true
    }

    /// Looks at all readers, drops those that retired, and calls `kept` with the others.
    #[inline]
    pub(crate) fn look(
        &mut self,
        readers: &mut Readers,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        if !readers.is_empty() {
            self.look_at_all(readers, life, kept);
        }
    }

    fn look_at_all(
        &mut self,
        readers: &mut Readers,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        self.tidy(readers, life, kept);
        let failed = readers.failed;
        let (last, mut before) = (readers.chunk, readers.chunk);
        while before != 0 {
            let at = self.chunks[before as usize].next;
            self.tidy_chunk(readers, at, life, kept);
            if self.chunks[at as usize].count > 0 {
                before = at;
            } else {
                self.unlink(readers, before, at);
            }
            if at == last {
                break;
            }
        }
        if readers.failed && !failed {
            kept(readers.ids[FEW - 1]);
        }
    }

    /// Looks at a few readers, and drops those that retired.
    pub(crate) fn look_at_some(&mut self, readers: &mut Readers, life: &impl Fn(TaskId) -> Life) {
        self.tidy(readers, life, &mut |_| ());
        self.step(readers, life);
    }

    /// Looks at the readers in place.
    fn tidy(&mut self, readers: &mut Readers, life: &impl Fn(TaskId) -> Life, kept: &mut impl FnMut(TaskId)) {
        let mut dropped = 0;
        if readers.failed {
            self.visited += 1;
            if life(readers.ids[FEW - 1]) == Life::Retired {
                readers.failed = false;
                dropped += 1;
            } else {
                kept(readers.ids[FEW - 1]);
            }
        }
        let (ids, few, failed) = (readers.ids, readers.few, readers.failed);
        readers.few = 0;
        // The one that fails has made a place free before its own is taken.
        for task in ids.into_iter().take(few.into()) {
            self.visited += 1;
            if readers.stays(task, life(task), &mut dropped) {
                kept(task);
                readers.ids[usize::from(readers.few)] = task;
                readers.few += 1;
            }
        }
        if readers.failed && !failed {
            kept(readers.ids[FEW - 1]);
        }
        self.live -= dropped;
    }

    /// Looks at the readers of `chunk`. One that fails is put in place, for a reader that takes its place here.
    fn tidy_chunk(
        &mut self,
        readers: &mut Readers,
        chunk: u32,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        let at = &mut self.chunks[chunk as usize];
        let count = at.tasks().len();
        let (mut left, mut dropped) = (0, 0);
        for number in 0..count {
            let task = at.ids[number];
            let life = life(task);
            if life == Life::Live {
                kept(task);
                at.ids[left] = task;
                left += 1;
                continue;
            }
            let full = usize::from(readers.few) == readers.places();
            let (last, failed) = (readers.ids[FEW - 1], readers.failed);
            readers.stays(task, life, &mut dropped);
            if readers.failed && !failed && full {
                at.ids[left] = last;
                left += 1;
                readers.few -= 1;
            }
        }
        at.count = left as u32;
        self.visited += count as u64;
        self.live -= dropped;
    }

    /// Looks at the chunk of the ring that was looked at longest ago, and at the one after it, and makes the first of
    /// them with few readers the one to add to. What is empty beside it is dropped.
    fn step(&mut self, readers: &mut Readers, life: &impl Fn(TaskId) -> Life) {
        let last = readers.chunk;
        if last == 0 {
            return;
        }
        let first = self.chunks[last as usize].next;
        self.tidy_chunk(readers, first, life, &mut |_| ());
        let second = self.chunks[first as usize].next;
        if self.chunks[first as usize].count as usize <= LOW {
            readers.chunk = first;
        }
        if second != first {
            self.tidy_chunk(readers, second, life, &mut |_| ());
            if self.chunks[second as usize].count == 0 {
                self.unlink(readers, first, second);
            } else if readers.chunk == last && self.chunks[second as usize].count as usize <= LOW {
                readers.chunk = second;
            }
        }
        // Between two that were looked at just now, so that the others keep their turn.
        if readers.chunk == last && last != 0 && self.chunks[last as usize].count as usize == MANY {
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
        self.live -= u32::from(readers.few) + u32::from(readers.failed);
        (readers.few, readers.failed) = (0, false);
        if readers.chunk != 0 {
            self.drop_ring(readers);
        }
    }

    fn drop_ring(&mut self, readers: &mut Readers) {
        let mut at = readers.chunk;
        loop {
            let Chunk { next, count, .. } = self.chunks[at as usize];
            self.live -= count;
            self.give(at);
            at = next;
            if at == readers.chunk {
                break;
            }
        }
        readers.chunk = 0;
    }

    /// Forgets every ring at once.
    pub(crate) fn clear(&mut self) {
        self.chunks.truncate(1);
        self.free = 0;
        self.live = 0;
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
