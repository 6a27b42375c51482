//! Pages that are there before they are written for the first time.

use core::ops::Range;
use std::io;

use rustix::mm::{self, Advice};

use crate::memory::Mapping;

/// Has the system put the pages there that these bytes are on, as writing to each of them would, and in less time: for pages that are
/// about to be written for the first time. What is in them stays.
///
/// # Errors
///
/// What the kernel says: bytes that are not mapped, or may not be written; no memory; or it is older than Linux 5.14, and knows nothing
/// of this. Some of the pages may be there then.
///
/// ```
/// let words = prewire_os::Words::new(1 << 16)?;
/// let first: &[_] = &words[..4096];
/// let bytes = first.as_ptr_range();
/// // Where it is not done, the pages are there when they are written.
/// let _ = prewire_os::populate(bytes.start.cast()..bytes.end.cast());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn populate(bytes: Range<*const u8>) -> io::Result<()> {
    let (start, end) = (bytes.start.addr(), bytes.end.addr());
    if start >= end {
        return Ok(());
    }
    let first = start & !(Mapping::PAGE - 1);
    let length = (end - first).next_multiple_of(Mapping::PAGE);
    let page = bytes.start.with_addr(first).cast_mut().cast();
    // SAFETY: it changes no byte, whatever is mapped there, and whoever reads or writes it meanwhile; what is not mapped is an error.
    unsafe { mm::madvise(page, length, Advice::LinuxPopulateWrite) }.map_err(io::Error::from)
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use crate::words::Words;
    use prewire_sync::atomic::Ordering;

    const WORDS: usize = Mapping::PAGE / 8;

    /// How often this thread found a page missing so far.
    fn faults() -> i64 {
        // SAFETY: all zeros are such a record.
        let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
        // SAFETY: it is written to a record that is there.
        assert_eq!(unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) }, 0);
        usage.ru_minflt
    }

    /// Writes a word of each of these pages.
    fn write(words: &Words, pages: Range<usize>) -> i64 {
        let before = faults();
        pages.for_each(|page| words[page * WORDS + 3].store(7, Ordering::Relaxed));
        faults() - before
    }

    #[test]
    fn what_was_asked_for_is_there_and_what_is_in_it_stays() {
        let words = Words::new(64 * WORDS).unwrap();
        words[9 * WORDS].store(5, Ordering::Relaxed);
        // In the middle of pages, at both ends.
        let some = words[8 * WORDS + 100..48 * WORDS - 100].as_ptr_range();
        match populate(some.start.cast()..some.end.cast()) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            done => done.unwrap(),
        }
        assert_eq!(words[9 * WORDS].load(Ordering::Relaxed), 5);
        // Of these forty pages; a fault or two of something else may come in between.
        let (there, others) = (write(&words, 8..48), write(&words, 48..64));
        assert!(there < 8 && others > there, "{there} faults where it was asked for, {others} beside");
    }

    #[test]
    fn nothing_is_asked_for_of_no_bytes_and_what_is_not_mapped_is_an_error() {
        let at = |address: usize| core::ptr::without_provenance::<u8>(address);
        populate(at(4096)..at(4096)).unwrap();
        populate(at(8192)..at(4096)).unwrap();
        populate(at(4096)..at(8192)).unwrap_err();
    }
}
