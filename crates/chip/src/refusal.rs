//! Why a submit was refused, and what to do about it.

use prewire_abi::{TaskId, TensorError};
use prewire_orchestrator::SubmitError;

/// Why a submit was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The orchestrator refused it.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// An argument that cannot be a tensor.
    #[error("argument {arg}: {error}")]
    Tensor {
        /// Which, from 0.
        arg: usize,
        /// What is wrong.
        error: TensorError,
    },
    /// A tensor of another chip.
    #[error(
        "argument {arg} is a tensor of another chip or worker; between runs, copy it with that chip's read and this \
         chip's tensor"
    )]
    OtherChip {
        /// Which, from 0.
        arg: usize,
    },
    /// A tensor that was made in an earlier run.
    #[error(
        "argument {arg} is an output of an earlier run, whose memory is reused; keep what outlives a run in a buffer \
         of the chip"
    )]
    OtherRun {
        /// Which, from 0.
        arg: usize,
    },
    /// A view of a buffer that was dropped.
    #[error("argument {arg} is a view of a buffer that was dropped; keep the buffer until the run has ended")]
    Dropped {
        /// Which, from 0.
        arg: usize,
    },
    /// A tensor that arrived to be read was passed in a way that lets it be written.
    #[error(
        "argument {arg} was handed to this chip to be read, so it can only be an input; have its owner pass it as an \
         output or inout"
    )]
    ReadOnly {
        /// Which, from 0.
        arg: usize,
    },
    /// A task was given where a tensor was wanted, and it has not exactly one output.
    #[error("argument {arg} is task {task}, which has {outputs} outputs; say which one with task.output(i)")]
    NotOneOutput {
        /// Which, from 0.
        arg: usize,
        /// The task.
        task: TaskId,
        /// How many outputs it has.
        outputs: usize,
    },
    /// An explicit producer of another run or chip.
    #[error("task {task} was submitted in another run, or on another chip; explicit edges stay inside a run")]
    OtherRunTask {
        /// The task.
        task: TaskId,
    },
    /// A kernel that was registered with another chip.
    #[error("the kernel was registered with another chip; register it with this one")]
    OtherChipKernel,
    /// Other numbers of arguments than the kernel takes.
    #[error(
        "{tensors} tensors and {scalars} scalars were passed, but the kernel takes {takes} and {takes_scalars}"
    )]
    Count {
        /// Tensors passed.
        tensors: usize,
        /// Scalars passed.
        scalars: usize,
        /// Tensors that it takes.
        takes: usize,
        /// Scalars that it takes.
        takes_scalars: usize,
    },
    /// An argument of another dtype, or passed in another way, than the kernel takes.
    #[error("argument {arg} is an {passed} of {dtype}, but the kernel takes an {takes}")]
    Param {
        /// Which, from 0.
        arg: usize,
        /// How it was passed.
        passed: &'static str,
        /// Its dtype.
        dtype: prewire_abi::DataType,
        /// What the kernel takes there.
        takes: crate::kernel::Param,
    },
    /// A dummy with blocks: it runs nothing, so nothing starts together or many times.
    #[error("a dummy task runs nothing, so it has one block and no sync_start")]
    DummyBlocks,
    /// A predicate or host access that names no element, or not one of a usable type.
    #[error("element {index:?} of a tensor of shape {shape:?} and dtype {dtype}: {why}")]
    Element {
        /// The index given.
        index: Vec<u32>,
        /// The shape of the tensor.
        shape: Vec<u32>,
        /// Its dtype.
        dtype: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A host access waited for as long as it may.
    #[error(
        "the element was waited for for {allowed:?}, as long as it may be: a task that writes it, or keeps what was \
         written, has not ended; look at that task, or read the element after the run"
    )]
    WaitedTooLong {
        /// How long it may be waited for.
        allowed: std::time::Duration,
    },
    /// A call that makes no sense, and why.
    #[error("{0}")]
    Call(String),
    /// A host access that a running, unordered task conflicts with.
    #[error("{0}")]
    Conflict(String),
}
