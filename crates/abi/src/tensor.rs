//! The tensor that travels between processes: a buffer descriptor and a view, never a bare address.

use crate::geometry;
use crate::{BufferDescriptor, ChipTensor, DataType, MAX_TENSOR_DIMS, TensorError};
use core::mem::{align_of, offset_of, size_of};
use core::ops::Range;

/// A view on a described buffer. 144 bytes, aligned to 8.
///
/// The record is plain: any 144 bytes are one. What the constructors return is valid; what arrived from outside is
/// checked by [`validate`](Tensor::validate). Unlike a [`ChipTensor`] it always has elements.
///
/// ```
/// use prewire_abi::{AccessMode, BufferDescriptor, BufferIdentity, DataType, Tensor};
///
/// let identity = BufferIdentity::new(*b"node0001", 7, 1);
/// let buffer = BufferDescriptor::posix_shm(identity, "segment-7", 4096, AccessMode::ReadWrite)?;
/// let tensor = Tensor::contiguous(buffer, 1024, &[16, 16], DataType::F32)?;
///
/// // The receiver has mapped the segment at an address of its own.
/// let here = tensor.to_chip(0x7000_0000)?;
/// assert_eq!(here.start_addr(), 0x7000_0000 + 1024);
/// # Ok::<(), prewire_abi::TensorError>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct Tensor {
    buffer: BufferDescriptor,
    byte_offset: u64,
    ndims: u32,
    shapes: [u32; MAX_TENSOR_DIMS],
    strides: [u32; MAX_TENSOR_DIMS],
    dtype: u8,
    pad: [u8; 3],
}

const _: () = assert!(size_of::<Tensor>() == 144 && align_of::<Tensor>() == 8);
const _: () = assert!(offset_of!(Tensor, buffer) == 0);
const _: () = assert!(offset_of!(Tensor, byte_offset) == 88);
const _: () = assert!(offset_of!(Tensor, ndims) == 96);
const _: () = assert!(offset_of!(Tensor, shapes) == 100);
const _: () = assert!(offset_of!(Tensor, strides) == 120);
const _: () = assert!(offset_of!(Tensor, dtype) == 140);
const _: () = assert!(offset_of!(Tensor, pad) == 141);

impl Tensor {
    /// A view that starts `byte_offset` bytes into `buffer`, its elements row after row.
    ///
    /// # Errors
    ///
    /// As [`validate`](Tensor::validate); and a stride above 32 bits.
    pub fn contiguous(
        buffer: BufferDescriptor,
        byte_offset: u64,
        shape: &[u32],
        dtype: DataType,
    ) -> Result<Self, TensorError> {
        geometry::rank(shape.len())?;
        let strides = geometry::packed_strides(shape)?;
        Self::strided(buffer, byte_offset, shape, &strides[..shape.len()], dtype)
    }

    /// A view that starts `byte_offset` bytes into `buffer`, with `strides` in elements.
    ///
    /// # Errors
    ///
    /// As [`validate`](Tensor::validate); and lengths that differ.
    pub fn strided(
        buffer: BufferDescriptor,
        byte_offset: u64,
        shape: &[u32],
        strides: &[u32],
        dtype: DataType,
    ) -> Result<Self, TensorError> {
        if shape.len() != strides.len() {
            return Err(TensorError::RankMismatch { shape: shape.len(), strides: strides.len() });
        }
        geometry::rank(shape.len())?;
        let out = Self {
            buffer,
            byte_offset,
            ndims: shape.len() as u32,
            shapes: geometry::padded(shape),
            strides: geometry::padded(strides),
            dtype: dtype.code(),
            pad: [0; 3],
        };
        out.validate()?;
        Ok(out)
    }

    /// What backs it.
    #[must_use]
    pub const fn buffer(&self) -> &BufferDescriptor {
        &self.buffer
    }

    /// Where the view starts in the buffer, in bytes.
    #[must_use]
    pub const fn byte_offset(&self) -> u64 {
        self.byte_offset
    }

    /// How many dimensions: 1 to 5 in a valid tensor; never above 5.
    #[must_use]
    pub fn ndims(&self) -> usize {
        (self.ndims as usize).min(MAX_TENSOR_DIMS)
    }

    /// Elements in each dimension; `ndims` numbers.
    #[must_use]
    pub fn shape(&self) -> &[u32] {
        &self.shapes[..self.ndims()]
    }

    /// Elements from one index to the next in each dimension; `ndims` numbers.
    #[must_use]
    pub fn strides(&self) -> &[u32] {
        &self.strides[..self.ndims()]
    }

    /// The element type.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    pub fn dtype(&self) -> Result<DataType, TensorError> {
        Ok(DataType::try_from(self.dtype)?)
    }

    /// The bytes touched, from the start of the buffer. Exact for a valid tensor; it saturates otherwise.
    #[must_use]
    pub fn byte_range(&self) -> Range<u64> {
        let size = DataType::try_from(self.dtype).map_or(0, |d| u64::from(d.size()));
        let extent = geometry::measure(self.shape(), self.strides()).map_or(u64::MAX, |m| m.extent);
        self.byte_offset..self.byte_offset.saturating_add(extent.saturating_mul(size))
    }

    /// Checks a tensor that arrived from outside. After it, every index inside the shape is inside the buffer.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: the descriptor, the dimensions, the element type, a size or a stride of 0, a
    /// number in a dimension that it does not have, a start between two elements, a view past the end of the
    /// buffer.
    pub fn validate(&self) -> Result<(), TensorError> {
        self.buffer.validate()?;
        let ndims = geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        let dtype = self.dtype()?;
        if let Some(dim) = self.shape().iter().position(|&d| d == 0) {
            return Err(TensorError::Empty { dim });
        }
        for (field, numbers) in [("shapes", &self.shapes), ("strides", &self.strides)] {
            if let Some(i) = numbers[ndims..].iter().position(|&n| n != 0) {
                return Err(TensorError::Reserved { field, index: ndims + i });
            }
        }
        let extent = geometry::measure(self.shape(), self.strides())?.extent;
        let element = dtype.size();
        if !self.byte_offset.is_multiple_of(u64::from(element)) {
            return Err(TensorError::Misaligned { offset: self.byte_offset, element });
        }
        let start = u128::from(self.byte_offset);
        let end = start + u128::from(extent) * u128::from(element);
        if end > u128::from(self.buffer.nbytes()) {
            return Err(TensorError::OutsideBuffer { start, end, size: self.buffer.nbytes() });
        }
        Ok(())
    }

    /// The tensor that kernels see, in a process that has the buffer at `addr`. No task owns it.
    ///
    /// # Errors
    ///
    /// As [`validate`](Tensor::validate); and a buffer that reaches past the end of the address space.
    pub fn to_chip(&self, addr: u64) -> Result<ChipTensor, TensorError> {
        self.validate()?;
        let dtype = self.dtype()?;
        let start = self.byte_offset / u64::from(dtype.size());
        let chip =
            ChipTensor::in_buffer(addr, self.buffer.nbytes(), start, self.shape(), self.strides(), dtype)?;
        Ok(chip.with_address_space(self.buffer.address_space()?))
    }

    /// Whether the two may touch a common byte. Exact for rectangles of one grid, which have equal strides and
    /// element sizes; otherwise the ranges of bytes decide.
    #[must_use]
    pub fn may_overlap(&self, other: &Self) -> bool {
        if self.buffer.identity() != other.buffer.identity() {
            return false;
        }
        let (a, b) = (self.byte_range(), other.byte_range());
        if a.end <= b.start || b.end <= a.start {
            return false;
        }
        if self.strides() != other.strides() {
            return true;
        }
        let (Some(p), Some(q)) = (self.on_grid(), other.on_grid()) else { return true };
        if p.element != q.element {
            return true;
        }
        let meets = |((&x, &y), (&n, &m)): ((&u64, &u64), (&u32, &u32))| {
            x < y.saturating_add(u64::from(m)) && y < x.saturating_add(u64::from(n))
        };
        p.rest == q.rest
            && p.index.iter().zip(&q.index).zip(self.shape().iter().zip(other.shape())).all(meets)
    }

    /// Where the first element is on the grid that the strides span, if the view is a rectangle of it: no row of
    /// the view is longer than what is left of its row of the grid. Then an element has one index alone.
    fn on_grid(&self) -> Option<GridPlace> {
        let element = self.dtype().ok()?.size();
        let mut rest = self.byte_offset / u64::from(element);
        let mut index = [0; MAX_TENSOR_DIMS];
        let mut above: Option<u32> = None;
        for (dim, (&d, &s)) in self.shape().iter().zip(self.strides()).enumerate() {
            index[dim] = rest.checked_div(u64::from(s))?;
            rest %= u64::from(s);
            if above.is_some_and(|above| index[dim].saturating_add(u64::from(d)) > u64::from(above / s)) {
                return None;
            }
            above = Some(s);
        }
        Some(GridPlace { element, index, rest })
    }
}

/// A place on a grid.
#[derive(Debug)]
struct GridPlace {
    /// Bytes of one element.
    element: u32,
    /// The index in each dimension.
    index: [u64; MAX_TENSOR_DIMS],
    /// What is left over, in elements: less than the smallest stride. Other leftovers are other elements.
    rest: u64,
}

#[cfg(test)]
mod tests;
