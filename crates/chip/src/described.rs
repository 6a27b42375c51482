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

    /// Sees to it that there are tables for heaps of so many bytes, by ring: before anything of the task that they are
    /// for exists.
    ///
    /// # Errors
    ///
    /// There is no memory for one.
    #[inline]
    pub(crate) fn prepare(&mut self, bytes: impl Fn(usize) -> u64) -> io::Result<()> {
        // They are made together, the last one last.
        if self.tables[RING_COUNT - 1].is_some() { Ok(()) } else { self.make(bytes) }
    }

    #[cold]
    fn make(&mut self, bytes: impl Fn(usize) -> u64) -> io::Result<()> {
        for (ring, place) in self.tables.iter_mut().enumerate() {
            if place.is_none() {
                *place = Some(table(bytes(ring))?);
            }
        }
        Ok(())
    }

    /// Describes an output in the heap of `ring`, which has this address; gives where. Without a table, that is a record of
    /// its own.
    #[inline]
    pub(crate) fn put(&mut self, ring: usize, heap: u64, tensor: &ChipTensor) -> *const ChipTensor {
        let Some(table) = self.tables[ring].as_mut().filter(|_| tensor.buffer_size() != 0) else {
            self.empty.push(Box::new(*tensor));
            return self.empty.last().map_or(std::ptr::null(), |tensor| &raw const **tensor);
        };
        let at = (tensor.buffer_addr().wrapping_sub(heap) / SLAB) as usize;
        assert!(at < table.len() / size_of::<ChipTensor>(), "outputs are inside of their heap");
        // SAFETY: the record `at` is inside of the table, as was just asserted.
        let record = unsafe { table.as_ptr().cast::<ChipTensor>().add(at) };
        // SAFETY: the record is inside of a mapping that nobody else writes, and its pages and size make it aligned. Its
        // former reader has no right to it any more: the slab is another task's.
        unsafe { record.write(*tensor) };
        record
    }
}

fn table(bytes: u64) -> io::Result<Mapping> {
    let records = usize::try_from(bytes.div_ceil(SLAB)).map_err(io::Error::other)?;
    Mapping::new(records.saturating_mul(size_of::<ChipTensor>()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prewire_abi::DataType;

    #[test]
    fn a_table_that_cannot_be_made_is_refused_before_and_made_later() {
        let mut described = Described::default();
        let heap = 0x10_0000;
        let output = ChipTensor::contiguous(heap + 3 * SLAB, &[5], DataType::F32).unwrap();
        let read = |at: *const ChipTensor| {
            // SAFETY: it was just described.
            unsafe { at.read() }
        };
        described.prepare(|ring| if ring == 2 { u64::MAX } else { 8 * SLAB }).unwrap_err();
        assert_eq!(described.tables.iter().filter(|table| table.is_some()).count(), 2);
        assert_eq!(read(described.put(3, heap, &output)), output);
        described.prepare(|_| 8 * SLAB).unwrap();
        let at = described.put(3, heap, &output);
        assert_eq!((read(at), described.empty.len()), (output, 1));
        described.prepare(|_| unreachable!("they are made once")).unwrap();
        assert_eq!(described.put(3, heap, &output), at);
    }
}
