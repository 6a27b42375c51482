//! The heap ring: output bytes, handed out in order and reclaimed in order.

/// The cursor of a heap ring of `size` bytes. Positions are counted up for ever; the place of a position is its
/// offset modulo the size. What does not fit before the end skips to the start, and the skipped bytes count as used
/// until the task that skipped them is retired.
#[derive(Debug)]
pub(crate) struct Heap {
    size: u64,
    /// The next position.
    head: u64,
    /// The position of the first byte, this time around.
    lap: u64,
    /// Bytes that were skipped so far.
    skipped: u64,
}

impl Heap {
    /// What tasks' outputs are rounded up to, and aligned to.
    pub(crate) const ALIGN: u64 = 1024;

    /// `bytes` rounded up to the alignment.
    #[inline]
    pub(crate) const fn rounded(bytes: u64) -> u64 {
        bytes.next_multiple_of(Self::ALIGN)
    }

    pub(crate) fn new(size: u64) -> Self {
        Self { size, head: 0, lap: 0, skipped: 0 }
    }

    #[inline]
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Goes on at the start of the memory. Only while nothing is in use.
    pub(crate) fn rewind(&mut self) {
        if self.head > self.lap {
            self.turn();
        }
    }

    /// Skips what is left of this time around.
    fn turn(&mut self) {
        let end = self.end();
        self.skipped += end - self.head;
        (self.head, self.lap) = (end, end);
    }

    /// The position after the last byte, this time around.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.lap + self.size
    }

    /// Bytes that were handed out so far.
    #[inline]
    pub(crate) fn handed_out(&self) -> u64 {
        self.head - self.skipped
    }

    /// The bytes in use when everything before `tail` is reclaimed.
    #[inline]
    pub(crate) fn used(&self, tail: u64) -> u64 {
        self.head - tail
    }

    #[inline]
    fn skip(&self, bytes: u64) -> u64 {
        if self.head + bytes > self.end() { self.end() - self.head } else { 0 }
    }

    /// Makes the next position one that `bytes`, not more than there are, can begin at.
    #[inline]
    pub(crate) fn make_way(&mut self, bytes: u64) {
        if self.head + bytes > self.end() {
            self.turn();
        }
    }

    /// Whether `bytes` fit now. `tail` is the position up to which everything is reclaimed.
    #[cfg(test)]
    pub(crate) fn fits(&self, bytes: u64, tail: u64) -> bool {
        bytes == 0 || self.used_with(bytes, tail) <= self.size
    }

    /// The bytes in use once `bytes` are taken: they fit if that is not more than there are. An empty ring takes anything
    /// up to its size, wherever its head stands: what it would skip is nobody's.
    #[inline]
    pub(crate) fn used_with(&self, bytes: u64, tail: u64) -> u64 {
        let used = self.used(tail);
        if bytes == 0 || used == 0 { used + bytes } else { used + self.skip(bytes) + bytes }
    }

    /// Takes `bytes` that fit and that [way was made](Heap::make_way) for: the offset of the first. It is always one of the
    /// memory: no bytes behind a full heap are at its start.
    #[inline]
    pub(crate) fn take(&mut self, bytes: u64) -> u64 {
        let start = self.head;
        debug_assert!(start + bytes <= self.end(), "nobody made way");
        self.head = start + bytes;
        let offset = start - self.lap;
        if offset == self.size { 0 } else { offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(heap: &mut Heap, bytes: u64) -> u64 {
        heap.make_way(bytes);
        heap.take(bytes)
    }

    #[test]
    fn a_rewound_heap_begins_at_its_start_and_has_all_its_room() {
        let mut heap = Heap::new(4096);
        heap.rewind();
        assert_eq!((heap.head(), take(&mut heap, 3072)), (0, 0));
        heap.rewind();
        let tail = heap.head();
        assert_eq!((heap.used(tail), take(&mut heap, 1024), take(&mut heap, 3072)), (0, 0, 1024));
        assert!(!heap.fits(1024, tail));
        heap.rewind();
        assert_eq!(heap.head(), tail + 4096, "it was at its start");
    }

    #[test]
    fn an_empty_ring_takes_its_full_size_wherever_the_head_is_parked() {
        let mut heap = Heap::new(4096);
        assert_eq!(take(&mut heap, 3072), 0);
        let tail = heap.head();
        assert!(heap.fits(4096, tail));
        assert_eq!(take(&mut heap, 4096), 0);
        assert!(!heap.fits(1, tail));
        assert!(heap.fits(4096, heap.head()));
    }

    #[test]
    fn what_does_not_fit_before_the_end_skips_to_the_start() {
        let mut heap = Heap::new(4096);
        let _ = take(&mut heap, 2048);
        let first_end = heap.head();
        let _ = take(&mut heap, 1024);
        // 1024 are left at the end; 2048 fit only at the start, once the first task is gone.
        assert!(!heap.fits(2048, 0));
        assert!(heap.fits(2048, first_end));
        assert_eq!(take(&mut heap, 2048), 0);
        assert_eq!(heap.used(first_end), 4096);
        assert!(!heap.fits(1, first_end));
    }

    #[test]
    fn no_bytes_behind_a_full_heap_are_at_its_start() {
        let mut heap = Heap::new(4096);
        assert_eq!((take(&mut heap, 1024), take(&mut heap, 0), take(&mut heap, 3072)), (0, 1024, 1024));
        assert_eq!((take(&mut heap, 0), heap.used(0)), (0, 4096));
        assert_eq!((take(&mut heap, 1024), heap.used(4096)), (0, 1024));
    }

    #[test]
    fn live_blocks_never_overlap() {
        // (offset, bytes, end position) of live blocks, oldest first; a small generator drives sizes and retirement.
        let mut heap = Heap::new(16 * 1024);
        let mut live = alloc::collections::VecDeque::new();
        let mut tail = 0;
        let mut seed = 7u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let bytes = (1 + (seed >> 33) % 16) * 1024;
            while !heap.fits(bytes, tail) {
                let (_, _, end) = live.pop_front().expect("an empty ring takes everything");
                tail = end;
            }
            let start = take(&mut heap, bytes);
            assert!(start + bytes <= heap.size());
            for &(other, len, _) in &live {
                assert!(
                    start + bytes <= other || other + len <= start,
                    "{start}+{bytes} overlaps {other}+{len}"
                );
            }
            live.push_back((start, bytes, heap.head()));
        }
    }
}
