//! Pages that are there before they are written for the first time.

use core::ops::Range;
use std::io;

use rustix::mm::{self, Advice};
use rustix::param::page_size;

/// Has the system put the pages there that these bytes are on, as writing to each of them would, and in less time: for anonymous memory
/// that is about to be written for the first time. What is in it stays. Of other memory, too, but what a write would do otherwise is done:
/// pages of a file that is mapped for this process alone become its own, and what a shared file has no blocks for gets them.
///
/// # Errors
///
/// What the kernel says: bytes that are not mapped, or may not be written; no memory; or it is older than Linux 5.14, and knows nothing
/// of this. Some of the pages may be there then.
///
/// ```
/// let words = prewire_os::Words::new(1 << 16)?;
/// let bytes = words[..4096].as_ptr_range();
/// // Where it is not done, the pages are there when they are written.
/// let _ = prewire_os::populate(bytes.start.cast()..bytes.end.cast());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn populate(bytes: Range<*const u8>) -> io::Result<()> {
    let (start, end) = (bytes.start.addr(), bytes.end.addr());
    if start >= end {
        return Ok(());
    }
    let first = start & !(page_size() - 1);
    let length = (end - first).checked_next_multiple_of(page_size()).ok_or(io::ErrorKind::InvalidInput)?;
    let page = bytes.start.with_addr(first).cast_mut().cast();
    // SAFETY: no byte is changed, whoever reads or writes it meanwhile; and what is not mapped is an error.
    unsafe { mm::madvise(page, length, Advice::LinuxPopulateWrite) }.map_err(io::Error::from)
}

#[cfg(all(test, not(any(miri, prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use crate::words::Words;
    use prewire_sync::atomic::{AtomicU64, Ordering};

    fn bytes(words: &[AtomicU64]) -> Range<*const u8> {
        let Range { start, end } = words.as_ptr_range();
        start.cast()..end.cast()
    }

    /// How many of the pages of `words`, which begin with a page, are there.
    fn there(words: &[AtomicU64]) -> usize {
        let mut pages = vec![0u8; size_of_val(words).div_ceil(page_size())];
        let start = words.as_ptr().cast_mut().cast();
        // SAFETY: so many bytes are mapped from there on, and there is room for what is said of their pages.
        assert_eq!(unsafe { libc::mincore(start, size_of_val(words), pages.as_mut_ptr()) }, 0);
        pages.iter().filter(|&page| page & 1 != 0).count()
    }

    #[test]
    fn what_was_asked_for_is_there_and_what_is_in_it_stays() {
        let page = page_size() / size_of::<u64>();
        let words = Words::new(64 * page).unwrap();
        if populate(bytes(&words[..page])).is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput) {
            // One page and no more: the kernel knows nothing of this.
            return;
        }
        words[9 * page].store(5, Ordering::Relaxed);
        // From the middle of a page to the middle of another one.
        populate(bytes(&words[8 * page + 100..48 * page - 100])).unwrap();
        assert_eq!(there(&words[8 * page..48 * page]), 40);
        assert_eq!(words[9 * page].load(Ordering::Relaxed), 5);
    }

    #[test]
    fn nothing_is_asked_for_of_no_bytes_and_what_is_not_memory_is_an_error() {
        let at = |address: usize| core::ptr::without_provenance::<u8>(address);
        let page = page_size();
        populate(at(page)..at(page)).unwrap();
        populate(at(2 * page)..at(page)).unwrap();
        populate(at(page)..at(2 * page)).unwrap_err();
        let error = populate(at(1)..at(usize::MAX)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
