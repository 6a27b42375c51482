//! What the models build on: the smallest rings, tasks in them, and words that stand for what tasks write.
//!
//! Where several threads complete, that of the model is completer 0 and the other one 1.

use loom::thread::JoinHandle;
use prewire_abi::{EdgeKind, LaneMask, Shape, TaskId};
use prewire_ring::{Allocator, Cold, Need, Placed, RingSizes, Rings, Routed, SlotRef};
use prewire_sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

/// Rings of four slots and four dep entries, and their orchestrator, which is the thread of the model itself.
pub(crate) struct Graph {
    pub(crate) rings: Arc<Rings>,
    pub(crate) allocator: Allocator,
}

impl Graph {
    /// Of two completers.
    pub(crate) fn new() -> Self {
        Self::of(2)
    }

    /// Of one completer.
    pub(crate) fn alone() -> Self {
        Self::of(1)
    }

    fn of(completers: u16) -> Self {
        let (rings, allocator) = Rings::new(&RingSizes::smallest(), completers).expect("legal sizes");
        Self { rings, allocator }
    }

    /// As [`new`](Graph::new), with a lap behind it in ring 0: each of its slots still says that its task of the lap before
    /// is complete.
    pub(crate) fn worn() -> Self {
        let mut graph = Self::new();
        for task in 1..=4 {
            let placed = graph.root(0);
            retire(&graph.rings, 0, placed.slot);
            assert_eq!(graph.rings.watermark(0), task);
        }
        graph
    }

    /// A task of `blocks` blocks on a vector core in `ring`, placed and not wired. There must be room.
    #[track_caller]
    pub(crate) fn place(&mut self, ring: usize, need: Need, blocks: u16) -> Placed {
        let in_use = self.allocator.room(ring, &need).expect("the model leaves room");
        self.allocator.note(ring, &need, &in_use);
        let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, blocks, ..Cold::default() };
        self.allocator.commit(ring, &need, cold)
    }

    /// A task in `ring` that waits for nothing, published.
    #[track_caller]
    pub(crate) fn root(&mut self, ring: usize) -> Placed {
        let placed = self.place(ring, Need::default(), 1);
        self.rings.publish_unwired(placed.slot);
        placed
    }

    /// A task in ring 0 with these edges, wired; and whether it was ready at once.
    #[track_caller]
    pub(crate) fn consumer(&mut self, edges: &[(TaskId, EdgeKind)]) -> (Placed, bool) {
        let placed = self.place(0, Need { deps: edges.len() as u32, ..Need::default() }, 1);
        let ready = self.allocator.wire(&placed, edges);
        (placed, ready)
    }
}

/// Completes the task in `slot`, as the completer `by`, and moves the watermarks over what that has consumed.
pub(crate) fn retire(rings: &Rings, by: u16, slot: SlotRef) {
    let routed = complete(rings, by, slot, |_| ());
    rings.retire(&routed);
}

/// Completes the task in `slot`, as the completer `by`; hands on what became ready.
pub(crate) fn complete(rings: &Rings, by: u16, slot: SlotRef, mut ready: impl FnMut(SlotRef)) -> Routed {
    rings.complete(by, &mut vec![slot], &mut ready)
}

/// Completes the task in `slot` in a thread of its own, as completer 1, and moves the watermarks. Gives what became ready.
pub(crate) fn completer(rings: &Arc<Rings>, slot: SlotRef) -> JoinHandle<Vec<SlotRef>> {
    let rings = Arc::clone(rings);
    loom::thread::spawn(move || {
        let mut ready = Vec::new();
        let routed = complete(&rings, 1, slot, |slot| ready.push(slot));
        rings.retire(&routed);
        ready
    })
}

/// Moves the watermark of ring 0 in a thread of its own, which completes nothing.
pub(crate) fn looker(rings: &Arc<Rings>) -> JoinHandle<()> {
    let rings = Arc::clone(rings);
    loom::thread::spawn(move || rings.advance(0))
}

/// What tasks write, a word each.
#[derive(Clone)]
pub(crate) struct Outputs(Arc<[AtomicU32]>);

impl Outputs {
    pub(crate) fn new(words: usize) -> Self {
        Self((0..words).map(|_| AtomicU32::new(0)).collect())
    }

    /// A task writes word `at`.
    pub(crate) fn write(&self, at: usize) {
        self.0[at].store(1, Ordering::Relaxed);
    }

    /// Whether what was written to word `at` is seen here.
    pub(crate) fn seen(&self, at: usize) -> bool {
        self.0[at].load(Ordering::Relaxed) != 0
    }
}

/// Does `orchestrates` in a thread of its own, and `completes` in that of the model. loom compares what a thread stores with what it
/// has loaded itself, and not with what others have: what is changed by a load and a store is to be changed by the model's own thread,
/// or no schedule has the other one in between.
pub(crate) fn beside<T: 'static>(
    orchestrates: impl FnOnce() -> T + Send + 'static,
    completes: impl FnOnce(),
) -> T {
    let orchestrator = loom::thread::spawn(orchestrates);
    completes();
    orchestrator.join().unwrap()
}
