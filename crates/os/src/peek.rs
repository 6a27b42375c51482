//! Memory of this process that may not be there, read without a fault.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Reads memory of the process by its address, as a debugger would: where nothing is mapped the read fails, and the
/// process goes on. For records whose length is only known from numbers in them that somebody else wrote.
///
/// The bytes are whatever they are at that moment: others may be writing them.
///
/// ```
/// use prewire_os::Peek;
///
/// let words = [1u8, 2, 3];
/// let mut copy = [0; 3];
/// let peek = Peek::new()?;
/// peek.read(words.as_ptr() as u64, &mut copy)?;
/// assert_eq!(copy, words);
/// assert!(peek.read(8, &mut copy).is_err(), "the first page is never mapped");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Peek(File);

impl Peek {
    /// Opens the memory of this process.
    ///
    /// # Errors
    ///
    /// What the kernel says: `/proc` is not there, the process has no descriptor left, or it is not its own to look at.
    pub fn new() -> io::Result<Self> {
        File::open("/proc/self/mem").map(Self)
    }

    /// Fills `into` with the bytes at `addr`. If it fails, what is in `into` is not said.
    ///
    /// # Errors
    ///
    /// Not all of the range is mapped.
    pub fn read(&self, addr: u64, into: &mut [u8]) -> io::Result<()> {
        let end = addr.checked_add(into.len() as u64).filter(|&end| i64::try_from(end).is_ok());
        if end.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the range ends after the address space",
            ));
        }
        self.0.read_exact_at(into, addr)
    }

    /// Whether a [`read`](Peek::read) failed because not all of its range is mapped, and not because it could not look.
    #[must_use]
    pub fn is_unmapped(error: &io::Error) -> bool {
        const NOT_MAPPED: [Option<i32>; 2] =
            [Some(rustix::io::Errno::IO.raw_os_error()), Some(rustix::io::Errno::FAULT.raw_os_error())];
        NOT_MAPPED.contains(&error.raw_os_error()) || error.kind() == io::ErrorKind::UnexpectedEof
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mapping;

    #[test]
    fn a_range_that_is_not_all_mapped_is_refused() {
        let (peek, pages) = (Peek::new().unwrap(), Mapping::new(2 * Mapping::PAGE).unwrap());
        let start = pages.as_ptr() as u64;
        let mut some = vec![1; 2 * Mapping::PAGE];
        peek.read(start, &mut some).unwrap();
        assert!(some.iter().all(|&byte| byte == 0));
        drop(pages);
        // Others may have mapped something there; a page of the kernel's half is nobody's.
        for nowhere in [0, 16, u64::MAX - 64, 1 << 62] {
            let error = peek.read(nowhere, &mut some).unwrap_err();
            // Addresses that are no offsets of a file are refused before anything is looked at.
            let is_offset = i64::try_from(nowhere.saturating_add(some.len() as u64)).is_ok();
            assert_eq!(Peek::is_unmapped(&error), is_offset, "{nowhere:#x}: {error}");
        }
        for error in [rustix::io::Errno::MFILE, rustix::io::Errno::PERM, rustix::io::Errno::NOENT] {
            assert!(!Peek::is_unmapped(&error.into()), "{error}");
        }
    }
}
