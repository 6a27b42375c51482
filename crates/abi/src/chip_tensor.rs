//! The tensor that kernels and orchestrations see: an absolute address and a view on it.

mod check;
mod fmt;
mod make;
mod plain;
mod view;
mod words;

use crate::geometry;
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

impl ChipTensor {
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

    #[inline]
    pub(crate) const fn shapes(&self) -> &[u32; MAX_TENSOR_DIMS] {
        &self.shapes
    }

    #[inline]
    pub(crate) const fn all_strides(&self) -> &[u32; MAX_TENSOR_DIMS] {
        &self.strides
    }
}

#[cfg(test)]
mod tests;
