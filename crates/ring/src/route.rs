//! Where a ready task goes: a queue for each kind of placement.

use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::allocator::Allocator;
use crate::ready::{Queued, ReadyQueue};
use crate::ring::RING_COUNT;
use crate::rings::Rings;
use crate::sizes::RingSizes;
use crate::slot::SlotRef;
use crate::table::{HEAP, Pages};

/// The kinds of placement, in the order in which a scheduler serves them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Needs no lane: a dummy, or a task that must not run.
    Inline = 0,
    /// All blocks start together.
    SyncStart = 1,
    /// Each block takes a cluster.
    Mix = 2,
    /// Each block takes a cube core.
    Aic = 3,
    /// Each block takes a vector core.
    Aiv = 4,
    /// Above the chip: each block takes the worker that it names, all of them at once.
    Worker = 5,
    /// Above the chip: each block takes any worker for host functions.
    Sub = 6,
}

impl Class {
    /// All of them, in serving order.
    pub const ALL: [Self; 7] =
        [Self::Inline, Self::SyncStart, Self::Mix, Self::Aic, Self::Aiv, Self::Worker, Self::Sub];
}

/// The ready queues of a graph, shared by all who publish and all who dispatch.
#[derive(Debug)]
pub struct Ready {
    queues: [ReadyQueue; Class::ALL.len()],
    /// How many tasks were published. Written by the orchestrator.
    published: Padded<AtomicU64>,
    /// How many were handed on. Raised by whoever hands one on.
    handed_on: Padded<AtomicU64>,
}

/// How much had been put into ready queues at a moment: as long as it is the same, what was empty then is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    published: u64,
    handed_on: u64,
}

impl Tally {
    /// As two words.
    #[must_use]
    #[inline]
    pub const fn words(self) -> [u64; 2] {
        [self.published, self.handed_on]
    }
}

/// How much was put in.
#[inline]
fn count(word: &AtomicU64) -> u64 {
    // ORDERING: Acquire, "ready-tally"; pairs with the store in `Ready::publish_as` and the addition in `Ready::hand_on`.
    word.load(mutant::order("ready-tally", Ordering::Acquire))
}

impl Ready {
    /// Empty queues, each with places for every slot that rings of these sizes have.
    #[must_use]
    pub fn new(sizes: &RingSizes) -> Self {
        Self::new_in(sizes, HEAP)
    }

    /// As [`new`](Ready::new), in memory from elsewhere.
    #[must_use]
    pub fn new_in(sizes: &RingSizes, pages: Pages<'_>) -> Self {
        let slots = (0..RING_COUNT).map(|ring| sizes.window[ring]).sum();
        Self {
            queues: core::array::from_fn(|_| ReadyQueue::new_in(slots, pages)),
            published: Padded::new(AtomicU64::new(0)),
            handed_on: Padded::new(AtomicU64::new(0)),
        }
    }

    /// The queue of `class`.
    #[must_use]
    #[inline]
    pub fn queue(&self, class: Class) -> &ReadyQueue {
        &self.queues[class as usize]
    }

    /// Puts a ready task where it belongs. For whoever took its last wait.
    #[inline]
    pub fn route(&self, rings: &Rings, slot: SlotRef) {
        let (class, task) = rings.route(slot);
        self.hand_on(class, task);
    }

    /// Puts a ready task into the queue of `class`, or what is left of it back.
    #[inline]
    pub fn hand_on(&self, class: Class, task: impl Into<Queued>) {
        self.queue(class).push(task);
        // ORDERING: Release, "ready-tally"; pairs with the load in `count`: who sees the count sees the task.
        self.handed_on.fetch_add(1, mutant::order("ready-handed-on", Ordering::Release));
    }

    /// Puts a task that was ready when it was submitted where it belongs. The orchestrator's: it is the one that has the
    /// allocator.
    #[inline]
    pub fn publish(&self, allocator: &mut Allocator, slot: SlotRef) {
        let (class, task) = allocator.rings().route(slot);
        self.publish_as(allocator, class, task);
    }

    /// As [`publish`](Ready::publish), for who knows the class.
    #[inline]
    pub fn publish_as(&self, _: &mut Allocator, class: Class, task: Queued) {
        self.queue(class).publish(task);
        let published = self.published.load(Ordering::Relaxed) + 1;
        // ORDERING: Release, "ready-tally"; pairs with the load in `count`: who sees the count sees the task.
        self.published.store(published, mutant::order("ready-published", Ordering::Release));
    }

    /// How much was put in so far. Read before a queue is looked at, it tells later whether that may have changed.
    #[must_use]
    #[inline]
    pub fn tally(&self) -> Tally {
        Tally { published: count(&self.published), handed_on: count(&self.handed_on) }
    }

    /// As [`tally`](Ready::tally), with as much published as `before`: the line that the orchestrator writes is not read.
    #[must_use]
    #[inline]
    pub fn tally_handed_on(&self, before: Tally) -> Tally {
        Tally { handed_on: count(&self.handed_on), ..before }
    }

    /// Whether any queue seems to hold a task.
    #[must_use]
    pub fn any(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }
}
