//! Tensor handles, and what can be passed where a tensor is wanted.

use std::ops::Range;

use prewire_abi::{DataType, ValidTensor};
use prewire_orchestrator::ScopeKey;

use crate::buffer::Buffer;
use crate::error::{Refusal, Result};
use crate::task::Task;

/// Whose memory a tensor is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// A buffer of its owner.
    Buffer {
        /// Which.
        index: u32,
        /// Which of those that had this index.
        generation: u32,
        /// Whether it may be written.
        writable: bool,
    },
    /// The heap of a ring, while a scope is open.
    Scope {
        /// In which run.
        run: u64,
        /// Which scope.
        scope: ScopeKey,
    },
    /// Memory that was handed to its owner for one run.
    Passed {
        /// Which run.
        run: u64,
        /// Whether it may be written.
        writable: bool,
    },
}

/// A view of device memory: a handle, which is copied freely and owns nothing.
///
/// It comes from a [`Buffer`](crate::Buffer) of the chip, and is good while that lives; or it is the output of a task,
/// and is good while the scope is open in which the task was submitted. Using it later is an error at submit.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    pub(crate) inner: ValidTensor,
    pub(crate) chip: u64,
    pub(crate) origin: Origin,
}

impl Tensor {
    /// A view of memory that `owner` hands out: for those who have tensors of their own, as a worker has.
    #[must_use]
    pub const fn new(inner: ValidTensor, owner: u64, origin: Origin) -> Self {
        Self { inner, chip: owner, origin }
    }

    /// What it is, with its address.
    #[must_use]
    pub const fn inner(&self) -> &ValidTensor {
        &self.inner
    }

    /// Who handed it out: see [`Store::id`](crate::Store::id).
    #[must_use]
    pub const fn owner(&self) -> u64 {
        self.chip
    }

    /// Whose memory it is in.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The scope that it lives in: none of a buffer.
    #[must_use]
    #[inline]
    pub const fn scope(&self) -> ScopeKey {
        match self.origin {
            Origin::Buffer { .. } | Origin::Passed { .. } => ScopeKey::NONE,
            Origin::Scope { scope, .. } => scope,
        }
    }

    /// Elements by dimension.
    #[must_use]
    pub fn shape(&self) -> &[u32] {
        self.inner.shape()
    }

    /// Elements from one to the next, by dimension.
    #[must_use]
    pub fn strides(&self) -> &[u32] {
        self.inner.strides()
    }

    /// What the elements are.
    #[must_use]
    pub fn dtype(&self) -> DataType {
        self.inner.element_type()
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.inner.numel()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was handed out to be read and nothing else.
    #[must_use]
    #[inline]
    pub const fn is_read_only(&self) -> bool {
        matches!(self.origin, Origin::Buffer { writable: false, .. } | Origin::Passed { writable: false, .. })
    }

    fn with(self, inner: ValidTensor) -> Self {
        Self { inner, ..self }
    }

    /// The part that starts at `offsets` and has `shape`, in elements.
    ///
    /// # Errors
    ///
    /// The part is not inside the tensor.
    pub fn view(&self, offsets: &[u32], shape: &[u32]) -> Result<Self> {
        Ok(self.with(self.inner.view(shape, offsets)?))
    }

    /// The part whose index in dimension `dim` is in `range`.
    ///
    /// # Errors
    ///
    /// The range is not inside the dimension.
    pub fn slice(&self, dim: usize, range: Range<u32>) -> Result<Self> {
        Ok(self.with(self.inner.slice(dim, range.start, range.end, 1)?))
    }

    /// With two dimensions exchanged.
    ///
    /// # Errors
    ///
    /// There is no such dimension.
    pub fn transpose(&self, a: usize, b: usize) -> Result<Self> {
        Ok(self.with(self.inner.transpose(a, b)?))
    }

    /// With the dimensions in another order.
    ///
    /// # Errors
    ///
    /// `order` does not name each dimension once.
    pub fn permute(&self, order: &[usize]) -> Result<Self> {
        Ok(self.with(self.inner.permute(order)?))
    }

    /// With another shape of as many elements. Only of a tensor whose elements lie row after row.
    ///
    /// # Errors
    ///
    /// The elements do not lie row after row, or are not as many.
    pub fn reshape(&self, shape: &[u32]) -> Result<Self> {
        Ok(self.with(self.inner.reshape(shape)?))
    }

    /// The address of the element at `index`.
    ///
    /// # Errors
    ///
    /// There is no such element.
    pub fn element(&self, index: &[u32]) -> std::result::Result<u64, Refusal> {
        let shape = self.shape();
        let inside = index.len() == shape.len() && index.iter().zip(shape).all(|(i, n)| i < n);
        if !inside {
            return Err(self.bad_element(index, "there is no such element"));
        }
        let at: u64 = index.iter().zip(self.strides()).map(|(&i, &s)| u64::from(i) * u64::from(s)).sum();
        Ok(self.inner.start_addr() + at * u64::from(self.dtype().size()))
    }

    /// What is said of an element that cannot be used, and why.
    #[must_use]
    pub fn bad_element(&self, index: &[u32], why: &'static str) -> Refusal {
        Refusal::Element {
            index: index.to_vec(),
            shape: self.shape().to_vec(),
            dtype: self.dtype().to_string(),
            why,
        }
    }
}

/// What can be passed where a tensor is wanted: a tensor, a buffer, or a task with exactly one output.
pub trait AsTensor {
    /// The tensor; `arg` is the argument it is for, for the message.
    ///
    /// # Errors
    ///
    /// A task that has not exactly one output.
    fn as_tensor(&self, arg: usize) -> std::result::Result<&Tensor, Refusal>;
}

impl AsTensor for Tensor {
    #[inline]
    fn as_tensor(&self, _: usize) -> std::result::Result<&Tensor, Refusal> {
        Ok(self)
    }
}

impl AsTensor for Buffer {
    #[inline]
    fn as_tensor(&self, _: usize) -> std::result::Result<&Tensor, Refusal> {
        Ok(self)
    }
}

impl AsTensor for Task {
    #[inline]
    fn as_tensor(&self, arg: usize) -> std::result::Result<&Tensor, Refusal> {
        match self.outputs() {
            [one] => Ok(one),
            outputs => Err(Refusal::NotOneOutput { arg, task: self.id(), outputs: outputs.len() }),
        }
    }
}

impl<T: AsTensor> AsTensor for &T {
    #[inline]
    fn as_tensor(&self, arg: usize) -> std::result::Result<&Tensor, Refusal> {
        T::as_tensor(self, arg)
    }
}
