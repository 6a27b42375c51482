//! Reads of buffers of which nothing else is remembered, in the order in which they came.
//!
//! Most memory is written once, by who makes it, and then read until it is given back: nobody ever asks who has read it. So
//! such a read is only noted, and sorted in by its buffer once a write asks for that one.
//!
//! Invariant: [`covers`](ReadLog::covers) holds of every buffer that a read is noted of.

use alloc::vec::Vec;
use prewire_abi::TaskId;

/// A read of all of a buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) buffer: u64,
    /// Where the buffer ends, in bytes from its start. Not 0.
    pub(crate) end: u64,
    pub(crate) task: TaskId,
}

/// The reads that are not sorted in.
#[derive(Debug)]
pub(crate) struct ReadLog {
    reads: Vec<Read>,
    /// The buffers that reads are noted of, and others, lie from the first of these addresses to the second.
    first: u64,
    last: u64,
    /// With how many reads it is looked over before one more is added.
    full: usize,
}

impl ReadLog {
    /// What is looked over at least: less than a processor's first cache.
    const FEW: usize = 256;
    /// What a read takes at most: the list may have grown to twice what it holds.
    pub(crate) const BYTES_A_READ: u64 = 2 * size_of::<Read>() as u64;

    pub(crate) const fn new() -> Self {
        Self { reads: Vec::new(), first: u64::MAX, last: 0, full: Self::FEW }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.reads.is_empty()
    }

    /// Whether it is to be looked over before one more is added.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.reads.len() >= self.full
    }

    /// Whether a read of `buffer` may be noted.
    #[inline]
    pub(crate) fn covers(&self, buffer: u64) -> bool {
        self.first <= buffer && buffer <= self.last
    }

    #[inline]
    pub(crate) fn add(&mut self, read: Read) {
        self.cover(read.buffer);
        self.reads.push(read);
    }

    #[inline]
    fn cover(&mut self, buffer: u64) {
        self.first = self.first.min(buffer);
        self.last = self.last.max(buffer);
    }

    /// Drops the reads from the first on of whose tasks `over` says that they count no more, if that is half of all: how many. They came in
    /// order, so most that are over are the first, and those of one task, about which it is asked at once, side by side.
    pub(crate) fn drop_first(&mut self, mut over: impl FnMut(TaskId) -> bool) -> usize {
        let mut last = TaskId::INVALID;
        let stays = |read: &Read| {
            if read.task == last {
                return false;
            }
            last = read.task;
            !over(last)
        };
        let count = self.reads.iter().position(stays).unwrap_or(self.reads.len());
        if 2 * count < self.reads.len() {
            return 0;
        }
        self.reads.drain(..count);
        self.full = (2 * self.reads.len()).max(Self::FEW);
        count
    }

    /// The one in the middle.
    pub(crate) fn middle(&self) -> Option<&Read> {
        self.reads.get(self.reads.len() / 2)
    }

    /// It is looked over only with twice as many reads.
    pub(crate) fn grow(&mut self) {
        self.full = 2 * self.reads.len().max(Self::FEW);
    }

    /// Takes all reads. What of them stays is [put back](ReadLog::put_back).
    pub(crate) fn take(&mut self) -> Vec<Read> {
        (self.first, self.last) = (u64::MAX, 0);
        core::mem::take(&mut self.reads)
    }

    /// Puts back what is left of the reads that were taken. If that is most of what made it full, it grows.
    pub(crate) fn put_back(&mut self, reads: Vec<Read>) {
        debug_assert!(self.reads.is_empty(), "nothing is noted meanwhile");
        self.full = (2 * reads.len()).max(Self::FEW);
        reads.iter().for_each(|read| self.cover(read.buffer));
        self.reads = reads;
    }

    /// Takes back a read of `buffer` up to `end` that `task` noted; whether there was one. Its reads are the last ones.
    pub(crate) fn take_back(&mut self, buffer: u64, end: u64, task: TaskId) -> bool {
        let own = self.reads.iter().rev().take_while(|read| read.task == task);
        let Some(at) =
            own.enumerate().find(|(_, read)| (read.buffer, read.end) == (buffer, end)).map(|(at, _)| at)
        else {
            return false;
        };
        self.reads.remove(self.reads.len() - 1 - at);
        true
    }

    /// How many bytes it takes.
    pub(crate) fn memory(&self) -> usize {
        self.reads.capacity() * size_of::<Read>()
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        let mut reads = self.take();
        reads.clear();
        self.put_back(reads);
    }
}
