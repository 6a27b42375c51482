//! A slot: the state of one task while it is alive, on one cache line.

use core::fmt;

use prewire_abi::TaskId;
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::cold::{Cold, Kind, Packed};
use crate::fanout::Fanout;
use crate::route::Class;

/// Names a slot: the ring in the high two bits, the place among the slots of all rings in the rest.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SlotRef(u32);

impl SlotRef {
    pub(crate) const INDEX_BITS: u32 = 30;

    /// The slot at `index` of all, which is one of `ring`.
    pub(crate) const fn new(ring: u32, index: u32) -> Self {
        Self(ring << Self::INDEX_BITS | index)
    }

    /// From the word that [`raw`](SlotRef::raw) gave.
    #[must_use]
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// As one word, for a queue or a payload.
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// Which ring, 0 to 3.
    #[must_use]
    pub const fn ring(self) -> usize {
        (self.0 >> Self::INDEX_BITS) as usize
    }

    /// Which place among the slots of all rings.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & ((1 << Self::INDEX_BITS) - 1)) as usize
    }

    /// As [`index`](SlotRef::index), modulo the length of a table with a place for each slot: of these there are at most
    /// 2^26, so that what says the ring goes.
    #[inline]
    pub(crate) const fn place(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for SlotRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slot {}/{}", self.ring(), self.index())
    }
}

/// Where the slots of one ring are among all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    mask: u32,
    /// The first of them.
    first: SlotRef,
}

impl Window {
    /// The `slots`, a power of two, of `ring` that begin at the place `base`.
    pub(crate) const fn new(ring: u32, base: u32, slots: u32) -> Self {
        Self { mask: slots - 1, first: SlotRef::new(ring, base) }
    }

    /// The slot that the task with this number has, or had.
    #[inline]
    pub(crate) const fn slot(self, local: u32) -> SlotRef {
        SlotRef(self.first.0 + (local & self.mask))
    }

    /// The most tasks that are alive at a time.
    pub(crate) const fn most(self) -> u32 {
        self.mask
    }
}

/// How a task stands, as far as failure goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong with it.
    Sound,
    /// It failed itself.
    Failed,
    /// A task it depends on failed, or the run was ended: it completes without running.
    Poisoned,
}

/// The state of one task. Every word is atomic, those that are written once before publication too: they are stored
/// and loaded relaxed, and ordered by what published the task.
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), derive(bytemuck::Zeroable))]
#[cfg_attr(any(prewire_loom, prewire_shuttle), derive(Default))]
#[repr(C, align(64))]
pub struct Slot {
    /// Who waits for it and who has retained it. Pushed to and raised by the orchestrator, closed by its completer.
    pub(crate) fanout: Fanout,
    /// Waits left. Set by the orchestrator; taken from by it and by the completers of the producers.
    pub(crate) pending: AtomicU32,
    /// Sub-tasks that have finished. Raised by whoever reaps a lane.
    done: AtomicU32,
    /// A [`Verdict`]. Set by completers of producers before they take their wait, and by the runner of a sub-task
    /// before it reports.
    verdict: AtomicU32,
    /// The next block to dispatch. Written by whoever took the task from a ready queue.
    cursor: AtomicU32,
    /// The task in this slot: the slot's generation. Written by the orchestrator.
    id: AtomicU64,
    /// The heap position after this task's outputs. Written by the orchestrator.
    pub(crate) heap_end: AtomicU64,
    /// The dep-list position after this task's edges. Written by the orchestrator, on every path.
    pub(crate) dep_mark: AtomicU32,
    /// How many dep entries it has, just before the mark; whether any of them [retains](Slot::RETAINS): of most tasks
    /// none does, and who completes those does not look at their entries; and whether it is [wired](Slot::WIRED). Written by the
    /// orchestrator.
    pub(crate) dep_count: AtomicU32,
    /// Where its argument words start. Written by the orchestrator.
    pub(crate) args: AtomicU32,
    /// The argument position after them. Written by the orchestrator.
    pub(crate) args_end: AtomicU32,
    /// Shape, lanes, attributes and blocks, packed. Written by the orchestrator.
    kind: AtomicU32,
    /// What it runs. Written by the orchestrator.
    callable: AtomicU32,
}

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
const _: () = assert!(size_of::<Slot>() == 64 && align_of::<Slot>() == 64);

impl Slot {
    /// In `dep_count`: an edge of the task may retain its producer. There are fewer than 2^29 edges.
    pub(crate) const RETAINS: u32 = 1 << 31;
    /// In `dep_count`: the orchestrator takes no waits of the task any more. Said only where there is one completer, and of what is
    /// on several lists.
    pub(crate) const WIRED: u32 = 1 << 30;

    const SOUND: u32 = 0;
    const FAILED: u32 = 1;
    const POISONED: u32 = 2;

    /// Makes the slot `id`'s. The orchestrator's alone; the slot's former task is retired.
    #[inline]
    pub(crate) fn reset(&self, id: TaskId, task: Packed) {
        self.fanout.open();
        self.pending.store(0, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.verdict.store(Self::SOUND, Ordering::Relaxed);
        self.cursor.store(0, Ordering::Relaxed);
        self.id.store(id.raw(), Ordering::Relaxed);
        self.kind.store(task.kind.raw(), Ordering::Relaxed);
        self.callable.store(task.callable, Ordering::Relaxed);
    }

    /// The task in this slot.
    #[must_use]
    #[inline]
    pub fn id(&self) -> TaskId {
        TaskId::from_raw(self.id.load(Ordering::Relaxed))
    }

    /// What was written before publication.
    #[must_use]
    pub fn cold(&self) -> Cold {
        Cold::from_kind(self.kind(), self.callable.load(Ordering::Relaxed))
    }

    /// As [`cold`](Slot::cold), in the one word that says how it is placed.
    #[must_use]
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind::from_raw(self.kind.load(Ordering::Relaxed))
    }

    /// What it runs.
    #[must_use]
    #[inline]
    pub fn callable(&self) -> u32 {
        self.callable.load(Ordering::Relaxed)
    }

    /// How the task stands.
    #[must_use]
    #[inline]
    pub fn verdict(&self) -> Verdict {
        match self.verdict.load(Ordering::Relaxed) {
            Self::SOUND => Verdict::Sound,
            Self::FAILED => Verdict::Failed,
            _ => Verdict::Poisoned,
        }
    }

    /// Records that a sub-task failed. The caller reports the sub-task afterwards, and that report publishes this.
    pub fn fail(&self) {
        self.verdict.store(Self::FAILED, Ordering::Relaxed);
    }

    /// Records that the task must not run, or not go on, unless it has failed. The caller takes a wait from it afterwards,
    /// or reports a sub-task of it.
    pub fn poison(&self) {
        let (sound, poisoned) = (Self::SOUND, Self::POISONED);
        let _ = self.verdict.compare_exchange(sound, poisoned, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Counts `n` finished, or skipped, sub-tasks; true if these are the last ones.
    #[must_use]
    #[inline]
    pub fn finish(&self, n: u32) -> bool {
        let kind = self.kind();
        let total = if kind.of_one_core().is_some() { 1 } else { kind.total() };
        if total == n {
            // Nobody else counts.
            self.done.store(n, Ordering::Relaxed);
            return true;
        }
        // ORDERING: AcqRel, "subtask-done"; pairs with itself in `Slot::finish`: what each sub-task wrote, and its
        // verdict, is visible to whoever counts the last one.
        let done = self.done.fetch_add(n, mutant::order("subtask-done", Ordering::AcqRel)) + n;
        done == total
    }

    /// How many dep entries it has.
    #[inline]
    pub(crate) fn edges(&self) -> u32 {
        self.dep_count.load(Ordering::Relaxed) & !(Self::RETAINS | Self::WIRED)
    }

    /// Whether any edge of it may retain its producer.
    #[inline]
    pub(crate) fn retains(&self) -> bool {
        self.dep_count.load(Ordering::Relaxed) & Self::RETAINS != 0
    }

    /// Whether the orchestrator takes no waits of it any more.
    #[inline]
    fn is_wired(&self) -> bool {
        // ORDERING: Acquire, "wired"; pairs with the store in `Allocator::wire_linked`: the waits that the orchestrator took are taken.
        let count = self.dep_count.load(mutant::order("wired-look", Ordering::Acquire));
        // MUTANT "wired-early": it may still take some.
        count & Self::WIRED != 0 || mutant::skips("wired-early")
    }

    /// How many sub-tasks have finished, for reports.
    #[must_use]
    pub fn done(&self) -> u32 {
        self.done.load(Ordering::Relaxed)
    }

    /// The waits left, for reports.
    #[must_use]
    pub fn waits(&self) -> u32 {
        self.pending.load(Ordering::Relaxed)
    }

    /// Whether nothing gates it and it is not complete, for reports: it is ready, or runs.
    #[must_use]
    pub fn is_on_its_way(&self) -> bool {
        self.waits() == 0 && self.fanout.closed().is_none()
    }

    /// Whether it has completed, for reports.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.fanout.closed().is_some()
    }

    /// Takes the wait of a producer that is complete; true if it was the last. The poison, if any, is stored. `alone`: no other
    /// completer takes waits meanwhile.
    #[inline]
    pub(crate) fn take_wait(&self, alone: bool) -> bool {
        let alone = alone && self.is_wired();
        // ORDERING: Acquire, "pending"; pairs with the subtractions here and in `Allocator::wire_linked`: whoever takes the last
        // wait sees what each producer wrote, and each poison. What one that was alone has stored, the next one sees by what
        // makes it alone: the lock of its domain.
        let left = self.pending.load(mutant::order("pending-last", Ordering::Acquire)).wrapping_sub(1);
        if alone || left == 0 {
            // Nobody else counts: this wait is the only one left, or all takers but this one are done.
            self.pending.store(left, Ordering::Relaxed);
            return left == 0;
        }
        // ORDERING: AcqRel, "pending"; pairs with itself, with the load above and with the subtraction in
        // `Allocator::wire_linked`.
        self.pending.fetch_sub(1, mutant::order("pending-complete", Ordering::AcqRel)) == 1
    }

    /// Claims up to `want` blocks from the cursor on: the first one and how many. Only for whoever took the task from
    /// a ready queue and has not given it back.
    #[must_use]
    #[inline]
    pub fn claim_blocks(&self, want: u32) -> (u16, u32) {
        let first = self.cursor.load(Ordering::Relaxed);
        let blocks = self.kind().blocks().saturating_sub(first).min(want);
        self.cursor.store(first + blocks, Ordering::Relaxed);
        // No further than to as many blocks as there are, which is a `u16`.
        (first as u16, blocks)
    }

    /// Blocks that nobody has claimed. For whoever took the task from a ready queue; for anybody else a guess: while another
    /// thread takes it the slot may go to another task, and the two words are then of one task each.
    #[must_use]
    #[inline]
    pub fn blocks_left(&self) -> u32 {
        self.kind().blocks().saturating_sub(self.cursor.load(Ordering::Relaxed))
    }

    /// The kind of placement that it waits for once it is ready.
    #[inline]
    pub(crate) fn class(&self) -> Class {
        if self.verdict.load(Ordering::Relaxed) == Self::SOUND { self.kind().class() } else { Class::Inline }
    }

    /// Whether it completes without a lane: a dummy, or one that must not run.
    #[must_use]
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.kind().is_dummy() || self.verdict.load(Ordering::Relaxed) != Self::SOUND
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cold::Attrs;
    use prewire_abi::{LaneMask, Shape};

    #[test]
    fn every_shape_has_its_class() {
        let slot: &Slot = &crate::table::Table::new(1, crate::table::HEAP)[0];
        let together = Attrs { sync_start: true, ..Attrs::default() };
        for (shape, class, wide) in [
            (Shape::Aic, Class::Aic, Class::SyncStart),
            (Shape::Aiv, Class::Aiv, Class::SyncStart),
            (Shape::Mix, Class::Mix, Class::SyncStart),
            (Shape::Dummy, Class::Inline, Class::Inline),
            (Shape::Worker, Class::Worker, Class::Worker),
            (Shape::Sub, Class::Sub, Class::Sub),
        ] {
            for (blocks, attrs, class) in [
                (1, Attrs::default(), class),
                (2, Attrs::default(), class),
                (1, together, class),
                (2, together, wide),
            ] {
                slot.reset(TaskId::new(0, 1), Cold { shape, blocks, attrs, ..Cold::default() }.into());
                assert_eq!(slot.class(), class, "{shape:?}, {blocks} blocks, {attrs:?}");
                slot.poison();
                assert_eq!(slot.class(), Class::Inline);
            }
        }
    }

    #[test]
    fn blocks_are_claimed_once_and_in_order() {
        let slot: &Slot = &crate::table::Table::new(1, crate::table::HEAP)[0];
        let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, blocks: 5, ..Cold::default() };
        slot.reset(TaskId::new(0, 1), cold.into());
        assert_eq!(slot.claim_blocks(2), (0, 2));
        assert_eq!(slot.blocks_left(), 3);
        assert_eq!(slot.claim_blocks(9), (2, 3));
        assert_eq!(slot.claim_blocks(1), (5, 0));
        // As a thread sees it that looks while another one makes it a smaller task's.
        slot.kind.store(Cold { blocks: 1, ..cold }.kind().raw(), Ordering::Relaxed);
        assert_eq!(slot.blocks_left(), 0);
    }

    #[test]
    fn a_skipped_task_completes_whatever_its_lanes_are() {
        let slot: &Slot = &crate::table::Table::new(1, crate::table::HEAP)[0];
        for shape in [Shape::Aic, Shape::Aiv] {
            for bits in 0..8 {
                let cold = Cold { shape, lanes: LaneMask::from_bits(bits).unwrap(), ..Cold::default() };
                slot.reset(TaskId::new(0, 1), cold.into());
                assert_eq!(slot.kind().of_one_core().is_some(), cold.lanes.count() == 1, "{cold:?}");
                assert!(slot.finish(cold.total()), "{cold:?}");
            }
        }
    }

    #[test]
    fn a_slot_ref_is_its_word() {
        let slot = SlotRef::new(3, 16383);
        assert_eq!(SlotRef::from_raw(slot.raw()), slot);
        assert_eq!((slot.ring(), slot.index()), (3, 16383));
    }

    #[test]
    fn windows_lie_one_behind_the_other() {
        let window = Window::new(2, 20, 8);
        for (local, index) in [(0, 20), (7, 27), (8, 20), (u32::MAX, 27)] {
            assert_eq!(window.slot(local), SlotRef::new(2, index));
        }
    }
}
