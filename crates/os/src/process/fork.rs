//! A copy of this process, made only while it is one thread, and what a child does first: die with its parent, take a
//! name, write its output somewhere else.

use super::{Pid, Signal, kill_self, thread_names};
use crate::{Event, clock};
use core::fmt;
use core::time::Duration;
use rustix::process as sys;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

/// Which of the two processes this is: see [`fork`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "both processes go on here, and each must know which it is"]
pub enum Fork {
    /// The one that called, with the number of its child.
    Parent(Pid),
    /// The copy.
    Child,
}

/// Why this process was not forked.
#[derive(Debug)]
#[non_exhaustive]
pub enum ForkError {
    /// It runs more than one thread. A copy would have the calling one alone, and for ever locked whatever the others
    /// held at that moment: the allocator's locks among it.
    Threads {
        /// Their names, the caller's among them.
        names: Vec<String>,
    },
    /// The kernel did not do it: most often a limit on processes or on memory.
    System(io::Error),
}

impl fmt::Display for ForkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Threads { names } => write!(
                f,
                "this process runs {} threads ({}), and only a process of one thread can be forked: a copy would have \
                 the locks that the others hold and not the threads that free them; fork before the first thread \
                 starts, end the threads before, or start the child by exec",
                names.len(),
                names.join(", ")
            ),
            Self::System(error) => write!(f, "the system forks no process: {error}"),
        }
    }
}

impl core::error::Error for ForkError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            Self::Threads { .. } => None,
        }
    }
}

/// How long a thread that has been joined may take to be gone: a join returns a little earlier.
const CLEARED: Duration = Duration::from_millis(50);

/// Makes a copy of this process. Both go on behind this call, each with its own answer.
///
/// The copy has what this process has: memory as it is now, open descriptors, and shared mappings, which stay shared.
/// It should end with [`exit_now`](super::exit_now), and begin with [`die_with_parent`].
///
/// # Errors
///
/// [`ForkError::Threads`] if more than one thread runs; nothing has happened then.
pub fn fork() -> Result<Fork, ForkError> {
    let end = clock::monotonic() + CLEARED;
    loop {
        let names = thread_names().map_err(ForkError::System)?;
        if names.len() == 1 {
            break;
        }
        if clock::monotonic() >= end {
            return Err(ForkError::Threads { names });
        }
        // The kernel tells nobody when it has cleared a thread away.
        let _ = Event::new().wait_until(Some(Duration::from_millis(1)), || None::<()>);
    }
    // What is printed and not written yet would be written twice.
    let unwritten = io::stdout().flush().is_err();
    // SAFETY: this is the only thread, and only a running thread starts another, so that is still so. The copy is
    // therefore a whole process: no lock is held by a thread that it does not have, and it may do whatever this one may.
    let number = unsafe { libc::fork() };
    match Pid::from_raw(number) {
        Some(child) => Ok(Fork::Parent(child)),
        None if number == 0 => {
            if unwritten {
                // It is tried: a copy that cannot will not be able to redirect its output, and says so.
                let _ = forget_printed();
            }
            Ok(Fork::Child)
        }
        None => Err(ForkError::System(io::Error::last_os_error())),
    }
}

/// Forgets what was printed and not written: it is for the process to write, of which this is a copy.
fn forget_printed() -> io::Result<()> {
    let stdout = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(File::options().write(true).open("/dev/null")?)?;
    let forgotten = io::stdout().flush();
    rustix::stdio::dup2_stdout(stdout)?;
    forgotten
}

/// Has the kernel kill this process as soon as its parent ends, however that ends: nothing is left of a tree of
/// processes whose root was killed. `parent` is what [`Pid::current`] said there before the fork; if that process has
/// ended already, this one is killed now.
///
/// What counts as the end of the parent is that of the *thread* which forked this process.
///
/// # Errors
///
/// The kernel does not have it.
pub fn die_with_parent(parent: Pid) -> io::Result<()> {
    sys::set_parent_process_death_signal(Some(sys::Signal::KILL))?;
    // It may have ended before that.
    if Pid::parent() != Some(parent) {
        kill_self(Signal::KILL)?;
    }
    Ok(())
}

/// What this process starts is its to reap, and so are the children of those of them that end: they become its own. It
/// hears how each has ended, whatever it was told about that as it was started.
///
/// # Errors
///
/// The system refuses.
pub fn adopt_orphans() -> io::Result<()> {
    // Where ends of children are ignored, which a process inherits, the kernel forgets them as they end.
    // SAFETY: the default action is no function, so nothing of this program runs in a handler.
    if unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) } == libc::SIG_ERR {
        return Err(io::Error::last_os_error());
    }
    Ok(sys::set_child_subreaper(Some(sys::getpid()))?)
}

/// Names this process in what `ps` and debuggers show, if the main thread calls it; otherwise the calling thread. The
/// kernel keeps the first 15 bytes, up to the first zero byte.
pub fn set_name(name: &str) {
    let mut end = name.find('\0').unwrap_or(name.len()).min(15);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    // There is no zero byte in it, and a name of that length is always taken.
    if let Ok(name) = CString::new(&name[..end]) {
        let _ = rustix::thread::set_name(&name);
    }
}

/// From now on what this process prints goes into `stdout` and `stderr`.
///
/// # Errors
///
/// One of them is not open any more; or what was printed before cannot be written.
pub fn redirect_output(stdout: impl AsFd, stderr: impl AsFd) -> io::Result<()> {
    io::stdout().flush()?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)?;
    Ok(())
}
