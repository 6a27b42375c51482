//! The state word of a frame. Whoever moved it into a state owns the bytes of the frame until the next move: that is
//! what makes the cells of a frame safe.

use core::fmt;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

/// Which child of a place this is: the first, its replacement, and so on. 24 bits that come around; 0 is none.
///
/// ```
/// use prewire_mailbox::Generation;
///
/// assert_eq!(Generation::FIRST.next().get(), 2);
/// assert_eq!(Generation::new((1 << 24) - 1).next(), Generation::FIRST, "0 is left out");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Generation(u32);

impl Generation {
    const MASK: u32 = (1 << 24) - 1;

    /// That of the first child.
    pub const FIRST: Self = Self(1);

    /// The generation of that number, of which 24 bits count.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number & Self::MASK)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// That of the replacement.
    #[must_use]
    pub const fn next(self) -> Self {
        let next = (self.0 + 1) & Self::MASK;
        Self(if next == 0 { 1 } else { next })
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The state of a frame: the low byte of its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum FrameState {
    /// Nobody's: the parent may claim it.
    Idle = 0,
    /// Published by the parent: the child may take it, the parent may take it back.
    Ready = 1,
    /// The child's.
    Running = 2,
    /// Ended well: the parent may reap it.
    Done = 3,
    /// Ended with a code and a text: the parent may reap it.
    Failed = 4,
    /// The parent's, which writes into it.
    Filling = 5,
    /// The parent's, which reads the answer.
    Reading = 6,
    /// The child's; the parent no longer waits. A child that ends it makes it idle.
    Abandoned = 7,
}

impl FrameState {
    /// All of them, by their numbers.
    pub const ALL: [Self; 8] = [
        Self::Idle,
        Self::Ready,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Filling,
        Self::Reading,
        Self::Abandoned,
    ];

    fn of(word: u64) -> Option<Self> {
        Self::ALL.get((word & 0xff) as usize).copied()
    }
}

/// What a frame holds, without its state: the child that it is for, and its number among what was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) generation: Generation,
    pub(crate) number: u32,
}

/// A state, or a word that no state writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    State(FrameState, Tag),
    Broken(u64),
}

/// Packs a state, a generation and a number: bits 0 to 7, 8 to 31, 32 to 63.
pub(crate) const fn pack(state: u8, generation: Generation, number: u32) -> u64 {
    state as u64 | (generation.0 as u64) << 8 | (number as u64) << 32
}

/// The parts of [`pack`].
pub(crate) const fn unpack(word: u64) -> (u8, Generation, u32) {
    (word as u8, Generation::new((word >> 8) as u32), (word >> 32) as u32)
}

/// The word. Zero is idle.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Word(
    /// Written by the parent from `Idle`, `Done`, `Failed`, `Filling` and `Reading`, by the child from `Running` and
    /// `Abandoned`, by both from `Ready`.
    AtomicU64,
);

const IDLE: u64 = 0;

/// The right to write into a frame. Dropped without [`publish`](Filling::publish) it makes the frame idle again.
#[derive(Debug)]
pub(crate) struct Filling<'a>(&'a Word);

/// The right to read an answer. Dropped, the frame is idle.
#[derive(Debug)]
pub(crate) struct Reading<'a>(&'a Word);

impl Word {
    #[cfg(any(prewire_loom, prewire_shuttle))]
    pub(crate) fn new() -> Self {
        Self(AtomicU64::new(IDLE))
    }

    fn swap(&self, from: u64, to: u64, order: Ordering) -> bool {
        self.0.compare_exchange(from, to, order, Ordering::Relaxed).is_ok()
    }

    /// What it says, without a promise about anything else.
    #[inline]
    pub(crate) fn look(&self) -> Seen {
        let word = self.0.load(Ordering::Relaxed);
        let (_, generation, number) = unpack(word);
        match FrameState::of(word) {
            Some(state) => Seen::State(state, Tag { generation, number }),
            None => Seen::Broken(word),
        }
    }

    fn word(state: FrameState, tag: Tag) -> u64 {
        pack(state as u8, tag.generation, tag.number)
    }

    /// Parent, `Idle` to `Filling`: `None` if the frame is in use.
    pub(crate) fn claim(&self) -> Option<Filling<'_>> {
        // ORDERING: Acquire, "frame-free"; pairs with the store in free, and with the release of "frame-done" through
        // the exchange that made the frame idle: whoever used the bytes before is done with them.
        let order = mutant::order("frame-claim", Ordering::Acquire);
        // Lazily: one that was made and dropped would free a frame that is somebody else's.
        self.swap(IDLE, FrameState::Filling as u64, order).then(|| Filling(self))
    }

    /// Child, `Ready` to `Running`, if it is still `tag`.
    pub(crate) fn take(&self, tag: Tag) -> bool {
        // ORDERING: Acquire, "frame-ready"; pairs with the store in publish: what was posted is visible.
        let order = mutant::order("frame-take", Ordering::Acquire);
        self.swap(Self::word(FrameState::Ready, tag), Self::word(FrameState::Running, tag), order)
    }

    /// Parent, `Ready` to `Idle`, if it is still `tag`: the child will never take it. Whoever claims the frame next
    /// acquires what this parent released when it published, of which this exchange is a part.
    pub(crate) fn retract(&self, tag: Tag) -> bool {
        let ready = Self::word(FrameState::Ready, tag);
        // MUTANT "frame-retract-blind": a task is taken back by a look and a store.
        if mutant::skips("frame-retract-blind") {
            let still = self.0.load(Ordering::Relaxed) == ready;
            if still {
                self.0.store(IDLE, Ordering::Relaxed);
            }
            return still;
        }
        self.swap(ready, IDLE, Ordering::Relaxed)
    }

    /// Child, `Running` to `Done` or `Failed`. False if the parent has abandoned it, and the frame is idle now; or if it
    /// is no longer this child's at all.
    pub(crate) fn finish(&self, tag: Tag, well: bool) -> bool {
        let to = if well { FrameState::Done } else { FrameState::Failed };
        // ORDERING: Release, "frame-done"; pairs with the exchanges in reap and read: what the child wrote is visible
        // to the parent, and it is done with reading what was posted.
        let order = mutant::order("frame-done", Ordering::Release);
        if self.swap(Self::word(FrameState::Running, tag), Self::word(to, tag), order) {
            return true;
        }
        // ORDERING: Release, "frame-free"; pairs with the exchange in claim.
        let order = mutant::order("frame-abandoned", Ordering::Release);
        self.swap(Self::word(FrameState::Abandoned, tag), IDLE, order);
        false
    }

    /// Parent, `Done` to `Idle`, if it is `tag`.
    #[inline]
    pub(crate) fn reap(&self, tag: Tag) -> bool {
        // ORDERING: Acquire, "frame-done"; pairs with the exchange in finish: what the child wrote is visible.
        let order = mutant::order("frame-reap", Ordering::Acquire);
        self.swap(Self::word(FrameState::Done, tag), IDLE, order)
    }

    /// Parent, `Done` or `Failed` to `Reading`, if it is `tag`.
    pub(crate) fn read(&self, from: FrameState, tag: Tag) -> Option<Reading<'_>> {
        // ORDERING: Acquire, "frame-done"; pairs with the exchange in finish: the answer is visible.
        let order = mutant::order("frame-read", Ordering::Acquire);
        self.swap(Self::word(from, tag), FrameState::Reading as u64, order).then(|| Reading(self))
    }

    /// Parent: gives up waiting for `tag`, whatever became of it. Whether the child is still at it.
    pub(crate) fn abandon(&self, tag: Tag) -> bool {
        // Each exchange fails if the state has moved on; it moves forward only, and at most twice.
        for _ in 0..3 {
            let Seen::State(state, seen) = self.look() else { return false };
            if seen != tag {
                return false;
            }
            let gone = match state {
                FrameState::Ready => self.retract(tag),
                FrameState::Running => {
                    let running = Self::word(FrameState::Running, tag);
                    self.swap(running, Self::word(FrameState::Abandoned, tag), Ordering::Relaxed)
                }
                FrameState::Done | FrameState::Failed => {
                    self.swap(Self::word(state, tag), IDLE, Ordering::Relaxed)
                }
                _ => return false,
            };
            if gone {
                return state == FrameState::Running;
            }
        }
        false
    }

    /// Parent, once the child is gone: makes the frame idle, unless another thread of the parent has it.
    pub(crate) fn clear(&self) {
        let mut word = self.0.load(Ordering::Relaxed);
        let held = [FrameState::Filling as u64, FrameState::Reading as u64];
        while !held.contains(&word) {
            // ORDERING: Release, "frame-free"; pairs with the exchange in claim.
            match self.0.compare_exchange(word, IDLE, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => word = now,
            }
        }
    }

    fn free(&self) {
        // ORDERING: Release, "frame-free"; pairs with the exchange in claim.
        self.0.store(IDLE, mutant::order("frame-freed", Ordering::Release));
    }
}

impl Filling<'_> {
    /// To `Ready`.
    pub(crate) fn publish(self, tag: Tag) {
        let word = Word::word(FrameState::Ready, tag);
        // ORDERING: Release, "frame-ready"; pairs with the exchange in take: what was written comes with it.
        self.0.0.store(word, mutant::order("frame-publish", Ordering::Release));
        core::mem::forget(self);
    }
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        self.0.free();
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.free();
    }
}
