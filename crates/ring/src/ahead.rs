//! Memory that is there before it is written for the first time.
//!
//! A page is cleared by the system when it is written for the first time: one at a time, at the cost of a dozen tasks. Asked for some at a
//! time, each takes half of that or less. So where the orchestrator comes to slots that no task has had, it asks for those of as many
//! tasks more as there were already, up to a few hundred: their slots, and edges and argument words as the tasks of the run
//! have them on average.
//!
//! Invariant: nothing depends on it. What was not asked for is there when it is written, and what nobody will write is not asked for but
//! for these few.

use core::ops::Range;

use crate::allocator::Allocator;
use crate::rings::Rings;
use crate::slot::SlotRef;

/// Has the system put these bytes there, which are memory of the tables and will be written. Whether it does makes no
/// difference but in time.
pub type Populate = fn(Range<*const u8>);

/// How far the slots of a ring are there, counted from its first one.
#[derive(Debug)]
pub(crate) struct Ahead {
    /// So many have been used or asked for.
    reached: u32,
    /// The local number that the first task beyond these gets in this run; if there is none, one that comes last.
    number: u32,
}

impl Ahead {
    /// So many tasks are too few to ask for: a page or two of each table.
    const FEW: u32 = 64;
    /// For so many it is asked at a time, so that no task waits long for those after it.
    const MOST: u32 = 256;

    /// Of a ring of so many slots, of which none is used; the first task has number 0.
    pub(crate) fn new(window: u32) -> Self {
        let mut ahead = Self { reached: Self::FEW, number: 0 };
        ahead.start_run(0, window);
        ahead
    }

    /// A run begins with task `first`, of a ring of so many slots.
    pub(crate) fn start_run(&mut self, first: u32, window: u32) {
        let used = first & (window - 1);
        let goes_on = used <= self.reached && self.reached < window;
        self.number = if goes_on { first + (self.reached - used) } else { first.wrapping_sub(1) };
    }

    /// The nearer one of the task `local`, which comes after `next` or is that, and of the first whose slot is not known to be there.
    pub(crate) fn before(&self, next: u32, local: u32) -> u32 {
        next.wrapping_add(local.wrapping_sub(next).min(self.number.wrapping_sub(next)))
    }

    /// Whether the task `local` has the first slot that is not known to be there.
    pub(crate) fn ends_before(&self, local: u32) -> bool {
        self.number == local
    }

    /// How many slots of `window` more are to be put there, now that a task is to have the first one that is not known to be, in a run
    /// that began with task `first`.
    pub(crate) fn go_on(&mut self, first: u32, window: u32) -> u32 {
        let more = self.reached.min(Self::MOST).min(window.saturating_sub(self.reached));
        self.reached += more;
        self.start_run(first, window);
        more
    }
}

impl Allocator {
    /// Has the memory of the next tasks of `ring` put there, where slots begin that no task has had.
    #[cold]
    pub(crate) fn populate(&mut self, ring: usize) {
        let (cursor, window) = (&mut self.cursors[ring & 3], self.windows[ring & 3]);
        let (tasks, [edges, words]) = cursor.go_ahead();
        self.rings.populate(window.slot(cursor.next), tasks, edges, words);
    }
}

impl Rings {
    /// Has the memory of so many `tasks` put there, whose slots begin with `slot`, and whose edges and argument words are at these
    /// positions.
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
