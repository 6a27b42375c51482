//! A queue of ready tasks: the orchestrator and others put in, many take out, and it is never full.

use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::slot::SlotRef;
use crate::table::{HEAP, Pages, Table};

/// A ready task as a queue holds it: its slot, and whether it is of [one core](crate::Kind::of_one_core), which spares
/// whoever takes it a look at the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Queued(u32);

impl Queued {
    /// The index is one of all rings, of which each has 2^24 slots at most: below 2^26, so the bits between it and the ring
    /// are free.
    const OF_ONE_CORE: u32 = 1 << (SlotRef::INDEX_BITS - 1);

    /// The task in `slot`, of one core or not.
    #[must_use]
    #[inline]
    pub const fn new(slot: SlotRef, of_one_core: bool) -> Self {
        Self(slot.raw() | if of_one_core { Self::OF_ONE_CORE } else { 0 })
    }

    /// Its slot.
    #[must_use]
    #[inline]
    pub const fn slot(self) -> SlotRef {
        SlotRef::from_raw(self.0 & !Self::OF_ONE_CORE)
    }

    /// Whether it is known to be of one core.
    #[must_use]
    #[inline]
    pub const fn is_of_one_core(self) -> bool {
        self.0 & Self::OF_ONE_CORE != 0
    }
}

impl From<SlotRef> for Queued {
    /// A task of which nothing more is said.
    fn from(slot: SlotRef) -> Self {
        Self::new(slot, false)
    }
}

/// A queue of slots, in two lanes: what the orchestrator published, and what others handed on. Each lane is first in,
/// first out; what was handed on is taken first, as its producer has just run.
///
/// A task is in at most one place of one queue, so a lane with a place for every slot is never full, and putting one in
/// cannot fail.
#[derive(Debug)]
pub struct ReadyQueue {
    published: Lane,
    handed_on: Lane,
}

impl ReadyQueue {
    /// A queue with places for `slots` tasks.
    #[must_use]
    pub fn new(slots: u32) -> Self {
        Self::new_in(slots, HEAP)
    }

    /// As [`new`](ReadyQueue::new), in memory from elsewhere.
    #[must_use]
    pub fn new_in(slots: u32, pages: Pages<'_>) -> Self {
        Self { published: Lane::new(slots, pages), handed_on: Lane::new(slots, pages) }
    }

    /// Puts `task` at the end of what was handed on. From any thread.
    #[inline]
    pub fn push(&self, task: impl Into<Queued>) {
        let lane = &self.handed_on;
        lane.fill(lane.tail.fetch_add(1, Ordering::Relaxed), task.into());
    }

    /// Puts `task` at the end of what was published. For one thread, the orchestrator: if two did so at the same time, a
    /// task could be lost.
    #[inline]
    pub fn publish(&self, task: impl Into<Queued>) {
        let lane = &self.published;
        let tail = lane.tail.load(Ordering::Relaxed);
        lane.fill(tail, task.into());
        lane.tail.store(tail + 1, Ordering::Relaxed);
    }

    /// Takes the first.
    #[inline]
    pub fn pop(&self) -> Option<SlotRef> {
        self.pop_if(|_| true)
    }

    /// Takes the first of a lane if `wanted` says so; otherwise it stays where it is. `wanted` may be asked about a task
    /// that another thread takes at that moment, and then again about the one behind it.
    #[inline]
    pub fn pop_if(&self, mut wanted: impl FnMut(SlotRef) -> bool) -> Option<SlotRef> {
        self.handed_on.pop_if(&mut wanted).or_else(|| self.published.pop_if(&mut wanted))
    }

    /// Takes tasks from the front for as long as there are `places` left for them and `taken` has room, all of a lane at
    /// once: how many. One that is of one core takes one place, another as many as `cost` says; the last one may want more
    /// than there are. `cost` may be asked about a task that another thread takes at that moment.
    #[inline]
    pub fn take(&self, places: u32, cost: impl Fn(SlotRef) -> u32, taken: &mut [Queued]) -> usize {
        let (first, left) = self.handed_on.take(places, &cost, taken);
        first + self.published.take(left, &cost, &mut taken[first..]).0
    }

    /// Whether something that was handed on seems to be there: it goes before what was published.
    #[must_use]
    #[inline]
    pub fn has_handed_on(&self) -> bool {
        !self.handed_on.is_empty()
    }

    /// How many there seem to be: exact when nobody puts in or takes out.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.handed_on.len() + self.published.len()
    }

    /// Whether there seems to be none.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.handed_on.is_empty() && self.published.is_empty()
    }
}

/// A first-in first-out queue.
///
/// A cell holds a stamp in its high and a task in its low half. The stamp of a filled cell is the position after its own,
/// so it is not that of the lap before, and zeroed memory is an empty lane; and who takes writes nothing but `head`. What
/// was read from a cell counts if `head` has not moved; and a cell is filled again only when `head` has passed it: one task
/// among those that were put in since was taken out, or there would be more of them than slots.
#[derive(Debug)]
struct Lane {
    /// The next position to take. Raised by takers.
    head: Padded<AtomicU64>,
    /// The next position to fill. Raised by whoever fills it.
    tail: Padded<AtomicU64>,
    /// Filled by who raised `tail` over it.
    cells: Table<AtomicU64>,
}

impl Lane {
    fn new(slots: u32, pages: Pages<'_>) -> Self {
        let len = slots.next_power_of_two();
        Self {
            head: Padded::new(AtomicU64::new(0)),
            tail: Padded::new(AtomicU64::new(0)),
            cells: Table::new(len as usize, pages),
        }
    }

    /// The cell at a position, and its stamp when it is filled.
    #[inline]
    fn cell(&self, position: u64) -> (&AtomicU64, u32) {
        (self.cells.wrap(position as usize), (position as u32).wrapping_add(1))
    }

    #[inline]
    fn fill(&self, position: u64, task: Queued) {
        let (cell, stamp) = self.cell(position);
        // ORDERING: Release, "ready-fill"; pairs with the load in `Lane::peek`: the task's slot, its edges and what its
        // producers wrote are visible to the taker.
        let order = mutant::order("ready-fill", Ordering::Release);
        cell.store(u64::from(stamp) << 32 | u64::from(task.0), order);
    }

    /// What is at a position, if it is filled.
    #[inline]
    fn peek(&self, position: u64) -> Option<Queued> {
        let (cell, stamp) = self.cell(position);
        // ORDERING: Acquire, "ready-fill"; pairs with the store in `Lane::fill`.
        let content = cell.load(mutant::order("ready-take", Ordering::Acquire));
        // MUTANT "ready-no-stamp": what is left of the lap before is taken for the task of this one.
        let filled = (content >> 32) as u32 == stamp || (content != 0 && mutant::skips("ready-no-stamp"));
        filled.then_some(Queued(content as u32))
    }

    /// Takes the `n` tasks from `head` on; where somebody else took the first of them, the head as it is now.
    #[inline]
    fn raise(&self, head: u64, n: u64) -> Result<(), u64> {
        // ORDERING: AcqRel, "ready-head"; pairs with itself: the cells were read before they are filled again, by who
        // saw a task behind them end.
        match self.head.compare_exchange(head, head + n, Ordering::AcqRel, Ordering::Relaxed) {
            // MUTANT "ready-double-take": who comes second takes the task too.
            Err(now) if !mutant::skips("ready-double-take") => Err(now),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    #[inline]
    fn pop_if(&self, wanted: &mut impl FnMut(SlotRef) -> bool) -> Option<SlotRef> {
        let mut head = self.head.load(Ordering::Relaxed);
        let mut asked = false;
        loop {
            let Some(slot) = self.peek(head).map(Queued::slot) else {
                let now = self.head.load(Ordering::Relaxed);
                if now == head {
                    return None;
                }
                head = now;
                continue;
            };
            if !asked && !wanted(slot) {
                return None;
            }
            // MUTANT "pop-asks-once": who has lost the first takes the one behind it without asking.
            asked = mutant::skips("pop-asks-once");
            match self.raise(head, 1) {
                Ok(()) => return Some(slot),
                Err(now) => head = now,
            }
        }
    }

    /// How many were taken, and how many places are left.
    #[inline]
    fn take(&self, places: u32, cost: &impl Fn(SlotRef) -> u32, taken: &mut [Queued]) -> (usize, u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        let mut before = 0;
        loop {
            let (mut left, mut count) = (places, before);
            while left > 0
                && let Some(place) = taken.get_mut(count)
                && let Some(task) = self.peek(head + (count - before) as u64)
            {
                *place = task;
                left = if task.is_of_one_core() { left - 1 } else { left.saturating_sub(cost(task.slot())) };
                count += 1;
            }
            if count == before {
                let now = if left > 0 { self.head.load(Ordering::Relaxed) } else { head };
                if now == head {
                    return (count, left);
                }
                head = now;
                continue;
            }
            match self.raise(head, (count - before) as u64) {
                Ok(()) => return (count, left),
                Err(now) => head = now,
            }
            // MUTANT "take-keeps": what another thread took of them is kept.
            if mutant::skips("take-keeps") {
                before = count;
            }
        }
    }

    fn len(&self) -> u32 {
        let (head, tail) = (self.head.load(Ordering::Relaxed), self.tail.load(Ordering::Relaxed));
        tail.saturating_sub(head).min(self.cells.len() as u64) as u32
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.peek(self.head.load(Ordering::Relaxed)).is_none()
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    extern crate std;
    use super::*;
    use alloc::vec::Vec;
    use prewire_sync::atomic::AtomicU32;

    #[test]
    fn first_in_first_out_over_many_laps() {
        const ROUNDS: u32 = if cfg!(miri) { 1000 } else { 100_000 };
        let queue = ReadyQueue::new(4);
        for round in 0..ROUNDS {
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
    fn what_was_handed_on_goes_first_and_what_was_published_keeps_its_order() {
        let queue = ReadyQueue::new(4);
        let slots = [0, 1, 2, 3].map(SlotRef::from_raw);
        for _ in 0..1000 {
            queue.publish(slots[0]);
            queue.publish(slots[1]);
            queue.push(slots[2]);
            queue.publish(slots[3]);
            assert_eq!((queue.len(), queue.is_empty()), (4, false));
            let popped: Vec<SlotRef> = core::iter::from_fn(|| queue.pop()).collect();
            assert_eq!(popped, [slots[2], slots[0], slots[1], slots[3]]);
            assert_eq!((queue.len(), queue.is_empty()), (0, true));
        }
    }

    #[test]
    fn so_many_are_taken_as_there_are_places_for() {
        let queue = ReadyQueue::new(16);
        (0..6).for_each(|i| queue.publish(SlotRef::from_raw(i)));
        queue.push(SlotRef::from_raw(6));
        let take = |places, cost: u32| {
            let mut taken = [Queued::default(); 8];
            let count = queue.take(places, |_| cost, &mut taken);
            taken[..count].iter().map(|task| task.slot().raw()).collect::<Vec<_>>()
        };
        assert_eq!(take(0, 1), []);
        assert_eq!(take(3, 1), [6, 0, 1]);
        assert_eq!(take(3, 2), [2, 3], "the last one is given the place that is left");
        assert_eq!(take(1, 100), [4]);
        assert_eq!(take(100, 1), [5]);
        assert_eq!(take(100, 1), []);
        // What is of one core is not asked what it wants.
        (0..3).for_each(|i| queue.publish(Queued::new(SlotRef::from_raw(i), true)));
        assert_eq!(take(2, 100), [0, 1]);
        (3..13).for_each(|i| queue.publish(SlotRef::from_raw(i)));
        assert_eq!(take(100, 1), [2, 3, 4, 5, 6, 7, 8, 9], "as many as there is room for");
        assert_eq!(take(100, 1), [10, 11, 12]);
    }

    #[test]
    fn what_is_queued_is_a_slot_and_one_bit() {
        for slot in [SlotRef::new(0, 0), SlotRef::new(3, (1 << 26) - 1)] {
            for of_one_core in [false, true] {
                let task = Queued::new(slot, of_one_core);
                assert_eq!((task.slot(), task.is_of_one_core()), (slot, of_one_core));
            }
        }
    }

    /// A stamp has 32 bits: a queue comes around after so many tasks.
    #[test]
    fn stamps_may_wrap() {
        for slots in [1, 4, 1 << 16] {
            let queue = ReadyQueue::new(slots);
            let lane = &queue.published;
            let start = u64::from(u32::MAX) - 5;
            lane.head.store(start, Ordering::Relaxed);
            lane.tail.store(start, Ordering::Relaxed);
            // What the lap before has left.
            let len = lane.cells.len() as u64;
            (start - len..start).for_each(|position| lane.fill(position, Queued::default()));
            for i in 0..12 {
                assert_eq!(queue.pop(), None);
                queue.publish(SlotRef::from_raw(i));
                assert_eq!(queue.pop(), Some(SlotRef::from_raw(i)), "{slots} slots, push {i}");
            }
        }
    }

    #[test]
    fn threads_lose_and_double_nothing() {
        const EACH: u32 = if cfg!(miri) { 100 } else { 50_000 };
        let queue = ReadyQueue::new(4 * EACH);
        let taken = AtomicU32::new(0);
        let all: Vec<SlotRef> = std::thread::scope(|scope| {
            for t in 0..2 {
                let queue = &queue;
                scope.spawn(move || {
                    (0..EACH)
                        .map(|i| SlotRef::from_raw(t * EACH + i))
                        .for_each(|slot| if t == 0 { queue.publish(slot) } else { queue.push(slot) });
                });
            }
            let takers: Vec<_> = (0..2)
                .map(|places| {
                    let (queue, taken) = (&queue, &taken);
                    scope.spawn(move || {
                        let (mut got, mut some) = (Vec::new(), [Queued::default(); 5]);
                        // One takes one at a time, the other several.
                        while !queue.is_empty() || taken.fetch_add(0, Ordering::Relaxed) < 2 * EACH {
                            let before = got.len();
                            match places {
                                0 => got.extend(queue.pop()),
                                _ => {
                                    let count = queue.take(5, |_| 1, &mut some);
                                    got.extend(some[..count].iter().map(|task| task.slot()));
                                }
                            }
                            taken.fetch_add((got.len() - before) as u32, Ordering::Relaxed);
                            std::hint::spin_loop();
                        }
                        got
                    })
                })
                .collect();
            takers.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        let mut sorted: Vec<u32> = all.into_iter().map(SlotRef::raw).collect();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..2 * EACH).collect::<Vec<_>>());
    }
}
