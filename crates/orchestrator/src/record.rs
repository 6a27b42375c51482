//! The argument record: the arguments of a published task, as words in its ring.
//!
//! | words | content |
//! |---|---|
//! | 0 | tensors, scalars, whether there is a predicate or a tensor that is not packed, whether they are whole; and which of them are left to it |
//! | 3 | the predicate: address, operator and dtype, target |
//! | 4 or 7 a tensor | address of the first element; dtype, dimensions, tag; shape; and strides, unless it is packed |
//! | 12 a tensor | instead, where tensors are whole: all of the tensor; its tag is in the last word, which has room |
//! | 1 a scalar | its bits |
//!
//! It is as long as the arguments, not a fixed record: four packed inputs and an output are 21 words, and no arguments
//! are none. [`store`](crate::write::store) writes it.

use core::iter;

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
/// Of word 0: from this bit on, one for each tensor of which the tensor map was not told that it is read.
pub(crate) const LEFT_SHIFT: u32 = 35;

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

/// The first words of a tensor argument whose elements lie row after row: all that a view of it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedArg([u64; PACKED_WORDS as usize]);

impl PackedArg {
    /// The address of the first element.
    #[must_use]
    #[inline]
    pub const fn addr(&self) -> u64 {
        self.0[0]
    }

    #[inline]
    const fn kind(&self) -> u32 {
        self.0[1] as u32
    }

    /// Whether the task only reads it.
    #[must_use]
    #[inline]
    pub const fn is_input(&self) -> bool {
        self.kind() >> 16 & 0xFF == TensorArgType::Input as u32
    }

    /// How many dimensions there are.
    #[must_use]
    #[inline]
    pub const fn ndims(&self) -> usize {
        (self.kind() >> 8 & 0xFF) as usize
    }

    /// Elements by dimension, 0 past the last.
    #[must_use]
    #[inline]
    pub const fn shape(&self) -> [u32; MAX_TENSOR_DIMS] {
        let [_, w1, w2, w3] = self.0;
        shape_of(w1, w2, w3)
    }
}

const fn shape_of(w1: u64, w2: u64, w3: u64) -> [u32; MAX_TENSOR_DIMS] {
    [(w1 >> 32) as u32, w2 as u32, (w2 >> 32) as u32, w3 as u32, (w3 >> 32) as u32]
}

/// The arguments of a published task, read in place: no word before somebody asks. Valid while the task is not complete.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a>(ArgTable<'a>);

impl<'a> Record<'a> {
    /// Of so many tensors, the first ones, it can be left to a record that they are read.
    pub(crate) const LEAVES: usize = (u64::BITS - LEFT_SHIFT) as usize;

    /// The arguments of the task in `slot`.
    #[must_use]
    #[inline]
    pub fn of(rings: &'a Rings, slot: SlotRef) -> Self {
        Self(rings.arg_table(slot))
    }

    #[inline]
    fn word(&self, at: u32) -> u64 {
        self.0.word(at)
    }

    #[inline]
    fn header(&self) -> u64 {
        self.0.word(0)
    }

    /// How many tensors there are.
    #[must_use]
    #[inline]
    pub fn tensors(&self) -> usize {
        (self.header() & 0xFFFF) as usize
    }

    /// How many scalars there are.
    #[must_use]
    #[inline]
    pub fn scalars(&self) -> usize {
        (self.header() >> 16 & 0xFFFF) as usize
    }

    /// The condition for running, if there is one.
    #[must_use]
    pub fn predicate(&self) -> Option<Predicate> {
        if self.header() & PREDICATE == 0 {
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
        self.header() & PREDICATE != 0 && self.word(2) & RAW_PREDICATE != 0
    }

    /// Where the words of tensor `i` begin, if `header` is that of the record; of one more than there are, those of the
    /// scalars.
    #[inline(always)]
    fn start_of(&self, header: u64, i: usize) -> u32 {
        if header & (PREDICATE | UNEVEN) == 0 {
            1 + PACKED_WORDS * i as u32
        } else {
            self.start_behind(header, i)
        }
    }

    /// As `start_of`, where there is more before it than packed tensors.
    #[inline(never)]
    fn start_behind(self, header: u64, i: usize) -> u32 {
        let first = if header & PREDICATE == 0 { 1 } else { 1 + PREDICATE_WORDS };
        if header & UNEVEN == 0 {
            first + PACKED_WORDS * i as u32
        } else if header & WHOLE != 0 {
            first + WHOLE_WORDS * i as u32
        } else {
            (0..i).fold(first, |start, _| self.after(header, start))
        }
    }

    fn after(&self, header: u64, start: u32) -> u32 {
        if header & WHOLE != 0 {
            return start + WHOLE_WORDS;
        }
        start + if self.word(start + 1) as u32 & STRIDED == 0 { PACKED_WORDS } else { STRIDED_WORDS }
    }

    /// Tensor `i`, if its elements are of type `dtype` and lie row after row, and tensors are not
    /// [whole](crate::Args::keep_whole).
    #[must_use]
    #[inline(always)]
    pub fn packed(&self, i: usize, dtype: DataType) -> Option<PackedArg> {
        let header = self.header();
        if i >= (header & 0xFFFF) as usize {
            return None;
        }
        let start = match header & (PREDICATE | UNEVEN) {
            0 => 1 + PACKED_WORDS * i as u32,
            _ if header & WHOLE != 0 => return None,
            _ => self.start_behind(header, i),
        };
        let words = self.0.words(start);
        if words[1] as u32 & (0xFF | STRIDED) == dtype as u32 { Some(PackedArg(words)) } else { None }
    }

    /// Tensor `i`.
    #[must_use]
    pub fn tensor(&self, i: usize) -> Option<ArgTensor> {
        let header = self.header();
        if i >= (header & 0xFFFF) as usize { None } else { self.tensor_at(header, self.start_of(header, i)) }
    }

    /// The tensor whose words begin at `start`.
    fn tensor_at(&self, header: u64, start: u32) -> Option<ArgTensor> {
        if header & WHOLE == 0 {
            return self.brief_at(start);
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

    /// Tensor `i` as the record that was submitted, where tensors are [whole](crate::Args::keep_whole); else a record of the same
    /// elements, whose buffer ends with the last of them.
    #[must_use]
    pub fn chip_tensor(&self, i: usize) -> Option<ChipTensor> {
        let header = self.header();
        if i < (header & 0xFFFF) as usize && header & WHOLE != 0 {
            return Some(self.whole_at(self.start_of(header, i)).0);
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
        let (record, header) = (*self, self.header());
        let mut start = record.start_of(header, 0);
        (0..self.tensors()).filter_map(move |_| {
            let tensor = record.tensor_at(header, start);
            start = record.after(header, start);
            tensor
        })
    }

    /// The scalars as bits, one after the other.
    pub fn scalar_words(&self) -> impl Iterator<Item = u64> + use<'a> {
        let record = *self;
        let start = self.start_of(self.header(), self.tensors());
        (start..start + self.scalars() as u32).map(move |at| record.word(at))
    }

    /// What the tensor map was not told of: all of the buffer at an address is read, and has so many bytes.
    #[inline]
    pub(crate) fn left(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let (record, header) = (*self, self.header());
        let mut rest = header >> LEFT_SHIFT;
        iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let tensor = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(record.whole_buffer(header, tensor))
        })
    }

    /// The address and the bytes of tensor `i`, which is all of its buffer.
    #[inline]
    fn whole_buffer(&self, header: u64, i: usize) -> (u64, u64) {
        let start = self.start_of(header, i);
        if header & WHOLE != 0 {
            let (tensor, _) = self.whole_at(start);
            return (tensor.buffer_addr(), tensor.buffer_size());
        }
        let [addr, w1, w2, w3] = self.0.words(start);
        let (kind, shape) = (w1 as u32, shape_of(w1, w2, w3));
        let ndims = (kind >> 8 & 0xFF) as usize;
        let elements: u64 = shape.iter().take(ndims).copied().map(u64::from).product();
        (addr, elements * DataType::try_from(kind as u8).map_or(0, |dtype| u64::from(dtype.size())))
    }

    /// The tensor that is not whole and whose words begin at `start`.
    fn brief_at(&self, start: u32) -> Option<ArgTensor> {
        let [addr, w1, w2, w3] = self.0.words(start);
        let (kind, shape) = (w1 as u32, shape_of(w1, w2, w3));
        let ndims = ((kind >> 8 & 0xFF) as usize).min(MAX_TENSOR_DIMS);
        let packed = kind & STRIDED == 0;
        let strides = if packed {
            packed_strides(&shape[..ndims])
        } else {
            let [s0, s1, s2] = self.0.words(start + PACKED_WORDS);
            [s0 as u32, (s0 >> 32) as u32, s1 as u32, (s1 >> 32) as u32, s2 as u32]
        };
        Some(ArgTensor {
            addr,
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
        let header = self.header();
        if i >= (header >> 16 & 0xFFFF) as usize {
            return None;
        }
        Some(self.word(self.start_of(header, (header & 0xFFFF) as usize) + i as u32))
    }
}

/// The strides of a tensor of this shape whose elements lie row after row, 0 past its dimensions.
#[must_use]
pub fn packed_strides(shape: &[u32]) -> [u32; MAX_TENSOR_DIMS] {
    let (mut strides, mut step) = ([0; MAX_TENSOR_DIMS], 1u32);
    for (stride, &n) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.wrapping_mul(n.max(1));
    }
    strides
}
