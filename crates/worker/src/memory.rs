//! Memory of a worker: a segment for buffers, made before the first fork, that every child has mapped; what else it
//! shares with its parents and children; and what it was given on chips.
//!
//! **Invariant: what is handed out is zero, and is nobody else's.** A piece that is freed gives its pages back to the
//! system and reads as zeros when it is handed out again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_chip::{Segments, SharedMemory};
use prewire_platform::{DeviceMemory, MemoryError};
use prewire_runs::event;

use crate::devices::{self, Devices};

/// Pieces start at multiples of this, and are charged in steps of it.
const STEP: u64 = 1024;

/// What is free, and what is in use.
#[derive(Debug, Default)]
struct Space {
    /// Free pieces, by their first byte: none touches another.
    free: BTreeMap<u64, u64>,
    /// Pieces in use, by their first byte.
    used: BTreeMap<u64, u64>,
    /// Bytes in use.
    bytes: u64,
}

impl Space {
    /// The first free piece that is large enough, cut to size.
    fn take(&mut self, bytes: u64) -> Option<u64> {
        let (&start, &len) = self.free.iter().find(|(_, len)| **len >= bytes)?;
        self.free.remove(&start);
        if len > bytes {
            self.free.insert(start + bytes, len - bytes);
        }
        self.used.insert(start, bytes);
        self.bytes += bytes;
        Some(start)
    }

    /// Gives a piece back, and joins it to its free neighbours.
    fn give_back(&mut self, start: u64, bytes: u64) {
        self.bytes -= bytes;
        let (mut start, mut bytes) = (start, bytes);
        if let Some(after) = self.free.remove(&(start + bytes)) {
            bytes += after;
        }
        if let Some((&before, &len)) = self.free.range(..start).next_back()
            && before + len == start
        {
            self.free.remove(&before);
            (start, bytes) = (before, bytes + len);
        }
        self.free.insert(start, bytes);
    }
}

/// The memory that buffers of a worker come from. Its addresses are those of this process.
#[derive(Debug)]
pub(crate) struct Arena {
    memory: SharedMemory,
    space: Mutex<Space>,
    /// What the machine has; none: not known.
    machine: Option<u64>,
}

impl Arena {
    pub(crate) fn new(memory: SharedMemory, machine: Option<u64>) -> Self {
        let free = BTreeMap::from([(0, memory.len() / STEP * STEP)]);
        let space = Mutex::new(Space { free, ..Space::default() });
        Self { memory, space, machine }
    }

    fn space(&self) -> MutexGuard<'_, Space> {
        self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn outside(addr: u64, len: u64) -> MemoryError {
        MemoryError::OutOfRange { addr, len }
    }

    /// Where `len` bytes at `addr` are in the segment.
    fn place(&self, addr: u64, len: u64) -> Result<u64, MemoryError> {
        let start = addr.checked_sub(self.memory.addr()).ok_or(Self::outside(addr, len))?;
        match start.checked_add(len) {
            Some(end) if end <= self.memory.len() => Ok(start),
            _ => Err(Self::outside(addr, len)),
        }
    }
}

impl Arena {
    fn allocate(&self, bytes: u64) -> Result<u64, MemoryError> {
        let mut space = self.space();
        let exhausted = MemoryError::Exhausted { wanted: bytes, used: space.bytes, limit: self.memory.len() };
        let charged = bytes.max(1).checked_next_multiple_of(STEP).ok_or(exhausted)?;
        if let Some(machine) = self.machine.filter(|machine| space.bytes.saturating_add(charged) > *machine) {
            return Err(MemoryError::BeyondMachine { wanted: bytes, used: space.bytes, machine });
        }
        let start = space.take(charged).ok_or(exhausted)?;
        Ok(self.memory.addr() + start)
    }

    fn free(&self, addr: u64) -> Result<(), MemoryError> {
        let start = self.place(addr, 0).map_err(|_| MemoryError::NotAllocated { addr })?;
        let bytes = self.space().used.remove(&start).ok_or(MemoryError::NotAllocated { addr })?;
        // Emptied before anybody else can have it. A view that is leaked keeps its bytes for ever.
        match self.memory.discard(start..start + bytes) {
            Ok(()) => self.space().give_back(start, bytes),
            Err(error) => {
                event!(warn, %error, bytes, "a buffer was dropped and its memory is still in use");
            }
        }
        Ok(())
    }
}

/// All memory that tensors of a worker are in. Its addresses are those of this process, and those that
/// [`Devices`] gives.
pub(crate) struct Memory {
    arena: Arena,
    /// What is mapped here, the arena among it.
    shared: Vec<SharedMemory>,
    devices: Arc<Devices>,
}

impl Memory {
    pub(crate) fn new(arena: Arena, segments: &Segments, devices: &Arc<Devices>) -> Self {
        let shared = segments.iter().map(|(_, _, memory)| memory.clone()).collect();
        Self { arena, shared, devices: Arc::clone(devices) }
    }

    /// The shared memory that `len` bytes at `addr` are in, and where.
    fn find(&self, addr: u64, len: usize) -> Result<(&SharedMemory, u64), MemoryError> {
        let at = |memory: &SharedMemory| addr.checked_sub(memory.addr()).filter(|at| *at < memory.len());
        let found = self.shared.iter().find_map(|memory| Some((memory, at(memory)?)));
        found.ok_or(MemoryError::OutOfRange { addr, len: len as u64 })
    }
}

impl DeviceMemory for Memory {
    fn allocate(&self, bytes: u64) -> Result<u64, MemoryError> {
        self.arena.allocate(bytes)
    }

    fn free(&self, addr: u64) -> Result<(), MemoryError> {
        if devices::owner(addr).is_none() {
            return self.arena.free(addr);
        }
        // The chip hears of it with the next request: nobody waits for a chip here.
        if self.devices.remove(addr) { Ok(()) } else { Err(MemoryError::NotAllocated { addr }) }
    }

    fn write(&self, addr: u64, from: &[u8]) -> Result<(), MemoryError> {
        let (memory, start) = self.find(addr, from.len())?;
        memory.write(start, from).map_err(|_| MemoryError::OutOfRange { addr, len: from.len() as u64 })
    }

    fn read(&self, addr: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        let (memory, start) = self.find(addr, to.len())?;
        let len = to.len() as u64;
        memory.read(start, to).map_err(|_| MemoryError::OutOfRange { addr, len })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arena(bytes: usize) -> Arena {
        Arena::new(SharedMemory::new(prewire_os::Segment::new("test", bytes).unwrap()), None)
    }

    #[test]
    fn pieces_are_apart_zero_and_join_again() {
        let arena = arena(16 << 10);
        let pieces: Vec<_> = (0..16).map(|_| arena.allocate(1).unwrap()).collect();
        assert!(pieces.windows(2).all(|pair| pair[1] == pair[0] + STEP));
        assert!(matches!(arena.allocate(0), Err(MemoryError::Exhausted { used: 16384, .. })));
        pieces.iter().for_each(|&addr| arena.memory.write(addr - arena.memory.addr(), &[7; 1024]).unwrap());
        for at in [3, 5, 4] {
            arena.free(pieces[at]).unwrap();
        }
        assert!(matches!(arena.free(pieces[4]), Err(MemoryError::NotAllocated { .. })));
        let joined = arena.allocate(3 * STEP).unwrap();
        assert_eq!(joined, pieces[3]);
        let mut bytes = [1; 3072];
        arena.memory.read(joined - arena.memory.addr(), &mut bytes).unwrap();
        assert_eq!(bytes, [0; 3072]);
        let mut beside = [0];
        arena.memory.read(pieces[6] - arena.memory.addr(), &mut beside).unwrap();
        assert_eq!(beside, [7]);
    }

    #[test]
    fn more_than_the_machine_has_is_refused() {
        let memory = SharedMemory::new(prewire_os::Segment::new("test", 1 << 20).unwrap());
        let arena = Arena::new(memory, Some(4096));
        arena.allocate(4096).unwrap();
        assert!(matches!(arena.allocate(1), Err(MemoryError::BeyondMachine { used: 4096, .. })));
    }
}
