//! The check of a tensor that arrived from outside, and what is put in order of one that has passed it.

use super::ChipTensor;
use crate::geometry::{self, Measure};
use crate::valid;
use crate::{DataType, MAX_TENSOR_DIMS, TensorError};

impl ChipTensor {
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

    /// Every byte that it reaches is inside the buffer, if it has an element.
    #[inline]
    pub(super) fn check_bounds(&self, dtype: DataType, extent: u64) -> Result<(), TensorError> {
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
}
