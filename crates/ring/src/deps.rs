//! The dep-list pools: the edges of the tasks of each ring, each task's side by side.

use core::fmt;
use core::ops::Range;

use prewire_abi::EdgeKind;
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::ring::RING_COUNT;
use crate::slot::SlotRef;
use crate::table::{Pages, Table, View};

/// Names a dep entry: a bit that is always set, and the place among the entries of all pools in the rest. So no entry is
/// named 0, which is the end of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DepRef(u32);

impl DepRef {
    /// Four pools have at most 2^31 entries.
    const NAMED: u32 = 1 << 31;

    /// The entry that a word of a list names; none at its end.
    #[inline]
    pub(crate) fn decode(word: u32) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }

    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    const fn index(self) -> u32 {
        self.0 & !Self::NAMED
    }
}

impl fmt::Debug for DepRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dep {}", self.index())
    }
}

/// One edge. Written by the orchestrator before it is pushed, and not again until the consumer is retired.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), derive(bytemuck::Zeroable))]
#[cfg_attr(any(prewire_loom, prewire_shuttle), derive(Default))]
#[repr(C)]
pub struct Dep {
    /// The entry pushed before onto the same producer, and above it the waiting task.
    link: AtomicU64,
    /// The task waited for, and above it the kinds of the edge that are still in force.
    edge: AtomicU64,
}

impl Dep {
    /// Says what the edge is of and what it means.
    #[inline]
    pub(crate) fn set(&self, producer: SlotRef, kind: EdgeKind) {
        self.edge.store(u64::from(kind.bits()) << 32 | u64::from(producer.raw()), Ordering::Relaxed);
    }

    /// Puts it, an edge to `consumer`, before the entry that `next`, a word of 32 bits, names.
    #[inline]
    pub(crate) fn link(&self, consumer: SlotRef, next: u64) {
        self.link.store(u64::from(consumer.raw()) << 32 | next, Ordering::Relaxed);
    }

    /// The entry pushed before.
    #[inline]
    pub(crate) fn next(&self) -> Option<DepRef> {
        DepRef::decode(self.link.load(Ordering::Relaxed) as u32)
    }

    /// The waiting task, of an entry on a list.
    #[inline]
    pub(crate) fn consumer(&self) -> SlotRef {
        SlotRef::from_raw((self.link.load(Ordering::Relaxed) >> 32) as u32)
    }

    /// The task waited for, or whose output is retained.
    #[must_use]
    #[inline]
    pub fn producer(&self) -> SlotRef {
        SlotRef::from_raw(self.edge.load(Ordering::Relaxed) as u32)
    }

    /// The task whose output is retained, if it is.
    #[inline]
    pub(crate) fn retained(&self) -> Option<SlotRef> {
        let edge = self.edge.load(Ordering::Relaxed);
        let retains = edge >> 32 & u64::from(EdgeKind::RETAIN.bits()) != 0;
        retains.then_some(SlotRef::from_raw(edge as u32))
    }

    /// The kinds of the edge.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> EdgeKind {
        let bits = (self.edge.load(Ordering::Relaxed) >> 32) as u8 & 3;
        EdgeKind::from_bits(bits).unwrap_or(EdgeKind::NONE)
    }
}

impl<'a> View<'a, Dep> {
    #[inline]
    fn at(self, entry: DepRef) -> &'a Dep {
        // There are at most 2^31, so that the bit that is always set goes.
        self.wrap(entry.raw() as usize)
    }
}

/// Where the entries of one ring are among all. Positions are counted up for ever, modulo 2^32; the place is the position
/// modulo the length, which is a power of two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    mask: u32,
    /// The first of them.
    first: DepRef,
}

impl Pool {
    /// The entry at a position.
    #[inline]
    pub(crate) fn entry(self, position: u32) -> DepRef {
        DepRef(self.first.0 + (position & self.mask))
    }
}

/// The pools of all rings, one behind the other.
#[derive(Debug)]
pub(crate) struct Deps {
    pub(crate) pools: [Pool; RING_COUNT],
    table: Table<Dep>,
}

impl Deps {
    pub(crate) fn new(capacities: [u32; RING_COUNT], pages: Pages<'_>) -> Self {
        let mut base = 0;
        let pools = capacities.map(|capacity| {
            let len = capacity.next_power_of_two();
            let pool = Pool { mask: len - 1, first: DepRef(DepRef::NAMED | base) };
            base += len;
            pool
        });
        Self { pools, table: Table::new(base as usize, pages) }
    }

    /// Where these entries of `ring` are, counted from its first one: see [`Table::bytes`].
    pub(crate) fn bytes(&self, ring: usize, entries: Range<u32>) -> Option<Range<*const u8>> {
        let first = self.pools[ring & 3].entry(entries.start);
        self.table.bytes(first.index() as usize, entries.len())
    }

    #[inline]
    pub(crate) fn at(&self, entry: DepRef) -> &Dep {
        self.table.view().at(entry)
    }

    /// The `count` entries of `ring` before the position `mark`.
    #[inline]
    pub(crate) fn before(&self, ring: usize, mark: u32, count: u32) -> impl Iterator<Item = &Dep> {
        let (entries, pool) = (self.table.view(), self.pools[ring & 3]);
        let first = mark.wrapping_sub(count);
        (0..count).map(move |i| entries.at(pool.entry(first.wrapping_add(i))))
    }
}
