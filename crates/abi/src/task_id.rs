//! The name of a task.

use core::fmt;
use core::mem::{align_of, size_of};

/// The name of a task: the ring it lives in and its number there. The number is never used twice in a run, so an id
/// that outlives its task is recognised as stale.
///
/// ```
/// use prewire_abi::TaskId;
///
/// let id = TaskId::new(1, 42);
/// assert_eq!((id.ring(), id.local()), (1, 42));
/// assert_eq!(id.to_string(), "1:42");
/// assert!(!TaskId::INVALID.is_valid());
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(transparent)]
pub struct TaskId(u64);

const _: () = assert!(size_of::<TaskId>() == 8 && align_of::<TaskId>() == 8);

impl TaskId {
    /// No task.
    pub const INVALID: Self = Self(u64::MAX);

    /// The task `local` of ring `ring`.
    #[must_use]
    #[inline]
    pub const fn new(ring: u32, local: u32) -> Self {
        Self((ring as u64) << 32 | local as u64)
    }

    /// From the word of a record: any word is an id.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The word that records hold.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The ring.
    #[must_use]
    #[inline]
    pub const fn ring(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The number in the ring, in the order of submission. A run may begin with any, and goes on from there without a gap.
    #[must_use]
    #[inline]
    pub const fn local(self) -> u32 {
        self.0 as u32
    }

    /// Whether it names a task at all.
    #[must_use]
    #[inline]
    pub const fn is_valid(self) -> bool {
        self.0 != Self::INVALID.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_valid() { write!(f, "{}:{}", self.ring(), self.local()) } else { f.pad("none") }
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::TaskId;
    use alloc::format;

    #[test]
    fn ring_and_number_keep_to_their_halves() {
        for (ring, local) in [(0, 0), (3, u32::MAX), (u32::MAX, 0), (1, 42)] {
            let id = TaskId::new(ring, local);
            assert_eq!((id.ring(), id.local(), id.is_valid()), (ring, local, true));
            assert_eq!(TaskId::from_raw(id.raw()), id);
        }
        assert!(!TaskId::new(u32::MAX, u32::MAX).is_valid());
    }

    #[test]
    fn it_prints_as_ring_and_number() {
        assert_eq!(format!("{:?} {}", TaskId::new(1, 42), TaskId::INVALID), "1:42 none");
    }

    #[test]
    fn the_ring_is_in_the_upper_word() {
        assert_eq!(TaskId::new(2, 7).raw(), 0x2_0000_0007);
        assert_eq!(bytemuck::bytes_of(&TaskId::new(2, 7)), &0x2_0000_0007u64.to_ne_bytes());
    }
}
