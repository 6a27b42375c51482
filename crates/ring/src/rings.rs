//! The rings of a graph: slots, edges, arguments and heap positions by scope depth; and what is said of all of them.

use alloc::sync::Arc;
use core::fmt;
use core::panic::Location;
use core::ptr;

use prewire_abi::TaskId;
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::ahead::Populate;
use crate::allocator::Allocator;
use crate::cold::Kind;
use crate::deps::{Dep, Deps};
use crate::ready::Queued;
use crate::ring::{RING_COUNT, Ring, Upto};
use crate::route::Class;
use crate::sizes::{RingSizes, SizeError};
use crate::slot::{Slot, SlotRef, Window};
use crate::slots::Slots;
use crate::table::{HEAP, Pages, Table};

/// What a ring holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tasks that are not retired.
    pub live: u32,
    /// The oldest of them, if there is one.
    pub oldest: Option<TaskId>,
}

/// The four rings of a graph, shared by its orchestrator and its completers.
pub struct Rings {
    /// The slots of all rings, ring after ring.
    pub(crate) slots: Slots,
    /// Where each task was submitted. Written by the orchestrator with the slot.
    pub(crate) sites: Table<AtomicPtr<Location<'static>>>,
    pub(crate) deps: Deps,
    /// Where the slots of each ring are.
    pub(crate) windows: [Window; RING_COUNT],
    pub(crate) rings: [Ring; RING_COUNT],
    /// A task of this run failed or was poisoned, or the run was ended. Set by completers and whoever ends the run,
    /// cleared by the orchestrator between runs.
    failed: AtomicBool,
    /// How many tasks of this run failed or were poisoned. Raised by completers, cleared with `failed`.
    failures: AtomicU64,
    /// How many tasks have completed, modulo 2^32, since these rings were made. Raised by completers, some tasks late.
    completed: Padded<AtomicU32>,
    /// So many numbers nobody completes: those of tasks that were complete from birth, and those that no task has. Written by the
    /// orchestrator.
    uncompleted: AtomicU32,
    /// The run was ended: what is not running yet completes without running. Set by anyone, cleared by the
    /// orchestrator between runs.
    ended: AtomicBool,
    /// Who has memory put there.
    pub(crate) populate: Populate,
}

impl fmt::Debug for Rings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..RING_COUNT).map(|ring| self.usage(ring))).finish()
    }
}

impl Rings {
    /// Empty rings, and the one allocator that fills them. As many as `completers` complete tasks, each with words of its own for
    /// what it gives back; where there is one, it takes most waits without a locked instruction, too. None is taken for one.
    ///
    /// # Errors
    ///
    /// A size that is not legal.
    pub fn new(sizes: &RingSizes, completers: u16) -> Result<(Arc<Self>, Allocator), SizeError> {
        Self::new_in(sizes, completers, HEAP, |_| ())
    }

    /// As [`new`](Rings::new), with large tables in memory from elsewhere: `populate` is called with the parts of it that are about to be
    /// written for the first time.
    ///
    /// # Errors
    ///
    /// As `new`.
    pub fn new_in(
        sizes: &RingSizes,
        completers: u16,
        pages: Pages<'_>,
        populate: Populate,
    ) -> Result<(Arc<Self>, Allocator), SizeError> {
        sizes.validate()?;
        let mut slots = 0;
        let windows = core::array::from_fn(|ring| {
            let window = Window::new(ring as u32, slots, sizes.window[ring]);
            slots += sizes.window[ring];
            window
        });
        let rings = Arc::new(Self {
            slots: Slots::new(slots as usize, completers.max(1), pages),
            sites: Table::new(slots as usize, pages),
            deps: Deps::new(sizes.deps, pages),
            windows,
            rings: core::array::from_fn(|ring| {
                Ring::new(windows[ring], sizes.args_len(sizes.window[ring]), pages)
            }),
            failed: AtomicBool::new(false),
            failures: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            completed: Padded::new(AtomicU32::new(0)),
            uncompleted: AtomicU32::new(0),
            populate,
        });
        let allocator = Allocator::new(Arc::clone(&rings), sizes);
        Ok((rings, allocator))
    }

    /// The slot that `slot` names.
    #[must_use]
    #[inline]
    pub fn slot(&self, slot: SlotRef) -> &Slot {
        self.slots.wrap(slot.place())
    }

    /// The slot that a task has, or had.
    #[must_use]
    #[inline]
    pub fn slot_of(&self, id: TaskId) -> SlotRef {
        self.windows[id.ring() as usize & 3].slot(id.local())
    }

    /// Says where the task in `slot` was submitted.
    #[inline]
    pub(crate) fn set_site(&self, slot: SlotRef, site: &'static Location<'static>) {
        self.sites.wrap(slot.place()).store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    /// Where the task in `slot` was submitted.
    #[must_use]
    pub fn site(&self, slot: SlotRef) -> Option<&'static Location<'static>> {
        let site = self.sites.wrap(slot.place()).load(Ordering::Relaxed);
        // SAFETY: the word is null or was stored by `Rings::set_site` from a `&'static Location`, and nothing else writes it;
        // the location is immutable static data, so no ordering is needed to read it.
        unsafe { site.as_ref() }
    }

    /// How many argument words the task in `slot` has.
    #[must_use]
    pub fn arg_count(&self, slot: SlotRef) -> u32 {
        let state = self.slot(slot);
        state.args_end.load(Ordering::Relaxed).wrapping_sub(state.args.load(Ordering::Relaxed))
    }

    /// Argument word `at` of the task in `slot`; who reads several takes [`arg_table`](Rings::arg_table) once.
    #[must_use]
    #[inline]
    pub fn arg(&self, slot: SlotRef, at: u32) -> u64 {
        self.arg_table(slot).word(at)
    }

    /// The edges of the task in `slot`: what it waits for and retains.
    #[inline]
    pub fn deps(&self, slot: SlotRef) -> impl Iterator<Item = &Dep> {
        let state = self.slot(slot);
        self.deps.before(slot.ring(), state.dep_mark.load(Ordering::Relaxed), state.edges())
    }

    /// The local number of the oldest live task of `ring`: everything before it is retired.
    #[must_use]
    #[inline]
    pub fn watermark(&self, ring: usize) -> u32 {
        self.rings[ring].watermark()
    }

    /// How many tasks were submitted and have not completed: as far as their completers have said so, which they do when they
    /// [retire](Rings::retire) what they have completed. Tasks that were submitted while this was counted may count or not.
    ///
    /// ```
    /// use prewire_ring::{Cold, Need, RingSizes, Rings};
    ///
    /// let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(4), 1).unwrap();
    /// let placed = allocator.commit(0, &Need::default(), Cold::default());
    /// rings.publish_unwired(placed.slot);
    /// assert_eq!(rings.unfinished(), 1);
    /// let routed = rings.complete(0, &mut vec![placed.slot], &mut |_ready| {});
    /// rings.retire(&routed);
    /// assert_eq!(rings.unfinished(), 0);
    /// ```
    #[must_use]
    pub fn unfinished(&self) -> u32 {
        // Not said to be seen together: a guess is enough.
        let unfinished = self.untold(Ordering::Relaxed);
        if unfinished > u32::MAX / 2 { 0 } else { unfinished }
    }

    /// As many numbers as were given to tasks whose completers have yet to say so.
    fn untold(&self, order: Ordering) -> u32 {
        // Before the heads: what has completed by now was submitted by then.
        let over = self.completed.load(order).wrapping_add(self.uncompleted.load(Ordering::Relaxed));
        let heads = self.rings.iter().map(|ring| ring.head.load(Ordering::Relaxed));
        heads.fold(0, u32::wrapping_add).wrapping_sub(over)
    }

    /// Whether all who have completed tasks have said so, so that nobody has the number of one to tell any more. For the orchestrator, when
    /// nothing is alive.
    pub(crate) fn is_told(&self) -> bool {
        // ORDERING: Acquire, "completed"; pairs with the addition in `Rings::note_completed`: what was told before that is over. No
        // model fails without it, as additions see the latest value there.
        self.untold(Ordering::Acquire) == 0
    }

    /// Counts what a completer has completed, when it has told all that it knows of that.
    pub(crate) fn note_completed(&self, tasks: u32) {
        // ORDERING: Release, "completed"; pairs with the load in `Rings::is_told`.
        self.completed.fetch_add(tasks, Ordering::Release);
    }

    /// Counts numbers that nobody completes. The orchestrator's.
    pub(crate) fn note_uncompleted(&self, numbers: u32) {
        let before = self.uncompleted.load(Ordering::Relaxed);
        self.uncompleted.store(before.wrapping_add(numbers), Ordering::Relaxed);
    }

    /// The most tasks of any ring that are alive at a time, of the ring with the fewest.
    #[must_use]
    pub fn narrowest(&self) -> u32 {
        self.windows.iter().fold(u32::MAX, |least, window| least.min(window.most()))
    }

    /// Has the next task of `ring` have the number `next`. The orchestrator's, when no task is alive and [all is told](Rings::is_told).
    pub(crate) fn skip_to(&self, ring: usize, next: u32) {
        let skipped = next.wrapping_sub(self.rings[ring].head.load(Ordering::Relaxed));
        if skipped > 0 {
            // First, so that nobody takes them for unfinished meanwhile.
            self.note_uncompleted(skipped);
            self.rings[ring].skip_to(&self.slots, next);
        }
    }

    /// Moves the watermark of `ring` over what is consumed. For who waits for it: who has completed something
    /// [retires](Rings::retire) it, but perhaps not at once.
    pub fn advance(&self, ring: usize) {
        self.rings[ring].advance(&self.slots, Upto::Head);
    }

    /// As [`advance`](Rings::advance), of every ring.
    pub fn advance_all(&self) {
        (0..RING_COUNT).for_each(|ring| self.advance(ring));
    }

    /// As [`advance_all`](Rings::advance_all), but waits, spinning, for whoever is at a watermark: afterwards it is past all that was
    /// consumed before this. For who has to know that there is no more to come.
    pub fn advance_all_in_turn(&self) {
        for ring in &self.rings {
            ring.advance_in_turn(&self.slots);
        }
    }

    /// What `ring` holds.
    #[must_use]
    pub fn usage(&self, ring: usize) -> Usage {
        let (watermark, live) = self.rings[ring].live();
        Usage { live, oldest: (live > 0).then(|| TaskId::new(ring as u32, watermark)) }
    }

    /// Whether a scope that is open holds a task that was submitted and not retired, for reports.
    #[must_use]
    pub fn is_held_by_scope(&self, id: TaskId) -> bool {
        self.rings[id.ring() as usize & 3].is_pinned(id.local())
    }

    /// The tasks that are not retired, oldest first, by ring.
    pub fn live(&self) -> impl Iterator<Item = SlotRef> {
        (0..RING_COUNT).flat_map(move |ring| {
            let Usage { live, oldest } = self.usage(ring);
            let first = oldest.map_or(0, TaskId::local);
            (0..live).map(move |i| self.slot_of(TaskId::new(ring as u32, first.wrapping_add(i))))
        })
    }

    /// How many completers there are.
    #[must_use]
    #[inline]
    pub fn completers(&self) -> u16 {
        self.slots.completers()
    }

    /// Whether one thread at a time completes.
    #[inline]
    pub(crate) fn is_completed_alone(&self) -> bool {
        self.completers() == 1
    }

    /// How many hold the task `id`: itself until it is complete, and consumers that retain its output. None if it is not alive. For
    /// reports: spins for whoever moves the watermark, and moves it for who has left that to this thread meanwhile. Who may sleep until
    /// it is moved is to be told then.
    #[must_use]
    pub fn holds(&self, id: TaskId) -> Option<u32> {
        self.rings[id.ring() as usize & 3].holds(&self.slots, self.slot_of(id), id.local())
    }

    /// Whether a task of this run failed.
    #[must_use]
    #[inline]
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// How many tasks of this run failed or did not run because of a failure. Exact once the run is drained.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Notes that a task failed. Whoever notes it completes the task afterwards, which publishes the note.
    pub(crate) fn note_failure(&self) {
        self.failed.store(true, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the run: what is not running yet completes without running.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Where a ready task belongs, and as what it stands there.
    #[must_use]
    #[inline]
    pub(crate) fn route(&self, slot: SlotRef) -> (Class, Queued) {
        let state = self.slot(slot);
        let class = if self.is_ended() { Class::Inline } else { state.class() };
        (class, Queued::new(slot, state.kind().of_one_core().is_some()))
    }

    /// The same, of a task of this kind that nothing has poisoned.
    #[must_use]
    #[inline]
    pub fn route_of(&self, kind: Kind, slot: SlotRef) -> (Class, Queued) {
        let class = if self.is_ended() { Class::Inline } else { kind.class() };
        (class, Queued::new(slot, kind.of_one_core().is_some()))
    }

    /// Whether the run was ended.
    #[must_use]
    #[inline]
    pub fn is_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Forgets failure and end. The orchestrator's, when nothing is alive.
    pub(crate) fn clear_flags(&self) {
        self.failed.store(false, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.ended.store(false, Ordering::Relaxed);
    }
}
