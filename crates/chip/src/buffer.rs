//! Buffers: device memory that the program owns.
//!
//! A buffer that is dropped while a run goes on stays until the run has ended: its tasks may use it.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_platform::{DeviceMemory, MemoryError};
use prewire_sim::Sim;

use crate::tensor::{Origin, Tensor};

/// Device memory that lives until it is dropped. It derefs to the [`Tensor`] that covers it.
#[derive(Debug)]
pub struct Buffer {
    tensor: Tensor,
    owner: Arc<Buffers>,
}

impl Buffer {
    /// The tensor that covers it.
    #[must_use]
    pub const fn tensor(&self) -> Tensor {
        self.tensor
    }
}

impl Deref for Buffer {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.tensor
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Origin::Buffer { index, .. } = self.tensor.origin {
            self.owner.release(index);
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    live: bool,
    addr: u64,
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Dropped while memory was kept.
    dropped: Vec<u32>,
    kept: bool,
}

/// Memory is kept while this lives.
#[derive(Debug)]
pub(crate) struct Kept<'b>(&'b Buffers);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// The buffers of a chip.
#[derive(Debug)]
pub(crate) struct Buffers {
    memory: Arc<Sim>,
    table: Mutex<Table>,
}

impl Buffers {
    pub(crate) fn new(memory: Arc<Sim>) -> Arc<Self> {
        Arc::new(Self { memory, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is consistent between statements: a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New zeroed memory of `bytes`; `tensor` makes the handle from its address and origin.
    pub(crate) fn allocate(
        self: &Arc<Self>,
        bytes: u64,
        tensor: impl FnOnce(u64, Origin) -> Tensor,
    ) -> Result<Buffer, MemoryError> {
        let addr = self.memory.allocate(bytes)?;
        let mut table = self.table();
        let index = table.free.pop().unwrap_or_else(|| {
            table.entries.push(Entry::default());
            table.entries.len() as u32 - 1
        });
        let entry = &mut table.entries[index as usize];
        *entry = Entry { generation: entry.generation.wrapping_add(1), live: true, addr };
        let origin = Origin::Buffer { index, generation: entry.generation };
        drop(table);
        Ok(Buffer { tensor: tensor(addr, origin), owner: Arc::clone(self) })
    }

    /// Whether a buffer is alive; one that was dropped in this run is not.
    pub(crate) fn is_live(&self, index: u32, generation: u32) -> bool {
        self.table().entries.get(index as usize).is_some_and(|e| e.generation == generation && e.live)
    }

    /// Keeps the memory of every buffer, dropped or not, until the guard is dropped: for a run, or a copy. One at a time.
    pub(crate) fn keep(&self) -> Kept<'_> {
        self.table().kept = true;
        Kept(self)
    }

    fn let_go(&self) {
        let mut table = self.table();
        table.kept = false;
        for index in std::mem::take(&mut table.dropped) {
            self.free(&mut table, index);
        }
    }

    fn release(&self, index: u32) {
        let mut table = self.table();
        table.entries[index as usize].live = false;
        if table.kept {
            table.dropped.push(index);
        } else {
            self.free(&mut table, index);
        }
    }

    fn free(&self, table: &mut Table, index: u32) {
        let freed = self.memory.free(table.entries[index as usize].addr);
        debug_assert!(freed.is_ok(), "a buffer's memory is freed once");
        table.free.push(index);
    }
}
