//! The number of a process, as a type: never zero, and never one of the numbers that stand for many processes.

use core::fmt;
use rustix::process as sys;

/// The number of one process.
///
/// ```
/// use prewire_os::process::Pid;
///
/// let me = Pid::current();
/// assert_eq!(Pid::from_raw(me.raw()), Some(me));
/// assert_eq!(Pid::from_raw(0), None, "zero and negative numbers stand for groups of processes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pid(sys::Pid);

impl Pid {
    /// This process.
    #[must_use]
    pub fn current() -> Self {
        Self(sys::getpid())
    }

    /// The process that started this one, or the one that has taken it in since that ended. `None` if it is outside of
    /// what this process can see.
    #[must_use]
    pub fn parent() -> Option<Self> {
        sys::getppid().map(Self)
    }

    /// The process of that number; `None` unless it is positive.
    #[must_use]
    pub fn from_raw(number: i32) -> Option<Self> {
        (number > 0).then(|| sys::Pid::from_raw(number)).flatten().map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn raw(self) -> i32 {
        self.0.as_raw_pid()
    }

    pub(crate) fn sys(self) -> sys::Pid {
        self.0
    }
}

/// The number of the user that this process acts for.
#[must_use]
pub fn user() -> u32 {
    sys::geteuid().as_raw()
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.raw().fmt(f)
    }
}
