//! Memory that is there before it is written for the first time.
//!
//! A page is cleared by the system when it is written for the first time: one at a time, at the cost of a dozen tasks. Asked for some at a
//! time they cost less, on some machines half. So where the orchestrator comes to slots that no task has had, it asks for those of as
//! many tasks more as there were already, up to a few hundred and to some pages: their slots, and edges and argument words
//! as the tasks of the run have them on average. What is larger than that, what larger tasks of later runs have in slots that
//! are there, and what a run has that begins beyond all of that, is come to.
//!
//! Invariant: nothing depends on it. What was not asked for is there when it is written; what nobody will write is not asked for but for
//! these few; and nothing is asked for twice.

use core::ops::Range;

use crate::allocator::Allocator;
use crate::deps::Dep;
use crate::rings::Rings;
use crate::slot::{Slot, SlotRef};

/// Has the system put these bytes there, which are memory of the tables and will be written; it leaves them as they are. Whether it
/// does makes no difference but in time.
pub type Populate = fn(Range<*const u8>);

/// How far the memory of a ring is there, counted from its first slot, edge and argument word: so many have been used or asked for.
#[derive(Debug)]
pub(crate) struct Ahead {
    slots: u32,
    edges: u32,
    words: u32,
    /// The local number that the first task beyond these slots gets in this run, or got; if there is one.
    number: Option<u32>,
}

/// What a run has used so far, and what its tasks have on average.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) tasks: u32,
    pub(crate) edges: u32,
    pub(crate) words: u32,
}

impl Used {
    /// Of `amount`, what so many tasks more have.
    fn more(self, amount: u32, tasks: u32) -> u32 {
        let more = u64::from(amount) * u64::from(tasks) / u64::from(self.tasks.max(1));
        u32::try_from(more).unwrap_or(u32::MAX)
    }

    /// Bytes of a task.
    fn bytes(self) -> u64 {
        let (edge, word) = (size_of::<Dep>() as u64, size_of::<u64>() as u64);
        let rest = u64::from(self.edges) * edge + u64::from(self.words) * word;
        size_of::<Slot>() as u64 + word + rest / u64::from(self.tasks.max(1))
    }
}

impl Ahead {
    /// So many tasks are too few to ask for: a page or two of each table.
    const FEW: u32 = 64;
    /// For so many tasks and bytes it is asked at a time, so that nobody waits long for the one that asks; but for one task at least.
    const MOST: u32 = 256;
    const MOST_BYTES: u64 = 128 << 10;

    /// Of a ring of so many slots, of which none is used; the first task has number 0.
    pub(crate) fn new(window: u32) -> Self {
        let mut ahead = Self { slots: Self::FEW, edges: 0, words: 0, number: None };
        ahead.start_run(0, window);
        ahead
    }

    /// A run begins with task `first`, of a ring of so many slots.
    pub(crate) fn start_run(&mut self, first: u32, window: u32) {
        let used = first & (window - 1);
        let goes_on = used <= self.slots && self.slots < window;
        self.number = goes_on.then(|| first + (self.slots - used));
    }

    /// A run has used so many edges and words.
    pub(crate) fn end_run(&mut self, used: Used) {
        (self.edges, self.words) = (self.edges.max(used.edges), self.words.max(used.words));
    }

    /// The nearer one of the task `local`, which comes after `next` or is that, and of the first whose slot is not known to be there, if
    /// that does not come before `next`.
    pub(crate) fn before(&self, next: u32, local: u32) -> u32 {
        let distance = local.wrapping_sub(next);
        let ends = self.number.map_or(distance, |number| number.wrapping_sub(next));
        next.wrapping_add(distance.min(ends))
    }

    /// Whether the task `local` has the first slot that is not known to be there.
    pub(crate) fn ends_before(&self, local: u32) -> bool {
        self.number == Some(local)
    }

    /// What is to be put there, now that a task is to have the first slot of `window` that is not known to be there, in a run that began
    /// with task `first` and has `used` so much: so many slots, and which edges and words, counted as here.
    pub(crate) fn go_on(&mut self, first: u32, window: u32, used: Used) -> (u32, Range<u32>, Range<u32>) {
        let bytes = u32::try_from(Self::MOST_BYTES / used.bytes()).unwrap_or(u32::MAX).max(1);
        let tasks = self.slots.min(Self::MOST).min(bytes).min(window.saturating_sub(self.slots));
        self.slots += tasks;
        self.start_run(first, window);
        let beyond = |reached: &mut u32, amount: u32| {
            let start = amount.max(*reached);
            *reached = start.max(amount.saturating_add(used.more(amount, tasks)));
            start..*reached
        };
        (tasks, beyond(&mut self.edges, used.edges), beyond(&mut self.words, used.words))
    }
}

impl Allocator {
    /// Has the memory of the next tasks of `ring` put there, where slots begin that no task has had.
    #[cold]
    pub(crate) fn populate(&mut self, ring: usize) {
        let (cursor, window) = (&mut self.cursors[ring & 3], self.windows[ring & 3]);
        let (tasks, edges, words) = cursor.go_ahead();
        self.rings.populate(window.slot(cursor.next), tasks, edges, words);
    }
}

impl Rings {
    /// Has the memory of so many `tasks` put there, whose slots begin with `slot`; and of these edges and argument words of its ring,
    /// counted from the first ones.
    fn populate(&self, slot: SlotRef, tasks: u32, edges: Range<u32>, words: Range<u32>) {
        let (at, tasks) = (slot.place(), tasks as usize);
        let ring = slot.ring() & 3;
        let parts = [
            self.slots.bytes(at, tasks),
            self.sites.bytes(at, tasks),
            self.deps.bytes(ring, edges),
            self.rings[ring].args.bytes(words.start as usize, words.len()),
        ];
        parts.into_iter().flatten().filter(|bytes| !bytes.is_empty()).for_each(self.populate);
    }
}
