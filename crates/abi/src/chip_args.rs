//! The arguments of one run of a chip, in one block that the device reads.

use crate::{ArgsError, CHIP_MAX_SCALAR_ARGS, CHIP_MAX_TENSOR_ARGS, ChipTensor};
use alloc::boxed::Box;
use core::fmt;
use core::mem::{align_of, offset_of, size_of};

/// Up to 256 tensors and 128 scalars. 33856 bytes, aligned to 64; made on the heap by
/// [`boxed`](ChipStorageTaskArgs::boxed), since a stack may be small.
///
/// ```
/// use prewire_abi::{ChipStorageTaskArgs, ChipTensor, DataType};
///
/// let mut args = ChipStorageTaskArgs::boxed();
/// args.push_tensor(ChipTensor::contiguous(0x1000, &[64], DataType::F32)?)?;
/// args.push_scalar(7)?;
/// assert_eq!((args.tensors()?.len(), args.scalars()?), (1, &[7][..]));
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
pub struct ChipStorageTaskArgs {
    tensors: [ChipTensor; CHIP_MAX_TENSOR_ARGS],
    scalars: [u64; CHIP_MAX_SCALAR_ARGS],
    tensor_count: i32,
    scalar_count: i32,
    pad: [u32; 14],
}

const _: () = assert!(size_of::<ChipStorageTaskArgs>() == 33856 && align_of::<ChipStorageTaskArgs>() == 64);
const _: () = assert!(offset_of!(ChipStorageTaskArgs, tensors) == 0);
const _: () = assert!(offset_of!(ChipStorageTaskArgs, scalars) == 32768);
const _: () = assert!(offset_of!(ChipStorageTaskArgs, tensor_count) == 33792);
const _: () = assert!(offset_of!(ChipStorageTaskArgs, scalar_count) == 33796);
const _: () = assert!(offset_of!(ChipStorageTaskArgs, pad) == 33800);

impl ChipStorageTaskArgs {
    /// No arguments, in zeroed memory of the heap.
    #[must_use]
    pub fn boxed() -> Box<Self> {
        bytemuck::allocation::zeroed_box()
    }

    /// Adds a tensor. Nothing is checked but the room: see [`validate`](ChipStorageTaskArgs::validate).
    ///
    /// # Errors
    ///
    /// 256 tensors are there already, or the count is not one.
    pub fn push_tensor(&mut self, tensor: ChipTensor) -> Result<(), ArgsError> {
        let at = self.tensors()?.len();
        let max = CHIP_MAX_TENSOR_ARGS;
        *self.tensors.get_mut(at).ok_or(ArgsError::TooMany { what: "tensors", wanted: at + 1, max })? =
            tensor;
        self.tensor_count = at as i32 + 1;
        Ok(())
    }

    /// Adds a scalar.
    ///
    /// # Errors
    ///
    /// 128 scalars are there already, or the count is not one.
    pub fn push_scalar(&mut self, bits: u64) -> Result<(), ArgsError> {
        let at = self.scalars()?.len();
        let max = CHIP_MAX_SCALAR_ARGS;
        *self.scalars.get_mut(at).ok_or(ArgsError::TooMany { what: "scalars", wanted: at + 1, max })? = bits;
        self.scalar_count = at as i32 + 1;
        Ok(())
    }

    /// Takes all arguments out.
    pub fn clear(&mut self) {
        (self.tensor_count, self.scalar_count) = (0, 0);
    }

    /// The tensors.
    ///
    /// # Errors
    ///
    /// In a block that arrived from outside: the count is negative or above 256.
    pub fn tensors(&self) -> Result<&[ChipTensor], ArgsError> {
        counted(&self.tensors, self.tensor_count, "tensor_count")
    }

    /// The scalars.
    ///
    /// # Errors
    ///
    /// In a block that arrived from outside: the count is negative or above 128.
    pub fn scalars(&self) -> Result<&[u64], ArgsError> {
        counted(&self.scalars, self.scalar_count, "scalar_count")
    }

    /// Checks the counts and every tensor.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its index.
    pub fn validate(&self) -> Result<(), ArgsError> {
        self.scalars()?;
        for (index, tensor) in self.tensors()?.iter().enumerate() {
            tensor.validate().map_err(|error| ArgsError::Tensor { index, error })?;
        }
        Ok(())
    }
}

fn counted<'a, T>(all: &'a [T], value: i32, field: &'static str) -> Result<&'a [T], ArgsError> {
    let max = all.len();
    usize::try_from(value).ok().and_then(|n| all.get(..n)).ok_or(ArgsError::Count { field, value, max })
}

impl fmt::Debug for ChipStorageTaskArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChipStorageTaskArgs")
            .field("tensors", &self.tensors())
            .field("scalars", &self.scalars())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DataType, TensorError};
    use proptest::prelude::*;

    #[test]
    fn there_is_room_for_so_many() {
        let tensor = ChipTensor::contiguous(0x1000, &[4], DataType::F32).unwrap();
        let mut args = ChipStorageTaskArgs::boxed();
        for i in 0..CHIP_MAX_TENSOR_ARGS {
            assert_eq!(args.tensors().unwrap().len(), i);
            args.push_tensor(tensor).unwrap();
        }
        let error = args.push_tensor(tensor).unwrap_err();
        assert_eq!(error, ArgsError::TooMany { what: "tensors", wanted: 257, max: 256 });
        for i in 0..CHIP_MAX_SCALAR_ARGS {
            args.push_scalar(i as u64).unwrap();
        }
        let error = args.push_scalar(0).unwrap_err();
        assert_eq!(error, ArgsError::TooMany { what: "scalars", wanted: 129, max: 128 });
        args.validate().unwrap();
        args.clear();
        assert_eq!((args.tensors(), args.scalars()), (Ok(&[][..]), Ok(&[][..])));
    }

    #[test]
    fn an_invalid_tensor_is_named() {
        let mut args = ChipStorageTaskArgs::boxed();
        args.push_tensor(ChipTensor::contiguous(0x1000, &[4], DataType::F32).unwrap()).unwrap();
        args.push_tensor(bytemuck::Zeroable::zeroed()).unwrap();
        let error = TensorError::Rank { ndims: 0 };
        assert_eq!(args.validate(), Err(ArgsError::Tensor { index: 1, error }));
    }

    proptest! {
        #[test]
        fn a_count_that_lies_is_refused(tensors in any::<i32>(), scalars in -2i32..200) {
            let mut args = ChipStorageTaskArgs::boxed();
            (args.tensor_count, args.scalar_count) = (tensors, scalars);
            prop_assert_eq!(args.tensors().is_ok(), (0..=256).contains(&tensors));
            prop_assert_eq!(args.scalars().is_ok(), (0..=128).contains(&scalars));
            prop_assert_eq!(args.push_scalar(1).is_ok(), (0..128).contains(&scalars));
            if tensors < 0 {
                let is_count = matches!(args.validate(), Err(ArgsError::Count { .. }));
                prop_assert!(is_count);
            }
        }
    }
}
