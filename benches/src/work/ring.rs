//! The rings alone: completion and release by edges, the ready queue, and the heap of outputs.

use std::sync::Arc;

use prewire_abi::{EdgeKind, TaskId};
use prewire_ring::{Allocator, Need, Placed, ReadyQueue, RingSizes, Rings, SlotRef};

use crate::{Case, vector_task};

const SUITE: &str = "ring";
/// Tasks of a batch.
const BATCH: u32 = 1024;
/// Tasks that a poll finds finished at once.
const AT_ONCE: usize = 16;
/// Completers where there are several: as many as a chip has domains.
const SEVERAL: u16 = 3;

/// Rings and the tasks that are in them.
struct Graph {
    rings: Arc<Rings>,
    allocator: Allocator,
    edges: Vec<(TaskId, EdgeKind)>,
    /// In the order of their submission.
    placed: Vec<Placed>,
    stack: Vec<SlotRef>,
}

impl Graph {
    /// With so many completers, of whom the first completes everything.
    fn new(completers: u16) -> Self {
        let sizes = RingSizes::default().with_deps(BATCH * 32);
        let (rings, allocator) = Rings::new(&sizes, completers).expect("legal sizes");
        Self { rings, allocator, edges: Vec::new(), placed: Vec::new(), stack: Vec::new() }
    }

    /// Adds a task that waits for the tasks of these numbers.
    fn add(&mut self, producers: impl Iterator<Item = usize>, kind: EdgeKind) {
        self.edges.clear();
        self.edges.extend(producers.map(|at| (self.placed[at].id, kind)));
        let need = Need { deps: self.edges.len() as u32, ..Need::default() };
        self.allocator.try_reserve(0, &need).expect("there is room");
        let placed = self.allocator.commit(0, &need, vector_task());
        if self.edges.is_empty() {
            self.rings.publish_unwired(placed.slot);
        } else {
            let _ = self.allocator.wire(&placed, &self.edges);
        }
        self.placed.push(placed);
    }

    /// Completes tasks in their order, some at once, and reclaims.
    fn complete(&mut self, tasks: core::ops::Range<usize>) -> u32 {
        let mut ready = 0;
        for some in self.placed[tasks].chunks(AT_ONCE) {
            self.stack.extend(some.iter().rev().map(|placed| placed.slot));
            let routed = self.rings.complete(0, &mut self.stack, &mut |_| ready += 1);
            self.rings.retire(&routed);
        }
        ready
    }
}

/// Tasks with `fanout` consumers each, whose last wait they are.
fn fanout(fanout: usize) -> Case {
    let producers = BATCH as usize / fanout.max(1);
    Case::new(SUITE, format!("complete and release, fan-out {fanout}"), producers as u64, move || {
        let mut graph = Graph::new(SEVERAL);
        move |clock| {
            graph.placed.clear();
            for _ in 0..producers {
                graph.add(core::iter::empty(), EdgeKind::WAIT);
            }
            for producer in 0..producers {
                (0..fanout).for_each(|_| graph.add(producer..producer + 1, EdgeKind::WAIT));
            }
            let mut ready = 0;
            clock.time(|| ready = graph.complete(0..producers));
            assert_eq!(ready as usize, producers * fanout);
            let all = graph.placed.len();
            graph.complete(producers..all);
        }
    })
}

/// Tasks that wait for the four before them: each takes four waits, and gives back four holds if it `retains`. `alone`:
/// there is one completer, as on a chip of one domain.
fn fanin(retains: bool, alone: bool) -> Case {
    let (kind, what) = if retains { (EdgeKind::BOTH, "waits and holds") } else { (EdgeKind::WAIT, "waits") };
    let how = if alone { ", alone" } else { "" };
    let name = format!("complete and release, 4 fan-ins, {what}{how}");
    Case::new(SUITE, name, BATCH.into(), move || {
        let mut graph = Graph::new(if alone { 1 } else { SEVERAL });
        move |clock| {
            graph.placed.clear();
            for task in 0..BATCH as usize {
                graph.add(task.saturating_sub(4)..task, kind);
            }
            clock.time(|| {
                graph.complete(0..BATCH as usize);
            });
        }
    })
}

fn ready_queue() -> Case {
    Case::new(SUITE, "ready queue, push and pop", 4096, || {
        let queue = ReadyQueue::new(4 * 16384);
        move |clock| {
            clock.time(|| {
                for _ in 0..64 {
                    (0..64).for_each(|slot| queue.push(SlotRef::from_raw(slot)));
                    (0..64).for_each(|_| assert!(queue.pop().is_some()));
                }
            });
        }
    })
}

/// Room for an output of 1 KiB is found, taken, and given back by the watermark.
fn heap() -> Case {
    let sizes = RingSizes::default().with_heap(100 << 10);
    Case::new(SUITE, "heap, take and give back 1 KiB", BATCH.into(), move || {
        let (rings, mut allocator) = Rings::new(&sizes, SEVERAL).expect("legal sizes");
        let need = Need { heap: 1024, ..Need::default() };
        move |clock| {
            clock.time(|| {
                for _ in 0..BATCH {
                    allocator.try_reserve(0, &need).expect("there is room");
                    let placed = allocator.commit(0, &need, vector_task());
                    allocator.complete_unwired(&placed);
                    rings.advance(0);
                }
            });
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [0, 1, 4, 16].map(fanout).into_iter().collect();
    cases.extend([fanin(false, false), fanin(false, true), fanin(true, false), fanin(true, true)]);
    cases.extend([ready_queue(), heap()]);
    cases
}
