//! The arguments of a task, as the submitting side builds them.

use crate::{ArgsError, CHIP_MAX_SCALAR_ARGS, CHIP_MAX_TENSOR_ARGS, TaskArgsView, Tensor, TensorArgType};
use alloc::vec::Vec;

/// Tensors, each with its use, then scalars.
///
/// ```
/// use prewire_abi::{AccessMode, BufferDescriptor, BufferIdentity, DataType, TaskArgs, Tensor, TensorArgType};
///
/// let identity = BufferIdentity::new(*b"node0001", 7, 1);
/// let buffer = BufferDescriptor::posix_shm(identity, "segment-7", 4096, AccessMode::ReadWrite)?;
/// let mut args = TaskArgs::new();
/// args.add_tensor(Tensor::contiguous(buffer, 0, &[512], DataType::F32)?, TensorArgType::Input)?;
/// args.add_tensor(Tensor::contiguous(buffer, 2048, &[512], DataType::F32)?, TensorArgType::OutputExisting)?;
/// args.add_scalar(f64::to_bits(0.5))?;
/// args.validate_submit()?;
/// assert_eq!(args.blob_len(), 8 + 2 * 144 + 8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskArgs {
    tensors: Vec<Tensor>,
    tags: Vec<TensorArgType>,
    scalars: Vec<u64>,
}

impl TaskArgs {
    /// No arguments.
    #[must_use]
    pub const fn new() -> Self {
        Self { tensors: Vec::new(), tags: Vec::new(), scalars: Vec::new() }
    }

    /// Adds a tensor that the task uses as `tag` says.
    ///
    /// # Errors
    ///
    /// A scalar was added before; 256 tensors are there already; the tensor is not valid. Nothing is added then.
    pub fn add_tensor(&mut self, tensor: Tensor, tag: TensorArgType) -> Result<&mut Self, ArgsError> {
        let index = self.tensors.len();
        if !self.scalars.is_empty() {
            return Err(ArgsError::TensorAfterScalar { index, scalars: self.scalars.len() });
        }
        if index == CHIP_MAX_TENSOR_ARGS {
            return Err(ArgsError::TooMany { what: "tensors", wanted: index + 1, max: index });
        }
        tensor.validate().map_err(|error| ArgsError::Tensor { index, error })?;
        self.tensors.push(tensor);
        self.tags.push(tag);
        Ok(self)
    }

    /// Adds a scalar: 64 bits that mean what the callable takes them for.
    ///
    /// # Errors
    ///
    /// 128 scalars are there already. Nothing is added then.
    pub fn add_scalar(&mut self, bits: u64) -> Result<&mut Self, ArgsError> {
        let max = CHIP_MAX_SCALAR_ARGS;
        if self.scalars.len() == max {
            return Err(ArgsError::TooMany { what: "scalars", wanted: max + 1, max });
        }
        self.scalars.push(bits);
        Ok(self)
    }

    /// Takes all arguments out; the memory for them stays.
    pub fn clear(&mut self) {
        self.tensors.clear();
        self.tags.clear();
        self.scalars.clear();
    }

    /// The tensors.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// How each tensor is used; as many as there are tensors.
    #[must_use]
    pub fn tags(&self) -> &[TensorArgType] {
        &self.tags
    }

    /// The scalars.
    #[must_use]
    pub fn scalars(&self) -> &[u64] {
        &self.scalars
    }

    /// What a receiver will read.
    #[must_use]
    pub fn view(&self) -> TaskArgsView<'_> {
        TaskArgsView::new(bytemuck::cast_slice(&self.tensors), bytemuck::cast_slice(&self.scalars))
    }

    /// Bytes of its blob.
    #[must_use]
    pub fn blob_len(&self) -> usize {
        self.view().blob_len()
    }

    /// Checks what can be checked before a task is submitted.
    ///
    /// # Errors
    ///
    /// A buffer that does not grant what the use needs: reading for `INPUT`, writing for `OUTPUT` and
    /// `OUTPUT_EXISTING`, both for `INOUT`; or two written tensors that may touch the same bytes.
    pub fn validate_submit(&self) -> Result<(), ArgsError> {
        for (index, (tensor, &tag)) in self.tensors.iter().zip(&self.tags).enumerate() {
            let access =
                tensor.buffer().access().map_err(|error| ArgsError::Tensor { index, error: error.into() })?;
            if tag.reads() && !access.can_read() || tag.writes() && !access.can_write() {
                return Err(ArgsError::Access { index, tag, access });
            }
            if !tag.writes() {
                continue;
            }
            let overlaps = |i: &usize| self.tags[*i].writes() && self.tensors[*i].may_overlap(tensor);
            if let Some(first) = (0..index).find(overlaps) {
                return Err(ArgsError::OverlappingWrites { first, second: index });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccessMode, BufferDescriptor, BufferIdentity, DataType};
    use alloc::string::ToString;

    fn tensor(at: u64, access: AccessMode) -> Tensor {
        let identity = BufferIdentity::new(*b"instance", 7, 1);
        let buffer = BufferDescriptor::posix_shm(identity, "s", 4096, access).unwrap();
        Tensor::contiguous(buffer, at, &[64], DataType::F32).unwrap()
    }

    #[test]
    fn tensors_come_before_scalars() {
        let mut args = TaskArgs::new();
        args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap().add_scalar(7).unwrap();
        let error = args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap_err();
        assert_eq!(error, ArgsError::TensorAfterScalar { index: 1, scalars: 1 });
        assert!(error.to_string().contains("argument 1"));
        assert_eq!((args.tensors().len(), args.tags().len(), args.scalars()), (1, 1, &[7][..]));
        args.clear();
        args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap();
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut args = TaskArgs::new();
        for _ in 0..CHIP_MAX_TENSOR_ARGS {
            args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap();
        }
        let error = args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap_err();
        assert_eq!(error, ArgsError::TooMany { what: "tensors", wanted: 257, max: 256 });
        for i in 0..CHIP_MAX_SCALAR_ARGS {
            args.add_scalar(i as u64).unwrap();
        }
        let error = args.add_scalar(0).unwrap_err();
        assert_eq!(error, ArgsError::TooMany { what: "scalars", wanted: 129, max: 128 });
    }

    #[test]
    fn an_invalid_tensor_is_not_added() {
        let mut args = TaskArgs::new();
        let error = args.add_tensor(bytemuck::Zeroable::zeroed(), TensorArgType::Input).unwrap_err();
        assert!(matches!(error, ArgsError::Tensor { index: 0, .. }));
        assert_eq!(args, TaskArgs::new());
    }

    #[test]
    fn a_use_needs_its_grant() {
        use AccessMode as A;
        use TensorArgType as T;
        let allowed = |tag, access| {
            let mut args = TaskArgs::new();
            args.add_tensor(tensor(0, access), tag).unwrap();
            match args.validate_submit() {
                Ok(()) => true,
                Err(error) => {
                    assert_eq!(error, ArgsError::Access { index: 0, tag, access });
                    false
                }
            }
        };
        let table = [
            (T::Input, [true, false, true]),
            (T::Output, [false, true, true]),
            (T::InOut, [false, false, true]),
            (T::OutputExisting, [false, true, true]),
            (T::NoDep, [true, true, true]),
        ];
        for (tag, expected) in table {
            assert_eq!(
                [A::Read, A::Write, A::ReadWrite].map(|access| allowed(tag, access)),
                expected,
                "{tag}"
            );
        }
    }

    #[test]
    fn no_byte_is_written_twice() {
        let with = |second: u64, tag| {
            let mut args = TaskArgs::new();
            args.add_tensor(tensor(0, AccessMode::ReadWrite), TensorArgType::InOut).unwrap();
            args.add_tensor(tensor(second, AccessMode::ReadWrite), tag).unwrap();
            args.validate_submit()
        };
        assert_eq!(with(256, TensorArgType::InOut), Ok(()));
        let twice = ArgsError::OverlappingWrites { first: 0, second: 1 };
        assert_eq!(with(252, TensorArgType::OutputExisting), Err(twice));
        assert_eq!(with(252, TensorArgType::Input), Ok(()));

        let mut args = TaskArgs::new();
        args.add_tensor(tensor(0, AccessMode::Read), TensorArgType::Input).unwrap();
        args.add_tensor(tensor(0, AccessMode::ReadWrite), TensorArgType::InOut).unwrap();
        assert_eq!(args.validate_submit(), Ok(()), "what is read first may be written");
    }
}
