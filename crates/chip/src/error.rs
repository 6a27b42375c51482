//! What can go wrong, and what to do about it.

use std::panic::Location;

use prewire_abi::{ErrorCode, TaskId, TensorError, ViewError};
use prewire_orchestrator::SubmitError;
use prewire_platform::{Core, MemoryError};
use prewire_ring::SizeError;
use prewire_sim::SimError;

use crate::shared_error::SharedError;
use crate::stall::StallReport;

/// The result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. The first error of a run is its root cause, and the one that the run returns.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The numbers of a chip description make no chip.
    #[error("the chip description is not one: {0}")]
    Spec(&'static str),
    /// A part of a chip was asked for that is larger than the chip.
    #[error("{asked} clusters were asked for, but the {chip} has 1 to {has} to give")]
    Clusters {
        /// How many were asked for.
        asked: u16,
        /// The chip.
        chip: &'static str,
        /// How many it has.
        has: u16,
    },
    /// More scheduler domains were asked for than there can be.
    #[error("{asked} scheduler domains were asked for, but {clusters} clusters are driven by 1 to {most}")]
    Domains {
        /// How many were asked for.
        asked: u16,
        /// How many clusters there are.
        clusters: u16,
        /// How many domains there can be.
        most: u16,
    },
    /// The sizes of the rings are not legal.
    #[error(transparent)]
    Sizes(#[from] SizeError),
    /// The rings may come to take more memory than the machine has.
    #[error("{0}")]
    TooMuchMemory(Box<crate::claims::TooMuchMemory>),
    /// The simulator could not be set up.
    #[error("the simulator cannot be set up: {0}")]
    Sim(#[from] SimError),
    /// Device memory could not be had or reached.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A platform with hardware was asked for, and cannot be driven here.
    #[error(
        "platform {platform} cannot be used: {why}; use the simulator of the same chip, platform {platform}sim"
    )]
    NoDriver {
        /// The platform asked for.
        platform: &'static str,
        /// What is missing.
        why: String,
    },
    /// No platform has this name.
    #[error("there is no platform {name:?}; there are {known}")]
    UnknownPlatform {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: &'static str,
    },
    /// A kernel or mix could not be registered.
    #[error("kernel {name:?} cannot be registered: {why}")]
    Kernel {
        /// Its name.
        name: String,
        /// Why not.
        why: String,
    },
    /// A tensor that cannot be.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// Shared memory, or a tensor that came from another process, that cannot be used.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// A view that is not inside its tensor.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The elements given or asked for do not match the tensor.
    #[error("{what}: the tensor has {tensor}, the call has {call}")]
    Mismatch {
        /// What does not match.
        what: &'static str,
        /// What the tensor has.
        tensor: String,
        /// What the caller has.
        call: String,
    },
    /// A task was refused at submit; nothing of it exists.
    #[error("{} at {} was refused: {}", .0.what, .0.site, .0.why)]
    Submit(Box<Refused>),
    /// A task failed while it ran, and with it everything that depends on it.
    #[error("{0}")]
    Task(Box<Failure>),
    /// The race checker found accesses that nothing orders.
    #[error("{0}")]
    Races(Box<crate::races::RaceReport>),
    /// A call that must come from outside of runs and kernels came from inside of one.
    #[error("{call} was called inside a run or a kernel; call it between runs{hint}")]
    InsideRun {
        /// The call.
        call: &'static str,
        /// What to call instead.
        hint: &'static str,
    },
    /// The run took too long, or stood still for too long, and was ended. See [`StallReport`].
    #[error("{0}")]
    Stalled(Box<StallReport>),
    /// The run was cancelled, by its handle or because its chip was dropped.
    #[error("the run was cancelled: tasks that had not begun did not run")]
    Cancelled,
    /// The orchestration of a launched run panicked.
    #[error("the orchestration of the run launched at {site} panicked: {message}")]
    Panicked {
        /// Where it was launched.
        site: &'static Location<'static>,
        /// What it said.
        message: String,
    },
    /// No thread could be started for launched runs.
    #[error("no thread could be started for launched runs: {0}; use Chip::run, or end other threads")]
    Thread(#[source] std::io::Error),
    /// The chip cannot be used any more.
    #[error("the chip is lost: {why}; build a new one")]
    Lost {
        /// What happened.
        why: String,
    },
    /// An error of the program's own, see [`Error::user`].
    #[error(transparent)]
    User(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// An error of the program's own, to end an orchestration with.
    #[must_use]
    pub fn user(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::User(Box::new(error))
    }

    /// The code that the chip's ABI has for this, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Submit(refused) => match &refused.why {
                Refusal::Submit(error) => error.code(),
                _ => Some(ErrorCode::InvalidArgs),
            },
            Self::User(_) => Some(ErrorCode::ExplicitOrchFatal),
            Self::Stalled(report) => Some(report.code()),
            _ => None,
        }
    }
}

impl prewire_runs::RunError for Error {
    fn cancelled() -> Self {
        Self::Cancelled
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Self::User(error)
    }
}

/// A submit that was refused.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// What was to be submitted: the kernel's name, or the call.
    pub what: String,
    /// Where.
    pub site: &'static Location<'static>,
    /// Why it was not.
    pub why: Refusal,
}

impl Refused {
    /// `what` was refused at `site`: for those who refuse submits of their own.
    #[must_use]
    pub fn new(what: impl Into<String>, site: &'static Location<'static>, why: Refusal) -> Self {
        Self { what: what.into(), site, why }
    }
}

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
    /// A call that makes no sense, and why.
    #[error("{0}")]
    Call(String),
    /// A host access that a running, unordered task conflicts with.
    #[error("{0}")]
    Conflict(String),
}

/// A task that failed while it ran.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The task.
    pub task: TaskId,
    /// Its kernel's name.
    pub kernel: String,
    /// The kind of the core that it failed on, and the core's number; none if it failed before it was dispatched.
    pub core: Option<(Core, u16)>,
    /// Which of its blocks, and of how many.
    pub block: (u32, u32),
    /// Where it was submitted.
    pub site: Option<&'static Location<'static>>,
    /// How many further tasks failed, or did not run because they depend on one that failed.
    pub skipped: u64,
    /// What the kernel said.
    pub error: KernelError,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {} (kernel {:?}", self.task, self.kernel)?;
        if self.block.1 > 1 {
            write!(f, ", block {} of {}", self.block.0, self.block.1)?;
        }
        f.write_str(")")?;
        if let Some((kind, number)) = self.core {
            write!(f, " on {kind} core {number}")?;
        }
        if let Some(site) = self.site {
            write!(f, ", submitted at {site},")?;
        }
        write!(f, " failed: {}", self.error)?;
        match self.skipped {
            0 => Ok(()),
            1 => f.write_str("; 1 further task failed or was skipped"),
            n => write!(f, "; {n} further tasks failed or were skipped"),
        }
    }
}

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
