//! Whole messages between two processes, in order, and an end that is seen when one of them is gone.

use crate::clock;
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair, sockopt,
};
use rustix::time::Timespec;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// One of the two ends of a line for messages. Closed on drop; the other end sees that once no process has this one.
///
/// ```
/// use prewire_os::Channel;
///
/// let (here, there) = Channel::pair()?;
/// here.send(b"hello")?;
/// let mut message = [0; 16];
/// assert_eq!(there.recv(&mut message)?, 5);
/// drop(here);
/// assert_eq!(there.recv(&mut message)?, 0, "the other end is gone");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Channel {
    fd: OwnedFd,
}

impl Channel {
    /// Two ends of a new line.
    ///
    /// # Errors
    ///
    /// No descriptor or memory is left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, two) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self { fd: one }, Self { fd: two }))
    }

    /// The end behind a descriptor that another process made.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        if sockopt::socket_type(&fd)? != SocketType::SEQPACKET {
            let what = "the descriptor is a socket, but not an end of a channel";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(Self { fd })
    }

    /// Sends `message` as one. Waits while the other end has very many that it has not looked at.
    ///
    /// # Errors
    ///
    /// The message is empty, which would look like an end, or too long for the kernel; or the other end is gone
    /// (`BrokenPipe`).
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        if message.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message has a byte at least"));
        }
        match retry_on_intr(|| send(&self.fd, message, SendFlags::NOSIGNAL)) {
            Ok(_) => Ok(()),
            Err(Errno::CONNRESET) => Err(Errno::PIPE.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for the next message, writes it to the start of `message` and says how long it is; 0 when the other end is
    /// gone and no message is left.
    ///
    /// # Errors
    ///
    /// The message is longer than there is room for; it is lost then.
    pub fn recv(&self, message: &mut [u8]) -> io::Result<usize> {
        let room = message.len();
        match retry_on_intr(|| recv(&self.fd, &mut *message, RecvFlags::TRUNC)) {
            Ok((_, length)) if length <= room => Ok(length),
            Ok((_, length)) => {
                let what = format!("a message of {length} bytes, for which there are {room} bytes of room");
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
            // It went without looking at what was sent to it.
            Err(Errno::CONNRESET) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// As [`recv`](Channel::recv), but for no longer than `timeout`: `None` if nothing has come by then.
    ///
    /// # Errors
    ///
    /// As [`recv`](Channel::recv).
    pub fn recv_within(&self, timeout: Duration, message: &mut [u8]) -> io::Result<Option<usize>> {
        let end = clock::monotonic().saturating_add(timeout);
        loop {
            let left = end.saturating_sub(clock::monotonic());
            let limit = Timespec::try_from(left).ok();
            let mut set = [PollFd::new(&self.fd, PollFlags::IN)];
            match poll(&mut set, limit.as_ref()) {
                Ok(0) if left.is_zero() => return Ok(None),
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.recv(message).map(Some),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Channel {
    /// As [`send`](Channel::send), with a copy of the descriptor `fd`.
    ///
    /// # Errors
    ///
    /// As [`send`](Channel::send).
    pub fn send_fd(&self, message: &[u8], fd: BorrowedFd<'_>) -> io::Result<()> {
        crate::door::send_with(self, message, fd)
    }

    /// As [`recv_within`](Channel::recv_within), with the descriptor that came with the message, if one did.
    ///
    /// # Errors
    ///
    /// As [`recv`](Channel::recv).
    pub fn recv_fd(
        &self,
        timeout: Duration,
        message: &mut [u8],
    ) -> io::Result<Option<(usize, Option<OwnedFd>)>> {
        crate::door::recv_with(self, timeout, message)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_whole_and_in_order() {
        let (here, there) = Channel::pair().unwrap();
        let mut room = [0; 8];
        for message in [&b"one"[..], b"twotwo", b"3"] {
            here.send(message).unwrap();
        }
        for message in [&b"one"[..], b"twotwo", b"3"] {
            let length = there.recv(&mut room).unwrap();
            assert_eq!(&room[..length], message);
        }
        assert_eq!(there.recv_within(Duration::from_millis(20), &mut room).unwrap(), None);
        there.send(b"back").unwrap();
        assert_eq!(here.recv_within(Duration::MAX, &mut room).unwrap(), Some(4));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_costs_one_message() {
        let (here, there) = Channel::pair().unwrap();
        assert_eq!(here.send(b"").unwrap_err().kind(), io::ErrorKind::InvalidInput);
        here.send(b"too long").unwrap();
        here.send(b"next").unwrap();
        let mut room = [0; 4];
        let error = there.recv(&mut room).unwrap_err().to_string();
        assert!(error.contains("8 bytes") && error.contains("4 bytes of room"), "{error}");
        assert_eq!(there.recv(&mut room).unwrap(), 4);
    }

    #[test]
    fn an_end_that_goes_is_seen_at_the_other() {
        let (here, there) = Channel::pair().unwrap();
        let mut room = [0; 8];
        here.send(b"last").unwrap();
        there.send(b"never looked at").unwrap();
        drop(here);
        assert_eq!(there.send(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        // What was sent before comes first, whether or not the kernel says that something was left over there.
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(there.recv(&mut room).unwrap());
        }
        assert_eq!(heard.last(), Some(&0), "{heard:?}");
    }

    #[test]
    fn what_is_no_channel_is_refused() {
        let (one, _two) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::from_fd(one.into()).is_err());
        assert!(Channel::from_fd(std::fs::File::open("/proc/self/exe").unwrap().into()).is_err());
        let (here, _there) = Channel::pair().unwrap();
        assert!(Channel::from_fd(here.as_fd().try_clone_to_owned().unwrap()).is_ok());
    }
}
