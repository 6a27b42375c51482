//! The tasks that have read one region since it was written: a ring of entries, each looked at once in a while.

use crate::map::Life;
use alloc::vec;
use alloc::vec::Vec;
use prewire_abi::TaskId;

/// The readers of one region.
///
/// Of the readers that failed one is kept: a writer that comes after any of them is poisoned, and after one as well.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Readers {
    /// The entry last added or looked at; the one after it is the next to look at. 0: the ring is empty.
    tail: u32,
    /// The reader that failed, or 0.
    failed: u32,
}

impl Readers {
    /// Whether there is no reader.
    pub(crate) fn is_empty(self) -> bool {
        self.tail == 0 && self.failed == 0
    }
}

/// The entries of all rings. Entry 0 is none.
#[derive(Debug)]
pub(crate) struct ReaderPool {
    entries: Vec<Entry>,
    free: u32,
    live: u32,
    visited: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    task: TaskId,
    next: u32,
}

impl ReaderPool {
    /// How many entries each [`push`](ReaderPool::push) looks at: one more than it adds, so that a ring holds at
    /// most about twice the readers that live.
    const LOOKS: u32 = 2;

    /// What an entry takes.
    pub(crate) const BYTES_AN_ENTRY: u64 = size_of::<Entry>() as u64;

    pub(crate) fn new() -> Self {
        Self { entries: vec![Entry { task: TaskId::INVALID, next: 0 }], free: 0, live: 0, visited: 0 }
    }

    /// How many entries are in a ring.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// How many entries were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// How many bytes the entries take.
    pub(crate) fn memory(&self) -> usize {
        self.entries.capacity() * size_of::<Entry>()
    }

    /// Adds `task`, unless it is the last one added already; false if there are `capacity` entries even so.
    pub(crate) fn push(
        &mut self,
        readers: &mut Readers,
        task: TaskId,
        capacity: u32,
        life: &impl Fn(TaskId) -> Life,
    ) -> bool {
        if readers.tail != 0 && self.entries[readers.tail as usize].task == task {
            return true;
        }
        self.look(readers, Self::LOOKS, life, &mut |_| ());
        if self.live >= capacity {
            return false;
        }
        let entry = self.take(task);
        if readers.tail == 0 {
            self.entries[entry as usize].next = entry;
        } else {
            let next = self.entries[readers.tail as usize].next;
            self.entries[entry as usize].next = next;
            self.entries[readers.tail as usize].next = entry;
        }
        readers.tail = entry;
        true
    }

    /// Looks at up to `limit` readers, drops those that retired, and calls `kept` with the others.
    pub(crate) fn look(
        &mut self,
        readers: &mut Readers,
        limit: u32,
        life: &impl Fn(TaskId) -> Life,
        kept: &mut impl FnMut(TaskId),
    ) {
        if readers.failed != 0 {
            let task = self.entries[readers.failed as usize].task;
            self.visited += 1;
            if life(task) == Life::Retired {
                self.give(readers.failed);
                readers.failed = 0;
            } else {
                kept(task);
            }
        }
        let stop = readers.tail;
        let mut last = stop;
        for _ in 0..if stop == 0 { 0 } else { limit } {
            let Entry { next: entry, .. } = self.entries[last as usize];
            let Entry { task, next } = self.entries[entry as usize];
            self.visited += 1;
            let life = life(task);
            if life == Life::Live {
                kept(task);
                last = entry;
            } else {
                self.entries[last as usize].next = next;
                if life == Life::Failed && readers.failed == 0 {
                    kept(task);
                    readers.failed = entry;
                } else {
                    self.give(entry);
                }
                if entry == last {
                    readers.tail = 0;
                    return;
                }
            }
            if entry == stop {
                break;
            }
        }
        readers.tail = last;
    }

    /// Drops all readers.
    pub(crate) fn drop_all(&mut self, readers: &mut Readers) {
        if readers.failed != 0 {
            self.give(readers.failed);
        }
        let mut entry = readers.tail;
        while entry != 0 {
            let Entry { next, .. } = self.entries[entry as usize];
            self.give(entry);
            entry = if next == readers.tail { 0 } else { next };
        }
        *readers = Readers::default();
    }

    /// Forgets every ring at once.
    pub(crate) fn clear(&mut self) {
        self.entries.truncate(1);
        self.free = 0;
        self.live = 0;
    }

    fn take(&mut self, task: TaskId) -> u32 {
        self.live += 1;
        let entry = self.free;
        if entry != 0 {
            self.free = self.entries[entry as usize].next;
            self.entries[entry as usize].task = task;
            return entry;
        }
        self.entries.push(Entry { task, next: 0 });
        (self.entries.len() - 1) as u32
    }

    fn give(&mut self, entry: u32) {
        self.live -= 1;
        self.entries[entry as usize].next = self.free;
        self.free = entry;
    }
}
