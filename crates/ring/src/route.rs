//! Where a ready task goes: a queue for each kind of placement.

use crate::ready::ReadyQueue;
use crate::ring::{RING_COUNT, Rings};
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
}

impl Ready {
    /// Empty queues, each with a place for every slot that rings of these sizes have.
    #[must_use]
    pub fn new(sizes: &RingSizes) -> Self {
        Self::new_in(sizes, HEAP)
    }

    /// As [`new`](Ready::new), in memory from elsewhere.
    #[must_use]
    pub fn new_in(sizes: &RingSizes, pages: Pages<'_>) -> Self {
        let slots = (0..RING_COUNT).map(|ring| sizes.window[ring]).sum();
        Self { queues: core::array::from_fn(|_| ReadyQueue::new_in(slots, pages)) }
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
        let state = rings.slot(slot);
        let class = if rings.is_ended() { Class::Inline } else { state.class() };
        self.queue(class).push(slot);
    }

    /// Whether any queue seems to hold a task.
    #[must_use]
    pub fn any(&self) -> bool {
        self.queues.iter().any(|queue| !queue.is_empty())
    }
}
