//! Looks at the readers of a region: says which of them still count, and drops those that retired.

use super::chunks::MANY;
use super::{FEW, ReaderPool, Readers};
use crate::map::Life;
use prewire_abi::TaskId;

/// A chunk with no more readers than this takes new ones before there is another chunk.
const LOW: usize = 3;

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

impl ReaderPool {
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
}
