//! Makes tensors: from numbers, and from another one with a part of it exchanged. What the constructors return is valid.

use super::ChipTensor;
use crate::geometry::{self, Measure};
use crate::valid;
use crate::{AddressSpace, DataType, MAX_TENSOR_DIMS, TaskId, TensorError};

impl ChipTensor {
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
}
