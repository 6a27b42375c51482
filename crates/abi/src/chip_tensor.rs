//! The tensor that kernels and orchestrations see: an absolute address and a view on it.

mod fmt;
mod view;

use crate::geometry::{self, Measure};
use crate::valid;
use crate::{AddressSpace, DataType, MAX_TENSOR_DIMS, TaskId, TensorError};
use core::mem::{align_of, offset_of, size_of};
use core::ops::Range;

/// A strided view on a buffer of the chip. 128 bytes, aligned to 64.
///
/// The record is plain: any 128 bytes are one. What the constructors and the views return is valid; what arrived
/// from outside is checked by [`validate`](ChipTensor::validate). No getter panics or overflows on any bytes.
///
/// ```
/// use prewire_abi::{ChipTensor, DataType};
///
/// let matrix = ChipTensor::contiguous(0x1000, &[4, 8], DataType::F32)?;
/// assert_eq!((matrix.shape(), matrix.strides()), (&[4, 8][..], &[8, 1][..]));
///
/// let tile = matrix.view(&[2, 4], &[1, 4])?;
/// assert_eq!(tile.start_addr(), 0x1000 + (8 + 4) * 4);
/// assert_eq!(tile.byte_range(), 48..48 + (8 + 4) * 4);
/// assert!(!tile.is_contiguous());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(
    Clone,
    Copy,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C, align(64))]
pub struct ChipTensor {
    buffer_addr: u64,
    buffer_size: u64,
    owner_task_id: TaskId,
    start_offset: u64,
    version: i32,
    ndims: u32,
    dtype: u8,
    manual_dep: u8,
    is_contiguous: u8,
    address_space: u8,
    shapes: [u32; MAX_TENSOR_DIMS],
    extent: u64,
    strides: [u32; MAX_TENSOR_DIMS],
    /// Padding, in which a [`ValidTensor`](crate::ValidTensor) keeps what follows from the rest. In any other record
    /// it may be anything, as in a copy of one that was changed since, and means nothing.
    known: u32,
    pad: [u32; 8],
}

const _: () = assert!(size_of::<ChipTensor>() == 128 && align_of::<ChipTensor>() == 64);
const _: () = assert!(offset_of!(ChipTensor, buffer_addr) == 0);
const _: () = assert!(offset_of!(ChipTensor, buffer_size) == 8);
const _: () = assert!(offset_of!(ChipTensor, owner_task_id) == 16);
const _: () = assert!(offset_of!(ChipTensor, start_offset) == 24);
const _: () = assert!(offset_of!(ChipTensor, version) == 32);
const _: () = assert!(offset_of!(ChipTensor, ndims) == 36);
const _: () = assert!(offset_of!(ChipTensor, dtype) == 40);
const _: () = assert!(offset_of!(ChipTensor, manual_dep) == 41);
const _: () = assert!(offset_of!(ChipTensor, is_contiguous) == 42);
const _: () = assert!(offset_of!(ChipTensor, address_space) == 43);
const _: () = assert!(offset_of!(ChipTensor, shapes) == 44);
const _: () = assert!(offset_of!(ChipTensor, extent) == 64);
const _: () = assert!(offset_of!(ChipTensor, strides) == 72);
const _: () = assert!(offset_of!(ChipTensor, known) == 92);
const _: () = assert!(offset_of!(ChipTensor, pad) == 96);

/// What the last of the words has of the record: a stride, and then there is padding.
const LAST_WORD: u64 = if cfg!(target_endian = "little") { 0xFFFF_FFFF } else { 0xFFFF_FFFF << 32 };

impl ChipTensor {
    /// How many words [`words`](ChipTensor::words) are.
    pub const WORDS: usize = 12;

    /// Everything in the record but its padding, as words: the upper half of the last one is 0.
    ///
    /// ```
    /// use prewire_abi::{ChipTensor, DataType};
    ///
    /// let tensor = ChipTensor::strided(0x1000, &[4, 8], &[16, 2], DataType::F32)?;
    /// assert_eq!(ChipTensor::from_words(tensor.words()).words(), tensor.words());
    /// assert_eq!(tensor.words()[11] >> 32, 0);
    /// # Ok::<(), prewire_abi::TensorError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let all: &[u64; 16] = bytemuck::cast_ref(self);
        let mut words = [0; Self::WORDS];
        words.copy_from_slice(&all[..Self::WORDS]);
        words[Self::WORDS - 1] &= LAST_WORD;
        words
    }

    /// The record of which `words` are those. Whatever the words, it is one; the upper half of the last is ignored.
    #[must_use]
    #[inline]
    pub fn from_words(words: [u64; Self::WORDS]) -> Self {
        let mut all = [0u64; 16];
        all[..Self::WORDS].copy_from_slice(&words);
        all[Self::WORDS - 1] &= LAST_WORD;
        bytemuck::cast(all)
    }

    /// A tensor over the whole of a buffer at `addr`, its elements row after row. No task owns it, and it is in
    /// host space.
    ///
    /// # Errors
    ///
    /// 0 or more than 5 dimensions; a stride above 32 bits; bytes above 64 bits, or past the end of the address
    /// space.
    #[inline]
    pub fn contiguous(addr: u64, shape: &[u32], dtype: DataType) -> Result<Self, TensorError> {
        geometry::rank(shape.len())?;
        let (strides, numel) = geometry::pack(shape)?;
        Self::whole(
            addr,
            shape.len(),
            geometry::padded(shape),
            strides,
            dtype,
            Measure { numel, extent: numel, packed: true },
        )
    }

    /// A tensor at `addr` with `strides` in elements; the buffer ends with its last element.
    ///
    /// # Errors
    ///
    /// As [`contiguous`](ChipTensor::contiguous); and lengths that differ, or a stride of 0.
    #[inline]
    pub fn strided(addr: u64, shape: &[u32], strides: &[u32], dtype: DataType) -> Result<Self, TensorError> {
        if shape.len() != strides.len() {
            return Err(TensorError::RankMismatch { shape: shape.len(), strides: strides.len() });
        }
        if let Some(dim) = strides.iter().position(|&s| s == 0) {
            return Err(TensorError::Stride { dim, stride: 0 });
        }
        let measure = geometry::measure(shape, strides)?;
        Self::whole(addr, shape.len(), geometry::padded(shape), geometry::padded(strides), dtype, measure)
    }

    /// A tensor over the whole of a buffer that is as long as it reaches.
    #[inline]
    fn whole(
        addr: u64,
        ndims: usize,
        shapes: [u32; MAX_TENSOR_DIMS],
        strides: [u32; MAX_TENSOR_DIMS],
        dtype: DataType,
        Measure { extent, packed, .. }: Measure,
    ) -> Result<Self, TensorError> {
        let size = geometry::bytes(extent, dtype)?;
        addr.checked_add(size).ok_or(TensorError::AddressOverflow { addr, size })?;
        Ok(Self {
            buffer_addr: addr,
            buffer_size: size,
            owner_task_id: TaskId::INVALID,
            start_offset: 0,
            version: 0,
            ndims: ndims as u32,
            dtype: dtype.code(),
            manual_dep: 0,
            is_contiguous: u8::from(packed),
            address_space: AddressSpace::Host.code(),
            shapes,
            extent,
            strides,
            known: 0,
            pad: [0; 8],
        })
    }

    /// A view that starts `start_offset` elements into a buffer of `size` bytes at `addr`.
    ///
    /// # Errors
    ///
    /// As [`strided`](ChipTensor::strided); and a view that reaches past the end of the buffer.
    pub fn in_buffer(
        addr: u64,
        size: u64,
        start_offset: u64,
        shape: &[u32],
        strides: &[u32],
        dtype: DataType,
    ) -> Result<Self, TensorError> {
        let tensor = Self { buffer_size: size, start_offset, ..Self::strided(addr, shape, strides, dtype)? };
        tensor.validate()?;
        Ok(tensor)
    }

    /// The same, owned by `task`: the task whose output it is.
    #[must_use]
    #[inline]
    pub fn with_owner(mut self, task: TaskId) -> Self {
        self.owner_task_id = task;
        self
    }

    /// The same, with the choice whether its creator sees to dependencies: `true` skips hazards for it.
    #[must_use]
    #[inline]
    pub fn with_manual_dep(mut self, manual: bool) -> Self {
        self.manual_dep = u8::from(manual);
        self
    }

    /// The same, as this version of the buffer's content.
    #[must_use]
    #[inline]
    pub fn with_version(mut self, version: i32) -> Self {
        self.version = version;
        self
    }

    /// The same, in `space`.
    #[must_use]
    #[inline]
    pub fn with_address_space(mut self, space: AddressSpace) -> Self {
        self.address_space = space.code();
        self
    }

    /// The same view of a buffer at another address: what a process does with a tensor whose buffer it maps itself.
    #[must_use]
    #[inline]
    pub fn with_buffer_addr(mut self, addr: u64) -> Self {
        self.buffer_addr = addr;
        self
    }

    /// Address of the buffer, not of the view.
    #[must_use]
    #[inline]
    pub fn buffer_addr(&self) -> u64 {
        self.buffer_addr
    }

    /// Bytes of the buffer.
    #[must_use]
    #[inline]
    pub fn buffer_size(&self) -> u64 {
        self.buffer_size
    }

    /// The task whose output it is, or [`TaskId::INVALID`].
    #[must_use]
    #[inline]
    pub fn owner_task_id(&self) -> TaskId {
        self.owner_task_id
    }

    /// Where the view starts in the buffer, in elements.
    #[must_use]
    #[inline]
    pub fn start_offset(&self) -> u64 {
        self.start_offset
    }

    /// Address of the first element. Exact for a valid tensor that has elements; it wraps otherwise.
    #[must_use]
    #[inline]
    pub fn start_addr(&self) -> u64 {
        if self.start_offset == 0 {
            return self.buffer_addr;
        }
        self.buffer_addr.wrapping_add(self.start_offset.wrapping_mul(u64::from(self.element_size())))
    }

    /// The version of the buffer's content that its creator counts.
    #[must_use]
    #[inline]
    pub fn version(&self) -> i32 {
        self.version
    }

    /// How many dimensions: 1 to 5 in a valid tensor; never above 5.
    #[must_use]
    #[inline]
    pub fn ndims(&self) -> usize {
        (self.ndims as usize).min(MAX_TENSOR_DIMS)
    }

    /// Elements in each dimension; `ndims` numbers.
    #[must_use]
    #[inline]
    pub fn shape(&self) -> &[u32] {
        &self.shapes[..self.ndims()]
    }

    /// Elements from one index to the next in each dimension; `ndims` numbers.
    #[must_use]
    #[inline]
    pub fn strides(&self) -> &[u32] {
        &self.strides[..self.ndims()]
    }

    /// The element type.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    #[inline]
    pub fn dtype(&self) -> Result<DataType, TensorError> {
        Ok(DataType::try_from(self.dtype)?)
    }

    /// Bytes of one element; 0 of an unknown type.
    #[must_use]
    #[inline]
    pub fn element_size(&self) -> u32 {
        DataType::try_from(self.dtype).map_or(0, DataType::size)
    }

    /// How many elements; `u64::MAX` where they are more, which no valid tensor has.
    #[must_use]
    #[inline]
    pub fn numel(&self) -> u64 {
        geometry::numel(self.shape()).unwrap_or(u64::MAX)
    }

    /// Whether it has no element.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.shape().contains(&0)
    }

    /// Elements from the first to the last one touched, both included; 0 for an empty tensor. Of a contiguous
    /// tensor it is [`numel`](ChipTensor::numel), of any other what the record carries.
    #[must_use]
    #[inline]
    pub fn extent(&self) -> u64 {
        if self.is_contiguous() { self.numel() } else { self.extent }
    }

    /// The bytes touched, from the start of the buffer; the end saturates. Empty for an empty tensor.
    #[must_use]
    #[inline]
    pub fn byte_range(&self) -> Range<u64> {
        let size = u64::from(self.element_size());
        let start = self.start_offset.saturating_mul(size);
        start..start.saturating_add(self.extent().saturating_mul(size))
    }

    /// Whether the record says that its strides are those that its shape implies, so that its elements lie row
    /// after row.
    #[must_use]
    #[inline]
    pub fn is_contiguous(&self) -> bool {
        self.is_contiguous != 0
    }

    /// Whether it is all of its buffer: contiguous, from the first byte to the last. Told from what the record carries,
    /// so a contiguous tensor with an extent of more than 32 bits may not be known to be.
    #[must_use]
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.is_contiguous()
            && self.start_offset == 0
            && self.extent.checked_mul(u64::from(self.element_size())) == Some(self.buffer_size)
    }

    /// Whether its creator sees to dependencies.
    #[must_use]
    #[inline]
    pub fn is_manual_dep(&self) -> bool {
        self.manual_dep != 0
    }

    /// Whose address [`buffer_addr`](ChipTensor::buffer_addr) is.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    pub fn address_space(&self) -> Result<AddressSpace, TensorError> {
        Ok(AddressSpace::try_from(self.address_space)?)
    }

    /// Checks a tensor that arrived from outside. After it, every index inside the shape is inside the buffer.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: dimensions, element type, flags, a stride of 0, elements above 64 bits, an
    /// extent that is not that of shape and strides, a tensor that only claims to be contiguous, a buffer past the
    /// end of the address space, a view past the end of the buffer.
    ///
    /// Three things that other makers of this record do are let through, since none of them reaches a byte that it
    /// should not: an empty tensor may start anywhere and have strides of 0; the stride of a dimension of one
    /// element may be anything; a contiguous tensor may carry the low 32 bits of its extent.
    #[inline]
    pub fn validate(&self) -> Result<(), TensorError> {
        geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        let dtype = self.dtype()?;
        self.address_space()?;
        for (field, value) in [("manual_dep", self.manual_dep), ("is_contiguous", self.is_contiguous)] {
            if value > 1 {
                return Err(TensorError::Flag { field, value });
            }
        }
        let Measure { extent, packed, .. } = geometry::measure(self.shape(), self.strides())?;
        if extent != self.extent && !(self.is_contiguous() && self.extent == extent & u64::from(u32::MAX)) {
            return Err(TensorError::Extent { cached: self.extent, actual: extent });
        }
        if self.is_contiguous()
            && !packed
            && let Some((dim, implied)) = geometry::unpacked_dim(self.shape(), self.strides())
        {
            return Err(TensorError::NotPacked { dim, stride: self.strides[dim], implied });
        }
        let (addr, size) = (self.buffer_addr, self.buffer_size);
        addr.checked_add(size).ok_or(TensorError::AddressOverflow { addr, size })?;
        self.check_bounds(dtype, extent)
    }

    /// What follows from the rest, of a valid tensor: see [`ValidTensor::kind`](crate::ValidTensor::kind).
    #[inline]
    pub(crate) const fn known(&self) -> u32 {
        self.known
    }

    /// Keeps what follows from the rest, which is valid.
    #[inline]
    pub(crate) fn note(&mut self) {
        // No overflow: the bytes that a valid tensor reaches are within its buffer.
        let dtype = self.dtype().unwrap_or(DataType::U8);
        let bytes = self.extent.wrapping_mul(u64::from(dtype.size()));
        let whole = self.is_contiguous() && self.start_offset == 0 && bytes == self.buffer_size;
        self.known = valid::kind(dtype, self.ndims(), self.is_contiguous(), whole);
    }

    #[inline]
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let from: &[u64; 16] = bytemuck::cast_ref(other);
        let to: &mut [u64; 16] = bytemuck::cast_mut(self);
        to[..Self::WORDS].copy_from_slice(&from[..Self::WORDS]);
    }

    #[inline]
    pub(crate) const fn shapes(&self) -> &[u32; MAX_TENSOR_DIMS] {
        &self.shapes
    }

    #[inline]
    pub(crate) const fn all_strides(&self) -> &[u32; MAX_TENSOR_DIMS] {
        &self.strides
    }

    /// The same, with extent and strides as they follow from a shape whose elements lie row after row: for records of which
    /// only the first line was filled in, which says that they lie so.
    ///
    /// # Errors
    ///
    /// As [`validate`](ChipTensor::validate).
    pub fn repacked(mut self) -> Result<Self, TensorError> {
        geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        let (strides, numel) = geometry::pack(self.shape())?;
        self.strides = strides;
        self.extent = numel;
        self.validate()?;
        Ok(self)
    }

    /// Without what stands past the dimensions, which no view of a valid tensor looks at.
    #[inline]
    pub(crate) fn without_rest(mut self) -> Self {
        self.clear_rest();
        self
    }

    /// As [`without_rest`](ChipTensor::without_rest), in place.
    #[inline]
    pub(crate) fn clear_rest(&mut self) {
        let ndims = self.ndims();
        for dim in 0..MAX_TENSOR_DIMS {
            if dim >= ndims {
                self.shapes[dim] = 0;
                self.strides[dim] = 0;
            }
        }
    }

    /// Makes it what [`contiguous`](ChipTensor::contiguous) at address 0 returns, or leaves it as it is. Each field is
    /// stored once, where it is to be: a copy of what was just stored in pieces would wait for them. Notes what follows.
    #[inline]
    pub(crate) fn set_contiguous(&mut self, shape: &[u32], dtype: DataType) -> Result<(), TensorError> {
        let ndims = shape.len();
        let mut shapes = [0; MAX_TENSOR_DIMS];
        let mut strides = [0; MAX_TENSOR_DIMS];
        let (mut next, mut too_large, mut empty) = (1u64, ndims == 0 || ndims > MAX_TENSOR_DIMS, false);
        for dim in (0..MAX_TENSOR_DIMS).rev() {
            if let Some(&d) = shape.get(dim) {
                shapes[dim] = d;
                strides[dim] = next as u32;
                too_large |= next > u64::from(u32::MAX);
                // Does not overflow before it is too large.
                next = next.wrapping_mul(u64::from(d.max(1)));
                empty |= d == 0;
            }
        }
        let numel = if empty { 0 } else { next };
        let (size, over) = numel.overflowing_mul(u64::from(dtype.size()));
        if too_large || over {
            // It says what is wrong.
            *self = Self::contiguous(0, shape, dtype)?;
            self.note();
            return Ok(());
        }
        self.buffer_addr = 0;
        self.buffer_size = size;
        self.owner_task_id = TaskId::INVALID;
        self.start_offset = 0;
        self.version = 0;
        self.ndims = ndims as u32;
        self.dtype = dtype.code();
        self.manual_dep = 0;
        self.is_contiguous = 1;
        self.address_space = AddressSpace::Host.code();
        self.shapes = shapes;
        self.extent = numel;
        self.strides = strides;
        self.known = valid::kind(dtype, ndims, true, true);
        Ok(())
    }

    /// Moves it to a buffer at `addr` that `task` owns.
    #[inline]
    pub(crate) fn place(&mut self, addr: u64, task: TaskId) {
        self.buffer_addr = addr;
        self.owner_task_id = task;
    }

    #[inline]
    fn check_bounds(&self, dtype: DataType, extent: u64) -> Result<(), TensorError> {
        if extent == 0 {
            return Ok(());
        }
        let element = u128::from(dtype.size());
        let start = u128::from(self.start_offset) * element;
        let end = start + u128::from(extent) * element;
        if end > u128::from(self.buffer_size) {
            return Err(TensorError::OutsideBuffer { start, end, size: self.buffer_size });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
