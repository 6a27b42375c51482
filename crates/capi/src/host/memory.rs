//! Device memory of a context: on a simulated chip, memory of the process. Invariant: an address is handed out once until
//! it is freed, and what is copied lies in one allocation from end to end.
//!
//! It is not the chip's own store, so that a chip can be built anew with other ring sizes while it stays.

use std::alloc::{Layout, alloc, dealloc};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::error::HostError;

/// What every allocation begins at a multiple of.
pub(crate) const ALIGN: usize = 1024;

/// The allocations of a context.
#[derive(Debug, Default)]
pub(crate) struct DeviceMemory(Mutex<Blocks>);

#[derive(Debug, Default)]
struct Blocks {
    /// Where each begins, and how many bytes it has.
    blocks: BTreeMap<usize, usize>,
    committed: u64,
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), ALIGN).ok()
}

impl DeviceMemory {
    fn lock(&self) -> MutexGuard<'_, Blocks> {
        // Whoever panicked did so with its map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allocates. What is there is whatever was there.
    pub(crate) fn allocate(&self, bytes: usize) -> Result<usize, HostError> {
        let mut all = self.lock();
        let full = HostError::Memory { bytes: bytes as u64, committed: all.committed };
        let Some(layout) = layout(bytes) else { return Err(full) };
        // SAFETY: the layout has at least a byte.
        let block = unsafe { alloc(layout) };
        if block.is_null() {
            return Err(full);
        }
        let addr = block.expose_provenance();
        all.blocks.insert(addr, bytes);
        all.committed += bytes as u64;
        Ok(addr)
    }

    /// Frees what begins at `addr`.
    pub(crate) fn free(&self, addr: usize) -> Result<(), HostError> {
        let mut all = self.lock();
        let bytes = all.blocks.remove(&addr).ok_or(HostError::NotAllocated { addr })?;
        all.committed -= bytes as u64;
        release(addr, bytes);
        Ok(())
    }

    /// Frees everything, and says how many allocations that were.
    pub(crate) fn clear(&self) -> usize {
        let all = std::mem::take(&mut *self.lock());
        for (&addr, &bytes) in &all.blocks {
            release(addr, bytes);
        }
        all.blocks.len()
    }

    /// Leaves everything where it is for good, and says how many allocations that were: a kernel that never returned may
    /// reach them.
    pub(crate) fn leak(&self) -> usize {
        std::mem::take(&mut *self.lock()).blocks.len()
    }

    /// How many bytes are allocated.
    pub(crate) fn committed(&self) -> u64 {
        self.lock().committed
    }

    /// That `len` bytes from `addr` on lie in one allocation.
    pub(crate) fn check(&self, addr: usize, len: usize) -> Result<(), HostError> {
        let all = self.lock();
        let below = all.blocks.range(..=addr).next_back();
        let inside = |(&start, &bytes): (&usize, &usize)| {
            let past = addr - start;
            past <= bytes && len <= bytes - past
        };
        if below.is_some_and(inside) {
            return Ok(());
        }
        let near = match below {
            Some((start, bytes)) => format!("{bytes} bytes at {start:#x}"),
            None => "none".into(),
        };
        Err(HostError::Range { addr, len, near })
    }
}

/// Gives a block back that was taken out of the map, and was in it with so many bytes.
fn release(addr: usize, bytes: usize) {
    let Some(layout) = layout(bytes) else { return };
    // SAFETY: a block that was allocated with this layout, and that only whoever took it out of the map frees.
    unsafe { dealloc(core::ptr::with_exposed_provenance_mut(addr), layout) };
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_one_allocation() {
        let memory = DeviceMemory::default();
        let addr = memory.allocate(100).unwrap();
        assert_eq!((addr % ALIGN, memory.committed()), (0, 100));
        for (at, len, good) in [
            (0, 100, true),
            (99, 1, true),
            (100, 0, true),
            (0, 0, true),
            (0, 101, false),
            (100, 1, false),
            (50, usize::MAX, false),
            (101, 0, false),
        ] {
            assert_eq!(memory.check(addr + at, len).is_ok(), good, "{at} {len}");
        }
        assert!(memory.check(addr - 1, 1).is_err());
        assert!(memory.check(0, 0).is_err());
        assert!(matches!(memory.free(addr + 1), Err(HostError::NotAllocated { .. })));
        memory.free(addr).unwrap();
        assert!(memory.free(addr).is_err() && memory.check(addr, 0).is_err());
        assert_eq!(memory.committed(), 0);
    }

    #[test]
    fn what_cannot_be_is_refused_and_the_rest_is_freed_at_the_end() {
        let memory = DeviceMemory::default();
        for bytes in [usize::MAX, isize::MAX as usize, 1 << 60] {
            assert!(matches!(memory.allocate(bytes), Err(HostError::Memory { .. })), "{bytes}");
        }
        let (a, b) = (memory.allocate(0).unwrap(), memory.allocate(0).unwrap());
        assert_ne!(a, b, "an empty allocation has an address of its own");
        memory.allocate(5000).unwrap();
        assert_eq!((memory.committed(), memory.clear(), memory.committed()), (5000, 3, 0));
        let kept = memory.allocate(8).unwrap();
        assert_eq!((memory.leak(), memory.committed()), (1, 0));
        // SAFETY: it was not freed, and nobody else has it.
        unsafe { core::ptr::with_exposed_provenance_mut::<u64>(kept).write(1) };
        release(kept, 8);
    }
}
