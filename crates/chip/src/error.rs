//! What can go wrong, and what to do about it.

use std::fmt;
use std::panic::Location;

use prewire_abi::{ErrorCode, TaskId, TensorError, ViewError};
use prewire_platform::{Core, MemoryError};
use prewire_ring::SizeError;
use prewire_sim::SimError;

pub use crate::kernel_error::KernelError;
use crate::library::LibraryError;
pub use crate::refusal::Refusal;
use crate::shared_error::SharedError;
use crate::stall::StallReport;

/// The result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. The first error of a run is its root cause, and the one that the run returns.
#[derive(thiserror::Error)]
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
    /// A kernel library could not be loaded.
    #[error("{0}")]
    Library(Box<LibraryError>),
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

/// As it is displayed, with what to do about it: a `main` that returns an error prints it so.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
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
                Refusal::WaitedTooLong { .. } => Some(ErrorCode::TensorWaitTimeout),
                _ => Some(ErrorCode::InvalidArgs),
            },
            Self::User(_) => Some(ErrorCode::ExplicitOrchFatal),
            Self::Stalled(report) => Some(report.code()),
            Self::Task(failure) => match &failure.error {
                KernelError::Deferred(error) => Some(error.code()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<LibraryError> for Error {
    fn from(error: LibraryError) -> Self {
        Self::Library(Box::new(error))
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_main_prints_says_what_to_do() {
        let error = Error::NoDriver { platform: "a2a3", why: "there is no driver".into() };
        let told = format!("{error:?}");
        assert_eq!(told, error.to_string());
        assert!(told.contains("use the simulator of the same chip"), "{told}");
        let refused = Refused::new("kernel \"add\"", Location::caller(), Refusal::ReadOnly { arg: 0 });
        let error = Error::Submit(Box::new(refused));
        assert_eq!(format!("{error:?}"), error.to_string());
    }
}
