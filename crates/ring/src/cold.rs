//! What a task is, beside its edges and arguments: written once, before it is published.

use prewire_abi::{LaneMask, Shape};

use crate::route::Class;

/// What a task asks for beyond its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Attrs {
    /// All its blocks start together or not at all. On a chip; above it, what names its workers always does, and what
    /// takes any never does.
    pub sync_start: bool,
    /// Its arguments carry a predicate that is evaluated at dispatch.
    pub predicated: bool,
    /// Nothing but explicit edges, or opted-out arguments, order it: its tensor accesses are checked while it runs.
    pub unordered: bool,
}

/// What is written once, before a task is published, and read by whoever dispatches, runs and completes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cold {
    /// The kind of lanes it needs.
    pub shape: Shape,
    /// Which places of a cluster run, for each block; [`LaneMask::CHILD`] above the chip.
    pub lanes: LaneMask,
    /// How many blocks, at least 1.
    pub blocks: u16,
    /// What else it asks for.
    pub attrs: Attrs,
    /// What it runs; meaningless for dummies.
    pub callable: u32,
}

impl Default for Cold {
    fn default() -> Self {
        Self {
            shape: Shape::Dummy,
            lanes: LaneMask::NONE,
            blocks: 1,
            attrs: Attrs::default(),
            callable: u32::MAX,
        }
    }
}

impl Cold {
    /// A task for workers that it names: one, or a group of `members` that start together.
    #[must_use]
    pub fn worker(members: u16, callable: u32) -> Self {
        Self { shape: Shape::Worker, lanes: LaneMask::CHILD, blocks: members, callable, ..Self::default() }
    }

    /// A task of `blocks` pieces, each for any worker that runs host functions.
    #[must_use]
    pub fn sub(blocks: u16, callable: u32) -> Self {
        Self { shape: Shape::Sub, lanes: LaneMask::CHILD, blocks, callable, ..Self::default() }
    }

    /// Sub-tasks in all: blocks times places.
    #[must_use]
    pub fn total(&self) -> u32 {
        u32::from(self.blocks) * self.lanes.count()
    }

    /// The word that the slot has of it, beside what it runs.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        let attrs = u32::from(self.attrs.sync_start)
            | u32::from(self.attrs.predicated) << 1
            | u32::from(self.attrs.unordered) << 2;
        Kind(
            self.shape as u32 | u32::from(self.lanes.bits()) << 4 | attrs << 8 | u32::from(self.blocks) << 16,
        )
    }

    pub(crate) fn from_kind(kind: Kind, callable: u32) -> Self {
        Self {
            shape: Shape::try_from((kind.0 & 0xF) as u8).unwrap_or(Shape::Dummy),
            lanes: kind.lanes(),
            blocks: kind.blocks() as u16,
            attrs: Attrs {
                sync_start: kind.is_sync_start(),
                predicated: kind.is_predicated(),
                unordered: kind.is_unordered(),
            },
            callable,
        }
    }
}

/// Shape, lanes, attributes and blocks of a task in one word, for who reads them again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(u32);

impl Kind {
    const SYNC_START: u32 = 1 << 8;
    const PREDICATED: u32 = 1 << 9;
    const UNORDERED: u32 = 1 << 10;

    #[inline]
    pub(crate) const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    /// How many blocks.
    #[must_use]
    #[inline]
    pub const fn blocks(self) -> u32 {
        self.0 >> 16
    }

    /// Which places of a cluster run, for each block.
    #[must_use]
    #[inline]
    pub fn lanes(self) -> LaneMask {
        LaneMask::from_bits((self.0 >> 4 & 0x7) as u8).unwrap_or(LaneMask::NONE)
    }

    /// Sub-tasks in all: blocks times places.
    #[must_use]
    #[inline]
    pub const fn total(self) -> u32 {
        self.blocks() * (self.0 >> 4 & 0x7).count_ones()
    }

    /// Whether it has one sub-task and no more.
    #[must_use]
    #[inline]
    pub const fn is_single(self) -> bool {
        // Of which lanes, as bits: those with one place.
        const ONE: u32 = 1 << 0b001 | 1 << 0b010 | 1 << 0b100;
        (self.blocks() == 1) & (ONE >> (self.0 >> 4 & 0x7) & 1 != 0)
    }

    /// Whether all its blocks start together or not at all.
    #[must_use]
    #[inline]
    pub const fn is_sync_start(self) -> bool {
        self.0 & Self::SYNC_START != 0
    }

    /// Whether nothing but explicit edges, or opted-out arguments, order it.
    #[must_use]
    #[inline]
    pub const fn is_unordered(self) -> bool {
        self.0 & Self::UNORDERED != 0
    }

    /// Whether its arguments carry a predicate.
    #[must_use]
    #[inline]
    pub const fn is_predicated(self) -> bool {
        self.0 & Self::PREDICATED != 0
    }

    /// Whether it needs no lane.
    #[must_use]
    #[inline]
    pub(crate) const fn is_dummy(self) -> bool {
        self.0 & 0xF == Shape::Dummy as u32
    }

    /// The kind of placement that it waits for once it is ready.
    #[inline]
    pub(crate) const fn class(self) -> Class {
        /// By number of the shape. What cannot be needs no lane, as a dummy.
        const BY_SHAPE: [Class; 16] = {
            let mut classes = [Class::Inline; 16];
            classes[Shape::Aic as usize] = Class::Aic;
            classes[Shape::Aiv as usize] = Class::Aiv;
            classes[Shape::Mix as usize] = Class::Mix;
            classes[Shape::Worker as usize] = Class::Worker;
            classes[Shape::Sub as usize] = Class::Sub;
            classes
        };
        let shape = self.0 & 0xF;
        if self.is_sync_start() && self.blocks() > 1 && shape < Shape::Dummy as u32 {
            Class::SyncStart
        } else {
            BY_SHAPE[shape as usize]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cold_survives_packing() {
        let cold = Cold {
            shape: Shape::Mix,
            lanes: LaneMask::AIC | LaneMask::AIV1,
            blocks: 32767,
            attrs: Attrs { sync_start: true, predicated: false, unordered: true },
            callable: 77,
        };
        assert_eq!(Cold::from_kind(cold.kind(), 77), cold);
        assert_eq!((cold.total(), cold.kind().total()), (2 * 32767, 2 * 32767));
        for (blocks, lanes, single) in
            [(1, LaneMask::AIV1, true), (1, cold.lanes, false), (2, LaneMask::AIC, false)]
        {
            assert_eq!(Cold { blocks, lanes, ..cold }.kind().is_single(), single);
        }
    }

    #[test]
    fn a_block_for_a_child_is_one_sub_task() {
        for (cold, shape) in [(Cold::worker(128, 7), Shape::Worker), (Cold::sub(3, 7), Shape::Sub)] {
            assert_eq!(Cold::from_kind(cold.kind(), 7), cold);
            assert_eq!((cold.shape, cold.total()), (shape, u32::from(cold.blocks)));
        }
    }
}
