//! The orchestrator's side of the rings: reserving, committing and wiring, and the scope floors.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;

use prewire_abi::TaskId;
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

use crate::fanout::Pushed;
use crate::heap::Heap;
use crate::ring::{RING_COUNT, Ring, Rings, is_before};
use crate::sizes::RingSizes;
use crate::slot::{Cold, SlotRef};
use crate::usage::{InUse, Meter, RingMarks, Stand};

/// What a task needs of its ring beside a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Need {
    /// Bytes of outputs.
    pub heap: u64,
    /// Edges.
    pub deps: u32,
    /// Argument words.
    pub args: u32,
}

/// What a ring is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// The window has no free slot.
    Window,
    /// The heap has no room for the outputs.
    Heap,
    /// The dep-list pool has no room for the edges.
    Deps,
    /// The argument ring has no room for the arguments.
    Args,
}

/// Why nothing could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// What is short.
    pub shortage: Shortage,
    /// How much of it was wanted.
    pub wanted: u64,
    /// How much is in use.
    pub used: u64,
    /// How much there is.
    pub capacity: u64,
}

impl Blocked {
    /// Whether waiting cannot help: more is wanted than there is.
    #[must_use]
    pub const fn is_hopeless(&self) -> bool {
        self.wanted > self.capacity
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, unit) = match self.shortage {
            Shortage::Window => ("window", "slots"),
            Shortage::Heap => ("heap", "bytes"),
            Shortage::Deps => ("dep-list pool", "entries"),
            Shortage::Args => ("argument ring", "words"),
        };
        write!(f, "{what}: {} {unit} wanted, {} of {} in use", self.wanted, self.used, self.capacity)
    }
}

/// A task that has its slot, and is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub id: TaskId,
    /// Its slot.
    pub slot: SlotRef,
    /// The offset of its outputs in the heap of its ring.
    pub heap: u64,
}

#[derive(Debug)]
struct Cursor {
    next: u32,
    heap: Heap,
    deps_head: u32,
    deps_capacity: u32,
    args_head: u32,
    args_capacity: u32,
    window: u32,
    /// The local number that this run began with.
    first: u32,
    meter: Meter,
}

/// The one writer of the rings' cursors: the orchestrator owns it.
#[derive(Debug)]
pub struct Allocator {
    pub(crate) rings: Arc<Rings>,
    cursors: [Cursor; RING_COUNT],
    /// Failed tasks of this run whose slots were reused: by ring, runs of local numbers, first and last, in order. A
    /// failure takes what depends on it along, so they come in runs.
    failed: [Vec<(u32, u32)>; RING_COUNT],
}

/// What became of a task that was submitted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    Done,
    Failed,
}

impl Allocator {
    pub(crate) fn new(rings: Arc<Rings>, sizes: &RingSizes) -> Self {
        let cursors = core::array::from_fn(|ring| Cursor {
            next: 0,
            heap: Heap::new(sizes.heap[ring].next_multiple_of(Heap::ALIGN)),
            deps_head: 0,
            deps_capacity: sizes.deps[ring],
            args_head: 0,
            args_capacity: rings.rings[ring].args.len() as u32,
            window: sizes.window[ring],
            first: 0,
            meter: Meter::default(),
        });
        Self { rings, cursors, failed: Default::default() }
    }

    /// The rings it fills.
    #[must_use]
    pub fn rings(&self) -> &Arc<Rings> {
        &self.rings
    }

    /// The local number that the next task of `ring` gets.
    #[must_use]
    pub fn next(&self, ring: usize) -> u32 {
        self.cursors[ring].next
    }

    /// The bytes of the heap of `ring`.
    #[must_use]
    pub fn heap_size(&self, ring: usize) -> u64 {
        self.cursors[ring].heap.size()
    }

    /// The slots of the window of `ring`.
    #[must_use]
    pub fn window(&self, ring: usize) -> u32 {
        self.cursors[ring].window
    }

    /// Checks that `ring` has room for a task that needs `need`. Nothing is taken; while this thread does nothing
    /// else, [`commit`](Allocator::commit) of the same need cannot fail.
    ///
    /// # Errors
    ///
    /// What is short, with numbers. The first of window, heap, dep entries, argument words.
    pub fn try_reserve(&self, ring: usize, need: &Need) -> Result<(), Blocked> {
        self.room(ring, need).map(drop)
    }

    /// As [`try_reserve`](Allocator::try_reserve), and says what the ring will hold, for [`note`](Allocator::note).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn room(&self, ring: usize, need: &Need) -> Result<InUse, Blocked> {
        let cursor = &self.cursors[ring];
        let shared = &self.rings.rings[ring];
        let watermark = shared.watermark();
        let live = cursor.next.wrapping_sub(watermark);
        let blocked = |shortage, wanted, used, capacity| Err(Blocked { shortage, wanted, used, capacity });
        if live >= cursor.window - 1 {
            return blocked(Shortage::Window, 1, u64::from(live), u64::from(cursor.window - 1));
        }
        // What everything before the watermark used ends where the last retired task's ends. Its slot is not yet
        // reused: one slot of the window always stays free for that. Before anything was retired it is the last slot
        // of the table, still zeroed.
        let (heap_tail, deps_tail, args_tail) = if live == 0 {
            (cursor.heap.head(), cursor.deps_head, cursor.args_head)
        } else {
            let last = shared.slot(watermark.wrapping_sub(1));
            (
                last.heap_end.load(Ordering::Relaxed),
                last.dep_mark.load(Ordering::Relaxed),
                last.args_end.load(Ordering::Relaxed),
            )
        };
        // More than there is, whatever is free: said before it is rounded up, so that no sum overflows.
        let too_large = need.heap > cursor.heap.size();
        let bytes = if too_large { 0 } else { need.heap.next_multiple_of(Heap::ALIGN) };
        if too_large || !cursor.heap.fits(bytes, heap_tail) {
            return blocked(Shortage::Heap, need.heap, cursor.heap.used(heap_tail), cursor.heap.size());
        }
        let deps = cursor.deps_head.wrapping_sub(deps_tail);
        if deps + need.deps > cursor.deps_capacity {
            return blocked(Shortage::Deps, need.deps.into(), deps.into(), cursor.deps_capacity.into());
        }
        let args = cursor.args_head.wrapping_sub(args_tail);
        if args + need.args > cursor.args_capacity {
            return blocked(Shortage::Args, need.args.into(), args.into(), cursor.args_capacity.into());
        }
        Ok(InUse {
            tasks: live + 1,
            heap: cursor.heap.used_with(bytes, heap_tail),
            deps: deps + need.deps,
            args: args + need.args,
        })
    }

    /// Counts the task that is about to be committed, for the marks of the run: it found [`room`](Allocator::room).
    #[inline]
    pub fn note(&mut self, ring: usize, need: &Need, now: &InUse) {
        self.cursors[ring].meter.note(need, now);
    }

    /// Counts a submit that waits, for the marks of the run.
    pub fn note_wait(&mut self, ring: usize, shortage: Shortage) {
        self.cursors[ring].meter.note_wait(shortage);
    }

    /// What this run has taken of `ring`, as it was noted. What a scope that is still open holds is not yet in
    /// [`needed`](crate::Mark::needed).
    #[must_use]
    pub fn marks(&self, ring: usize) -> RingMarks {
        let cursor = &self.cursors[ring];
        let window = u64::from(cursor.window - 1);
        cursor.meter.marks([
            window,
            cursor.heap.size(),
            cursor.deps_capacity.into(),
            cursor.args_capacity.into(),
        ])
    }

    /// How many slots this run has taken: one a task, and one an allocation.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.cursors.iter().map(|cursor| u64::from(cursor.next.wrapping_sub(cursor.first))).sum()
    }

    /// Takes a slot of `ring` and what `need` asks for, which [`try_reserve`](Allocator::try_reserve) has just found
    /// to be there. The caller then fills arguments and edges and publishes.
    #[track_caller]
    pub fn commit(&mut self, ring: usize, need: &Need, cold: &Cold) -> Placed {
        let site = Location::caller();
        self.commit_at(ring, need, cold, site)
    }

    /// As [`commit`](Allocator::commit), for a task that was submitted at `site`.
    pub fn commit_at(
        &mut self,
        ring: usize,
        need: &Need,
        cold: &Cold,
        site: &'static Location<'static>,
    ) -> Placed {
        let cursor = &mut self.cursors[ring];
        let shared = &self.rings.rings[ring];
        let local = cursor.next;
        let id = TaskId::new(ring as u32, local);
        let slot = self.rings.slot_of(id);
        let state = shared.slot(local);
        if self.rings.has_failed() && state.fanout.closed() == Some(Pushed::ClosedFailed) {
            remember(&mut self.failed[ring], state.id().local());
        }
        state.reset(id, cold);
        self.rings.set_site(slot, site);
        let heap = cursor.heap.take(need.heap.next_multiple_of(Heap::ALIGN));
        state.heap_end.store(cursor.heap.head(), Ordering::Relaxed);
        cursor.deps_head = cursor.deps_head.wrapping_add(need.deps);
        state.dep_mark.store(cursor.deps_head, Ordering::Relaxed);
        state.dep_count.store(need.deps, Ordering::Relaxed);
        state.args.store(cursor.args_head, Ordering::Relaxed);
        cursor.args_head = cursor.args_head.wrapping_add(need.args);
        state.args_end.store(cursor.args_head, Ordering::Relaxed);
        cursor.next = local.wrapping_add(1);
        // ORDERING: Release, "ring-head"; pairs with the load in `Ring::advance`: the slot is initialised before it is
        // walked over.
        shared.head.store(cursor.next, mutant::order("head-store", Ordering::Release));
        Placed { id, slot, heap }
    }

    /// What became of `id`, a task of this run. `Done` may be answered late, as `Live`.
    pub(crate) fn fate(&self, id: TaskId) -> Fate {
        let ring = id.ring() as usize & 3;
        let shared = &self.rings.rings[ring];
        // Alive is what lies between the watermark and the head; everything else was retired, however long ago.
        let (watermark, next) = (shared.watermark(), self.cursors[ring].next);
        if id.local().wrapping_sub(watermark) < next.wrapping_sub(watermark) {
            return Fate::Live;
        }
        if !self.rings.has_failed() {
            return Fate::Done;
        }
        let state = shared.slot(id.local());
        let failed = if state.id() == id {
            state.fanout.closed() == Some(Pushed::ClosedFailed)
        } else {
            recall(&self.failed[ring], id.local())
        };
        if failed { Fate::Failed } else { Fate::Done }
    }

    /// Whether `id`, a task of this run, is retired; and if so, whether it failed.
    #[must_use]
    pub fn retired(&self, id: TaskId) -> Option<bool> {
        match self.fate(id) {
            Fate::Live => None,
            Fate::Done => Some(false),
            Fate::Failed => Some(true),
        }
    }

    /// Whether an open scope holds `id`, a live task.
    #[must_use]
    pub fn is_held_by_scope(&self, id: TaskId) -> bool {
        self.rings.rings[id.ring() as usize & 3].is_pinned(id.local())
    }

    /// Whether `id`, a task of this run, is complete; and if so, whether it failed.
    #[must_use]
    pub fn completed(&self, id: TaskId) -> Option<bool> {
        self.retired(id).or_else(|| {
            self.rings.slot(self.rings.slot_of(id)).fanout.closed().map(|how| how == Pushed::ClosedFailed)
        })
    }

    /// Makes the task just committed complete from birth, without a producer or a run.
    pub fn complete_unwired(&self, placed: &Placed) {
        let _ = self.rings.slot(placed.slot).fanout.close(false);
    }

    /// Sets the oldest task of `ring` that an open scope holds.
    pub fn set_floor(&mut self, ring: usize, oldest: Option<u32>) {
        let cursor = &mut self.cursors[ring];
        let now = Stand { tasks: cursor.next, deps: cursor.deps_head, args: cursor.args_head };
        cursor.meter.set_floor(oldest.is_some(), now);
        let floor = oldest.map_or(Ring::NO_FLOOR, u64::from);
        // ORDERING: Release, "scope-floor"; pairs with the load in `Ring::is_pinned`.
        self.rings.rings[ring].floor.store(floor, mutant::order("floor-store", Ordering::Release));
    }

    /// Whether an open scope holds the oldest live task of `ring`: then only this thread can free it, whether it is
    /// complete or still runs.
    #[must_use]
    pub fn is_stuck(&self, ring: usize) -> bool {
        let shared = &self.rings.rings[ring];
        shared.advance();
        let oldest = shared.watermark();
        oldest != self.cursors[ring].next && shared.is_pinned(oldest)
    }

    /// Whether every task is retired.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        (0..RING_COUNT).all(|ring| self.rings.watermark(ring) == self.cursors[ring].next)
    }

    /// Forgets the failures of the run before. Only when drained.
    pub fn start_run(&mut self) {
        debug_assert!(self.is_drained(), "a run starts on drained rings");
        self.failed.iter_mut().for_each(Vec::clear);
        self.rings.clear_flags();
        // Each run finds its heaps at their starts, so that where outputs fit does not depend on the runs before.
        for (cursor, shared) in self.cursors.iter_mut().zip(&self.rings.rings) {
            cursor.first = cursor.next;
            cursor.meter = Meter::default();
            cursor.heap.rewind();
            shared.slot(cursor.next.wrapping_sub(1)).heap_end.store(cursor.heap.head(), Ordering::Relaxed);
        }
    }
}

/// Adds `local`, which comes after all that are there.
fn remember(runs: &mut Vec<(u32, u32)>, local: u32) {
    match runs.last_mut() {
        Some((_, last)) if last.wrapping_add(1) == local => *last = local,
        _ => runs.push((local, local)),
    }
}

/// Whether `local` is there.
fn recall(runs: &[(u32, u32)], local: u32) -> bool {
    let after = runs.partition_point(|&(first, _)| !is_before(local, first));
    after > 0 && !is_before(runs[after - 1].1, local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_tasks_are_remembered_in_runs() {
        let mut runs = Vec::new();
        let failed = [3u32, 4, 5, 9, 11, 12, 19];
        for &local in &failed {
            // Around the wrap of local numbers.
            remember(&mut runs, local.wrapping_add(u32::MAX - 8));
        }
        assert_eq!(runs.len(), 4);
        for local in 0..20u32 {
            assert_eq!(recall(&runs, local.wrapping_add(u32::MAX - 8)), failed.contains(&local), "{local}");
        }
    }
}
