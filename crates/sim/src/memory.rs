//! Device memory of a simulated chip: anonymous memory of this process, an allocation a mapping; and memory of others
//! that the chip has adopted, which it neither counts nor frees.
//!
//! The addresses are real, so kernels reach their tensors directly. Who may touch which bytes when is settled by the
//! edges between tasks, as on a chip; this only sees to it that a copy stays inside an allocation that lives.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use prewire_os::{Mapping, Pages};
use prewire_platform::MemoryError;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Allocations are charged in steps of this many bytes.
const STEP: u64 = 1024;

/// What holds the bytes.
#[derive(Debug)]
enum Backing {
    Own(Mapping),
    Adopted(Arc<dyn Pages>),
}

#[derive(Debug)]
struct Allocation {
    memory: Backing,
    /// Bytes asked for.
    bytes: u64,
    /// Bytes charged.
    charged: u64,
}

#[derive(Debug, Default)]
struct Table {
    by_addr: BTreeMap<u64, Allocation>,
    used: u64,
}

/// The memory.
#[derive(Debug)]
pub(crate) struct Memory {
    table: RwLock<Table>,
    limit: u64,
    /// What the machine has; none: not known.
    machine: Option<u64>,
}

impl Memory {
    pub(crate) fn new(limit: u64, machine: Option<u64>) -> Self {
        Self { table: RwLock::default(), limit, machine }
    }

    // A panic while the lock is held leaves the table as it was or as it will be: nothing in here panics in between.
    fn reading(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn allocate(&self, bytes: u64) -> Result<u64, MemoryError> {
        let mut table = self.writing();
        let exhausted = MemoryError::Exhausted { wanted: bytes, used: table.used, limit: self.limit };
        let charged = bytes.max(1).checked_next_multiple_of(STEP).ok_or(exhausted)?;
        let used = table.used.checked_add(charged).filter(|used| *used <= self.limit).ok_or(exhausted)?;
        if let Some(machine) = self.machine.filter(|machine| used > *machine) {
            return Err(MemoryError::BeyondMachine { wanted: bytes, used: table.used, machine });
        }
        let memory = usize::try_from(bytes).ok().and_then(|b| Mapping::new(b).ok()).ok_or(exhausted)?;
        let addr = memory.as_ptr().expose_provenance() as u64;
        table.by_addr.insert(addr, Allocation { memory: Backing::Own(memory), bytes, charged });
        table.used = used;
        Ok(addr)
    }

    pub(crate) fn free(&self, addr: u64) -> Result<(), MemoryError> {
        let mut table = self.writing();
        match table.by_addr.get(&addr) {
            Some(&Allocation { memory: Backing::Own(_), charged, .. }) => table.used -= charged,
            _ => return Err(MemoryError::NotAllocated { addr }),
        }
        table.by_addr.remove(&addr);
        Ok(())
    }

    /// From now on copies reach `memory`; its address.
    pub(crate) fn adopt(&self, memory: Arc<dyn Pages>) -> Result<u64, MemoryError> {
        let (addr, len) = (memory.as_ptr().expose_provenance() as u64, memory.len() as u64);
        let mut table = self.writing();
        // What begins last before its end is the only one that can reach into it.
        let before = table.by_addr.range(..addr.saturating_add(len)).next_back();
        if let Some((&other, found)) = before
            && other.saturating_add(found.bytes.max(1)) > addr
        {
            return Err(MemoryError::Overlaps { addr, len, other, other_len: found.bytes });
        }
        table.by_addr.insert(addr, Allocation { memory: Backing::Adopted(memory), bytes: len, charged: 0 });
        Ok(addr)
    }

    /// Lets go of what was adopted at `addr`.
    pub(crate) fn release(&self, addr: u64) -> Result<(), MemoryError> {
        let mut table = self.writing();
        let gone = match table.by_addr.get(&addr).map(|found| &found.memory) {
            Some(Backing::Adopted(_)) => table.by_addr.remove(&addr),
            _ => return Err(MemoryError::NotAllocated { addr }),
        };
        // What is done when it was the last one to hold the memory is not ours.
        drop(table);
        drop(gone);
        Ok(())
    }

    pub(crate) fn write(&self, addr: u64, from: &[u8]) -> Result<(), MemoryError> {
        // Alone: a read or write of the same bytes at the same time would be a race.
        let table = self.writing();
        let to = table.at(addr, from.len())?;
        // SAFETY:
        // - `from` is valid for its length, and `to` for as many bytes: `at` checked them against an allocation, which
        //   the lock keeps from being freed.
        // - They do not overlap: `from` is a shared slice, so it does not point into memory that kernels write.
        // - The bytes are not used by a kernel at the same time: that is the caller's order to keep, as on a chip.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    pub(crate) fn read(&self, addr: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        let table = self.reading();
        let from = table.at(addr, to.len())?;
        // SAFETY:
        // - `to` is valid for its length, and `from` for as many bytes, as in `write`.
        // - They do not overlap: `to` is an exclusive slice.
        // - The bytes are not written by a kernel at the same time: that is the caller's order to keep.
        unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }
}

impl Table {
    /// A pointer to `len` bytes at `addr`, all of one allocation.
    fn at(&self, addr: u64, len: usize) -> Result<*mut u8, MemoryError> {
        let outside = MemoryError::OutOfRange { addr, len: len as u64 };
        let (start, inside) = self.by_addr.range(..=addr).next_back().ok_or(outside)?;
        let offset = addr - start;
        let end = offset.checked_add(len as u64).ok_or(outside)?;
        if end > inside.bytes {
            return Err(outside);
        }
        let first = match &inside.memory {
            Backing::Own(memory) => memory.as_ptr(),
            Backing::Adopted(memory) => memory.as_ptr(),
        };
        Ok(first.wrapping_add(offset as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_aligned_and_keeps_what_is_written() {
        let memory = Memory::new(1 << 20, None);
        let addr = memory.allocate(3000).unwrap();
        assert_eq!(addr % 1024, 0);
        let mut bytes = [7u8; 4];
        memory.read(addr + 2996, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 4]);
        memory.write(addr + 100, &[1, 2, 3, 4]).unwrap();
        memory.read(addr + 101, &mut bytes).unwrap();
        assert_eq!(bytes, [2, 3, 4, 0]);
        memory.free(addr).unwrap();
        assert_eq!(memory.free(addr), Err(MemoryError::NotAllocated { addr }));
    }

    #[test]
    fn a_copy_that_leaves_its_allocation_is_refused() {
        let memory = Memory::new(1 << 20, None);
        let addr = memory.allocate(100).unwrap();
        let mut bytes = [0u8; 8];
        for bad in [addr + 93, addr + 100, addr.wrapping_sub(1), 0, u64::MAX - 2] {
            assert_eq!(memory.read(bad, &mut bytes), Err(MemoryError::OutOfRange { addr: bad, len: 8 }));
            assert_eq!(memory.write(bad, &bytes), Err(MemoryError::OutOfRange { addr: bad, len: 8 }));
        }
        assert_eq!(memory.read(addr + 92, &mut bytes), Ok(()));
        assert_eq!(memory.write(addr + 100, &[]), Ok(()));
    }

    #[test]
    fn the_limit_holds_and_freed_bytes_come_back() {
        let memory = Memory::new(4096, None);
        let all = memory.allocate(4096).unwrap();
        let more = MemoryError::Exhausted { wanted: 1, used: 4096, limit: 4096 };
        assert_eq!(memory.allocate(1), Err(more));
        assert!(memory.allocate(u64::MAX).is_err());
        memory.free(all).unwrap();
        let (a, b) = (memory.allocate(0).unwrap(), memory.allocate(0).unwrap());
        assert_ne!(a, b, "zero bytes have an address of their own");
    }

    #[test]
    fn what_is_adopted_is_reached_and_neither_counted_nor_freed() {
        let memory = Memory::new(4096, None);
        let shared: Arc<dyn Pages> = Arc::new(Mapping::new(8192).unwrap());
        let addr = memory.adopt(Arc::clone(&shared)).unwrap();
        let own = memory.allocate(4096).unwrap();
        assert_eq!(memory.free(addr), Err(MemoryError::NotAllocated { addr }));
        assert_eq!(memory.release(own), Err(MemoryError::NotAllocated { addr: own }));
        let again = memory.adopt(Arc::clone(&shared)).unwrap_err();
        let overlaps = MemoryError::Overlaps { addr, len: 8192, other: addr, other_len: 8192 };
        assert_eq!(again, overlaps);
        assert!(again.to_string().contains("adopt memory once"), "{again}");
        memory.write(addr + 8190, &[1, 2]).unwrap();
        // SAFETY: inside the mapping, which nobody writes now.
        assert_eq!(unsafe { shared.as_ptr().wrapping_add(8191).read() }, 2);
        let outside = MemoryError::OutOfRange { addr: addr + 8190, len: 3 };
        assert_eq!(memory.write(addr + 8190, &[1, 2, 3]), Err(outside));
        memory.release(addr).unwrap();
        assert_eq!(Arc::strong_count(&shared), 1);
        assert!(memory.write(addr, &[1]).is_err());
        memory.adopt(shared).unwrap();
    }

    #[test]
    fn more_than_the_machine_has_is_refused_although_untouched_bytes_cost_nothing() {
        let memory = Memory::new(u64::MAX, Some(1 << 20));
        let most = memory.allocate(1 << 20).unwrap();
        let beyond = MemoryError::BeyondMachine { wanted: 3000, used: 1 << 20, machine: 1 << 20 };
        assert_eq!(memory.allocate(3000), Err(beyond));
        assert!(beyond.to_string().contains("1048576 in use that is 1051576"), "{beyond}");
        memory.free(most).unwrap();
        memory.allocate(3000).unwrap();
    }
}
