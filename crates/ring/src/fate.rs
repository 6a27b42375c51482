//! What became of a task that was submitted before: whether it lives, and if not, whether it failed.
//!
//! Invariant: only the orchestrator asks, who alone gives slots away. A task that has its slot says by the list there how it
//! ended; of those that have not, the ones that failed are known by their numbers for the rest of the run.

use prewire_abi::TaskId;

use crate::allocator::Allocator;
use crate::fanout::Pushed;
use crate::ring::RING_COUNT;

/// The tasks of one ring that were alive a moment ago.
#[derive(Clone, Copy, Debug)]
pub struct Alive {
    ring: u32,
    oldest: u32,
    count: u32,
}

impl Alive {
    /// Whether `id`, of whatever run or of none, is one of them.
    #[must_use]
    #[inline]
    pub fn has(&self, id: TaskId) -> bool {
        id.ring() == self.ring && id.local().wrapping_sub(self.oldest) < self.count
    }

    /// Whether `id`, a task of this run or the one that is submitted next, is one of them or the next; none if it is of another
    /// ring.
    #[must_use]
    #[inline]
    pub fn has_or_next(&self, id: TaskId) -> Option<bool> {
        (id.ring() == self.ring).then_some(self.reaches(id.local()))
    }

    /// The id of the task that is submitted next, as long as none has been since.
    #[must_use]
    #[inline]
    pub const fn next(&self) -> TaskId {
        TaskId::new(self.ring, self.oldest.wrapping_add(self.count))
    }

    /// Whether the number `local` of this run is that of one of them or of the next: what is not was retired, however long ago.
    #[inline]
    const fn reaches(&self, local: u32) -> bool {
        local.wrapping_sub(self.oldest) <= self.count
    }
}

/// What became of a task that was submitted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Live,
    Done,
    Failed,
}

impl Allocator {
    /// What became of `id`, a task of this run; the one that is submitted next is taken for one that lives. `Done` may be
    /// answered late, as `Live`.
    #[inline]
    pub(crate) fn fate(&self, id: TaskId) -> Fate {
        if self.alive(id.ring() as usize).reaches(id.local()) {
            Fate::Live
        } else if self.rings.has_failed() {
            self.end(id)
        } else {
            Fate::Done
        }
    }

    /// How `id`, a task that is retired, ended.
    #[cold]
    pub(crate) fn end(&self, id: TaskId) -> Fate {
        let ring = id.ring() as usize & 3;
        let state = self.rings.slot(self.slot_of(id));
        let failed = if state.id() == id {
            state.fanout.closed() == Some(Pushed::ClosedFailed)
        } else {
            self.failures[ring].recall(id.local())
        };
        if failed { Fate::Failed } else { Fate::Done }
    }

    /// Whether `id`, of whatever run or of none, is a task of this run that is not known to be retired.
    #[must_use]
    #[inline]
    pub fn is_live(&self, id: TaskId) -> bool {
        let ring = id.ring() as usize;
        ring < RING_COUNT && self.alive(ring).has(id)
    }

    /// The tasks of `ring` that live now, for looking at many tasks.
    #[must_use]
    #[inline]
    pub fn alive(&self, ring: usize) -> Alive {
        let oldest = self.rings.rings[ring & 3].watermark();
        Alive { ring: ring as u32 & 3, oldest, count: self.cursors[ring & 3].next.wrapping_sub(oldest) }
    }

    /// Whether `id`, a task of this run or the one that is submitted next, is retired; and if so, whether it failed.
    #[must_use]
    #[inline]
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

    /// Whether a consumer that has not ended retains `id`, a task of this run that is complete.
    #[must_use]
    pub fn is_retained(&self, id: TaskId) -> bool {
        let ring = &self.rings.rings[id.ring() as usize & 3];
        self.retired(id).is_none() && ring.is_retained(&self.rings.slots, self.slot_of(id), id.local())
    }

    /// Whether `id`, a task of this run, is complete; and if so, whether it failed.
    #[must_use]
    pub fn completed(&self, id: TaskId) -> Option<bool> {
        self.retired(id).or_else(|| {
            self.rings.slot(self.slot_of(id)).fanout.closed().map(|how| how == Pushed::ClosedFailed)
        })
    }
}
