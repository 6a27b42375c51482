//! The arguments of a task, as the receiving side reads them in place.

use crate::bytes::u64_at;
use crate::{ArgsError, Tensor};
use core::mem::{align_of, offset_of, size_of};

/// Bytes of a tensor and of a scalar on the wire.
pub(crate) const TENSOR: usize = size_of::<Tensor>();
pub(crate) const SCALAR: usize = size_of::<u64>();

/// The C layout of a view: two counts and two addresses. 24 bytes. It holds addresses of its maker's process; Rust
/// code reads through [`TaskArgsView`].
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
pub struct TaskArgsViewRaw {
    /// How many tensors.
    pub tensor_count: i32,
    /// How many scalars.
    pub scalar_count: i32,
    /// Address of the bytes of the tensors, 144 each, at any alignment.
    pub tensor_ptr: u64,
    /// Address of the scalars.
    pub scalar_ptr: u64,
}

const _: () = assert!(size_of::<TaskArgsViewRaw>() == 24 && align_of::<TaskArgsViewRaw>() == 8);
const _: () = assert!(offset_of!(TaskArgsViewRaw, tensor_count) == 0);
const _: () = assert!(offset_of!(TaskArgsViewRaw, scalar_count) == 4);
const _: () = assert!(offset_of!(TaskArgsViewRaw, tensor_ptr) == 8);
const _: () = assert!(offset_of!(TaskArgsViewRaw, scalar_ptr) == 16);

/// Tensors and scalars in the bytes where they are. A tensor is checked when it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct TaskArgsView<'a> {
    /// A whole number of tensors.
    tensors: &'a [u8],
    /// A whole number of scalars.
    scalars: &'a [u8],
}

impl<'a> TaskArgsView<'a> {
    /// Over the bytes of tensors and of scalars, at any alignment. Bytes past the last whole one do not count.
    #[must_use]
    pub fn new(tensors: &'a [u8], scalars: &'a [u8]) -> Self {
        let whole = |bytes: &'a [u8], size: usize| &bytes[..bytes.len() / size * size];
        Self { tensors: whole(tensors, TENSOR), scalars: whole(scalars, SCALAR) }
    }

    /// How many tensors.
    #[must_use]
    pub fn tensor_count(&self) -> usize {
        self.tensors.len() / TENSOR
    }

    /// How many scalars.
    #[must_use]
    pub fn scalar_count(&self) -> usize {
        self.scalars.len() / SCALAR
    }

    /// Tensor `index`, checked.
    ///
    /// # Errors
    ///
    /// There is no such tensor, or it is not valid.
    pub fn tensor(&self, index: usize) -> Result<Tensor, ArgsError> {
        let tensor = self.tensor_unchecked(index).ok_or(ArgsError::Index {
            what: "tensors",
            index,
            count: self.tensor_count(),
        })?;
        tensor.validate().map_err(|error| ArgsError::Tensor { index, error })?;
        Ok(tensor)
    }

    fn tensor_unchecked(&self, index: usize) -> Option<Tensor> {
        let start = index.checked_mul(TENSOR)?;
        let bytes = self.tensors.get(start..start.checked_add(TENSOR)?)?;
        bytemuck::try_pod_read_unaligned(bytes).ok()
    }

    /// Scalar `index`.
    ///
    /// # Errors
    ///
    /// There is no such scalar.
    pub fn scalar(&self, index: usize) -> Result<u64, ArgsError> {
        let count = self.scalar_count();
        index.checked_mul(SCALAR).and_then(|at| u64_at(self.scalars, at)).ok_or(ArgsError::Index {
            what: "scalars",
            index,
            count,
        })
    }

    /// Each tensor, checked as it comes.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = Result<Tensor, ArgsError>> + use<'a> {
        let view = *self;
        (0..view.tensor_count()).map(move |index| view.tensor(index))
    }

    /// Each scalar.
    pub fn scalars(&self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.scalars.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// Checks every tensor.
    ///
    /// # Errors
    ///
    /// The first tensor that is not valid, with its index.
    pub fn validate(&self) -> Result<(), ArgsError> {
        self.tensors().try_for_each(|tensor| tensor.map(drop))
    }

    /// The bytes of the tensors, and those of the scalars.
    #[must_use]
    pub fn as_bytes(&self) -> (&'a [u8], &'a [u8]) {
        (self.tensors, self.scalars)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessMode, BufferDescriptor, BufferIdentity, DataType};
    use alloc::vec::Vec;

    #[test]
    fn it_reads_at_any_alignment_and_refuses_what_is_not_there() {
        let identity = BufferIdentity::new(*b"instance", 7, 1);
        let buffer = BufferDescriptor::posix_shm(identity, "s", 4096, AccessMode::Read).unwrap();
        let tensor = Tensor::contiguous(buffer, 16, &[3, 5], DataType::F32).unwrap();
        for shift in 0..8 {
            let mut bytes = alloc::vec![0xa5u8; shift];
            bytes.extend_from_slice(bytemuck::bytes_of(&tensor));
            bytes.extend_from_slice(bytemuck::bytes_of(
                &Tensor::contiguous(buffer, 0, &[1], DataType::U8).unwrap(),
            ));
            bytes.extend_from_slice(&[1; 100]);
            let scalars: Vec<u8> = [5u64, 6].iter().flat_map(|s| s.to_ne_bytes()).chain([1, 2, 3]).collect();
            let view = TaskArgsView::new(&bytes[shift..], &scalars);
            assert_eq!((view.tensor_count(), view.scalar_count()), (2, 2));
            assert_eq!(view.tensor(0), Ok(tensor));
            assert_eq!(view.tensors().len(), 2);
            view.validate().unwrap();
            assert_eq!(view.tensor(2), Err(ArgsError::Index { what: "tensors", index: 2, count: 2 }));
            assert!(view.tensor(usize::MAX).is_err() && view.scalar(usize::MAX).is_err());
            assert_eq!(view.scalar(1), Ok(6));
            assert_eq!(view.scalar(2), Err(ArgsError::Index { what: "scalars", index: 2, count: 2 }));
            assert!(view.scalars().eq([5, 6]));
        }
    }

    #[test]
    fn an_invalid_tensor_is_named() {
        let bytes = [0u8; 144];
        let error = TaskArgsView::new(&bytes, &[]).validate().unwrap_err();
        assert!(matches!(error, ArgsError::Tensor { index: 0, .. }));
    }
}
