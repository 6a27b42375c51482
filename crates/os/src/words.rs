//! Zeroed words in pages of their own.

use core::ops::Deref;
use std::io;

use prewire_sync::atomic::AtomicU64;

use crate::memory::Mapping;

/// A mapping that is only ever reached as shared words: zeroed pages that are not there before they are touched, and that go
/// back to the system when it is dropped, whatever the allocator of the process does with memory that was used before.
///
/// ```
/// let words = prewire_os::Words::new(1 << 27)?;
/// assert_eq!(words.len(), 1 << 27);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Words(Mapping);

impl Words {
    /// So many words of 8 bytes, rounded up to what is mapped.
    ///
    /// # Errors
    ///
    /// As [`Mapping::new`].
    pub fn new(words: usize) -> io::Result<Self> {
        Ok(Self(Mapping::new(words.saturating_mul(size_of::<AtomicU64>()))?))
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        let len = self.0.len() / size_of::<AtomicU64>();
        // SAFETY: the mapping has so many bytes from its start on, which is on a page; they are zeroed, which an atomic may
        // be; nobody else has the mapping, and all who come by here share it as atomics.
        unsafe { core::slice::from_raw_parts(self.0.as_ptr().cast::<AtomicU64>(), len) }
    }
}

// SAFETY: it is a mapping, whose memory is reached as atomics only.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}
