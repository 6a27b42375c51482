//! Anonymous memory: zeroed pages that cost nothing until they are touched, and go back when dropped.

use core::fmt;
use memmap2::{MmapOptions, MmapRaw};
use std::io;

/// A private mapping of zeroed pages, readable and writable. No swap is reserved for it and no page is there before it
/// is touched, so a large one is free until used. Unmapped on drop.
///
/// It hands out a raw pointer, never a slice: who may touch which byte when is for its owner to say.
///
/// ```
/// let memory = prewire_os::Mapping::new(1 << 30)?;
/// assert_eq!(memory.as_ptr() as usize % prewire_os::Mapping::PAGE, 0);
/// assert_eq!(memory.len(), 1 << 30);
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mapping {
    map: MmapRaw,
}

impl Mapping {
    /// The alignment of a mapping: at least this many bytes.
    pub const PAGE: usize = 4096;

    /// Maps `bytes` zeroed bytes; zero bytes are mapped as one.
    ///
    /// # Errors
    ///
    /// What the kernel says: most often that the address space or the number of mappings is used up.
    pub fn new(bytes: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(bytes.max(1)).no_reserve_swap().map_anon()?;
        Ok(Self { map: map.into() })
    }

    /// The first byte. Valid for [`len`](Mapping::len) bytes as long as the mapping lives.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    pub(crate) const fn raw(&self) -> &MmapRaw {
        &self.map
    }

    /// How many bytes are mapped.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Never: a mapping has a byte at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mapping").field("ptr", &self.as_ptr()).field("len", &self.len()).finish()
    }
}
