//! Why a kernel failed, and what to do about it.

use prewire_abi::ViewError;

use crate::deferred::DeferredError;
use crate::shared_error::SharedError;

/// Why a kernel failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KernelError {
    /// The kernel's own failure.
    #[error("{0}")]
    Failed(String),
    /// The kernel panicked.
    #[error("the kernel panicked: {0}")]
    Panicked(String),
    /// There is no such tensor argument.
    #[error("argument {arg} was asked for, but the task has {tensors} tensors")]
    NoTensor {
        /// Which was asked for.
        arg: usize,
        /// How many there are.
        tensors: usize,
    },
    /// There is no such scalar argument.
    #[error("scalar {scalar} was asked for, but the task has {scalars} scalars")]
    NoScalar {
        /// Which was asked for.
        scalar: usize,
        /// How many there are.
        scalars: usize,
    },
    /// The elements are of another type.
    #[error("argument {arg} has dtype {tensor}, but the kernel asked for {wanted}")]
    Dtype {
        /// Which argument.
        arg: usize,
        /// Its dtype.
        tensor: prewire_abi::DataType,
        /// The dtype asked for.
        wanted: prewire_abi::DataType,
    },
    /// The elements do not start at a multiple of their size.
    #[error("argument {arg} is at address {addr:#x}, which is not a multiple of its element size {size}")]
    Misaligned {
        /// Which argument.
        arg: usize,
        /// Where its first element is.
        addr: u64,
        /// Bytes of an element.
        size: usize,
    },
    /// The argument was not passed for this kind of access.
    #[error("argument {arg} was passed as {tag}, which a kernel must not {access}")]
    Access {
        /// Which argument.
        arg: usize,
        /// How it was passed.
        tag: prewire_abi::TensorArgType,
        /// What the kernel wanted to do.
        access: &'static str,
    },
    /// A view of the same argument is alive in this kernel, and one of the two is written.
    #[error("argument {arg} is already borrowed by another view of this kernel; drop that view first")]
    Borrowed {
        /// Which argument.
        arg: usize,
    },
    /// Somebody else holds a view of the same bytes, and one of the two is written.
    #[error(
        "argument {arg} touches bytes that {other} holds a view of at the same time, and one of the two writes; \
         order the tasks by an edge, or give blocks disjoint views with input_at and output_at"
    )]
    Conflict {
        /// Which argument.
        arg: usize,
        /// Who holds the other view.
        other: String,
    },
    /// A tensor that arrived and cannot be used.
    #[error("argument {arg}: {error}")]
    Shared {
        /// Which argument.
        arg: usize,
        /// What is wrong.
        error: SharedError,
    },
    /// A sub-view reaches out of its argument.
    #[error("argument {arg}: {error}")]
    View {
        /// Which argument.
        arg: usize,
        /// What is wrong.
        error: ViewError,
    },
    /// The elements do not lie one after the other.
    #[error(
        "the elements of a view of shape {shape:?} and strides {strides:?} do not lie one after the other; use rows or get and set"
    )]
    NotContiguous {
        /// Its shape.
        shape: Vec<u32>,
        /// Its strides in elements.
        strides: Vec<u32>,
    },
    /// An index that names no element or row.
    #[error("index {index:?} is outside of a view of shape {shape:?}")]
    OutOfBounds {
        /// The index.
        index: Vec<usize>,
        /// The shape.
        shape: Vec<u32>,
    },
    /// A barrier that this task cannot have.
    #[error("{0}")]
    NoBarrier(&'static str),
    /// All sub-tasks of the task wait, at different barriers.
    #[error(
        "all sub-tasks of the task wait at barriers that the others never come to: {cohort} at the cohort barrier, \
         {blocks} at cluster barriers; every sub-task must pass the same barriers in the same order"
    )]
    BarrierDeadlock {
        /// How many wait for all blocks.
        cohort: u32,
        /// How many wait for the other places of their block.
        blocks: u32,
    },
    /// What the kernel left for its task to wait for cannot be waited for. The run ends.
    #[error("{0}")]
    Deferred(DeferredError),
    /// A peer ended, or failed, without coming to the barrier.
    #[error("a peer ended without coming to the barrier; every sub-task must pass the same barriers")]
    BarrierBroken,
}

impl KernelError {
    /// The kernel's own failure.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }
}
