//! Which cores of a chip, or which children of a node, a task needs.

use crate::UnknownCode;
use crate::coded::coded;
use core::fmt;
use core::ops::BitOr;

coded! {
    /// What a task needs to run: cores of a chip, or, above the chip, children of a node.
    Shape: u8, "0 to 5" {
        /// One cube core.
        Aic = 0, "AIC";
        /// One vector core.
        Aiv = 1, "AIV";
        /// A cluster: the cores that its [`LaneMask`] names run it together.
        Mix = 2, "MIX";
        /// None: it completes as soon as it is ready.
        Dummy = 3, "DUMMY";
        /// Above the chip: the worker that each of its blocks names. More than one block is a group: its members start
        /// together.
        Worker = 4, "WORKER";
        /// Above the chip: for each block any worker that runs host functions.
        Sub = 5, "SUB";
    }
}

/// The cores of a cluster that a task runs on: a set of three.
///
/// ```
/// use prewire_abi::{LaneMask, Shape};
///
/// let mask = LaneMask::AIC | LaneMask::AIV1;
/// assert_eq!((mask.bits(), mask.count()), (5, 2));
/// assert_eq!(mask.shape(), Shape::Mix);
/// assert_eq!(LaneMask::AIV0.shape(), Shape::Aiv);
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    bytemuck::Zeroable,
    bytemuck::NoUninit,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct LaneMask(u8);

impl LaneMask {
    /// No core.
    pub const NONE: Self = Self(0);
    /// The cube core.
    pub const AIC: Self = Self(1);
    /// The first vector core.
    pub const AIV0: Self = Self(2);
    /// The second vector core.
    pub const AIV1: Self = Self(4);
    /// All three.
    pub const ALL: Self = Self(7);
    /// The one place that a child of a node is: it has no cluster, and its shape is not
    /// [`shape`](LaneMask::shape) of this but [`Shape::Worker`] or [`Shape::Sub`].
    pub const CHILD: Self = Self(1);

    /// Decodes the byte of a record.
    ///
    /// # Errors
    ///
    /// A bit above the three is set.
    pub const fn from_bits(bits: u8) -> Result<Self, UnknownCode> {
        if bits > 7 {
            return Err(UnknownCode {
                what: "LaneMask",
                value: bits as i64,
                allowed: "the bits 1 (AIC), 2 (AIV0) and 4 (AIV1)",
            });
        }
        Ok(Self(bits))
    }

    /// The byte that records hold.
    #[must_use]
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// How many cores: 0 to 3.
    #[must_use]
    #[inline]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// Whether every core of `other` is in it.
    #[must_use]
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The shape of a task that runs on these cores: a single core is its own shape, more are a cluster.
    #[must_use]
    #[inline]
    pub const fn shape(self) -> Shape {
        match self.0 & 7 {
            0 => Shape::Dummy,
            1 => Shape::Aic,
            2 | 4 => Shape::Aiv,
            _ => Shape::Mix,
        }
    }

    /// Both sets together; `|` where a constant is needed.
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for LaneMask {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl fmt::Display for LaneMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["NONE", "AIC", "AIV0", "AIC|AIV0", "AIV1", "AIC|AIV1", "AIV0|AIV1", "AIC|AIV0|AIV1"];
        f.pad(names[usize::from(self.0 & 7)])
    }
}

impl fmt::Debug for LaneMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{LaneMask, Shape};
    use alloc::string::ToString;

    #[test]
    fn three_bits_are_known_and_each_has_its_shape() {
        let shapes = [
            Shape::Dummy,
            Shape::Aic,
            Shape::Aiv,
            Shape::Mix,
            Shape::Aiv,
            Shape::Mix,
            Shape::Mix,
            Shape::Mix,
        ];
        for bits in 0..=u8::MAX {
            match LaneMask::from_bits(bits) {
                Ok(mask) => {
                    assert_eq!((mask.bits(), mask.shape()), (bits, shapes[usize::from(bits)]));
                    assert_eq!(mask.to_string().split('|').count() as u32, mask.count().max(1));
                    assert!(LaneMask::ALL.contains(mask) && mask.contains(LaneMask::NONE));
                }
                Err(error) => assert!(bits > 7 && error.value == i64::from(bits)),
            }
        }
    }
}
