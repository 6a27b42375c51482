//! Signals by number and name, sending them, and dying of one on purpose.

use super::Pid;
use core::fmt;
use rustix::io::Errno;
use rustix::process as sys;
use std::io;

/// A signal, as a number of this machine.
///
/// ```
/// use prewire_os::process::Signal;
///
/// assert_eq!(Signal::KILL.to_string(), "SIGKILL (9)");
/// assert_eq!(Signal(40).to_string(), "signal 40");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signal(pub i32);

impl Signal {
    /// Ends a process; it cannot be held off.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// What a terminal sends to all processes of a program when somebody types Ctrl-C.
    pub const INT: Self = Self(libc::SIGINT);
    /// Asks a process to end.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// Stops a process until [`CONT`](Signal::CONT); it cannot be held off.
    pub const STOP: Self = Self(libc::SIGSTOP);
    /// Lets a stopped process go on.
    pub const CONT: Self = Self(libc::SIGCONT);
    /// What a process ends with that touches memory it does not have.
    pub const SEGV: Self = Self(libc::SIGSEGV);
    /// What a process gets that writes where nobody reads; the standard library has it ignored.
    pub const PIPE: Self = Self(libc::SIGPIPE);
    /// What a process ends with that aborts.
    pub const ABRT: Self = Self(libc::SIGABRT);

    /// Its name; `None` for one that has none, as those of real time.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(number, _)| *number == self.0).map(|(_, name)| *name)
    }

    pub(super) fn sys(self) -> io::Result<sys::Signal> {
        // Signals of real time are the C library's to hand out.
        Ok(sys::Signal::from_named_raw(self.0).ok_or(Errno::INVAL)?)
    }
}

const NAMES: &[(i32, &str)] = &[
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGCHLD, "SIGCHLD"),
    (libc::SIGCONT, "SIGCONT"),
    (libc::SIGSTOP, "SIGSTOP"),
    (libc::SIGTSTP, "SIGTSTP"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
    (libc::SIGSYS, "SIGSYS"),
];

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "signal {}", self.0),
        }
    }
}

/// Sends `signal` to the process `pid`. A number may have gone to another process since; where that can be,
/// [`PidFd::kill`](super::PidFd::kill) cannot hit the wrong one.
///
/// # Errors
///
/// There is no such process or no such signal, or this process may not.
pub fn kill(pid: Pid, signal: Signal) -> io::Result<()> {
    Ok(sys::kill_process(pid.sys(), signal.sys()?)?)
}

/// Sends `signal` to every process of the group that `leader` leads.
///
/// # Errors
///
/// As [`kill`].
pub fn kill_group(leader: Pid, signal: Signal) -> io::Result<()> {
    Ok(sys::kill_process_group(leader.sys(), signal.sys()?)?)
}

/// Sends `signal` to this process, with the effect that it has on a program that handles none: whoever wants to know
/// what a crash does can have one. Returns if the signal does not end the process, and after a stop.
///
/// # Errors
///
/// There is no such signal.
pub fn kill_self(signal: Signal) -> io::Result<()> {
    restore(signal)?;
    Ok(sys::kill_process(sys::getpid(), signal.sys()?)?)
}

/// From now on `signal` does to this process, and to those that it forks, what it does to a program that says nothing of it. For a
/// program whose output is all that it is for: with [`Signal::PIPE`] it ends, without a word, where nobody reads that any more.
///
/// ```
/// use prewire_os::process::{self, Signal};
///
/// process::restore(Signal::PIPE)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// There is no such signal.
pub fn restore(signal: Signal) -> io::Result<()> {
    signal.sys()?;
    // SAFETY: the default action is no function, so nothing of this program runs in a handler; for a signal whose
    // action cannot be changed this is an error, and does nothing.
    unsafe { libc::signal(signal.0, libc::SIG_DFL) };
    Ok(())
}

/// From now on `signal` does nothing to this process and to those that it forks, if it would end them: where the program
/// has set up what it does, that stays.
///
/// # Errors
///
/// There is no such signal, or it cannot be held off.
pub fn ignore(signal: Signal) -> io::Result<()> {
    signal.sys()?;
    // SAFETY: to ignore a signal is no function, so nothing of this program runs in a handler; for a signal whose action
    // cannot be changed this is an error, and does nothing.
    let before = unsafe { libc::signal(signal.0, libc::SIG_IGN) };
    match before {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        libc::SIG_DFL | libc::SIG_IGN => Ok(()),
        handler => {
            // SAFETY: `handler` is the action that this signal had a moment ago.
            unsafe { libc::signal(signal.0, handler) };
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_held_off_is_not_ignored() {
        assert!(ignore(Signal::KILL).is_err() && ignore(Signal::STOP).is_err());
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        for wrong in [-1, 0, 4000] {
            assert!(kill(Pid::current(), Signal(wrong)).is_err(), "{wrong}");
            assert!(kill_self(Signal(wrong)).is_err(), "{wrong}");
            assert!(ignore(Signal(wrong)).is_err() && restore(Signal(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_name_is_of_a_signal_that_can_be_sent() {
        for (number, name) in NAMES {
            assert!(Signal(*number).sys().is_ok(), "{name}");
        }
    }
}
