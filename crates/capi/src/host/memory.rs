//! Device memory of a context: on a simulated chip, memory of the process. Invariant: an address is handed out once until
//! it is freed, and what is copied lies in one allocation from end to end. What a kernel that was given up may reach is never
//! given back to the process.
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
    /// By where each begins.
    blocks: BTreeMap<usize, Block>,
    committed: u64,
    /// How many were freed that had to stay.
    stayed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Block {
    bytes: usize,
    /// A kernel that never returned may reach it: whoever frees it, it stays as long as the process.
    kept: bool,
}

impl Blocks {
    /// A block that was taken out of the map.
    fn freed(&mut self, addr: usize, block: Block) {
        if block.kept {
            self.stayed += 1;
        } else {
            release(addr, block.bytes);
        }
    }
}

/// What was there at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cleared {
    /// How many allocations were freed that nobody had freed.
    pub(crate) freed: usize,
    /// How many stay as long as the process.
    pub(crate) stay: usize,
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
        all.blocks.insert(addr, Block { bytes, kept: false });
        all.committed += bytes as u64;
        Ok(addr)
    }

    /// Frees what begins at `addr`.
    pub(crate) fn free(&self, addr: usize) -> Result<(), HostError> {
        let mut all = self.lock();
        let block = all.blocks.remove(&addr).ok_or(HostError::NotAllocated { addr })?;
        all.committed -= block.bytes as u64;
        all.freed(addr, block);
        Ok(())
    }

    /// Frees everything that may be.
    pub(crate) fn clear(&self) -> Cleared {
        let mut all = std::mem::take(&mut *self.lock());
        let (blocks, before) = (std::mem::take(&mut all.blocks), all.stayed);
        let left = blocks.len();
        for (addr, block) in blocks {
            all.freed(addr, block);
        }
        Cleared { freed: left - (all.stayed - before), stay: all.stayed }
    }

    /// A kernel that never returned may reach everything that there is now: it stays as long as the process, also after it
    /// is freed.
    pub(crate) fn keep(&self) {
        self.lock().blocks.values_mut().for_each(|block| block.kept = true);
    }

    /// How many bytes are allocated.
    pub(crate) fn committed(&self) -> u64 {
        self.lock().committed
    }

    /// That `len` bytes from `addr` on lie in one allocation.
    pub(crate) fn check(&self, addr: usize, len: usize) -> Result<(), HostError> {
        let all = self.lock();
        let below = all.blocks.range(..=addr).next_back();
        let inside = |(&start, block): (&usize, &Block)| {
            let past = addr - start;
            past <= block.bytes && len <= block.bytes - past
        };
        if below.is_some_and(inside) {
            return Ok(());
        }
        let near = match below {
            Some((start, block)) => format!("{} bytes at {start:#x}", block.bytes),
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
        let all = Cleared { freed: 3, stay: 0 };
        assert_eq!((memory.committed(), memory.clear(), memory.committed()), (5000, all, 0));
    }

    #[test]
    fn what_a_lost_kernel_may_reach_is_never_handed_out_again() {
        let memory = DeviceMemory::default();
        let kept = [memory.allocate(8).unwrap(), memory.allocate(8).unwrap()];
        memory.keep();
        memory.free(kept[0]).unwrap();
        assert!(
            memory.check(kept[0], 1).is_err() && memory.free(kept[0]).is_err(),
            "it is freed for the caller"
        );
        for _ in 0..100 {
            let later = memory.allocate(8).unwrap();
            assert!(!kept.contains(&later), "its place is taken");
            memory.free(later).unwrap();
        }
        memory.allocate(8).unwrap();
        assert_eq!(memory.clear(), Cleared { freed: 1, stay: 2 });
        assert_eq!((memory.clear(), memory.committed()), (Cleared { freed: 0, stay: 0 }, 0));
        for addr in kept {
            // SAFETY: it was not freed, and nobody else has it.
            unsafe { core::ptr::with_exposed_provenance_mut::<u64>(addr).write(1) };
            release(addr, 8);
        }
    }
}
