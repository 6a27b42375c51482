//! What can go wrong, and what to do about it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use prewire_abi::TaskId;
use prewire_chip::Refused;
use prewire_os::process::Exit;

/// The result of a call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed. The first error of a run is its root cause, and the one that the run returns.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The description of a tree that cannot be.
    #[error("{path} cannot be: {why}")]
    Tree {
        /// Which worker of the tree.
        path: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// A fork was asked for while other threads run.
    #[error(
        "{path} is to have children in processes, but this process runs {count} threads ({names}), and a fork would take \
         along only one of them; start the worker before the first thread, or use threads() or exec()"
    )]
    ThreadsRunning {
        /// Which worker of the tree.
        path: String,
        /// How many threads there are.
        count: usize,
        /// Their names.
        names: String,
    },
    /// A child did not come to serve.
    #[error("{path} did not start: {why}")]
    Start {
        /// Which child.
        path: String,
        /// What it said, or how it ended.
        why: String,
    },
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What was wanted.
        what: &'static str,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// Shared memory is used up.
    #[error(
        "shared memory of {path} is used up: {wanted} bytes wanted in one piece, {used} of {limit} in use; drop a buffer, \
         or raise memory_limit"
    )]
    Memory {
        /// Whose memory.
        path: String,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// More shared memory was wanted than the machine has.
    #[error(
        "shared memory of {path}: {wanted} bytes wanted and {used} in use are more than the {machine} that this machine \
         has for the process, by its memory or its control group; drop a buffer, or use smaller ones"
    )]
    BeyondMachine {
        /// Whose memory.
        path: String,
        /// Bytes asked for.
        wanted: u64,
        /// Bytes in use.
        used: u64,
        /// Bytes that the machine has.
        machine: u64,
    },
    /// A callable could not be registered, found or run.
    #[error("callable {name:?}: {why}")]
    Callable {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// There is no such worker below this one. A submit that names one is refused with the same words, and its place.
    #[error("{path} has no child {name:?}; it has {known}")]
    UnknownWorker {
        /// Who was asked.
        path: String,
        /// The name given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A task was refused at submit; nothing of it exists.
    #[error("{} at {} was refused: {}", .0.what, .0.site, .0.why)]
    Submit(Box<Refused>),
    /// A task failed, and with it everything that depends on it.
    #[error("{0}")]
    Task(Box<Failure>),
    /// A request to a child, beside its tasks, failed.
    #[error("{request} on {path} failed: {why}")]
    Control {
        /// Which child.
        path: String,
        /// What was asked.
        request: &'static str,
        /// What it said, or what became of it.
        why: String,
    },
    /// The run took longer than it was allowed, and was ended.
    #[error("the run took longer than its deadline of {allowed:?} and was ended; at that time {doing}")]
    Overdue {
        /// How long it was allowed.
        allowed: Duration,
        /// What its orchestration and its children were doing.
        doing: String,
    },
    /// The run was cancelled, by its handle or because its worker was closed.
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
    /// A call that must come from outside of runs came from inside of one.
    #[error("{call} was called inside a run or a callable; call it between runs")]
    InsideRun {
        /// The call.
        call: &'static str,
    },
    /// The worker was closed, or cannot be used any more.
    #[error("{path} cannot be used any more: {why}")]
    Lost {
        /// Which worker.
        path: String,
        /// What happened.
        why: String,
    },
    /// Something of the chip crate: a tensor, a view.
    #[error(transparent)]
    Chip(#[from] prewire_chip::Error),
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

    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, error }
    }
}

impl prewire_runs::RunError for Error {
    fn cancelled() -> Self {
        Self::Cancelled
    }
}

/// A task that failed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The task.
    pub task: TaskId,
    /// What it was to run.
    pub callable: String,
    /// The child that it was on.
    pub worker: String,
    /// Which member of its group, and of how many.
    pub member: (u32, u32),
    /// Where it was submitted.
    pub site: Option<&'static Location<'static>>,
    /// How many further tasks failed, or did not run because they depend on one that failed.
    pub skipped: u64,
    /// What happened.
    pub reason: Reason,
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Death {
    /// Its process; none if it was a thread.
    pub pid: Option<u32>,
    /// How its process ended.
    pub exit: Option<Exit>,
    /// The last that it wrote to stderr, or what its thread panicked with.
    pub last_words: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, self.exit) {
            (Some(pid), Some(exit)) => write!(f, "its process {pid} {exit}")?,
            (Some(pid), None) => write!(f, "its process {pid} ended")?,
            (None, _) => f.write_str("its thread ended")?,
        }
        if self.last_words.is_empty() {
            Ok(())
        } else {
            write!(f, "; the last it wrote: {}", self.last_words)
        }
    }
}

/// Why a task failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The callable said so.
    Said(String),
    /// The child ended while it ran the task.
    Died(Death),
    /// The child was still at it at the deadline, and was killed.
    Overdue {
        /// Its process; none of a child in a thread, which goes on.
        pid: Option<u32>,
        /// How long it was allowed.
        allowed: Duration,
    },
    /// The child has failed too often, and is not replaced any more.
    GivenUp(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            Self::Died(death) => write!(f, "while it ran the task {death}"),
            Self::Overdue { pid: Some(pid), allowed } => write!(
                f,
                "it was still running at the deadline of {allowed:?}, so its process {pid} was killed; raise the \
                 deadline, or split the task"
            ),
            Self::Overdue { pid: None, allowed } => write!(
                f,
                "it was still running at the deadline of {allowed:?}; it is in a thread, which cannot be killed and \
                 goes on: use a process for what may hang"
            ),
            Self::GivenUp(why) => write!(f, "the worker was given up: {why}"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {} ({:?}", self.task, self.callable)?;
        if self.member.1 > 1 {
            write!(f, ", member {} of {}", self.member.0, self.member.1)?;
        }
        write!(f, ") on {}", self.worker)?;
        if let Some(site) = self.site {
            write!(f, ", submitted at {site},")?;
        }
        write!(f, " failed: {}", self.reason)?;
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
        let error = Error::Tree { path: "root".into(), why: "it has no child; give it one".into() };
        assert_eq!(format!("{error:?}"), "root cannot be: it has no child; give it one");
    }
}
