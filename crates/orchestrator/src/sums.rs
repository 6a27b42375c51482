//! What the arguments of a task come to, kept while they are added.
//!
//! Invariant: it is what the arguments are, so that no submit goes over them to find out; which of them are strided aside.

use core::ops::Range;

use prewire_abi::{TensorArgType, ValidTensor};

/// What the arguments of a task come to. Flags of all together where no number is needed: an argument sets them by one
/// instruction.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// Bytes of the heap.
    heap: u64,
    /// Tensors.
    count: u32,
    /// Those that are to be created, and the number of the first of them.
    outputs: u32,
    first_output: u32,
    /// The [kinds](ValidTensor::kind) of all tensors that exist, and in the byte that these leave free their tags, what there
    /// is besides, and how the arguments are taken.
    flags: u32,
}

/// The elements of a tensor do not lie row after row.
pub(crate) const STRIDED: u32 = ValidTensor::STRIDED;
/// A tensor that exists is written: a bit of the tags that say so, and of no other.
pub(crate) const WRITES: u32 = 1 << 17;
/// A tensor makes no edges: likewise.
pub(crate) const UNORDERED: u32 = 1 << 18;
/// A tensor is to be created and filled.
pub(crate) const INITIAL: u32 = 1 << 19;
/// Something is read beside the tensors.
pub(crate) const READS: u32 = 1 << 20;
/// There is a condition.
pub(crate) const PREDICATE: u32 = 1 << 21;
/// Tensors are kept whole.
pub(crate) const WHOLE: u32 = 1 << 22;
/// The submitter answers for its memory itself.
pub(crate) const FOREIGN: u32 = 1 << 23;

const fn flags_of(tag: TensorArgType) -> u32 {
    (tag.code() as u32) << 16 & (WRITES | UNORDERED)
}
const _: () = assert!(flags_of(TensorArgType::Input) == 0);
const _: () = assert!(flags_of(TensorArgType::InOut) == WRITES);
const _: () = assert!(flags_of(TensorArgType::OutputExisting) == WRITES);
const _: () = assert!(flags_of(TensorArgType::NoDep) == UNORDERED);

impl Sums {
    /// How many tensors.
    #[inline]
    pub(crate) const fn count(&self) -> usize {
        self.count as usize
    }

    /// How many of them are to be created.
    #[inline]
    pub(crate) const fn outputs(&self) -> usize {
        self.outputs as usize
    }

    /// The numbers of the tensors from the first that is to be created on.
    #[inline]
    pub(crate) const fn since_first_output(&self) -> Range<usize> {
        self.first_output as usize..self.count as usize
    }

    /// Bytes of the heap.
    #[inline]
    pub(crate) const fn heap(&self) -> u64 {
        self.heap
    }

    /// From here on something has these flags.
    #[inline]
    pub(crate) const fn set(&mut self, flags: u32) {
        self.flags |= flags;
    }

    /// Whether something has one of these flags.
    #[inline]
    pub(crate) const fn has(&self, flags: u32) -> bool {
        self.flags & flags != 0
    }

    /// Counts a tensor that exists, of this kind, with its tag in byte 2.
    #[inline]
    pub(crate) const fn add(&mut self, kind: u32) {
        self.count += 1;
        self.flags |= kind;
    }

    /// Counts a tensor of `bytes` that is to be created.
    #[inline]
    pub(crate) fn add_output(&mut self, bytes: u64) {
        if self.outputs == 0 {
            self.first_output = self.count;
        }
        self.count += 1;
        self.outputs += 1;
        self.heap = self.heap.saturating_add(slab(bytes));
    }
}

/// What an output of `bytes` takes of the heap: outputs start at multiples of 1024 bytes.
#[inline]
pub(crate) const fn slab(bytes: u64) -> u64 {
    bytes.saturating_add(1023) & !1023
}
