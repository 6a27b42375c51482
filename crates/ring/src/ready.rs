//! A queue of ready tasks: many push, many take, and it is never full.

use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::slot::SlotRef;
use crate::table::{HEAP, Pages, Table};

/// A first-in first-out queue of slots. A task is in at most one place of one queue, so a queue with a place for every
/// slot is never full, and `push` cannot fail.
///
/// A cell holds a stamp in its high and a slot in its low half. In lap `l` (position divided by length) the stamp of a
/// cell is `2l` when it is free, `2l + 1` when it is filled; so zeroed memory is an empty queue.
#[derive(Debug)]
pub struct ReadyQueue {
    /// The next position to take. Raised by takers.
    head: Padded<AtomicU32>,
    /// The next position to fill. Raised by pushers.
    tail: Padded<AtomicU32>,
    /// Filled by the pusher that raised `tail` over it, freed by the taker that raised `head` over it.
    cells: Table<AtomicU64>,
    shift: u32,
}

impl ReadyQueue {
    /// A queue with a place for `slots` tasks.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        Self::new_in(slots, HEAP)
    }

    /// As [`new`](ReadyQueue::new), in memory from elsewhere.
    #[must_use]
    pub fn new_in(slots: u32, pages: Pages<'_>) -> Self {
        let len = slots.next_power_of_two();
        Self {
            head: Padded::new(AtomicU32::new(0)),
            tail: Padded::new(AtomicU32::new(0)),
            cells: Table::new(len as usize, pages),
            shift: len.trailing_zeros(),
        }
    }

    fn cell(&self, position: u32) -> (&AtomicU64, u32) {
        let lap = u64::from(position) >> self.shift;
        (&self.cells[position as usize & (self.cells.len() - 1)], (lap as u32) << 1)
    }

    /// Puts `slot` at the end.
    pub fn push(&self, slot: SlotRef) {
        let mut tail = self.tail.load(Ordering::Relaxed);
        loop {
            let (cell, free) = self.cell(tail);
            // Relaxed, as the store in `pop_if` that freed it: all that a taker leaves behind is this word.
            let stamp = (cell.load(Ordering::Relaxed) >> 32) as u32;
            // MUTANT "ready-no-stamp": a cell is filled before its taker of the lap before is done with it.
            if stamp == free || mutant::skips("ready-no-stamp") {
                match self.tail.compare_exchange_weak(
                    tail,
                    tail.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => {
                        // ORDERING: Release, "ready-fill"; pairs with the load in `pop`: the task's slot, its edges
                        // and what its producers wrote are visible to the taker.
                        let filled = u64::from(free | 1) << 32 | u64::from(slot.raw());
                        cell.store(filled, mutant::order("ready-fill", Ordering::Release));
                        return;
                    }
                    Err(now) => tail = now,
                }
            } else {
                // Another pusher is ahead, or a taker has raised `head` over the cell and not yet freed it.
                prewire_sync::hint::spin_loop();
                tail = self.tail.load(Ordering::Relaxed);
            }
        }
    }

    /// Takes the first.
    pub fn pop(&self) -> Option<SlotRef> {
        self.pop_if(|_| true)
    }

    /// Takes the first if `wanted` says so; otherwise it stays where it is. `wanted` may be asked about a task that
    /// another thread takes at that moment, and then again about the one behind it.
    pub fn pop_if(&self, mut wanted: impl FnMut(SlotRef) -> bool) -> Option<SlotRef> {
        let mut head = self.head.load(Ordering::Relaxed);
        let mut asked = false;
        loop {
            let (cell, free) = self.cell(head);
            // ORDERING: Acquire, "ready-fill"; pairs with the store in `push`.
            let content = cell.load(mutant::order("ready-take", Ordering::Acquire));
            let stamp = (content >> 32) as u32;
            if stamp == free | 1 {
                if !asked && !wanted(SlotRef::from_raw(content as u32)) {
                    return None;
                }
                // MUTANT "pop-asks-once": who has lost the first takes the one behind it without asking.
                asked = mutant::skips("pop-asks-once");
                match self.head.compare_exchange_weak(
                    head,
                    head.wrapping_add(1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ) {
                    // MUTANT "ready-double-take": who comes second takes the task too.
                    Err(now) if !mutant::skips("ready-double-take") => head = now,
                    Ok(_) | Err(_) => {
                        let wrap = (u32::MAX >> self.shift << 1) | 1;
                        let next = free.wrapping_add(2) & wrap;
                        cell.store(u64::from(next) << 32, Ordering::Relaxed);
                        return Some(SlotRef::from_raw(content as u32));
                    }
                }
            } else {
                let now = self.head.load(Ordering::Relaxed);
                if now == head {
                    return None;
                }
                head = now;
            }
        }
    }

    /// How many there seem to be: exact when nobody pushes or takes.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.tail
            .load(Ordering::Relaxed)
            .wrapping_sub(self.head.load(Ordering::Relaxed))
            .min(self.cells.len() as u32)
    }

    /// Whether there seems to be none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    extern crate std;
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn first_in_first_out_over_many_laps() {
        let queue = ReadyQueue::new(4);
        for round in 0..100_000u32 {
            for i in 0..3 {
                queue.push(SlotRef::from_raw((round * 3 + i) & 0xFFFF));
            }
            for i in 0..3 {
                assert_eq!(queue.pop(), Some(SlotRef::from_raw((round * 3 + i) & 0xFFFF)));
            }
            assert_eq!(queue.pop(), None);
        }
    }

    #[test]
    fn positions_may_wrap() {
        for slots in [1, 4, 1 << 16] {
            let queue = ReadyQueue::new(slots);
            let start = u32::MAX - 5;
            queue.head.store(start, Ordering::Relaxed);
            queue.tail.store(start, Ordering::Relaxed);
            // Bring the cells to the lap of the start.
            for i in 0..queue.cells.len() as u32 {
                let position = start.wrapping_add(i);
                let (cell, free) = queue.cell(position);
                cell.store(u64::from(free) << 32, Ordering::Relaxed);
            }
            for i in 0..12 {
                queue.push(SlotRef::from_raw(i));
                assert_eq!(queue.pop(), Some(SlotRef::from_raw(i)), "{slots} slots, push {i}");
            }
        }
    }

    #[test]
    fn threads_lose_and_double_nothing() {
        const EACH: u32 = if cfg!(miri) { 100 } else { 50_000 };
        let queue = ReadyQueue::new(4 * EACH);
        let taken: Vec<u32> = std::thread::scope(|scope| {
            for t in 0..2 {
                let queue = &queue;
                scope.spawn(move || (0..EACH).for_each(|i| queue.push(SlotRef::from_raw(t * EACH + i))));
            }
            let takers: Vec<_> = (0..2)
                .map(|_| {
                    let queue = &queue;
                    scope.spawn(move || {
                        let mut got = Vec::new();
                        while got.len() < EACH as usize {
                            match queue.pop() {
                                Some(slot) => got.push(slot.raw()),
                                None => std::hint::spin_loop(),
                            }
                        }
                        got
                    })
                })
                .collect();
            takers.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        let mut sorted = taken;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..2 * EACH).collect::<Vec<_>>());
    }
}
