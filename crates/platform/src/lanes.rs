//! Lanes: what runs one piece of work at a time.

use crate::Token;
use core::fmt;

/// A lane, by its number: a core of a chip (see [`ChipSpec`](crate::ChipSpec) for the order), or a child of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneId(pub u16);

/// The work of one dispatch: a sub-task of a task. One word, so that it is handed on in a register and an atomic can hold it.
///
/// ```
/// use prewire_platform::Work;
///
/// let work = Work { slot: 7, block: 3, place: 2 };
/// assert_eq!(work.raw(), 7 << 32 | 2 << 16 | 3);
/// assert_eq!(Work::from_raw(work.raw()), work);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(align(8))]
pub struct Work {
    /// The slot of the task (`prewire_ring::SlotRef` as its raw word).
    pub slot: u32,
    /// Which block of the task, from 0. A task has at most 65535.
    pub block: u16,
    /// Which place of the cluster: 0 the AIC, 1 and 2 the AIV cores.
    pub place: u16,
}

const _: () = assert!(size_of::<Work>() == 8);

impl Work {
    /// The word: the slot in its upper half, then the place, then the block.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u64 {
        (self.slot as u64) << 32 | (self.place as u64) << 16 | self.block as u64
    }

    /// What [`raw`](Work::raw) has made a word.
    #[must_use]
    #[inline]
    pub const fn from_raw(word: u64) -> Self {
        Self { slot: (word >> 32) as u32, place: (word >> 16) as u16, block: word as u16 }
    }
}

/// What the condition word of a core says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneStatus {
    /// Has never run, or was reset.
    Idle,
    /// Has taken up this token and is running it. Everything before it has finished.
    Running(Token),
    /// Has finished this token and everything before it.
    Finished(Token),
    /// Has left its loop.
    Exited,
}

/// Whether a lane can be given work. Cores of a chip always can; a child of a node may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It takes work.
    Up,
    /// It is being replaced: nothing is dispatched to it until it is up again.
    Down,
    /// It was given up and never comes back.
    Gone,
}

/// A set of lanes, by number: at most 128.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneSet(pub u128);

impl LaneSet {
    /// No lane.
    pub const EMPTY: Self = Self(0);

    /// Whether no lane is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// With `lane` in it.
    pub const fn insert(&mut self, lane: LaneId) {
        self.0 |= 1 << lane.0;
    }

    /// Takes the lowest lane out.
    pub const fn pop(&mut self) -> Option<LaneId> {
        if self.0 == 0 {
            return None;
        }
        let lane = self.0.trailing_zeros() as u16;
        self.0 &= self.0 - 1;
        Some(LaneId(lane))
    }
}

impl fmt::Debug for LaneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        f.debug_set().entries(core::iter::from_fn(|| rest.pop().map(|l| l.0))).finish()
    }
}

/// The cores of a chip, or the children of a node, as a scheduler domain drives them.
///
/// A lane takes up to two dispatches: one that it runs and one that waits behind it, in the payload buffer that the
/// low bit of the token names. The scheduler dispatches a third only after the first was seen finished.
pub trait Lanes: Sync {
    /// Hands `work` to `lane` under `token`: the payload first, then the dispatch word. Everything that the caller
    /// wrote before is visible to whoever runs the work.
    fn dispatch(&self, lane: LaneId, token: Token, work: Work);

    /// What the condition word of `lane` says. What the core wrote before it is visible to the caller.
    fn status(&self, lane: LaneId) -> LaneStatus;

    /// The lanes of `domain` that may have changed since this was last asked; each change is reported at least
    /// once. Hardware that cannot tell answers with all of them.
    fn take_news(&self, domain: u16) -> LaneSet;

    /// Called once after a batch of dispatches: there is work, whoever runs it should wake. Cheap where nobody
    /// sleeps.
    fn kick(&self);

    /// Takes a dispatch back. True if `lane` has not taken up `token` and now never will. It is not reported as finished
    /// then, and the next dispatch to the lane may use the same token, and so the same payload buffer, again. Only asked
    /// for the last token that was dispatched to the lane.
    fn retract(&self, lane: LaneId, token: Token) -> bool {
        let _ = (lane, token);
        false
    }

    /// Whether `lane` can be given work. A change of it is news of the lane. Where a lane is no longer up, all that was
    /// dispatched to it is reported as finished, its failure recorded in the tasks before that is. So is what is still
    /// dispatched to it by who has not heard of that yet, unless the lane keeps it for when it is up again.
    fn standing(&self, lane: LaneId) -> Standing {
        let _ = lane;
        Standing::Up
    }
}

/// What the cores of a chip call back into. The chip's runtime implements it.
pub trait Host: Send + Sync {
    /// Runs one sub-task to its end on the calling thread. Its failure is recorded in the task; it does not unwind.
    fn execute(&self, lane: LaneId, work: Work);

    /// Whether running `work` may wait for another lane. A platform that runs all lanes on one thread gives such work
    /// a stack of its own.
    fn may_block(&self, work: Work) -> bool {
        let _ = work;
        false
    }

    /// Drives a scheduler domain: reap, complete, dispatch. Returns at once if another thread is at it; that
    /// thread then looks once more.
    fn poll(&self, domain: u16);

    /// As [`poll`](Host::poll), for a runner that goes on with what this gives it and polls soon: what was published since the
    /// last poll may wait for that one.
    fn poll_news(&self, domain: u16) {
        self.poll(domain);
    }

    /// How many tasks were submitted and are not known to be complete, if that is counted: a runner that is close behind who
    /// submits them may let that get ahead.
    fn unfinished(&self) -> Option<u32> {
        None
    }

    /// Whether a [`poll`](Host::poll) of `domain` could dispatch something now. A runner asks before it parks.
    fn has_ready(&self, domain: u16) -> bool;

    /// The last runner is about to park: whoever waits for progress should look at how far it came.
    fn quiescent(&self);

    /// A runner found nothing to do and is about to park; others still run. Whoever could make work may want to.
    fn idles(&self) {}
}
