//! The argument record: the arguments of a published task, as words in its ring.
//!
//! | words | content |
//! |---|---|
//! | 0 | tensors, scalars, whether there is a predicate, whether a tensor is not packed, and whether tensors are whole |
//! | 3 | the predicate: address, operator and dtype, target |
//! | 4 or 7 a tensor | address of the first element; dtype, dimensions, tag; shape; and strides, unless it is packed |
//! | 12 a tensor | instead, where tensors are whole: all of the tensor; its tag is in the last word, which has room |
//! | 1 a scalar | its bits |
//!
//! It is as long as the arguments, not a fixed record: four packed inputs and an output are 21 words, and no arguments
//! are none. [`store`](crate::write::store) writes it.

use prewire_abi::{ChipTensor, DataType, MAX_TENSOR_DIMS, PredicateOp, TensorArgType, ValidTensor};
use prewire_ring::{ArgTable, Rings, SlotRef};

use crate::args::Predicate;

pub(crate) const PREDICATE_WORDS: u32 = 3;
pub(crate) const PACKED_WORDS: u32 = 4;
pub(crate) const STRIDED_WORDS: u32 = 7;
pub(crate) const WHOLE_WORDS: u32 = ChipTensor::WORDS as u32;
/// In a tensor's kind: its strides follow.
const STRIDED: u32 = ValidTensor::STRIDED;
/// Of word 0: there is a predicate.
pub(crate) const PREDICATE: u64 = 1 << 32;
/// Of word 0: not every tensor takes as many words as a packed one.
pub(crate) const UNEVEN: u64 = 1 << 33;
/// Of word 0, beside `UNEVEN`: every tensor is whole.
pub(crate) const WHOLE: u64 = 1 << 34;

/// Where the last word of a whole tensor has its tag: in the half that the tensor leaves free.
pub(crate) const TAG_SHIFT: u32 = if cfg!(target_endian = "little") { 32 } else { 0 };
/// Of the kind of a predicate: its address is the submitter's word.
pub(crate) const RAW_PREDICATE: u64 = 1 << 16;

/// A tensor argument of a published task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgTensor {
    /// The address of the first element.
    pub addr: u64,
    /// What the elements are.
    pub dtype: DataType,
    /// What the task does with it.
    pub tag: TensorArgType,
    /// How many dimensions there are.
    pub ndims: usize,
    /// Elements by dimension.
    pub shape: [u32; MAX_TENSOR_DIMS],
    /// Elements from one to the next, by dimension.
    pub strides: [u32; MAX_TENSOR_DIMS],
    /// Whether the elements lie row after row without gaps.
    pub packed: bool,
}

/// The arguments of a published task, read in place. Valid while the task is not complete.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    words: ArgTable<'a>,
    header: u64,
}

impl<'a> Record<'a> {
    /// The arguments of the task in `slot`.
    #[must_use]
    #[inline]
    pub fn of(rings: &'a Rings, slot: SlotRef) -> Self {
        let words = rings.arg_table(slot);
        Self { words, header: if rings.has_args(slot) { words.word(0) } else { 0 } }
    }

    #[inline]
    fn word(&self, at: u32) -> u64 {
        self.words.word(at)
    }

    /// How many tensors there are.
    #[must_use]
    pub const fn tensors(&self) -> usize {
        (self.header & 0xFFFF) as usize
    }

    /// How many scalars there are.
    #[must_use]
    pub const fn scalars(&self) -> usize {
        (self.header >> 16 & 0xFFFF) as usize
    }

    /// The condition for running, if there is one.
    #[must_use]
    pub fn predicate(&self) -> Option<Predicate> {
        if self.header & PREDICATE == 0 {
            return None;
        }
        let kind = self.word(2);
        Some(Predicate {
            addr: self.word(1),
            dtype: DataType::try_from((kind >> 8) as u8).ok()?,
            op: PredicateOp::try_from(kind as u8).ok()?,
            target: self.word(3) as i64,
        })
    }

    /// Whether the address of the condition is nothing but its submitter's word: no tensor of the task or of the chip
    /// stands for it.
    #[must_use]
    pub fn has_raw_predicate(&self) -> bool {
        self.header & PREDICATE != 0 && self.word(2) & RAW_PREDICATE != 0
    }

    /// Where the words of tensor `i` begin; of one more than there are, those of the scalars.
    #[inline]
    fn start_of(&self, i: usize) -> u32 {
        let first = if self.header & PREDICATE == 0 { 1 } else { 1 + PREDICATE_WORDS };
        if self.header & UNEVEN == 0 {
            return first + PACKED_WORDS * i as u32;
        }
        if self.header & WHOLE != 0 {
            return first + WHOLE_WORDS * i as u32;
        }
        (0..i).fold(first, |start, _| self.after(start))
    }

    fn after(&self, start: u32) -> u32 {
        if self.header & WHOLE != 0 {
            return start + WHOLE_WORDS;
        }
        start + if self.word(start + 1) as u32 & STRIDED == 0 { PACKED_WORDS } else { STRIDED_WORDS }
    }

    /// Tensor `i`.
    #[must_use]
    #[inline]
    pub fn tensor(&self, i: usize) -> Option<ArgTensor> {
        if i >= self.tensors() {
            return None;
        }
        if self.header & UNEVEN != 0 {
            return self.uneven(self.start_of(i));
        }
        self.tensor_at(self.start_of(i))
    }

    /// The tensor whose words begin at `start`, where they are not all packed ones.
    fn uneven(&self, start: u32) -> Option<ArgTensor> {
        if self.header & WHOLE == 0 {
            return self.tensor_at(start);
        }
        let (tensor, tag) = self.whole_at(start);
        let (mut shape, mut strides) = ([0; MAX_TENSOR_DIMS], [0; MAX_TENSOR_DIMS]);
        let ndims = tensor.shape().len();
        shape[..ndims].copy_from_slice(tensor.shape());
        strides[..ndims].copy_from_slice(tensor.strides());
        Some(ArgTensor {
            addr: tensor.start_addr(),
            dtype: tensor.dtype().ok()?,
            tag: TensorArgType::try_from(tag).ok()?,
            ndims,
            shape,
            strides,
            packed: tensor.is_contiguous(),
        })
    }

    fn whole_at(&self, start: u32) -> (ChipTensor, i32) {
        let words: [u64; ChipTensor::WORDS] = core::array::from_fn(|at| self.word(start + at as u32));
        let tag = (words[ChipTensor::WORDS - 1] >> TAG_SHIFT) & 0xFF;
        (ChipTensor::from_words(words), tag as i32)
    }

    /// Tensor `i` as the record that was submitted, where tensors are [whole](Args::keep_whole); else a record of the same
    /// elements, whose buffer ends with the last of them.
    #[must_use]
    pub fn chip_tensor(&self, i: usize) -> Option<ChipTensor> {
        if i >= self.tensors() {
            return None;
        }
        if self.header & WHOLE != 0 {
            return Some(self.whole_at(self.start_of(i)).0);
        }
        let ArgTensor { addr, dtype, ndims, shape, strides, packed, .. } = self.tensor(i)?;
        let made = if packed {
            ChipTensor::contiguous(addr, &shape[..ndims], dtype)
        } else {
            ChipTensor::strided(addr, &shape[..ndims], &strides[..ndims], dtype)
        };
        made.ok()
    }

    /// The tensors, one after the other.
    pub fn tensor_args(&self) -> impl Iterator<Item = ArgTensor> + use<'a> {
        let (record, mut start) = (*self, self.start_of(0));
        (0..self.tensors()).filter_map(move |_| {
            let tensor = record.uneven(start);
            start = record.after(start);
            tensor
        })
    }

    /// The scalars as bits, one after the other.
    pub fn scalar_words(&self) -> impl Iterator<Item = u64> + use<'a> {
        let record = *self;
        let start = self.start_of(self.tensors());
        (start..start + self.scalars() as u32).map(move |at| record.word(at))
    }

    /// The tensor whose words begin at `start`.
    #[inline]
    fn tensor_at(&self, start: u32) -> Option<ArgTensor> {
        let (w1, w2, w3) = (self.word(start + 1), self.word(start + 2), self.word(start + 3));
        let kind = w1 as u32;
        let shape = [(w1 >> 32) as u32, w2 as u32, (w2 >> 32) as u32, w3 as u32, (w3 >> 32) as u32];
        let ndims = ((kind >> 8 & 0xFF) as usize).min(MAX_TENSOR_DIMS);
        let packed = kind & STRIDED == 0;
        let strides = if packed {
            let mut strides = [0; MAX_TENSOR_DIMS];
            let mut step = 1u32;
            for dim in (0..ndims).rev() {
                strides[dim] = step;
                step = step.wrapping_mul(shape[dim].max(1));
            }
            strides
        } else {
            let (s0, s1, s2) = (self.word(start + 4), self.word(start + 5), self.word(start + 6));
            [s0 as u32, (s0 >> 32) as u32, s1 as u32, (s1 >> 32) as u32, s2 as u32]
        };
        Some(ArgTensor {
            addr: self.word(start),
            dtype: DataType::try_from(kind as u8).ok()?,
            tag: TensorArgType::try_from((kind >> 16 & 0xFF) as i32).ok()?,
            ndims,
            shape,
            strides,
            packed,
        })
    }

    /// Scalar `i`, as bits.
    #[must_use]
    #[inline]
    pub fn scalar(&self, i: usize) -> Option<u64> {
        if i >= self.scalars() {
            return None;
        }
        Some(self.word(self.start_of(self.tensors()) + i as u32))
    }
}
