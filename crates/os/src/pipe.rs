//! A pipe for what a child prints: its reader never waits, its writers are whoever has it.

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, retry_on_intr};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Both ends of a pipe. The descriptor that a [`WaitSet`](crate::WaitSet) takes is that of the reader. Closed on drop.
///
/// ```
/// use std::{fs::File, io::Write};
///
/// let pipe = prewire_os::Pipe::new()?;
/// let mut bytes = [0; 16];
/// assert_eq!(pipe.read(&mut bytes)?, None, "nothing there yet");
/// File::from(pipe.writer().try_clone_to_owned()?).write_all(b"hello")?;
/// assert_eq!(pipe.read(&mut bytes)?, Some(5));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    /// A new pipe.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left.
    pub fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        Self::from_fds(reader, writer)
    }

    /// The pipe behind descriptors that another process made.
    ///
    /// # Errors
    ///
    /// `reader` is not open.
    pub fn from_fds(reader: OwnedFd, writer: OwnedFd) -> io::Result<Self> {
        // The writing end keeps waiting for room: a program that prints much is slowed down, not cut off.
        fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
        Ok(Self { reader, writer })
    }

    /// Reads what is there, as far as it fits, without waiting: how many bytes; `None` if there is nothing now.
    /// `Some(0)` would say that nobody can write any more, which is not while this pipe is there.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn read(&self, bytes: &mut [u8]) -> io::Result<Option<usize>> {
        match retry_on_intr(|| rustix::io::read(&self.reader, &mut *bytes)) {
            Ok(count) => Ok(Some(count)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The end that is written to: see [`redirect_output`](crate::process::redirect_output).
    #[must_use]
    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
