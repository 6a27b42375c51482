//! Buffers: memory that the program owns, of the chip's own or adopted.
//!
//! A buffer that is dropped while a run goes on stays until the run has ended: its tasks may use it. **Invariant:** no two
//! that are in use overlap, unless they are the same bytes and then they are one entry: hazards are found by the address
//! at which a buffer begins.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_platform::{DeviceMemory, MemoryError};

use crate::adopted::Adoption;
use crate::shared_error::SharedError;
use crate::tensor::{Origin, Tensor};

/// Memory of a chip that lives until it is dropped: device memory, or a part of memory that the chip has
/// [adopted](crate::Chip::adopt). It derefs to the [`Tensor`] that covers it, or to the view of it that arrived.
#[derive(Debug)]
pub struct Buffer {
    tensor: Tensor,
    _hold: Hold,
}

impl Buffer {
    pub(crate) const fn new(tensor: Tensor, hold: Hold) -> Self {
        Self { tensor, _hold: hold }
    }

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

/// Keeps an entry.
#[derive(Debug)]
pub(crate) struct Hold {
    owner: Arc<Buffers>,
    index: u32,
    generation: u32,
}

impl Hold {
    /// Where tensors in it come from.
    pub(crate) const fn origin(&self, writable: bool) -> Origin {
        Origin::Buffer { index: self.index, generation: self.generation, writable }
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        self.owner.table().entries[self.index as usize].holds += 1;
        Self { owner: Arc::clone(&self.owner), ..*self }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.owner.release(self.index);
    }
}

/// What an entry stands for.
#[derive(Debug, Default)]
enum Backing {
    #[default]
    None,
    /// An allocation.
    Device(u64),
    /// Adopted bytes from an address on.
    Piece(u64, Arc<Adoption>),
}

#[derive(Debug, Default)]
struct Entry {
    generation: u32,
    /// How many holds there are; alive while there is one.
    holds: u32,
    /// Whether it is among those that were dropped.
    dropped: bool,
    backing: Backing,
}

#[derive(Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Dropped while memory was kept.
    dropped: Vec<u32>,
    kept: bool,
    /// The pieces of adopted memory: from where to where, and their entries.
    pieces: BTreeMap<u64, (u64, u32)>,
}

impl Table {
    /// A new entry with one hold: its index and generation.
    fn add(&mut self, backing: Backing) -> (u32, u32) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.entries.push(Entry::default());
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[index as usize];
        *entry =
            Entry { generation: entry.generation.wrapping_add(1), holds: 1, dropped: entry.dropped, backing };
        (index, entry.generation)
    }

    /// Frees an entry that nobody holds; what is left to be dropped once the table is not locked.
    fn free(&mut self, memory: &dyn DeviceMemory, index: u32) -> Option<Arc<Adoption>> {
        let backing = std::mem::take(&mut self.entries[index as usize].backing);
        self.free.push(index);
        match backing {
            Backing::None => None,
            Backing::Device(addr) => {
                let freed = memory.free(addr);
                debug_assert!(freed.is_ok(), "a buffer's memory is freed once");
                None
            }
            Backing::Piece(addr, adoption) => {
                self.pieces.remove(&addr);
                Some(adoption)
            }
        }
    }
}

/// Memory is kept while this lives, dropped or not.
#[derive(Debug)]
#[must_use = "memory is kept for as long as this lives"]
pub struct Kept<'b>(&'b Buffers);

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        self.0.let_go();
    }
}

/// The buffers of a chip or of a worker.
pub(crate) struct Buffers {
    memory: Arc<dyn DeviceMemory>,
    table: Mutex<Table>,
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("table", &self.table).finish_non_exhaustive()
    }
}

impl Buffers {
    pub(crate) fn new(memory: Arc<dyn DeviceMemory>) -> Arc<Self> {
        Arc::new(Self { memory, table: Mutex::default() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // The table is consistent between statements: a panic elsewhere does not spoil it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// New zeroed memory of `bytes`, and its address.
    pub(crate) fn allocate(self: &Arc<Self>, bytes: u64) -> Result<(Hold, u64), MemoryError> {
        let addr = self.memory.allocate(bytes)?;
        let (index, generation) = self.table().add(Backing::Device(addr));
        Ok((Hold { owner: Arc::clone(self), index, generation }, addr))
    }

    /// Memory that was allocated at `addr`, from here on to be freed by who drops the last hold.
    pub(crate) fn own(self: &Arc<Self>, addr: u64) -> Hold {
        let (index, generation) = self.table().add(Backing::Device(addr));
        Hold { owner: Arc::clone(self), index, generation }
    }

    /// A piece of adopted memory, by address: not empty, and inside.
    pub(crate) fn piece(
        self: &Arc<Self>,
        adoption: &Arc<Adoption>,
        bytes: &Range<u64>,
    ) -> Result<Hold, SharedError> {
        let mut table = self.table();
        // What begins last before its end is the only one that can reach into it, as no two overlap.
        let before = table.pieces.range(..bytes.end).next_back();
        let overlap =
            before.map(|(&from, &(to, index))| (from..to, index)).filter(|(r, _)| r.end > bytes.start);
        let (index, generation) = match overlap {
            None => {
                let made = table.add(Backing::Piece(bytes.start, Arc::clone(adoption)));
                table.pieces.insert(bytes.start, (bytes.end, made.0));
                made
            }
            // Again the same, maybe one that was dropped in this run.
            Some((there, index)) if there == *bytes => {
                let entry = &mut table.entries[index as usize];
                entry.holds += 1;
                (index, entry.generation)
            }
            Some((there, _)) => {
                let first = adoption.memory().addr();
                return Err(SharedError::Overlap {
                    start: bytes.start - first,
                    end: bytes.end - first,
                    other_start: there.start - first,
                    other_end: there.end - first,
                });
            }
        };
        drop(table);
        Ok(Hold { owner: Arc::clone(self), index, generation })
    }

    /// Whether a buffer is alive; one that was dropped in this run is not.
    pub(crate) fn is_live(&self, index: u32, generation: u32) -> bool {
        self.table().entries.get(index as usize).is_some_and(|e| e.generation == generation && e.holds > 0)
    }

    /// Keeps the memory of every buffer, dropped or not, until the guard is dropped: for a run, or a copy. One at a time.
    pub(crate) fn keep(&self) -> Kept<'_> {
        self.table().kept = true;
        Kept(self)
    }

    fn let_go(&self) {
        let mut table = self.table();
        table.kept = false;
        let mut gone = Vec::new();
        for index in std::mem::take(&mut table.dropped) {
            let entry = &mut table.entries[index as usize];
            entry.dropped = false;
            if entry.holds == 0 {
                gone.extend(table.free(&*self.memory, index));
            }
        }
        drop(table);
        drop(gone);
    }

    fn release(&self, index: u32) {
        let mut table = self.table();
        let kept = table.kept;
        let entry = &mut table.entries[index as usize];
        entry.holds -= 1;
        if entry.holds > 0 {
            return;
        }
        if kept {
            if !std::mem::replace(&mut entry.dropped, true) {
                table.dropped.push(index);
            }
            return;
        }
        let gone = table.free(&*self.memory, index);
        drop(table);
        drop(gone);
    }
}
