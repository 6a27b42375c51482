//! Memory that processes share: pages without a file, mapped by whoever has the descriptor, and gone with the last.

use core::fmt;
use core::ops::Range;
use memmap2::{MmapOptions, MmapRaw};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate,
    memfd_create,
};
use rustix::io::retry_on_intr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::process::Pid;

/// Zeroed memory that a child sees too: by the mapping, which a fork leaves in place at the same address, or by the
/// descriptor, which [`from_fd`](Segment::from_fd) maps in a process that got it by exec. No page is there before it is
/// touched, and no swap is reserved. Unmapped and closed on drop; the pages go with the last process that has either.
///
/// Its size never changes, so no access inside of it can fail for want of a page behind it. It hands out a raw pointer,
/// never a slice: who may touch which byte when is for its owners to say, in all of their processes. That holds for
/// [`discard`](Segment::discard) too, which is a write.
///
/// ```
/// let memory = prewire_os::Segment::new("example", 1 << 20)?;
/// let again = prewire_os::Segment::from_fd(memory.as_fd().try_clone_to_owned()?)?;
/// assert_eq!(again.len(), 1 << 20);
/// assert_ne!(again.as_ptr(), memory.as_ptr(), "the same bytes at two places");
/// # use std::os::fd::AsFd;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Segment {
    map: MmapRaw,
    fd: OwnedFd,
}

impl Segment {
    /// The alignment of a segment, and the unit of its pages.
    pub const PAGE: usize = 4096;

    /// Makes one of `bytes` bytes, rounded up to whole pages, and at least one. `name` is what debuggers and
    /// `/proc/<pid>/maps` show.
    ///
    /// # Errors
    ///
    /// What the kernel says: no descriptor or address space left, more bytes than there can be, or a name of more than
    /// 249 bytes.
    pub fn new(name: &str, bytes: usize) -> io::Result<Self> {
        let large = || io::Error::new(io::ErrorKind::InvalidInput, format!("no segment has {bytes} bytes"));
        let bytes = bytes.max(1).checked_next_multiple_of(Self::PAGE).ok_or_else(large)?;
        let fd = memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        retry_on_intr(|| ftruncate(&fd, bytes as u64))?;
        fcntl_add_seals(&fd, Self::SEALS)?;
        Self::map(fd, bytes)
    }

    /// Maps a segment that another process made.
    ///
    /// # Errors
    ///
    /// `fd` is not of a segment, or what the kernel says.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let other = |what| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        // Without the seals somebody could take pages away under the mapping.
        if !fcntl_get_seals(&fd).is_ok_and(|seals| seals.contains(Self::SEALS)) {
            return other("the descriptor is not that of a segment: its size can change");
        }
        match usize::try_from(fstat(&fd)?.st_size) {
            Ok(bytes) if bytes > 0 => Self::map(fd, bytes),
            _ => other("the descriptor is not that of a segment: there are no bytes in it"),
        }
    }

    /// Maps a segment that the process `pid` has as its descriptor `number`, as long as it has it. The descriptor may be that
    /// of another file by now: who was told of it must find in the memory that it is the one.
    ///
    /// # Errors
    ///
    /// There is no such process or descriptor, it is another user's, or it is not of a segment.
    pub fn of_process(pid: Pid, number: u32) -> io::Result<Self> {
        let path = format!("/proc/{pid}/fd/{number}");
        // What is no memory is not opened: opening some things does something.
        if !std::fs::read_link(&path)?.as_os_str().as_encoded_bytes().starts_with(b"/memfd:") {
            let what = format!("descriptor {number} of process {pid} is not that of a segment");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
        Self::from_fd(file.into())
    }

    const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

    fn map(fd: OwnedFd, bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes).no_reserve_swap().map_raw(&fd)?;
        Ok(Self { map, fd })
    }

    /// The first byte. Valid for [`len`](Segment::len) bytes as long as the segment lives.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    /// How many bytes are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Never: a segment has a page at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Gives back the memory of `range`, in bytes from the start. It reads as zero afterwards, in all processes; pages
    /// that are only in part in it are zeroed there and kept.
    ///
    /// # Errors
    ///
    /// The range is not inside the segment, or what the kernel says.
    pub fn discard(&self, range: Range<usize>) -> io::Result<()> {
        if range.start > range.end || range.end > self.len() {
            let what = format!("{range:?} is not inside of a segment of {} bytes", self.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        if range.is_empty() {
            return Ok(());
        }
        let (start, bytes) = (range.start as u64, range.len() as u64);
        let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(retry_on_intr(|| fallocate(&self.fd, how, start, bytes))?)
    }

    /// The bytes of memory that it takes now, in all processes together.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn resident(&self) -> io::Result<u64> {
        // The kernel counts these blocks in 512 bytes, whatever it says of a block's size.
        Ok(u64::try_from(fstat(&self.fd)?.st_blocks).unwrap_or(0).saturating_mul(512))
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = (self.as_ptr(), self.len());
        f.debug_struct("Segment")
            .field("ptr", &fields.0)
            .field("len", &fields.1)
            .field("fd", &self.fd)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// Writes and reads a byte of a segment that this test alone has.
    fn touch(memory: &Segment, at: usize, byte: u8) -> u8 {
        assert!(at < memory.len());
        // SAFETY: it is inside the mapping.
        let address = unsafe { memory.as_ptr().add(at) };
        // SAFETY: the address is mapped, and nobody else uses it.
        let before = unsafe { address.read() };
        // SAFETY: as above.
        unsafe { address.write(byte) };
        before
    }

    #[test]
    fn two_mappings_show_the_same_bytes() {
        let one = Segment::new("test", 10_000).unwrap();
        assert_eq!(one.len(), 12_288, "whole pages");
        let two = Segment::from_fd(one.as_fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!(touch(&one, 9999, 7), 0);
        assert_eq!(touch(&two, 9999, 8), 7);
        drop(one);
        assert_eq!(touch(&two, 9999, 9), 8, "the other mapping keeps the pages");
    }

    #[test]
    fn memory_is_taken_when_touched_and_given_back() {
        let memory = Segment::new("test", 8 << 30).unwrap();
        assert_eq!(memory.resident().unwrap(), 0);
        for page in 0..16 {
            touch(&memory, (1 << 20) + page * Segment::PAGE, 5);
        }
        assert_eq!(memory.resident().unwrap(), 16 * 4096);
        let first = 1 << 20;
        // All but the first page of it and half of the last.
        memory.discard(first + Segment::PAGE..first + 15 * Segment::PAGE + 8).unwrap();
        assert_eq!(memory.resident().unwrap(), 2 * 4096);
        assert_eq!(touch(&memory, first, 0), 5);
        assert_eq!(touch(&memory, first + 3 * Segment::PAGE, 1), 0);
        assert_eq!(touch(&memory, first + 15 * Segment::PAGE, 1), 0, "the start of the last page is zeroed");
    }

    #[test]
    fn its_size_is_fixed_and_ranges_outside_are_refused() {
        let memory = Segment::new("test", 4096).unwrap();
        assert!(ftruncate(memory.as_fd(), 0).is_err() && ftruncate(memory.as_fd(), 8192).is_err());
        #[expect(clippy::reversed_empty_ranges, reason = "what a caller may get wrong")]
        for range in [0..4097, 5000..5001, 10..5, usize::MAX..usize::MAX] {
            assert!(memory.discard(range.clone()).is_err(), "{range:?}");
        }
        memory.discard(4096..4096).unwrap();
        assert!(Segment::new("test", usize::MAX).is_err());
        assert!(Segment::new(&"n".repeat(300), 1).is_err() && Segment::new("\0", 1).is_err());
    }

    #[test]
    fn a_segment_of_a_process_is_found_by_its_number() {
        use std::os::fd::AsRawFd;
        let memory = Segment::new("test", 4096).unwrap();
        touch(&memory, 5, 9);
        let number = memory.as_fd().as_raw_fd().cast_unsigned();
        let again = Segment::of_process(Pid::current(), number).unwrap();
        assert_eq!(touch(&again, 5, 0), 9);
        let plain = File::open("/proc/self/status").unwrap();
        for wrong in [u32::MAX, plain.as_raw_fd().cast_unsigned()] {
            assert!(Segment::of_process(Pid::current(), wrong).is_err());
        }
    }

    #[test]
    fn what_is_no_segment_is_not_mapped() {
        let plain = memfd_create("plain", MemfdFlags::CLOEXEC).unwrap();
        for wrong in [plain, File::open("/proc/self/exe").unwrap().into()] {
            let error = Segment::from_fd(wrong).unwrap_err().to_string();
            assert!(error.contains("its size can change"), "{error}");
        }
    }
}
