//! A chunk of readers, and the ring that the chunks of one region make.

use super::{ReaderPool, Readers};
use prewire_abi::TaskId;

/// How many readers a chunk has: with its link it is a cache line.
pub(super) const MANY: usize = 7;

/// Some readers of one region.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Chunk {
    pub(super) ids: [TaskId; MANY],
    /// The next of the ring, or the next free one.
    pub(super) next: u32,
    /// How many of `ids` are readers, the first.
    pub(super) count: u32,
}

const _: () = assert!(size_of::<Chunk>() == 64);

impl Chunk {
    /// Without a reader.
    const EMPTY: Self = Self { ids: [TaskId::INVALID; MANY], next: 0, count: 0 };
    /// Nothing is added to it.
    pub(super) const NONE: Self = Self { count: MANY as u32, ..Self::EMPTY };

    /// Its readers.
    #[inline]
    pub(super) fn tasks(&self) -> &[TaskId] {
        &self.ids[..MANY.min(self.count as usize)]
    }

    /// Adds a reader, if there is a place.
    #[inline]
    pub(super) fn add(&mut self, task: TaskId) -> bool {
        let Some(place) = self.ids.get_mut(self.count as usize) else { return false };
        *place = task;
        self.count += 1;
        true
    }
}

impl ReaderPool {
    /// Adds an empty chunk to the ring.
    pub(super) fn grow(&mut self, readers: &mut Readers) {
        let chunk = self.take();
        let next = match readers.chunk {
            0 => chunk,
            last => core::mem::replace(&mut self.chunks[last as usize].next, chunk),
        };
        self.chunks[chunk as usize].next = next;
        readers.chunk = chunk;
    }

    /// Takes `chunk`, which comes after `before`, from the ring.
    pub(super) fn unlink(&mut self, readers: &mut Readers, before: u32, chunk: u32) {
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

    /// Drops all readers of the ring, which is not empty, and the ring.
    pub(super) fn drop_ring(&mut self, readers: &mut Readers) {
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

    /// An empty chunk, of no ring.
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

    /// Gives a chunk back that is of no ring any more.
    fn give(&mut self, chunk: u32) {
        self.chunks[chunk as usize].next = self.free;
        self.free = chunk;
    }
}
