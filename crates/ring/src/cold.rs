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
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        let Self { shape, lanes, blocks, attrs, .. } = *self;
        Kind(
            shape as u32
                | u32::from(lanes.bits()) << 4
                | if attrs.sync_start { Kind::SYNC_START } else { 0 }
                | if attrs.predicated { Kind::PREDICATED } else { 0 }
                | if attrs.unordered { Kind::UNORDERED } else { 0 }
                | if self.is_for_one_core() { Kind::ONE_CORE } else { 0 }
                | (self.class() as u32) << Kind::CLASS
                | u32::from(blocks) << 16,
        )
    }

    /// Whether it is one block for one core of a chip.
    #[inline]
    fn is_for_one_core(&self) -> bool {
        matches!(self.shape, Shape::Aic | Shape::Aiv)
            && self.blocks == 1
            && self.lanes.bits().is_power_of_two()
    }

    /// The kind of placement that it waits for once it is ready.
    #[inline]
    fn class(&self) -> Class {
        match self.shape {
            Shape::Aic | Shape::Aiv | Shape::Mix if self.attrs.sync_start && self.blocks > 1 => {
                Class::SyncStart
            }
            Shape::Aic => Class::Aic,
            Shape::Aiv => Class::Aiv,
            Shape::Mix => Class::Mix,
            Shape::Worker => Class::Worker,
            Shape::Sub => Class::Sub,
            Shape::Dummy => Class::Inline,
        }
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

/// A [`Cold`] in two words, as slots have it: made once by who submits it often.
///
/// ```
/// use prewire_ring::{Cold, Packed};
///
/// let cold = Cold::worker(3, 7);
/// assert_eq!(Packed::from(cold).cold(), cold);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed {
    /// All of it beside what it runs.
    pub kind: Kind,
    /// What it runs; meaningless for dummies.
    pub callable: u32,
}

impl From<Cold> for Packed {
    #[inline]
    fn from(cold: Cold) -> Self {
        Self { kind: cold.kind(), callable: cold.callable }
    }
}

impl Packed {
    /// What was packed.
    #[must_use]
    pub fn cold(self) -> Cold {
        Cold::from_kind(self.kind, self.callable)
    }
}

/// Shape, lanes, attributes and blocks of a task in one word, for who reads them again and again; and the class that they
/// make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(u32);

impl Kind {
    const SYNC_START: u32 = 1 << 8;
    const PREDICATED: u32 = 1 << 9;
    const UNORDERED: u32 = 1 << 10;
    /// One block for one core.
    const ONE_CORE: u32 = 1 << 11;
    /// Where the class begins: three bits.
    const CLASS: u32 = 12;

    /// The same, but [predicated](Attrs::predicated) and [unordered](Attrs::unordered) or not.
    #[must_use]
    #[inline]
    pub fn with(self, predicated: bool, unordered: bool) -> Self {
        let rest = self.0 & !(Self::PREDICATED | Self::UNORDERED);
        Self(rest | u32::from(predicated) << 9 | u32::from(unordered) << 10)
    }

    /// The number of its shape, below 16.
    #[must_use]
    #[inline]
    pub const fn shape(self) -> usize {
        (self.0 & 0xF) as usize
    }

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

    /// The kind of core that it runs on, if it is one block on one core of a chip and has no predicate: once it is ready, and
    /// unless the run is ended, there is nothing to find out before it runs.
    #[must_use]
    #[inline]
    pub const fn of_one_core(self) -> Option<Class> {
        const { assert!(Shape::Aic as u32 == 0 && Shape::Aiv as u32 == 1) };
        if self.0 & (Self::ONE_CORE | Self::PREDICATED) != Self::ONE_CORE {
            None
        } else if self.0 & 1 == 0 {
            Some(Class::Aic)
        } else {
            Some(Class::Aiv)
        }
    }

    /// Whether it needs no lane.
    #[must_use]
    #[inline]
    pub(crate) const fn is_dummy(self) -> bool {
        self.0 & 0xF == Shape::Dummy as u32
    }

    /// The kind of placement that it waits for once it is ready.
    #[must_use]
    #[inline]
    pub const fn class(self) -> Class {
        /// By number, of three bits.
        const CLASSES: [Class; 8] = {
            let mut classes = [Class::Inline; 8];
            let mut at = 0;
            while at < Class::ALL.len() {
                classes[Class::ALL[at] as usize] = Class::ALL[at];
                at += 1;
            }
            classes
        };
        CLASSES[(self.0 >> Self::CLASS & 7) as usize]
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
