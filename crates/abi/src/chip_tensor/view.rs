//! Views: other shapes, strides and starts over the same buffer. Each returns a tensor inside the buffer, or an error.
//! Owner, version, space and the choice about dependencies are those of the tensor viewed.

use super::ChipTensor;
use crate::geometry::{self, Measure};
use crate::{DataType, MAX_TENSOR_DIMS, TensorError, ViewError};

impl ChipTensor {
    /// The rectangle of `shapes` elements that starts at index `offsets`; one number a dimension each.
    ///
    /// A rectangle without elements may start anywhere: its offsets are not looked at, and it is contiguous.
    ///
    /// # Errors
    ///
    /// A list of the wrong length; a rectangle that reaches past a dimension; a tensor that is not valid.
    pub fn view(&self, shapes: &[u32], offsets: &[u32]) -> Result<Self, ViewError> {
        let dtype = self.checked()?;
        let ndims = self.ndims();
        for (what, got) in [("sizes", shapes.len()), ("offsets", offsets.len())] {
            if got != ndims {
                return Err(ViewError::Rank { what, got, ndims });
            }
        }
        let empty = shapes.contains(&0);
        let mut start = self.start_offset;
        for (dim, ((&len, &offset), (&size, &stride))) in
            shapes.iter().zip(offsets).zip(self.shape().iter().zip(self.strides())).enumerate()
        {
            if empty {
                break;
            }
            let end = u64::from(offset) + u64::from(len);
            if end > u64::from(size) {
                return Err(ViewError::OutOfBounds { dim, start: offset, end, size });
            }
            start = u64::from(offset)
                .checked_mul(u64::from(stride))
                .and_then(|moved| start.checked_add(moved))
                .ok_or(ViewError::StartOverflow { dim, offset })?;
        }
        let strides = if empty { geometry::packed_strides(shapes)? } else { self.strides };
        self.with_geometry(dtype, start, shapes, &strides[..ndims])
    }

    /// Every `step`th index of dimension `dim` from `start` up to, not including, `stop`.
    ///
    /// # Errors
    ///
    /// No such dimension; a step of 0; a slice that ends before it starts, or reaches past the dimension; a stride
    /// that no longer fits in 32 bits; a tensor that is not valid.
    pub fn slice(&self, dim: usize, start: u32, stop: u32, step: u32) -> Result<Self, ViewError> {
        let dtype = self.checked()?;
        let ndims = self.ndims();
        self.check_dim(dim)?;
        if step == 0 {
            return Err(ViewError::ZeroStep { dim });
        }
        if start > stop {
            return Err(ViewError::Reversed { dim, start, stop });
        }
        let (size, stride) = (self.shapes[dim], self.strides[dim]);
        if stop > size {
            return Err(ViewError::OutOfBounds { dim, start, end: u64::from(stop), size });
        }
        let mut shape = self.shapes;
        shape[dim] = (stop - start).div_ceil(step);
        if shape[..ndims].contains(&0) {
            let strides = geometry::packed_strides(&shape[..ndims])?;
            return self.with_geometry(dtype, self.start_offset, &shape[..ndims], &strides[..ndims]);
        }
        let mut strides = self.strides;
        // One index takes no step: its stride stays, whatever the step.
        if shape[dim] > 1 {
            strides[dim] = stride
                .checked_mul(step)
                .ok_or(TensorError::Stride { dim, stride: u128::from(stride) * u128::from(step) })?;
        }
        let first = u64::from(start)
            .checked_mul(u64::from(stride))
            .and_then(|moved| self.start_offset.checked_add(moved))
            .ok_or(ViewError::StartOverflow { dim, offset: start })?;
        self.with_geometry(dtype, first, &shape[..ndims], &strides[..ndims])
    }

    /// Dimensions `d0` and `d1` exchanged.
    ///
    /// # Errors
    ///
    /// No such dimension; a tensor that is not valid.
    pub fn transpose(&self, d0: usize, d1: usize) -> Result<Self, ViewError> {
        let dtype = self.checked()?;
        self.check_dim(d0)?;
        self.check_dim(d1)?;
        let (mut shape, mut strides) = (self.shapes, self.strides);
        shape.swap(d0, d1);
        strides.swap(d0, d1);
        self.with_geometry(dtype, self.start_offset, &shape[..self.ndims()], &strides[..self.ndims()])
    }

    /// The dimensions in another order: dimension `i` of the view is dimension `order[i]` of the tensor.
    ///
    /// # Errors
    ///
    /// A list that does not name each dimension once; a tensor that is not valid.
    pub fn permute(&self, order: &[usize]) -> Result<Self, ViewError> {
        let dtype = self.checked()?;
        let ndims = self.ndims();
        if order.len() != ndims {
            return Err(ViewError::Rank { what: "dimensions in the order", got: order.len(), ndims });
        }
        let (mut shape, mut strides) = ([0; MAX_TENSOR_DIMS], [0; MAX_TENSOR_DIMS]);
        for (i, &dim) in order.iter().enumerate() {
            self.check_dim(dim)?;
            if order[..i].contains(&dim) {
                return Err(ViewError::Repeated { dim });
            }
            (shape[i], strides[i]) = (self.shapes[dim], self.strides[dim]);
        }
        self.with_geometry(dtype, self.start_offset, &shape[..ndims], &strides[..ndims])
    }

    /// The same elements, in the same order, under another shape.
    ///
    /// # Errors
    ///
    /// The tensor is not contiguous, or not valid; the new shape is not one, or has another count of elements.
    pub fn reshape(&self, shape: &[u32]) -> Result<Self, ViewError> {
        let dtype = self.checked()?;
        if let Some((dim, implied)) = geometry::unpacked_dim(self.shape(), self.strides()) {
            return Err(ViewError::NotContiguous { dim, stride: self.strides[dim], implied });
        }
        geometry::rank(shape.len())?;
        let (have, want) = (self.numel(), geometry::numel(shape));
        if want != Some(have) {
            return Err(ViewError::ElementCount { have, want });
        }
        let strides = geometry::packed_strides(shape)?;
        self.with_geometry(dtype, self.start_offset, shape, &strides[..shape.len()])
    }

    /// Rank and element type, without which no view means anything.
    fn checked(&self) -> Result<DataType, ViewError> {
        geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        Ok(self.dtype()?)
    }

    fn check_dim(&self, dim: usize) -> Result<(), ViewError> {
        if dim >= self.ndims() {
            return Err(ViewError::NoDim { dim, ndims: self.ndims() });
        }
        Ok(())
    }

    /// The view with this start, shape and strides, measured anew and checked against the buffer.
    fn with_geometry(
        &self,
        dtype: DataType,
        start_offset: u64,
        shape: &[u32],
        strides: &[u32],
    ) -> Result<Self, ViewError> {
        let Measure { extent, packed, .. } = geometry::measure(shape, strides)?;
        let out = Self {
            start_offset,
            ndims: shape.len() as u32,
            is_contiguous: u8::from(packed),
            shapes: geometry::padded(shape),
            extent,
            strides: geometry::padded(strides),
            ..*self
        };
        out.check_bounds(dtype, extent)?;
        Ok(out)
    }
}
