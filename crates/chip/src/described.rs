//! Where the outputs of foreign submits are described: a record of 128 bytes for each, which their submitters point to.
//!
//! Invariant: a record stays as it was written for as long as the memory of its output is not given to another task, and
//! stays mapped until the chip is gone. That follows from where it is: an output takes a heap slab of 1024 bytes at least
//! of its own, and the record of the slab at offset `o` is at `o / 1024` of a table beside the heap. What has no bytes has
//! a record of its own until the next run.

use std::io;

use prewire_abi::ChipTensor;
use prewire_os::Mapping;
use prewire_ring::RING_COUNT;

/// Bytes of the heap for which there is a record.
const SLAB: u64 = 1024;

/// The tables, made when a foreign submit first needs one.
#[derive(Debug, Default)]
pub(crate) struct Described {
    tables: [Option<Mapping>; RING_COUNT],
    /// Of outputs without bytes, which have no slab of their own.
    #[expect(clippy::vec_box, reason = "a record stays where it is while others are added")]
    empty: Vec<Box<ChipTensor>>,
}

impl Described {
    /// A run begins: what was said of the outputs of the one before is void.
    pub(crate) fn start(&mut self) {
        self.empty.clear();
    }

    /// Describes an output in the heap of `ring`, which has this address and as many bytes; gives where.
    ///
    /// # Errors
    ///
    /// There is no memory for a table.
    #[inline]
    pub(crate) fn put(
        &mut self,
        ring: usize,
        (heap, bytes): (u64, u64),
        tensor: &ChipTensor,
    ) -> io::Result<*const ChipTensor> {
        if tensor.buffer_size() == 0 {
            self.empty.push(Box::new(*tensor));
            return Ok(self.empty.last().map_or(std::ptr::null(), |tensor| &raw const **tensor));
        }
        let table = match &mut self.tables[ring] {
            Some(table) => table,
            none => none.insert(table(bytes)?),
        };
        let at = (tensor.buffer_addr().wrapping_sub(heap) / SLAB) as usize;
        assert!(at < table.len() / size_of::<ChipTensor>(), "outputs are inside of their heap");
        // SAFETY: the record `at` is inside of the table, as was just asserted.
        let record = unsafe { table.as_ptr().cast::<ChipTensor>().add(at) };
        // SAFETY: the record is inside of a mapping that nobody else writes, and its pages and size make it aligned. Its
        // former reader has no right to it any more: the slab is another task's.
        unsafe { record.write(*tensor) };
        Ok(record)
    }
}

fn table(bytes: u64) -> io::Result<Mapping> {
    let records = usize::try_from(bytes.div_ceil(SLAB)).map_err(io::Error::other)?;
    Mapping::new(records.saturating_mul(size_of::<ChipTensor>()))
}
