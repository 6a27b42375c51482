//! Device memory by number: for whoever is in another process and asks for it in messages.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_abi::BufferDescriptor;
use prewire_platform::DeviceMemory;

use crate::buffer::{Hold, Kept};
use crate::chip::Chip;
use crate::error::Result;
use crate::shared::Held;
use crate::shared_error::SharedError;
use crate::shared_memory::SharedMemory;

/// Device memory that a chip has [allocated](Chip::allocate), as two numbers that can travel: its address, and the serial
/// number of the allocation, by which one that was freed is told from a later one at the same address.
///
/// A tensor in it names the address as that of its buffer, and the serial as the number of its identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceAddr {
    addr: u64,
    serial: u64,
}

impl DeviceAddr {
    /// From the two numbers that [`addr`](DeviceAddr::addr) and [`serial`](DeviceAddr::serial) were, elsewhere.
    #[must_use]
    pub const fn new(addr: u64, serial: u64) -> Self {
        Self { addr, serial }
    }

    /// Where it is, among the addresses of its chip.
    #[must_use]
    pub const fn addr(self) -> u64 {
        self.addr
    }

    /// Its number, from 1; given once in the life of a chip.
    #[must_use]
    pub const fn serial(self) -> u64 {
        self.serial
    }
}

#[derive(Debug)]
struct Allocation {
    hold: Hold,
    addr: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Table {
    last: u64,
    by_serial: HashMap<u64, Allocation>,
}

/// What was allocated by number on a chip.
#[derive(Debug, Default)]
pub(crate) struct Devices(Mutex<Table>);

impl Table {
    fn get(&self, at: DeviceAddr) -> Result<&Allocation, SharedError> {
        let DeviceAddr { addr, serial } = at;
        let found = self.by_serial.get(&serial).filter(|found| found.addr == addr);
        found.ok_or(SharedError::NotAllocated { addr, serial })
    }
}

impl Devices {
    fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The allocation that a valid descriptor speaks of: a hold on it, its address and size, and where `offset` of the
    /// buffer is in it.
    pub(crate) fn find(
        &self,
        buffer: &BufferDescriptor,
        offset: u64,
    ) -> Result<(Hold, u64, u64, u64), SharedError> {
        let table = self.table();
        let (first, serial) = (buffer.address().unwrap_or(0), buffer.identity().buffer_id());
        let found = table.by_serial.get(&serial).ok_or(SharedError::NotAllocated { addr: first, serial })?;
        let &Allocation { ref hold, addr, bytes } = found;
        let start = first.wrapping_sub(addr);
        inside(addr, bytes, start, buffer.nbytes())?;
        Ok((hold.clone(), addr, bytes, start + offset))
    }

    /// The address of `len` bytes from byte `start` of an allocation on.
    fn place(&self, at: DeviceAddr, start: u64, len: u64) -> Result<u64, SharedError> {
        let table = self.table();
        let &Allocation { addr, bytes, .. } = table.get(at)?;
        inside(addr, bytes, start, len)
    }
}

fn inside(addr: u64, size: u64, start: u64, len: u64) -> Result<u64, SharedError> {
    match start.checked_add(len) {
        Some(end) if end <= size => Ok(addr + start),
        end => Err(SharedError::OutsideAllocation { addr, start, end: end.unwrap_or(u64::MAX), size }),
    }
}

/// Bytes that are copied between shared and device memory at a time.
const CHUNK: u64 = 1 << 30;

/// Allocations are made and freed at any time; one that is freed in a run stays until the run has ended. Copies are made
/// between runs, as [`Chip::read`] and [`Chip::write`] are: they wait for the run that goes on, and are an error inside of
/// one.
impl Chip {
    /// Allocates zeroed device memory, which stays until it is [freed](Chip::free) or the chip is dropped.
    ///
    /// ```
    /// use prewire_chip::Chip;
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let at = chip.allocate(64)?;
    /// chip.copy_to(at, 60, &[1, 2, 3, 4])?;
    /// let mut bytes = [9; 6];
    /// chip.copy_from(at, 58, &mut bytes)?;
    /// assert_eq!(bytes, [0, 0, 1, 2, 3, 4]);
    /// chip.free(at)?;
    /// assert!(chip.copy_from(at, 0, &mut bytes).unwrap_err().to_string().contains("it was freed"));
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Device memory is exhausted.
    pub fn allocate(&self, bytes: u64) -> Result<DeviceAddr> {
        let (hold, addr) = self.shared().store.buffers.allocate(bytes)?;
        let mut table = self.shared().devices.table();
        table.last += 1;
        let serial = table.last;
        table.by_serial.insert(serial, Allocation { hold, addr, bytes });
        Ok(DeviceAddr { addr, serial })
    }

    /// Frees what was allocated. Tensors that were [imported](Chip::import) from it can be used until they are dropped.
    ///
    /// # Errors
    ///
    /// It is not allocated, or not any more.
    pub fn free(&self, at: DeviceAddr) -> Result<()> {
        let mut table = self.shared().devices.table();
        table.get(at)?;
        let gone = table.by_serial.remove(&at.serial);
        drop(table);
        drop(gone);
        Ok(())
    }

    /// Copies `from` over the bytes of an allocation from byte `start` on.
    ///
    /// # Errors
    ///
    /// It is not allocated, or not any more; the bytes are not inside it; or this is inside of a run or kernel.
    pub fn copy_to(&self, at: DeviceAddr, start: u64, from: &[u8]) -> Result<()> {
        let _between = self.between_runs("Chip::copy_to")?;
        let addr = self.shared().devices.place(at, start, from.len() as u64)?;
        Ok(self.shared().sim.write(addr, from)?)
    }

    /// Copies the bytes of an allocation from byte `start` on to `to`.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Chip::copy_to).
    pub fn copy_from(&self, at: DeviceAddr, start: u64, to: &mut [u8]) -> Result<()> {
        let _between = self.between_runs("Chip::copy_from")?;
        let addr = self.shared().devices.place(at, start, to.len() as u64)?;
        Ok(self.shared().sim.read(addr, to)?)
    }

    /// Copies the bytes of `range` of shared memory, adopted or not, over those of an allocation from byte `start` on.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Chip::copy_to); the range is not inside the memory; or somebody in this process writes it.
    pub fn upload(&self, at: DeviceAddr, start: u64, memory: &SharedMemory, range: Range<u64>) -> Result<()> {
        let _between = self.between_runs("Chip::upload")?;
        let addr = self.place_of(at, start, memory, &range)?;
        for (offset, n) in chunks(&range) {
            let from = memory.view::<u8>(range.start + offset, n)?;
            // A view of single numbers is one slice.
            self.shared().sim.write(addr + offset, from.as_slice().unwrap_or(&[]))?;
        }
        Ok(())
    }

    /// Copies the bytes of an allocation from byte `start` on over `range` of shared memory, adopted or not.
    ///
    /// # Errors
    ///
    /// As [`copy_to`](Chip::copy_to); the range is not inside the memory; or somebody in this process refers to it.
    pub fn download(
        &self,
        at: DeviceAddr,
        start: u64,
        memory: &SharedMemory,
        range: Range<u64>,
    ) -> Result<()> {
        let _between = self.between_runs("Chip::download")?;
        let addr = self.place_of(at, start, memory, &range)?;
        for (offset, n) in chunks(&range) {
            let mut to = memory.view_mut::<u8>(range.start + offset, n)?;
            self.shared().sim.read(addr + offset, to.as_mut_slice().unwrap_or(&mut []))?;
        }
        Ok(())
    }

    /// The device address for a copy of `range` of `memory`, once both sides are checked: nothing is copied by halves.
    fn place_of(
        &self,
        at: DeviceAddr,
        start: u64,
        memory: &SharedMemory,
        range: &Range<u64>,
    ) -> Result<u64, SharedError> {
        let len = range.end.saturating_sub(range.start);
        memory.place(range.start, len)?;
        self.shared().devices.place(at, start, len)
    }

    fn between_runs(&self, call: &'static str) -> Result<(Kept<'_>, Held<'_>)> {
        let idle = self.shared().idle(call, "")?;
        Ok((self.shared().store.buffers.keep(), idle))
    }
}

/// The parts of a range: from where on in it, and how long.
fn chunks(range: &Range<u64>) -> impl Iterator<Item = (u64, u32)> + use<> {
    let len = range.end.saturating_sub(range.start);
    (0..len).step_by(CHUNK as usize).map(move |offset| (offset, CHUNK.min(len - offset) as u32))
}
