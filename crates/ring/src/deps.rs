//! The dep-list pool: the edges of the tasks of one ring, each task's side by side.

use core::fmt;
use core::num::NonZeroU32;

use prewire_abi::EdgeKind;
use prewire_sync::atomic::{AtomicU32, Ordering};

use crate::slot::SlotRef;
use crate::table::{Pages, Table};

/// Names a dep entry: the ring in the high two bits, a bit that is always set, the index in its pool in the rest. So no
/// entry is named 0, which is the end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DepRef(NonZeroU32);

impl DepRef {
    /// Pools have at most 2^29 entries.
    const NAMED: NonZeroU32 = NonZeroU32::new(1 << 29).unwrap();

    #[inline]
    fn new(ring: u32, index: u32) -> Self {
        Self(Self::NAMED | (ring << SlotRef::INDEX_BITS | index))
    }

    /// The entry that a word of a list names; none at its end.
    #[inline]
    pub(crate) fn decode(word: u32) -> Option<Self> {
        NonZeroU32::new(word).map(Self)
    }

    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0.get()
    }

    #[inline]
    pub(crate) const fn ring(self) -> usize {
        (self.raw() >> SlotRef::INDEX_BITS) as usize
    }

    #[inline]
    const fn index(self) -> u32 {
        self.raw() & (Self::NAMED.get() - 1)
    }
}

impl fmt::Debug for DepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dep {}/{}", self.ring(), self.index())
    }
}

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
    #[inline]
    pub(crate) fn fill(&self, producer: SlotRef, consumer: SlotRef, kind: EdgeKind) {
        self.producer.store(producer.raw(), Ordering::Relaxed);
        self.consumer.store(consumer.raw(), Ordering::Relaxed);
        self.kind.store(u32::from(kind.bits()), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn set_next(&self, word: u32) {
        self.next.store(word, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn next(&self) -> Option<DepRef> {
        DepRef::decode(self.next.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn consumer(&self) -> SlotRef {
        SlotRef::from_raw(self.consumer.load(Ordering::Relaxed))
    }

    /// The task waited for, or whose output is retained.
    #[must_use]
    #[inline]
    pub fn producer(&self) -> SlotRef {
        SlotRef::from_raw(self.producer.load(Ordering::Relaxed))
    }

    /// The kinds of the edge.
    #[must_use]
    #[inline]
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

    #[inline]
    pub(crate) fn name(&self, position: u32) -> DepRef {
        DepRef::new(self.ring, position & self.mask)
    }

    #[inline]
    pub(crate) fn at(&self, entry: DepRef) -> &Dep {
        &self.table[(entry.index() & self.mask) as usize]
    }

    /// The entries at `count` positions before `mark`.
    #[inline]
    pub(crate) fn before(&self, mark: u32, count: u32) -> impl Iterator<Item = &Dep> {
        (0..count).map(move |i| &self.table[(mark.wrapping_sub(count).wrapping_add(i) & self.mask) as usize])
    }
}
