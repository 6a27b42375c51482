//! Where a find came across a region: what a record need not look for again, while the regions are the same.

use core::num::NonZeroU64;

/// Where [`find`](crate::TensorMap::find) came across the region that it was asked for. It is a hint: whatever was done to the
/// map since, [`record_at`](crate::TensorMap::record_at) of the same region does what [`record`](crate::TensorMap::record) does,
/// and is faster where the hint still holds.
///
/// Two whole words, so that it is made and kept in registers; the first is never 0, so an `Option` of it takes no more.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Bit 0 is set; what it is in two bits; and the number of its buffer or node.
    at: NonZeroU64,
    /// What the stamp of the plane was.
    stamp: u64,
}

const _: () = assert!(size_of::<Option<Place>>() == 16);

/// What a place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Unknown,
    /// It is the only region of this buffer.
    Buffer(u32),
    /// It meets no region but its own, which is this node.
    Node(u32),
    /// It meets no region.
    Clear,
}

impl Default for Place {
    /// Says nothing.
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Place {
    pub(crate) const UNKNOWN: Self = Self { at: NonZeroU64::MIN, stamp: 0 };

    #[inline]
    pub(crate) fn new(at: At, stamp: u64) -> Self {
        let (what, number) = match at {
            At::Unknown => (0, 0),
            At::Buffer(buffer) => (1, buffer),
            At::Node(node) => (2, node),
            At::Clear => (3, 0),
        };
        Self { at: NonZeroU64::MIN | u64::from(number) << 3 | what << 1, stamp }
    }

    /// The buffer of which it is the only region, in a plane that has `stamp` now.
    #[inline]
    pub(crate) fn buffer(self, stamp: u64) -> Option<u32> {
        (self.stamp == stamp && self.at.get() & 7 == 3).then_some((self.at.get() >> 3) as u32)
    }

    /// What it says of a plane that has `stamp` now.
    #[inline]
    pub(crate) fn read(self, stamp: u64) -> At {
        let number = (self.at.get() >> 3) as u32;
        if self.stamp != stamp {
            return At::Unknown;
        }
        match self.at.get() >> 1 & 3 {
            1 => At::Buffer(number),
            2 => At::Node(number),
            3 => At::Clear,
            _ => At::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_it_was_made_of_until_the_stamp_changes() {
        for at in [At::Unknown, At::Buffer(7), At::Node(u32::MAX), At::Clear] {
            let place = Place::new(at, 5);
            assert_eq!((place.read(5), place.read(6)), (at, At::Unknown));
            assert_eq!((place.buffer(5), place.buffer(6)), (matches!(at, At::Buffer(_)).then_some(7), None));
        }
        assert_eq!(Place::default().read(0), At::Unknown);
    }
}
