//! What a host function is given: the arguments of its task, where they are.

use std::cell::Cell;
use std::fmt;

use prewire_abi::{ArgsError, DataType, TaskArgsView, Tensor, TensorArgType};

use crate::element::{Element, Scalar};
use crate::error::KernelError;
use crate::guard::Guard;
use crate::lease::Holder;
use crate::segments::Segments;
use crate::shared_error::SharedError;
use crate::view::{View, ViewMut};

/// The arguments of a host function: tensors in shared memory, which it reads and writes in place through the views that
/// kernels have, and scalars. Each view takes a lease, so that nobody in this process conflicts with it.
///
/// ```
/// use prewire_abi::{AccessMode, BufferIdentity, TaskArgsView, Tensor};
/// use prewire_chip::{DataType, HostArgs, KernelError, Segments, SharedMemory};
///
/// fn double(args: &HostArgs<'_>) -> Result<(), KernelError> {
///     let (from, by) = (args.input::<f32>(0)?, args.scalar::<f32>(0)?);
///     let mut to = args.output::<f32>(1)?;
///     for (to, from) in to.as_mut_slice()?.iter_mut().zip(from.iter()) {
///         *to = from * by;
///     }
///     Ok(())
/// }
///
/// let memory = SharedMemory::new(prewire_os::Mapping::new(4096)?);
/// let identity = BufferIdentity::new(*b"node0001", 1, 1);
/// let mut segments = Segments::new();
/// segments.add(identity, 4096, &memory)?;
/// memory.view_mut::<f32>(0, 8)?.fill(1.5);
/// let from = segments.describe(identity, 0, 32, AccessMode::Read)?;
/// let to = segments.describe(identity, 32, 32, AccessMode::Write)?;
/// let tensors = [from, to].map(|buffer| Tensor::contiguous(buffer, 0, &[8], DataType::F32));
/// let tensors = [tensors[0]?, tensors[1]?];
/// let scalars = u64::from(2.0f32.to_bits()).to_ne_bytes();
///
/// double(&HostArgs::new(TaskArgsView::new(bytemuck::cast_slice(&tensors), &scalars), &segments))?;
/// assert_eq!(memory.view::<f32>(32, 8)?.to_vec(), [3.0; 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct HostArgs<'a> {
    args: TaskArgsView<'a>,
    segments: &'a Segments,
    holder: Holder,
    /// Whether it has had a view.
    leased: Cell<bool>,
}

impl fmt::Debug for HostArgs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostArgs")
            .field("tensors", &self.tensors())
            .field("scalars", &self.scalars())
            .finish_non_exhaustive()
    }
}

impl<'a> HostArgs<'a> {
    /// The arguments of one call, as they arrived. What is in them is checked when it is asked for.
    #[must_use]
    pub fn new(args: TaskArgsView<'a>, segments: &'a Segments) -> Self {
        Self { args, segments, holder: Holder::host(), leased: Cell::new(false) }
    }

    /// How many tensors there are.
    #[must_use]
    pub fn tensors(&self) -> usize {
        self.args.tensor_count()
    }

    /// How many scalars there are.
    #[must_use]
    pub fn scalars(&self) -> usize {
        self.args.scalar_count()
    }

    /// Argument `arg` as it travels: for its buffer and strides, or to hand it on.
    ///
    /// # Errors
    ///
    /// There is no such argument, or what arrived is not a tensor.
    pub fn tensor(&self, arg: usize) -> Result<Tensor, KernelError> {
        self.args.tensor(arg).map_err(|error| match error {
            ArgsError::Tensor { error, .. } => KernelError::Shared { arg, error: error.into() },
            _ => KernelError::NoTensor { arg, tensors: self.tensors() },
        })
    }

    /// The shape of argument `arg`.
    ///
    /// # Errors
    ///
    /// As [`tensor`](HostArgs::tensor).
    pub fn shape(&self, arg: usize) -> Result<Vec<u32>, KernelError> {
        Ok(self.tensor(arg)?.shape().to_vec())
    }

    /// What the elements of argument `arg` are.
    ///
    /// # Errors
    ///
    /// As [`tensor`](HostArgs::tensor).
    pub fn dtype(&self, arg: usize) -> Result<DataType, KernelError> {
        self.tensor(arg)?.dtype().map_err(|error| KernelError::Shared { arg, error: error.into() })
    }

    /// Scalar `i`, counted from 0 among the scalars. It must have been passed as the same type, or one as wide.
    ///
    /// # Errors
    ///
    /// There is no such scalar.
    pub fn scalar<T: Scalar>(&self, i: usize) -> Result<T, KernelError> {
        let bits = self.args.scalar(i);
        bits.map(T::from_bits).map_err(|_| KernelError::NoScalar { scalar: i, scalars: self.scalars() })
    }

    /// Argument `arg`, to read. Tensors are counted in the order in which they were passed, from 0.
    ///
    /// # Errors
    ///
    /// There is no such argument; what arrived is not a tensor in memory that is mapped here; its elements are not of
    /// type `T`; or somebody in this process, this function included, holds a view of it to write.
    pub fn input<T: Element>(&self, arg: usize) -> Result<View<'_, T>, KernelError> {
        let (span, guard) = self.access::<T>(arg, self.tensor(arg)?, false)?;
        Ok(View::new(span, guard))
    }

    /// Argument `arg`, to write.
    ///
    /// # Errors
    ///
    /// As [`input`](HostArgs::input); it was passed to be read; or somebody in this process holds any view of it.
    pub fn output<T: Element>(&self, arg: usize) -> Result<ViewMut<'_, T>, KernelError> {
        let (span, guard) = self.access::<T>(arg, self.tensor(arg)?, true)?;
        Ok(ViewMut::new(span, guard))
    }

    /// Argument `arg`, to read and write.
    ///
    /// # Errors
    ///
    /// As [`output`](HostArgs::output); or it was passed to be overwritten, so that what is in it means nothing.
    pub fn inout<T: Element>(&self, arg: usize) -> Result<ViewMut<'_, T>, KernelError> {
        let tensor = self.tensor(arg)?;
        if tensor.buffer().access().is_ok_and(|access| !access.can_read()) {
            return Err(KernelError::Access { arg, tag: TensorArgType::OutputExisting, access: "read" });
        }
        let (span, guard) = self.access::<T>(arg, tensor, true)?;
        Ok(ViewMut::new(span, guard))
    }

    fn access<T: Element>(
        &self,
        arg: usize,
        tensor: Tensor,
        write: bool,
    ) -> Result<(crate::span::Span, Guard<'_>), KernelError> {
        let (span, memory) = self.segments.span::<T>(&tensor, write).map_err(|error| match error {
            SharedError::ReadOnly => KernelError::Access { arg, tag: TensorArgType::Input, access: "write" },
            SharedError::Dtype { tensor, wanted } => KernelError::Dtype { arg, tensor, wanted },
            error => KernelError::Shared { arg, error },
        })?;
        match memory.leases().take(&span, write, self.holder) {
            Ok(id) => {
                self.leased.set(true);
                Ok((span, Guard::lease(memory.leases(), id)))
            }
            Err(other) if other == self.holder => Err(KernelError::Borrowed { arg }),
            Err(other) => Err(KernelError::Conflict { arg, other: other.beside(&self.holder) }),
        }
    }
}

impl Drop for HostArgs<'_> {
    fn drop(&mut self) {
        // Views that were leaked: nothing uses them, as they borrowed this.
        if self.leased.get() {
            self.segments.give_back_all(self.holder);
        }
    }
}
