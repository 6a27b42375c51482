//! Buffers, found by address: a cache line each, with what is remembered of the buffer from its start on.

use crate::readers::Readers;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::{Index, IndexMut};
use prewire_abi::TaskId;

/// A buffer that something is remembered of.
///
/// One region is kept here and in no grid: an interval that begins with the buffer, which is what an access of the
/// whole buffer is. All others are in grids. A buffer lives as long as it has either.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Buffer {
    pub(crate) addr: u64,
    /// Where the interval ends, in bytes. 0: there is none.
    pub(crate) end: u64,
    pub(crate) writer: TaskId,
    pub(crate) readers: Readers,
    /// The first of its grids, or 0.
    pub(crate) grids: u32,
    /// The next buffer in the chain, or the next free one.
    next: u32,
}

const _: () = assert!(size_of::<Buffer>() == 64);

impl Buffer {
    /// Nothing is remembered of it. What is free is so too, but for its address and what is next.
    const EMPTY: Self =
        Self { addr: 0, end: 0, writer: TaskId::INVALID, readers: Readers::NONE, grids: 0, next: 0 };
}

/// What tells the addresses of buffers apart by its upper bits, as few as one looks at. Fibonacci hashing: they differ in
/// their middle bits.
#[must_use]
#[inline]
pub const fn buffer_hash(addr: u64) -> u64 {
    addr.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The buffers, in chains whose heads are a table that grows with them. Buffer 0 is none.
#[derive(Debug)]
pub(crate) struct Buffers {
    all: Vec<Buffer>,
    heads: Vec<u32>,
    /// How far a hash is shifted to be the number of a head.
    shift: u32,
    free: u32,
    live: u32,
}

impl Index<u32> for Buffers {
    type Output = Buffer;

    #[inline]
    fn index(&self, buffer: u32) -> &Buffer {
        &self.all[buffer as usize]
    }
}

impl IndexMut<u32> for Buffers {
    #[inline]
    fn index_mut(&mut self, buffer: u32) -> &mut Buffer {
        &mut self.all[buffer as usize]
    }
}

impl Buffers {
    /// How many may be there before the tables grow. The memory is asked for at once, so that nothing is moved up to there, and
    /// touched as buffers are added.
    pub(crate) const SOFT: u32 = 4096;
    const FEW: u32 = 64;

    /// What a buffer takes: itself, and up to four heads.
    pub(crate) const BYTES_A_BUFFER: u64 = (size_of::<Buffer>() + 4 * size_of::<u32>()) as u64;

    /// For up to `capacity` of them.
    pub(crate) fn new(capacity: u32) -> Self {
        let soft = capacity.clamp(Self::FEW, Self::SOFT);
        let heads = (2 * soft).next_power_of_two();
        let mut all = Vec::with_capacity(soft as usize + 1);
        all.push(Buffer::EMPTY);
        Self { all, heads: vec![0; heads as usize], shift: 64 - heads.ilog2(), free: 0, live: 0 }
    }

    /// The buffer at address `addr`, or 0.
    #[inline]
    pub(crate) fn find(&self, addr: u64) -> u32 {
        let mut at = self.heads[self.head(addr)];
        while at != 0 {
            let Buffer { addr: of, next, .. } = self.all[at as usize];
            if of == addr {
                break;
            }
            at = next;
        }
        at
    }

    /// Adds the buffer at `addr`, which is not there yet: which one it is.
    #[inline]
    pub(crate) fn add(&mut self, addr: u64) -> (u32, &mut Buffer) {
        // So few that a chain of more than one is rare.
        if self.live as usize * 2 >= self.heads.len() {
            self.spread();
        }
        let head = self.head(addr);
        let first = &mut self.heads[head];
        let next = *first;
        self.live += 1;
        let at = self.free;
        if at != 0 {
            let new = &mut self.all[at as usize];
            self.free = new.next;
            (new.addr, new.next) = (addr, next);
            *first = at;
            return (at, new);
        }
        let at = self.all.len() as u32;
        *first = at;
        (at, self.all.push_mut(Buffer { addr, next, ..Buffer::EMPTY }))
    }

    /// Frees `buffer` if nothing is remembered of it.
    #[inline]
    pub(crate) fn release_if_empty(&mut self, buffer: u32) {
        let Buffer { end, grids, .. } = self.all[buffer as usize];
        if end == 0 && grids == 0 {
            self.release(buffer);
        }
    }

    fn release(&mut self, buffer: u32) {
        let Buffer { addr, next, .. } = self.all[buffer as usize];
        let head = self.head(addr);
        let mut before = self.heads[head];
        if before == buffer {
            self.heads[head] = next;
        } else {
            while self.all[before as usize].next != buffer {
                before = self.all[before as usize].next;
            }
            self.all[before as usize].next = next;
        }
        self.all[buffer as usize].next = self.free;
        self.free = buffer;
        self.live -= 1;
    }

    /// Twice the heads, and every buffer in its new chain.
    #[inline(never)]
    fn spread(&mut self) {
        let heads = self.heads.len() * 2;
        self.heads.clear();
        self.heads.resize(heads, 0);
        self.shift -= 1;
        for at in 1..self.all.len() {
            let Buffer { addr, end, grids, .. } = self.all[at];
            if end != 0 || grids != 0 {
                let head = self.head(addr);
                self.all[at].next = core::mem::replace(&mut self.heads[head], at as u32);
            }
        }
    }

    /// Forgets all of them, at a cost that depends on how many there are.
    pub(crate) fn clear(&mut self) {
        for at in 1..self.all.len() {
            let head = self.head(self.all[at].addr);
            self.heads[head] = 0;
        }
        self.all.truncate(1);
        (self.free, self.live) = (0, 0);
    }

    /// How many looks see every buffer.
    #[inline]
    pub(crate) fn slots(&self) -> u32 {
        (self.all.len() - 1) as u32
    }

    /// Whether adding one takes new memory.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.free == 0
    }

    /// How many bytes they take. What was asked for at first counts as it is used.
    pub(crate) fn memory(&self) -> usize {
        let grown = self.all.capacity() > Self::SOFT as usize + 1;
        let all = if grown { self.all.capacity() } else { self.all.len() };
        all * size_of::<Buffer>() + self.heads.capacity() * size_of::<u32>()
    }

    #[inline]
    fn head(&self, addr: u64) -> usize {
        (buffer_hash(addr) >> (self.shift & 63)) as usize
    }
}
