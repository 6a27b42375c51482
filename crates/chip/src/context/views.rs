//! The views of its arguments that a kernel takes: each is checked, and keeps others away for as long as it lives.
//!
//! Where edges keep everybody else away, a view takes a mark of its argument; otherwise a lease. What only that usual case
//! needs is in line and stays in registers.

use prewire_abi::{TensorArgType, ViewError};
use prewire_orchestrator::{ArgTensor, PackedArg};

use super::KernelCtx;
use crate::element::Element;
use crate::error::KernelError;
use crate::extent::Extent;
use crate::guard::{Guard, Mark};
use crate::lease::Holder;
use crate::shared_memory::SharedMemory;
use crate::span::Span;
use crate::view::{View, ViewMut};

/// What a view is made of, where it takes more than a mark.
struct Slow<'k> {
    extent: Extent,
    guard: Guard<'k>,
}

impl KernelCtx<'_> {
    /// Argument `arg`, to read. Tensors are counted in the order in which they were passed, from 0.
    ///
    /// # Errors
    ///
    /// There is no such argument; its elements are not of type `T`; or somebody holds a view of it to write.
    #[inline]
    pub fn input<T: Element>(&self, arg: usize) -> Result<View<'_, T>, KernelError> {
        let (extent, guard) = self.view_of::<T>(arg, false)?;
        Ok(View::new(extent, guard))
    }

    /// Argument `arg`, to write. In a task of several sub-tasks all of them share it: take parts with
    /// [`output_at`](KernelCtx::output_at).
    ///
    /// # Errors
    ///
    /// There is no such argument; it is an input; its elements are not of type `T`; or somebody holds a view of it.
    #[inline]
    pub fn output<T: Element>(&self, arg: usize) -> Result<ViewMut<'_, T>, KernelError> {
        let (extent, guard) = self.view_of::<T>(arg, true)?;
        Ok(ViewMut::new(extent, guard))
    }

    /// The part of argument `arg` that starts at `offsets` and has `shape`, to read.
    ///
    /// # Errors
    ///
    /// As [`input`](KernelCtx::input); and a part that is not inside the argument.
    pub fn input_at<T: Element>(
        &self,
        arg: usize,
        offsets: &[u32],
        shape: &[u32],
    ) -> Result<View<'_, T>, KernelError> {
        let span = part(arg, self.span::<T>(arg, false)?, offsets, shape)?;
        Ok(View::new(span, self.guard(arg, &span, false)?))
    }

    /// The part of argument `arg` that starts at `offsets` and has `shape`, to write.
    ///
    /// # Errors
    ///
    /// As [`output`](KernelCtx::output); and a part that is not inside the argument.
    pub fn output_at<T: Element>(
        &self,
        arg: usize,
        offsets: &[u32],
        shape: &[u32],
    ) -> Result<ViewMut<'_, T>, KernelError> {
        let span = part(arg, self.span::<T>(arg, true)?, offsets, shape)?;
        Ok(ViewMut::new(span, self.guard(arg, &span, true)?))
    }

    /// What a view of argument `arg` is made of.
    #[inline(always)]
    fn view_of<T: Element>(&self, arg: usize, write: bool) -> Result<(Extent, Guard<'_>), KernelError> {
        match self.quick::<T>(arg, write) {
            Some((tensor, mark)) => Ok((Extent::of(&tensor), Guard::Mark(mark))),
            None => {
                // Not handed on as it is: what is returned would lie in memory, whichever way it was made.
                let Slow { extent, guard } = self.view_slowly::<T>(arg, write)?;
                Ok((extent, guard))
            }
        }
    }

    /// Argument `arg` and its mark, if that is all that a view of it takes and a kernel may access it so as elements of `T`.
    /// In line, and nothing but words: what goes through memory in pieces costs more than all the checks.
    #[inline(always)]
    fn quick<T: Element>(&self, arg: usize, write: bool) -> Option<(PackedArg, Mark<'_>)> {
        if !self.alone {
            return None;
        }
        let tensor = self.record.packed(arg, T::DTYPE)?;
        let aligned = tensor.addr().is_multiple_of(align_of::<T>() as u64);
        if !aligned || (write && tensor.is_input()) {
            return None;
        }
        Some((tensor, self.marks.get(arg)?.take(write)?))
    }

    #[cold]
    #[inline(never)]
    fn view_slowly<T: Element>(&self, arg: usize, write: bool) -> Result<Slow<'_>, KernelError> {
        let span = self.span::<T>(arg, write)?;
        Ok(Slow { extent: span.into(), guard: self.guard(arg, &span, write)? })
    }

    /// The span of argument `arg`, if a kernel may access it so as elements of `T`.
    fn span<T: Element>(&self, arg: usize, write: bool) -> Result<Span, KernelError> {
        let Some(tensor) = self.record.tensor(arg) else { return Err(self.no_tensor(arg)) };
        let allowed = !(write && tensor.tag == TensorArgType::Input);
        let aligned = tensor.addr.is_multiple_of(align_of::<T>() as u64);
        if allowed && aligned && tensor.dtype == T::DTYPE {
            Ok(Span::of(&tensor))
        } else {
            Err(unfit::<T>(arg, &tensor, write))
        }
    }

    /// Keeps others away from `span` for as long as the guard lives.
    fn guard(&self, arg: usize, span: &Span, write: bool) -> Result<Guard<'_>, KernelError> {
        if let Some(memory) = self.engine.adoptions().at(span.addr) {
            return self.guard_shared(memory, arg, span, write);
        }
        let guard = if self.is_exclusive() {
            let mark = self.marks.get(arg).and_then(|marks| marks.take(write));
            Guard::Mark(mark.ok_or(KernelError::Borrowed { arg })?)
        } else {
            let leases = self.engine.leases();
            let taken = leases.take(span, write, self.holder());
            let conflict = |other: Holder| KernelError::Conflict { arg, other: other.to_string() };
            self.leased.set(true);
            Guard::lease(leases, taken.map_err(conflict)?)
        };
        self.tell(arg, span, write);
        Ok(guard)
    }

    /// As `guard`, in memory that others share.
    fn guard_shared(
        &self,
        memory: SharedMemory,
        arg: usize,
        span: &Span,
        write: bool,
    ) -> Result<Guard<'_>, KernelError> {
        let holder = self.holder();
        match memory.leases().take(span, write, holder) {
            Ok(id) => {
                self.shares.set(true);
                self.tell(arg, span, write);
                Ok(Guard::shared(memory, id))
            }
            Err(other) if self.is_exclusive() && other == holder => Err(KernelError::Borrowed { arg }),
            Err(other) => Err(KernelError::Conflict { arg, other: other.beside(&holder) }),
        }
    }

    /// Tells the race checker of a view, if there is one.
    fn tell(&self, arg: usize, span: &Span, write: bool) {
        if self.watch.is_some() {
            self.tell_checker(arg, span, write);
        }
    }

    #[cold]
    fn tell_checker(&self, arg: usize, span: &Span, write: bool) {
        if let (Some(races), Some(watch)) = (self.engine.races(), &self.watch)
            && let Some(tensor) = self.record.tensor(arg)
        {
            if write {
                watch.borrow_mut().writes(arg);
            }
            races.view(self.task, arg, tensor.tag, span, write);
        }
    }
}

/// Why a kernel may not access a tensor so as elements of `T`.
#[cold]
fn unfit<T: Element>(arg: usize, tensor: &ArgTensor, write: bool) -> KernelError {
    if write && tensor.tag == TensorArgType::Input {
        KernelError::Access { arg, tag: tensor.tag, access: "write" }
    } else if tensor.dtype != T::DTYPE {
        KernelError::Dtype { arg, tensor: tensor.dtype, wanted: T::DTYPE }
    } else {
        KernelError::Misaligned { arg, addr: tensor.addr, size: size_of::<T>() }
    }
}

/// A part of a span.
fn part(arg: usize, mut span: Span, offsets: &[u32], shape: &[u32]) -> Result<Span, KernelError> {
    let refuse = |error| Err(KernelError::View { arg, error });
    for (what, list) in [("offsets", offsets), ("shape", shape)] {
        if list.len() != span.ndims {
            return refuse(ViewError::Rank { what, got: list.len(), ndims: span.ndims });
        }
    }
    let mut at = 0;
    for dim in 0..span.ndims {
        let (start, length, size) = (offsets[dim], shape[dim], span.shape[dim]);
        let end = u64::from(start) + u64::from(length);
        if end > u64::from(size) {
            return refuse(ViewError::OutOfBounds { dim, start, end, size });
        }
        at += u64::from(start) * u64::from(span.strides[dim]);
        span.shape[dim] = length;
    }
    span.addr += at * span.size;
    span.packed = false;
    Ok(span)
}
