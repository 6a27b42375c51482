//! A descriptor of a process: it stands for that process alone, even when its number has gone to another.

use super::{Pid, Signal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process as sys;
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A descriptor of one process. It is readable once the process has ended, so a [`WaitSet`](crate::WaitSet) can wait
/// for that. Closed on drop.
#[derive(Debug)]
pub struct PidFd {
    fd: OwnedFd,
}

impl PidFd {
    /// Of the process that has the number `pid` now: a child that nobody has [reaped](super::reap), or any process of
    /// which that is known by other means.
    ///
    /// # Errors
    ///
    /// There is no such process, or no descriptor is left.
    pub fn open(pid: Pid) -> io::Result<Self> {
        Ok(Self { fd: sys::pidfd_open(pid.sys(), sys::PidfdFlags::empty())? })
    }

    /// Sends it `signal`. Nothing happens to a process that has ended.
    ///
    /// # Errors
    ///
    /// There is no such signal, or this process may not.
    pub fn kill(&self, signal: Signal) -> io::Result<()> {
        match sys::pidfd_send_signal(&self.fd, signal.sys()?) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the process has ended.
    ///
    /// # Errors
    ///
    /// The kernel has no memory to say.
    pub fn has_exited(&self) -> io::Result<bool> {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut set = [PollFd::new(&self.fd, PollFlags::IN)];
        Ok(retry_on_intr(|| poll(&mut set, Some(&at_once)))? > 0)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
