//! What mapped memory is to those who build views on it: an address and a length that stay, and pages to give back.

use core::any::Any;
use core::fmt;
use core::ops::Range;
use memmap2::UncheckedAdvice;
use std::io;

use crate::memory::Mapping;
use crate::segment::Segment;

/// Mapped memory. It has no reference to its bytes and makes none: who refers to which byte when is for its one owner to
/// keep apart, which is why it is moved to that owner, and has no implementation for a pointer to it.
///
/// ```
/// use prewire_os::{Mapping, Pages};
///
/// let memory: Box<dyn Pages> = Box::new(Mapping::new(3 * Mapping::PAGE)?);
/// assert_eq!(memory.len(), 3 * Mapping::PAGE);
/// // SAFETY: nobody refers to the bytes.
/// unsafe { memory.discard(Mapping::PAGE..2 * Mapping::PAGE)? };
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
///
/// As long as the value lives, moved or not, [`as_ptr`](Pages::as_ptr) is the same address, a multiple of
/// [`Mapping::PAGE`] and not null, and valid for reads and writes of [`len`](Pages::len) bytes, which is not 0, does not
/// change and does not reach past the end of the address space. No other value in this process hands out the same bytes,
/// but for one that was made from the same descriptor on purpose: that one counts as another process.
#[expect(clippy::len_without_is_empty, reason = "there is at least one byte")]
pub unsafe trait Pages: Any + Send + Sync + fmt::Debug {
    /// The first byte.
    fn as_ptr(&self) -> *mut u8;

    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Gives whole pages back: `range` begins and ends at multiples of [`Mapping::PAGE`], or ends with the memory. The
    /// bytes read as zeros afterwards.
    ///
    /// # Errors
    ///
    /// What the kernel says; the bytes are then what they were, or zeros. `range` is not inside the memory.
    ///
    /// # Safety
    ///
    /// Nobody refers to, reads or writes the bytes of `range` meanwhile, in this process.
    unsafe fn discard(&self, range: Range<usize>) -> io::Result<()>;
}

// SAFETY: the address of a mapping of at least one byte is not null, page-aligned, and stays until the drop, which
// unmaps it; the mapping is private to this value.
unsafe impl Pages for Mapping {
    fn as_ptr(&self) -> *mut u8 {
        Self::as_ptr(self)
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    unsafe fn discard(&self, range: Range<usize>) -> io::Result<()> {
        if range.start > range.end || range.end > Self::len(self) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // SAFETY: the pages are inside the mapping, which is private and anonymous, so they read as zeros afterwards;
        // that nobody refers to them the caller answers for.
        unsafe { self.raw().unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) }
    }
}

// SAFETY: the address of a segment of at least one page is not null, page-aligned, and stays until the drop, which unmaps
// it; its size is sealed, so each page can be had. Only a segment that is made of its descriptor maps the same bytes.
unsafe impl Pages for Segment {
    fn as_ptr(&self) -> *mut u8 {
        Self::as_ptr(self)
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    unsafe fn discard(&self, range: Range<usize>) -> io::Result<()> {
        Self::discard(self, range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discarded_pages_are_zeros(pages: &dyn Pages) {
        let at = |offset: usize| pages.as_ptr().wrapping_add(offset);
        for page in 0..4 {
            // SAFETY: inside the memory, which nobody else uses.
            unsafe { at(page * Mapping::PAGE + 17).write(page as u8 + 1) };
        }
        // SAFETY: nobody refers to the bytes.
        unsafe { pages.discard(Mapping::PAGE..3 * Mapping::PAGE) }.unwrap();
        for (page, expected) in [1, 0, 0, 4].into_iter().enumerate() {
            // SAFETY: inside the memory, which nobody else uses.
            assert_eq!(unsafe { at(page * Mapping::PAGE + 17).read() }, expected);
        }
        // SAFETY: it is refused.
        let outside = unsafe { pages.discard(0..5 * Mapping::PAGE) };
        assert_eq!(outside.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn discarded_pages_are_zeros_and_their_neighbours_stay() {
        discarded_pages_are_zeros(&Mapping::new(4 * Mapping::PAGE).unwrap());
        discarded_pages_are_zeros(&Segment::new("pages", 4 * Mapping::PAGE).unwrap());
    }
}
