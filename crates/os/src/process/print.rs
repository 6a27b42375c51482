//! What this process prints for others: whole texts, without a panic, and nothing left in a buffer if they cannot be written.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};

/// A stream that a process is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standard {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Prints `text`, behind what this process has printed before. Waits for whoever reads it, on a stream that does not wait by
/// itself too. What is printed to a stream that is closed is gone, as the standard library has it.
///
/// `println!` panics where nobody reads any more, and what it could not write may stay in this process, and in each copy of it.
///
/// ```
/// use prewire_os::process::{self, Standard};
///
/// process::print(Standard::Output, "a line\n")?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// The stream does not take it. A part of it may have been written.
pub fn print(to: Standard, text: &str) -> io::Result<()> {
    match to {
        Standard::Output => {
            let mut stream = io::stdout().lock();
            while let Err(error) = stream.flush() {
                if error.kind() != io::ErrorKind::WouldBlock {
                    return Err(error);
                }
                until_ready(stream.as_fd())?;
            }
            write_all(stream.as_fd(), text.as_bytes())
        }
        Standard::Error => write_all(io::stderr().lock().as_fd(), text.as_bytes()),
    }
}

fn write_all(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match write(to, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::BADF) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => until_ready(to)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Waits until it takes something, or nothing any more.
fn until_ready(to: BorrowedFd<'_>) -> io::Result<()> {
    match poll(&mut [PollFd::new(&to, PollFlags::OUT)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use crate::Pipe;

    #[test]
    fn what_does_not_fit_waits_until_it_is_read() {
        let pipe = Pipe::new().unwrap();
        let to = pipe.writer().try_clone_to_owned().unwrap();
        rustix::io::ioctl_fionbio(&to, true).unwrap();
        let text = "0123456789abcdef".repeat(40 << 10);
        let mut read = Vec::new();
        std::thread::scope(|scope| {
            let written = scope.spawn(|| write_all(to.as_fd(), text.as_bytes()));
            let mut bytes = [0; 4096];
            loop {
                // Asked before it is read: what is there then is all that there is.
                let over = written.is_finished();
                match pipe.read(&mut bytes).unwrap() {
                    Some(count) => read.extend_from_slice(&bytes[..count]),
                    None if over => break,
                    None => {}
                }
            }
            written.join().unwrap().unwrap();
        });
        assert!(read == text.as_bytes());
    }

    #[test]
    fn what_nobody_can_read_is_an_error() {
        let to = Pipe::new().unwrap().writer().try_clone_to_owned().unwrap();
        assert_eq!(write_all(to.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        assert_eq!(write_all(full.as_fd(), b"x").unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
