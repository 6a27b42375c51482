//! The orchestrator's side of the rings: reserving, committing and wiring, and the scope floors.

use alloc::sync::Arc;
use core::panic::Location;

use prewire_abi::TaskId;
use prewire_sync::atomic::Ordering;
use prewire_sync::hint::will_write;
use prewire_sync::mutant;

use crate::cold::Packed;
use crate::cursor::{Cursor, Tail, Taken};
use crate::failures::Failures;
use crate::fanout::Pushed;
use crate::need::{Blocked, Need, Shortage};
use crate::ring::{RING_COUNT, Ring};
use crate::rings::Rings;
use crate::sizes::RingSizes;
use crate::slot::{SlotRef, Window};
use crate::usage::{InUse, RingMarks};

/// A task that has its slot, and is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its id.
    pub id: TaskId,
    /// Its slot.
    pub slot: SlotRef,
    /// The offset of its outputs in the heap of its ring.
    pub heap: u64,
    /// The position of its argument words in the argument ring.
    pub args: u32,
}

/// The one writer of the rings' cursors: the orchestrator owns it.
#[derive(Debug)]
pub struct Allocator {
    pub(crate) rings: Arc<Rings>,
    pub(crate) cursors: [Cursor; RING_COUNT],
    /// Where the slots of each ring are.
    pub(crate) windows: [Window; RING_COUNT],
    /// Failed tasks of this run whose slots were reused, by ring.
    pub(crate) failures: [Failures; RING_COUNT],
}

impl Allocator {
    pub(crate) fn new(rings: Arc<Rings>, sizes: &RingSizes) -> Self {
        let cursors = core::array::from_fn(|ring| {
            let args = rings.rings[ring].args.len() as u32;
            Cursor::new(sizes.window[ring], sizes.heap[ring], sizes.deps[ring], args)
        });
        let windows = rings.windows;
        Self { rings, cursors, windows, failures: Default::default() }
    }

    /// The rings it fills.
    #[must_use]
    #[inline]
    pub fn rings(&self) -> &Arc<Rings> {
        &self.rings
    }

    /// The local number that the next task of `ring` gets.
    #[must_use]
    #[inline]
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
        self.cursors[ring].window()
    }

    /// Checks that `ring` has room for a task that needs `need`. Nothing is taken; while this thread does nothing
    /// else, [`commit`](Allocator::commit) of the same need cannot fail.
    ///
    /// # Errors
    ///
    /// What is short, with numbers. The first of window, heap, dep entries, argument words.
    pub fn try_reserve(&self, ring: usize, need: &Need) -> Result<(), Blocked> {
        let cursor = &self.cursors[ring];
        let tail = self.tail(ring);
        if cursor.has(&cursor.with(need, &tail)) { Ok(()) } else { Err(cursor.blocked(need, &tail)) }
    }

    /// As [`try_reserve`](Allocator::try_reserve), and says what the ring will hold, for [`note`](Allocator::note). Before it says
    /// that something is short it moves the watermark, which who completes tasks does now and then.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn room(&mut self, ring: usize, need: &Need) -> Result<InUse, Blocked> {
        let ring = ring & 3;
        self.room_now(ring, need).or_else(|_| {
            self.rings.advance(ring);
            self.room_now(ring, need)
        })
    }

    /// As [`room`](Allocator::room), with what is reclaimed already.
    fn room_now(&mut self, ring: usize, need: &Need) -> Result<InUse, Blocked> {
        self.look(ring);
        let cursor = &self.cursors[ring];
        let now = cursor.with(need, &cursor.tail);
        if cursor.has(&now) { Ok(now) } else { Err(cursor.blocked(need, &cursor.tail)) }
    }

    /// Sees to what there is of `ring` for its next task: the memory of its slot, and what is reclaimed.
    #[inline(always)]
    fn look(&mut self, ring: usize) {
        if self.cursors[ring].ahead.ends_before(self.cursors[ring].next) {
            self.populate(ring);
        }
        if self.rings.watermark(ring) != self.cursors[ring].tail.watermark {
            self.look_again(ring);
        }
    }

    /// Looks up what is reclaimed of `ring` now.
    #[inline(never)]
    fn look_again(&mut self, ring: usize) {
        self.cursors[ring].tail = self.tail(ring);
        self.cursors[ring].settle();
    }

    /// Takes a slot of `ring` and what `need` asks for, if all of it is there: [`room`](Allocator::room),
    /// [`note`](Allocator::note) and [`commit`](Allocator::commit) in one.
    ///
    /// In line wherever it is called: what it gives back is used at once, and would be read from memory sooner than it is
    /// written there.
    #[inline(always)]
    pub fn take(
        &mut self,
        ring: usize,
        need: &Need,
        task: Packed,
        site: &'static Location<'static>,
    ) -> Option<Placed> {
        if !self.cursors[ring & 3].is_usual(need) && !self.make_room(ring, need) {
            return None;
        }
        Some(self.commit_at(ring, need, task, site))
    }

    /// Notes a task with which the ring holds more than before, if there is room for it.
    #[inline(never)]
    fn make_room(&mut self, ring: usize, need: &Need) -> bool {
        let ring = ring & 3;
        self.look(ring);
        let cursor = &mut self.cursors[ring];
        let now = cursor.with(need, &cursor.tail);
        let has = cursor.has(&now);
        if has {
            cursor.note(need, &now);
        }
        has
    }

    /// What is reclaimed now. What everything before the watermark used ends where the last retired task's ends. Its slot
    /// is not yet reused: one slot of the window always stays free for that. Before anything of a run was retired it is the slot before
    /// its first one, in which the run has left where it begins.
    fn tail(&self, ring: usize) -> Tail {
        let watermark = self.rings.watermark(ring);
        let last = self.rings.slot(self.windows[ring].slot(watermark.wrapping_sub(1)));
        Tail {
            watermark,
            heap: last.heap_end.load(Ordering::Relaxed),
            deps: last.dep_mark.load(Ordering::Relaxed),
            args: last.args_end.load(Ordering::Relaxed),
        }
    }

    /// Counts the task that is about to be committed, for the marks of the run: it found [`room`](Allocator::room).
    pub fn note(&mut self, ring: usize, need: &Need, now: &InUse) {
        self.cursors[ring & 3].note(need, now);
    }

    /// Counts a submit that waits, for the marks of the run.
    pub fn note_wait(&mut self, ring: usize, shortage: Shortage) {
        self.cursors[ring].meter.note_wait(shortage);
    }

    /// What this run has taken of `ring`, as it was noted. What a scope that is still open holds is not yet in
    /// [`needed`](crate::Mark::needed).
    #[must_use]
    pub fn marks(&self, ring: usize) -> RingMarks {
        self.cursors[ring].marks()
    }

    /// How many slots this run has taken: one a task, and one an allocation.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.cursors.iter().map(|cursor| u64::from(cursor.next.wrapping_sub(cursor.begun.tasks))).sum()
    }

    /// Takes a slot of `ring` and what `need` asks for, which [`try_reserve`](Allocator::try_reserve) has just found
    /// to be there. The caller then fills arguments and edges and publishes.
    #[track_caller]
    pub fn commit(&mut self, ring: usize, need: &Need, task: impl Into<Packed>) -> Placed {
        self.cursors[ring & 3].make_way_unnoted(need);
        let placed = self.commit_at(ring, need, task.into(), Location::caller());
        self.cursors[ring & 3].settle();
        placed
    }

    /// As [`commit`](Allocator::commit), for a task that was submitted at `site`, after [`note`](Allocator::note).
    #[inline(always)]
    pub fn commit_at(
        &mut self,
        ring: usize,
        need: &Need,
        task: Packed,
        site: &'static Location<'static>,
    ) -> Placed {
        let ring = ring & 3;
        if self.rings.has_failed() {
            self.remember(ring);
        }
        let (rings, cursor) = (&*self.rings, &mut self.cursors[ring]);
        let local = cursor.next;
        let id = TaskId::new(ring as u32, local);
        let slot = self.windows[ring].slot(local);
        let state = rings.slot(slot);
        let Taken { heap, heap_end, dep_mark, args, args_end } = cursor.take(need);
        state.reset(id, task);
        state.heap_end.store(heap_end, Ordering::Relaxed);
        state.dep_mark.store(dep_mark, Ordering::Relaxed);
        state.dep_count.store(0, Ordering::Relaxed);
        state.args.store(args, Ordering::Relaxed);
        state.args_end.store(args_end, Ordering::Relaxed);
        rings.set_site(slot, site);
        // ORDERING: Release, "ring-head"; pairs with the load in `Ring::walk`: the slot is initialised before it is
        // walked over.
        rings.rings[ring].head.store(local.wrapping_add(1), mutant::order("head-store", Ordering::Release));
        if args_end != args {
            self.ask_ahead(ring, local, args, args_end);
        }
        Placed { id, slot, heap, args }
    }

    /// Keeps whether the task failed whose slot the next one of `ring` gets, if that was given away a window ago: what is older is of an earlier
    /// run, of which nobody asks, and comes in no order.
    #[cold]
    #[inline(never)]
    fn remember(&mut self, ring: usize) {
        let cursor = &self.cursors[ring];
        let state = self.rings.slot(self.windows[ring].slot(cursor.next));
        let local = state.id().local();
        if state.fanout.closed() == Some(Pushed::ClosedFailed) && cursor.was_there_last(local) {
            self.failures[ring].remember(local);
        }
    }

    /// Has on its way to this processor what one of the next tasks is to be written to, if it is like the task `local` with these
    /// argument words: its slot and two lines of its words, which a completer, or a kernel, had last. Of a task without words it
    /// costs a fifth of its submit, and gains nothing.
    #[inline(always)]
    fn ask_ahead(&self, ring: usize, local: u32, args: u32, args_end: u32) {
        const LINE: u32 = 8;
        will_write(self.rings.slot(self.windows[ring].slot(local.wrapping_add(2))));
        let (words, ahead) =
            (&self.rings.rings[ring].args, args_end.wrapping_add(args_end.wrapping_sub(args)));
        will_write(words.wrap(ahead as usize));
        will_write(words.wrap(ahead.wrapping_add(LINE) as usize));
    }

    /// The slot that a task has, or had.
    #[inline]
    pub(crate) fn slot_of(&self, id: TaskId) -> SlotRef {
        self.windows[id.ring() as usize & 3].slot(id.local())
    }

    /// Makes the task just committed complete from birth, without a producer or a run.
    pub fn complete_unwired(&self, placed: &Placed) {
        let _ = self.rings.slot(placed.slot).fanout.close(false);
        self.rings.note_uncompleted(1);
    }

    /// Sets the oldest task of `ring` that an open scope holds.
    pub fn set_floor(&mut self, ring: usize, oldest: Option<u32>) {
        let cursor = &mut self.cursors[ring];
        let now = cursor.stand();
        cursor.meter.set_floor(oldest.is_some(), now);
        let floor = oldest.map_or(Ring::NO_FLOOR, u64::from);
        // ORDERING: Release, "scope-floor"; pairs with the load in `Ring::is_pinned`.
        self.rings.rings[ring].floor.store(floor, mutant::order("floor-store", Ordering::Release));
    }

    /// Whether an open scope holds the oldest live task of `ring`: then only this thread can free it, whether it is
    /// complete or still runs.
    #[must_use]
    pub fn is_stuck(&self, ring: usize) -> bool {
        self.rings.advance(ring);
        let oldest = self.rings.watermark(ring);
        oldest != self.cursors[ring].next && self.rings.rings[ring].is_pinned(oldest)
    }

    /// Whether every task is retired.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        (0..RING_COUNT).all(|ring| self.rings.watermark(ring) == self.cursors[ring].next)
    }

    /// Forgets the failures of the run before, and goes on with the memory that it began with: slots, outputs, edges and argument words.
    /// The numbers of tasks go on where that memory begins; or without a gap, if somebody has yet to say that a task has completed: what is
    /// told late is told apart by its number. Only when drained.
    pub fn start_run(&mut self) {
        debug_assert!(self.is_drained(), "a run starts on drained rings");
        self.failures.iter_mut().for_each(Failures::clear);
        self.rings.clear_flags();
        let rewinds = self.rings.is_told();
        for (ring, (cursor, window)) in self.cursors.iter_mut().zip(self.windows).enumerate() {
            cursor.start_run(rewinds);
            self.rings.skip_to(ring, cursor.next);
            let last = self.rings.slot(window.slot(cursor.next.wrapping_sub(1)));
            let Tail { heap, deps, args, .. } = cursor.tail;
            last.heap_end.store(heap, Ordering::Relaxed);
            last.dep_mark.store(deps, Ordering::Relaxed);
            last.args_end.store(args, Ordering::Relaxed);
        }
    }
}
