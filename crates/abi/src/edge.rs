//! What an edge of the graph means.

use crate::UnknownCode;
use core::fmt;
use core::ops::{BitOr, BitOrAssign};

/// The kind of an edge: a set of two meanings.
///
/// ```
/// use prewire_abi::EdgeKind;
///
/// let kind = EdgeKind::WAIT | EdgeKind::RETAIN;
/// assert_eq!(kind, EdgeKind::BOTH);
/// assert!(kind.waits() && kind.retains());
/// assert!(EdgeKind::from_bits(4).is_err());
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
pub struct EdgeKind(u8);

impl EdgeKind {
    /// No meaning: the unit of `|`.
    pub const NONE: Self = Self(0);
    /// The consumer starts after the producer has completed.
    pub const WAIT: Self = Self(1);
    /// The producer's output stays alive until the consumer has completed.
    pub const RETAIN: Self = Self(2);
    /// Both: what an edge is unless something else is said.
    pub const BOTH: Self = Self(3);

    /// Decodes the byte of a record.
    ///
    /// # Errors
    ///
    /// A bit above the two is set.
    pub const fn from_bits(bits: u8) -> Result<Self, UnknownCode> {
        if bits > 3 {
            return Err(UnknownCode {
                what: "EdgeKind",
                value: bits as i64,
                allowed: "the bits 1 (wait) and 2 (retain)",
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

    /// Whether it gates readiness.
    #[must_use]
    #[inline]
    pub const fn waits(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether it keeps the producer's output alive.
    #[must_use]
    #[inline]
    pub const fn retains(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether it means nothing.
    #[must_use]
    #[inline]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Both sets together; `|` where a constant is needed.
    #[must_use]
    #[inline]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for EdgeKind {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl BitOrAssign for EdgeKind {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Display for EdgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(["NONE", "WAIT", "RETAIN", "WAIT|RETAIN"][usize::from(self.0 & 3)])
    }
}

impl fmt::Debug for EdgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::EdgeKind;
    use alloc::string::ToString;

    #[test]
    fn two_bits_are_known() {
        for bits in 0..=u8::MAX {
            match EdgeKind::from_bits(bits) {
                Ok(kind) => assert_eq!((kind.bits(), kind.is_none()), (bits, bits == 0)),
                Err(error) => assert!(bits > 3 && error.value == i64::from(bits)),
            }
        }
        let mut kind = EdgeKind::NONE;
        kind |= EdgeKind::RETAIN;
        assert_eq!(kind.to_string(), "RETAIN");
        assert!(!kind.waits());
    }
}
