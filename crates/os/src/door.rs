//! Doors that processes of one user find by a name, to hand each other descriptors. Nothing of one is in any folder.

use core::mem::MaybeUninit;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, IoSlice, IoSliceMut, retry_on_intr};
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use rustix::time::Timespec;

use crate::channel::Channel;
use crate::clock;
use crate::process::Pid;

/// A name behind which somebody answers. The name is free again as soon as the door is dropped or its process has ended,
/// however it did: it is in no folder that anybody would have to clean up.
///
/// ```
/// use core::time::Duration;
/// use prewire_os::Door;
///
/// let name = format!("example of {}", std::process::id());
/// let door = Door::open(&name)?.expect("nobody else has it");
/// let (caller, _) = Door::knock(&name)?.expect("it is open");
/// let (answerer, pid) = door.answer(Duration::from_secs(5))?.expect("somebody has knocked");
/// assert_eq!(pid, prewire_os::process::Pid::current());
/// answerer.send(b"come in")?;
/// assert_eq!(caller.recv(&mut [0; 16])?, 7);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Door {
    fd: OwnedFd,
}

impl Door {
    /// How many may have knocked and not been answered.
    const QUEUE: i32 = 128;

    /// Opens the door of that name; `None` if somebody else has.
    ///
    /// # Errors
    ///
    /// The name is longer than 107 bytes, or what the kernel says.
    pub fn open(name: &str) -> io::Result<Option<Self>> {
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        let fd = socket()?;
        match net::bind(&fd, &address) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        net::listen(&fd, Self::QUEUE)?;
        Ok(Some(Self { fd }))
    }

    /// Knocks at the door of that name: a line to whoever answers, and which process that is. `None` if there is no such
    /// door. Whether it will be answered is only known when something comes over the line.
    ///
    /// # Errors
    ///
    /// The door is another user's (`PermissionDenied`), or what the kernel says.
    pub fn knock(name: &str) -> io::Result<Option<(Channel, Pid)>> {
        let address = SocketAddrUnix::new_abstract_name(name.as_bytes())?;
        let fd = socket()?;
        match retry_on_intr(|| net::connect(&fd, &address)) {
            Ok(()) => {}
            Err(Errno::CONNREFUSED) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let pid = peer(&fd)?;
        Ok(Some((Channel::from_fd(fd)?, pid)))
    }

    /// Waits for somebody of the same user to knock, and answers: a line, and which process that is. `None` if nobody has
    /// for as long as `timeout`. Other users' knocks are not answered.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn answer(&self, timeout: Duration) -> io::Result<Option<(Channel, Pid)>> {
        let end = clock::monotonic().saturating_add(timeout);
        loop {
            if !readable(&self.fd, end)? {
                return Ok(None);
            }
            match net::accept_with(&self.fd, SocketFlags::CLOEXEC) {
                Ok(fd) => {
                    if let Ok(pid) = peer(&fd) {
                        return Ok(Some((Channel::from_fd(fd)?, pid)));
                    }
                }
                // It went before it was answered.
                Err(Errno::INTR | Errno::AGAIN | Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // A copy of this process that was forked meanwhile has the descriptor too. It must not look open there.
        let _ = net::shutdown(&self.fd, net::Shutdown::Both);
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn socket() -> io::Result<OwnedFd> {
    Ok(net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The process at the other end, if it is this user's.
fn peer(fd: &OwnedFd) -> io::Result<Pid> {
    let credentials = sockopt::socket_peercred(fd)?;
    if credentials.uid != rustix::process::geteuid() {
        let what = format!("the process {} is not this user's", credentials.pid.as_raw_pid());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, what));
    }
    let unseen = || io::Error::other("the process at the other end is outside of what this one can see");
    Pid::from_raw(credentials.pid.as_raw_pid()).ok_or_else(unseen)
}

/// Waits until there is something to read, or `end`: whether there is.
fn readable(fd: &OwnedFd, end: Duration) -> io::Result<bool> {
    loop {
        let left = end.saturating_sub(clock::monotonic());
        let limit = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], limit.as_ref()) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends `message` with a copy of the descriptor `with`.
///
/// # Errors
///
/// As [`Channel::send`].
pub(crate) fn send_with(line: &Channel, message: &[u8], with: BorrowedFd<'_>) -> io::Result<()> {
    if message.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message has a byte at least"));
    }
    let (mut space, fds) = ([MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))], [with]);
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)), "there is room for one");
    match retry_on_intr(|| net::sendmsg(line, &[IoSlice::new(message)], &mut control, SendFlags::NOSIGNAL)) {
        Ok(_) => Ok(()),
        Err(Errno::CONNRESET) => Err(Errno::PIPE.into()),
        Err(error) => Err(error.into()),
    }
}

/// As [`Channel::recv_within`], with the descriptor that came with the message. Further ones are closed.
///
/// # Errors
///
/// As [`Channel::recv`].
pub(crate) fn recv_with(
    line: &Channel,
    timeout: Duration,
    message: &mut [u8],
) -> io::Result<Option<(usize, Option<OwnedFd>)>> {
    let end = clock::monotonic().saturating_add(timeout);
    let fd = line.as_fd().try_clone_to_owned()?;
    if !readable(&fd, end)? {
        return Ok(None);
    }
    let room = message.len();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::TRUNC;
    let mut buffers = [IoSliceMut::new(message)];
    let length = match retry_on_intr(|| net::recvmsg(line, &mut buffers, &mut control, flags)) {
        Ok(received) => received.bytes,
        Err(Errno::CONNRESET) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut with = None;
    for received in control.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = received {
            for fd in fds {
                with.get_or_insert(fd);
            }
        }
    }
    if length > room {
        let what = format!("a message of {length} bytes, for which there are {room} bytes of room");
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Some((length, with)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;

    const SOON: Duration = Duration::from_secs(10);

    fn name(test: &str) -> String {
        format!("prewire test {test} of {}", std::process::id())
    }

    #[test]
    fn a_name_has_one_door_and_is_free_when_that_is_gone() {
        let name = name("one door");
        assert!(Door::knock(&name).unwrap().is_none());
        let door = Door::open(&name).unwrap().unwrap();
        assert!(Door::open(&name).unwrap().is_none());
        let copy = door.as_fd().try_clone_to_owned().unwrap();
        drop(door);
        assert!(Door::knock(&name).unwrap().is_none(), "a copy of the descriptor answers nobody");
        drop(copy);
        let again = Door::open(&name).unwrap().unwrap();
        assert!(again.answer(Duration::ZERO).unwrap().is_none());
        assert!(Door::open(&"x".repeat(108)).is_err());
    }

    #[test]
    fn memory_comes_through_a_door() {
        let name = name("memory");
        let door = Door::open(&name).unwrap().unwrap();
        std::thread::scope(|s| {
            s.spawn(|| {
                let memory = Segment::new("handed over", 8192).unwrap();
                let (line, _) = door.answer(SOON).unwrap().unwrap();
                line.send_fd(b"here", memory.as_fd()).unwrap();
                line.send(b"and nothing").unwrap();
            });
            let (line, pid) = Door::knock(&name).unwrap().unwrap();
            assert_eq!(pid, Pid::current());
            let mut message = [0; 16];
            let (length, memory) = line.recv_fd(SOON, &mut message).unwrap().unwrap();
            assert_eq!(&message[..length], b"here");
            assert_eq!(Segment::from_fd(memory.unwrap()).unwrap().len(), 8192);
            let (length, nothing) = line.recv_fd(SOON, &mut message).unwrap().unwrap();
            assert!(length == 11 && nothing.is_none());
            assert_eq!(line.recv_fd(SOON, &mut message).unwrap().unwrap().0, 0, "the other end is gone");
        });
    }

    #[test]
    fn a_message_that_is_too_long_keeps_no_descriptor() {
        let (here, there) = Channel::pair().unwrap();
        let memory = Segment::new("lost", 4096).unwrap();
        here.send_fd(&[1; 32], memory.as_fd()).unwrap();
        here.send_fd(b"short", memory.as_fd()).unwrap();
        assert!(here.send_fd(b"", memory.as_fd()).is_err());
        let mut room = [0; 8];
        assert!(there.recv_fd(SOON, &mut room).unwrap_err().to_string().contains("32 bytes"));
        assert!(there.recv_fd(SOON, &mut room).unwrap().unwrap().1.is_some());
        assert!(there.recv_fd(Duration::ZERO, &mut room).unwrap().is_none());
    }
}
