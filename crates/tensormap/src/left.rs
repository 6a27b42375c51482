//! Where the reads are that were left to who asked for them.
//!
//! Most memory is written once, by who makes it, and then read until it is given back: nobody ever asks who has read it. So the
//! map is not told of a read of a buffer of which it remembers nothing. Who has it on a record of its own keeps it there, and
//! [records](crate::TensorMap::record) it once somebody is about to write such a buffer.
//!
//! Invariant: [`covers`](Left::covers) holds of every buffer that a read was left of.

/// The buffers that reads were left of, and others, lie from the first of these addresses to the last.
#[derive(Debug)]
pub(crate) struct Left {
    first: u64,
    last: u64,
    /// No more are left.
    none: bool,
}

impl Left {
    pub(crate) const NONE: Self = Self { first: u64::MAX, last: 0, none: false };

    /// Whether a read of `buffer` may have been left.
    #[inline]
    pub(crate) fn covers(&self, buffer: u64) -> bool {
        self.first <= buffer && buffer <= self.last
    }

    /// Whether reads are left.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        !self.none
    }

    /// From here on no read is.
    pub(crate) fn close(&mut self) {
        self.none = true;
    }

    /// Those that were are not any more.
    pub(crate) fn clear(&mut self) {
        *self = Self { none: self.none, ..Self::NONE };
    }

    /// A read of `buffer` is left.
    #[inline]
    pub(crate) fn cover(&mut self, buffer: u64) {
        self.first = self.first.min(buffer);
        self.last = self.last.max(buffer);
    }
}
