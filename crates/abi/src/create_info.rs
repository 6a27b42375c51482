//! An output that does not exist yet: what the runtime needs to allocate it.

use crate::geometry;
use crate::{ChipTensor, DataType, MAX_TENSOR_DIMS, TaskId, TensorError};
use core::mem::{align_of, offset_of, size_of};

/// The shape and type of an output. 64 bytes, aligned to 64: the first line of the [`ChipTensor`] that it becomes,
/// with the initial value where the address will be.
///
/// ```
/// use prewire_abi::{DataType, TaskId, TensorCreateInfo};
///
/// let info = TensorCreateInfo::new(&[16, 16], DataType::F32)?.with_initial_value(0);
/// assert_eq!(info.bytes()?, 1024);
/// let tensor = info.materialize(0x4000, TaskId::new(0, 7))?;
/// assert_eq!((tensor.buffer_addr(), tensor.buffer_size()), (0x4000, 1024));
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
#[repr(C, align(64))]
pub struct TensorCreateInfo {
    initial_value: u64,
    has_initial_value: u8,
    pad: [u8; 15],
    start_offset: u64,
    version: i32,
    ndims: u32,
    dtype: u8,
    manual_dep: u8,
    is_contiguous: u8,
    pad2: u8,
    shapes: [u32; MAX_TENSOR_DIMS],
}

const _: () = assert!(size_of::<TensorCreateInfo>() == 64 && align_of::<TensorCreateInfo>() == 64);
const _: () = assert!(offset_of!(TensorCreateInfo, initial_value) == 0);
const _: () = assert!(offset_of!(TensorCreateInfo, has_initial_value) == 8);
const _: () = assert!(offset_of!(TensorCreateInfo, pad) == 9);
const _: () = assert!(offset_of!(TensorCreateInfo, start_offset) == 24);
const _: () = assert!(offset_of!(TensorCreateInfo, version) == 32);
const _: () = assert!(offset_of!(TensorCreateInfo, ndims) == 36);
const _: () = assert!(offset_of!(TensorCreateInfo, dtype) == 40);
const _: () = assert!(offset_of!(TensorCreateInfo, manual_dep) == 41);
const _: () = assert!(offset_of!(TensorCreateInfo, is_contiguous) == 42);
const _: () = assert!(offset_of!(TensorCreateInfo, pad2) == 43);
const _: () = assert!(offset_of!(TensorCreateInfo, shapes) == 44);

impl TensorCreateInfo {
    /// An output of this shape and type, its elements row after row.
    ///
    /// # Errors
    ///
    /// As [`ChipTensor::contiguous`].
    pub fn new(shape: &[u32], dtype: DataType) -> Result<Self, TensorError> {
        geometry::rank(shape.len())?;
        let info = Self {
            initial_value: 0,
            has_initial_value: 0,
            pad: [0; 15],
            start_offset: 0,
            version: 0,
            ndims: shape.len() as u32,
            dtype: dtype.code(),
            manual_dep: 0,
            is_contiguous: 1,
            pad2: 0,
            shapes: geometry::padded(shape),
        };
        info.materialize(0, TaskId::INVALID)?;
        Ok(info)
    }

    /// The same, filled before the task runs: each element gets the low bytes of `value`, as many as it has.
    #[must_use]
    pub fn with_initial_value(mut self, value: u64) -> Self {
        self.initial_value = value;
        self.has_initial_value = 1;
        self
    }

    /// The same, with the choice whether its creator sees to dependencies.
    #[must_use]
    pub fn with_manual_dep(mut self, manual: bool) -> Self {
        self.manual_dep = u8::from(manual);
        self
    }

    /// What each element is to hold before the task runs.
    #[must_use]
    #[inline]
    pub fn initial_value(&self) -> Option<u64> {
        (self.has_initial_value != 0).then_some(self.initial_value)
    }

    /// Elements in each dimension.
    #[must_use]
    #[inline]
    pub fn shape(&self) -> &[u32] {
        &self.shapes[..(self.ndims as usize).min(MAX_TENSOR_DIMS)]
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

    /// Bytes that the output takes.
    ///
    /// # Errors
    ///
    /// As [`materialize`](TensorCreateInfo::materialize) at address 0.
    pub fn bytes(&self) -> Result<u64, TensorError> {
        geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        let numel = geometry::numel(self.shape()).ok_or(TensorError::TooManyElements)?;
        geometry::bytes(numel, self.dtype()?)
    }

    /// Whether its creator sees to dependencies.
    #[must_use]
    #[inline]
    pub fn is_manual_dep(&self) -> bool {
        self.manual_dep != 0
    }

    /// The version that its creator gives it.
    #[must_use]
    #[inline]
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The element type of a record that makes sense, whatever its shape.
    ///
    /// # Errors
    ///
    /// Too many dimensions or none, an unknown element type, a flag that is neither 0 nor 1, or a view that does not start
    /// at 0.
    #[inline]
    pub fn check(&self) -> Result<DataType, TensorError> {
        geometry::rank(usize::try_from(self.ndims).unwrap_or(usize::MAX))?;
        let dtype = self.dtype()?;
        for (field, value) in [("has_initial_value", self.has_initial_value), ("manual_dep", self.manual_dep)]
        {
            if value > 1 {
                return Err(TensorError::Flag { field, value });
            }
        }
        if self.start_offset != 0 {
            return Err(TensorError::Reserved { field: "start_offset", index: 0 });
        }
        Ok(dtype)
    }

    /// The tensor, once its memory is at `addr`. `owner` is the task that writes it.
    ///
    /// # Errors
    ///
    /// As [`ChipTensor::contiguous`]; and, for a record that arrived from outside, an unknown element type, a flag
    /// that is neither 0 nor 1, or a view that does not start at 0.
    #[inline]
    pub fn materialize(&self, addr: u64, owner: TaskId) -> Result<ChipTensor, TensorError> {
        let dtype = self.check()?;
        let tensor = ChipTensor::contiguous(addr, self.shape(), dtype)?;
        Ok(tensor.with_owner(owner).with_manual_dep(self.manual_dep != 0).with_version(self.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn an_output_keeps_what_its_creator_said() {
        let info = TensorCreateInfo::new(&[3, 5], DataType::I16).unwrap().with_manual_dep(true);
        assert_eq!((info.bytes().unwrap(), info.initial_value()), (30, None));
        assert_eq!(info.with_initial_value(7).initial_value(), Some(7));
        let tensor = info.materialize(64, TaskId::new(1, 2)).unwrap();
        assert!(tensor.is_manual_dep() && tensor.is_contiguous());
        assert_eq!((tensor.owner_task_id(), tensor.shape()), (TaskId::new(1, 2), &[3, 5][..]));
        tensor.validate().unwrap();
    }

    #[test]
    fn an_impossible_output_is_refused() {
        assert_eq!(TensorCreateInfo::new(&[], DataType::F32), Err(TensorError::Rank { ndims: 0 }));
        assert_eq!(TensorCreateInfo::new(&[1; 6], DataType::F32), Err(TensorError::Rank { ndims: 6 }));
        assert!(TensorCreateInfo::new(&[u32::MAX; 3], DataType::I64).is_err());
        let info = TensorCreateInfo::new(&[16], DataType::F32).unwrap();
        let moved = TensorCreateInfo { start_offset: 1, ..info };
        let error = TensorError::Reserved { field: "start_offset", index: 0 };
        assert_eq!(moved.materialize(0, TaskId::INVALID), Err(error));
        assert!(matches!(
            info.materialize(u64::MAX, TaskId::INVALID),
            Err(TensorError::AddressOverflow { .. })
        ));
    }

    proptest! {
        #[test]
        fn any_bytes_become_a_valid_tensor_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 64)) {
            let info: TensorCreateInfo = bytemuck::pod_read_unaligned(&bytes);
            if let Ok(tensor) = info.materialize(0x1000, TaskId::INVALID) {
                prop_assert!(tensor.validate().is_ok());
                prop_assert_eq!(info.bytes().unwrap(), tensor.buffer_size());
            }
        }

        #[test]
        fn the_first_line_of_the_tensor_is_that_of_its_info(shape in proptest::collection::vec(0u32..50, 1..=5)) {
            let info = TensorCreateInfo::new(&shape, DataType::F16).unwrap();
            let tensor = info.materialize(0x1000, TaskId::new(0, 1)).unwrap();
            let (info, tensor): (Vec<u8>, Vec<u8>) =
                (bytemuck::bytes_of(&info).into(), bytemuck::bytes_of(&tensor).into());
            prop_assert_eq!(&info[24..64], &tensor[24..64]);
        }
    }
}
