//! The dep-list pool: the edges of the tasks of one ring, each task's side by side.

use core::fmt;

use prewire_abi::EdgeKind;
use prewire_sync::atomic::{AtomicU32, Ordering};

use crate::slot::SlotRef;
use crate::table::{Pages, Table};

/// Names a dep entry: the ring in the high two bits, the index in its pool in the rest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DepRef(u32);

impl DepRef {
    /// The first word that names no entry: pools have at most 2^29 entries. What is above means the states of a list.
    pub(crate) const FREE: u32 = u32::MAX - 2;

    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    pub(crate) const fn ring(self) -> usize {
        (self.0 >> SlotRef::INDEX_BITS) as usize
    }
}

impl fmt::Debug for DepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dep {}/{}", self.ring(), self.0 & ((1 << SlotRef::INDEX_BITS) - 1))
    }
}

const _: () = assert!((3 << SlotRef::INDEX_BITS) | ((1 << 29) - 1) < DepRef::FREE);

/// One edge. Written by the orchestrator before it is pushed, and not again until the consumer is retired.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), derive(bytemuck::Zeroable))]
#[cfg_attr(any(prewire_loom, prewire_shuttle), derive(Default))]
#[repr(C)]
pub struct Dep {
    /// The entry pushed before onto the same producer.
    next: AtomicU32,
    /// The waiting task.
    consumer: AtomicU32,
    /// The task waited for.
    producer: AtomicU32,
    /// The kinds of the edge that are still in force.
    kind: AtomicU32,
}

impl Dep {
    pub(crate) fn fill(&self, producer: SlotRef, consumer: SlotRef, kind: EdgeKind) {
        self.producer.store(producer.raw(), Ordering::Relaxed);
        self.consumer.store(consumer.raw(), Ordering::Relaxed);
        self.kind.store(u32::from(kind.bits()), Ordering::Relaxed);
    }

    pub(crate) fn set_next(&self, word: u32) {
        self.next.store(word, Ordering::Relaxed);
    }

    pub(crate) fn next(&self) -> Option<DepRef> {
        DepRef::decode(self.next.load(Ordering::Relaxed))
    }

    pub(crate) fn consumer(&self) -> SlotRef {
        SlotRef::from_raw(self.consumer.load(Ordering::Relaxed))
    }

    /// The task waited for, or whose output is retained.
    #[must_use]
    pub fn producer(&self) -> SlotRef {
        SlotRef::from_raw(self.producer.load(Ordering::Relaxed))
    }

    /// The kinds of the edge.
    #[must_use]
    pub fn kind(&self) -> EdgeKind {
        EdgeKind::from_bits(self.kind.load(Ordering::Relaxed) as u8 & 3).unwrap_or(EdgeKind::NONE)
    }
}

/// The pool of one ring. Positions are counted up for ever, modulo 2^32; the place is the position modulo the
/// table, whose length is a power of two.
#[derive(Debug)]
pub(crate) struct Deps {
    table: Table<Dep>,
    ring: u32,
    mask: u32,
}

impl Deps {
    pub(crate) fn new(ring: u32, capacity: u32, pages: Pages<'_>) -> Self {
        let len = capacity.next_power_of_two();
        Self { table: Table::new(len as usize, pages), ring, mask: len - 1 }
    }

    pub(crate) fn name(&self, position: u32) -> DepRef {
        DepRef(self.ring << SlotRef::INDEX_BITS | position & self.mask)
    }

    pub(crate) fn at(&self, entry: DepRef) -> &Dep {
        &self.table[(entry.raw() & self.mask) as usize]
    }

    /// The entries at `count` positions before `mark`.
    pub(crate) fn before(&self, mark: u32, count: u32) -> impl Iterator<Item = &Dep> {
        (0..count).map(move |i| &self.table[(mark.wrapping_sub(count).wrapping_add(i) & self.mask) as usize])
    }
}
