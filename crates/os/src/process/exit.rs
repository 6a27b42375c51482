//! How a child ended, and taking note of it, after which the kernel forgets the child.

use super::{Pid, Signal};
use core::fmt;
use rustix::io::retry_on_intr;
use rustix::process::{WaitOptions, WaitStatus, waitpid};
use std::io;

/// How a process ended.
///
/// ```
/// use prewire_os::process::{Exit, Signal};
///
/// assert_eq!(Exit::Code(3).to_string(), "exited with code 3");
/// assert_eq!(Exit::Signal(Signal::SEGV).to_string(), "was killed by SIGSEGV (11)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited, with this code.
    Code(i32),
    /// It was ended by this signal.
    Signal(Signal),
}

impl Exit {
    /// Whether it exited with code 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// `None` of a process that was stopped or goes on.
    fn of(status: WaitStatus) -> Option<Self> {
        let code = status.exit_status().map(Self::Code);
        code.or_else(|| status.terminating_signal().map(|number| Self::Signal(Signal(number))))
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(signal) => write!(f, "was killed by {signal}"),
        }
    }
}

/// Waits until `child`, which must be a child of this process, has ended, and says how. Its number is free after that.
///
/// # Errors
///
/// `child` is no child of this process, or somebody else has taken note of its end.
pub fn reap(child: Pid) -> io::Result<Exit> {
    loop {
        let found = retry_on_intr(|| waitpid(Some(child.sys()), WaitOptions::empty()))?;
        if let Some(exit) = found.and_then(|(_, status)| Exit::of(status)) {
            return Ok(exit);
        }
    }
}

/// As [`reap`], without waiting: `None` while the child lives.
///
/// # Errors
///
/// As [`reap`].
pub fn try_reap(child: Pid) -> io::Result<Option<Exit>> {
    let found = retry_on_intr(|| waitpid(Some(child.sys()), WaitOptions::NOHANG))?;
    Ok(found.and_then(|(_, status)| Exit::of(status)))
}

/// Ends this process at once, with nothing run on the way: no destructor, no handler, no flush of what was printed and
/// not written yet. It is how a forked child ends, since all of that is a copy of what its parent will do.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: it has no precondition, and does not return.
    unsafe { libc::_exit(code) }
}
