//! How large the rings are.

use core::fmt;

use crate::heap::Heap;
use crate::ring::RING_COUNT;

/// The capacities of the four rings, by scope depth: ring `min(depth, 3)`.
///
/// ```
/// let sizes = prewire_ring::RingSizes::default().with_window(4).with_heap(1 << 20);
/// assert_eq!((sizes.window[3], sizes.heap[0]), (4, 1 << 20));
/// assert!(sizes.with_window(3).validate().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingSizes {
    /// Slots; a power of two from 4 to 2^24. One less than that many tasks are alive at a time.
    pub window: [u32; RING_COUNT],
    /// Bytes of the heap of outputs; at least 1024, rounded up to a multiple of it.
    pub heap: [u64; RING_COUNT],
    /// Dep entries: the edges of live tasks; 4 to 2^29.
    pub deps: [u32; RING_COUNT],
    /// Entries of the tensor map: recorded reads and writes of live tasks; at least 64. A read of all of a buffer of which
    /// nothing else is recorded takes one only when something is written that may be that buffer.
    pub tensor_map: u32,
    /// Words for the arguments of each slot of a window, on average: 32 to 1024. A packed tensor takes 4, one that a kernel
    /// of a library is to see whole 12, a scalar 1, a task 1. What is not used costs nothing.
    pub args: u32,
}

impl Default for RingSizes {
    /// 16384 slots, 256 MiB, 16384 edges a ring, 65536 recorded accesses, 32 words of arguments a slot.
    fn default() -> Self {
        Self {
            window: [16384; RING_COUNT],
            heap: [256 << 20; RING_COUNT],
            deps: [16384; RING_COUNT],
            tensor_map: 65536,
            args: Self::FEWEST_ARGS,
        }
    }
}

impl RingSizes {
    /// The fewest words of arguments a slot: six packed tensors and some scalars.
    pub(crate) const FEWEST_ARGS: u32 = 32;

    /// The smallest that are legal: window 4, heap 1024 bytes, 4 edges, 64 accesses, 32 words of arguments.
    #[must_use]
    pub const fn smallest() -> Self {
        Self {
            window: [4; RING_COUNT],
            heap: [Heap::ALIGN; RING_COUNT],
            deps: [4; RING_COUNT],
            tensor_map: 64,
            args: Self::FEWEST_ARGS,
        }
    }

    /// With this window for every ring.
    #[must_use]
    pub const fn with_window(mut self, slots: u32) -> Self {
        self.window = [slots; RING_COUNT];
        self
    }

    /// With this heap, in bytes, for every ring.
    #[must_use]
    pub const fn with_heap(mut self, bytes: u64) -> Self {
        self.heap = [bytes; RING_COUNT];
        self
    }

    /// With this many dep entries for every ring.
    #[must_use]
    pub const fn with_deps(mut self, entries: u32) -> Self {
        self.deps = [entries; RING_COUNT];
        self
    }

    /// With this many tensor-map entries.
    #[must_use]
    pub const fn with_tensor_map(mut self, entries: u32) -> Self {
        self.tensor_map = entries;
        self
    }

    /// With this many words of arguments a slot, for every ring.
    #[must_use]
    pub const fn with_args(mut self, words: u32) -> Self {
        self.args = words;
        self
    }

    /// The words of the argument ring that goes with a window: enough for its tasks at as many words each, and always for
    /// two tasks with as many arguments as an argument record can name. A model makes them all anew for each
    /// interleaving, so there are few of them there.
    pub(crate) const fn args_words(&self, window: u32) -> u32 {
        if cfg!(prewire_loom) {
            return window.saturating_mul(4);
        }
        if cfg!(prewire_shuttle) {
            return window.saturating_mul(16);
        }
        let words = window.saturating_mul(self.args);
        if words < 8192 { 8192 } else { words }
    }

    /// The length of the table that the argument words are in.
    pub(crate) const fn args_len(&self, window: u32) -> u32 {
        let words = self.args_words(window);
        if words > 1 << 31 { 1 << 31 } else { words.next_power_of_two() }
    }

    /// Whether the numbers are legal.
    ///
    /// # Errors
    ///
    /// The first number that is not, with its range.
    pub fn validate(&self) -> Result<(), SizeError> {
        let check = |field, ring, observed: u64, allowed: (u64, u64), power: bool| {
            let ok = observed >= allowed.0 && observed <= allowed.1 && (!power || observed.is_power_of_two());
            if ok { Ok(()) } else { Err(SizeError { field, ring, observed, allowed, power_of_two: power }) }
        };
        for ring in 0..RING_COUNT {
            check("window", Some(ring), u64::from(self.window[ring]), (4, 1 << 24), true)?;
            check("heap", Some(ring), self.heap[ring], (Heap::ALIGN, 1 << 46), false)?;
            check("deps", Some(ring), u64::from(self.deps[ring]), (4, 1 << 29), false)?;
        }
        check("args", None, u64::from(self.args), (Self::FEWEST_ARGS.into(), 1024), false)?;
        check("tensor_map", None, u64::from(self.tensor_map), (64, 1 << 28), false)
    }
}

/// A size that is not legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeError {
    /// The field of [`RingSizes`].
    pub field: &'static str,
    /// Which ring, where there is one for each.
    pub ring: Option<usize>,
    /// What was asked for.
    pub observed: u64,
    /// The smallest and the largest that are legal.
    pub allowed: (u64, u64),
    /// Whether it must be a power of two.
    pub power_of_two: bool,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RingSizes::{}", self.field)?;
        if let Some(ring) = self.ring {
            write!(f, "[{ring}]")?;
        }
        write!(f, " is {}, but must be ", self.observed)?;
        if self.power_of_two {
            f.write_str("a power of two ")?;
        }
        write!(f, "from {} to {}", self.allowed.0, self.allowed.1)
    }
}

impl core::error::Error for SizeError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_message_names_the_field_and_the_range() {
        let mut sizes = RingSizes::default();
        sizes.window[2] = 100;
        let error = sizes.validate().unwrap_err();
        assert_eq!(
            error.to_string(),
            "RingSizes::window[2] is 100, but must be a power of two from 4 to 16777216"
        );
        let error = RingSizes::default().with_tensor_map(0).validate().unwrap_err();
        assert_eq!(error.to_string(), "RingSizes::tensor_map is 0, but must be from 64 to 268435456");
        let error = RingSizes::default().with_args(2000).validate().unwrap_err();
        assert_eq!(error.to_string(), "RingSizes::args is 2000, but must be from 32 to 1024");
    }

    #[test]
    fn the_smallest_and_the_default_are_legal() {
        RingSizes::smallest().validate().unwrap();
        RingSizes::default().validate().unwrap();
    }
}
