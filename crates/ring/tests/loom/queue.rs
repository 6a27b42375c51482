//! Models of the ready queue.

use loom::thread;
use prewire_ring::{ReadyQueue, SlotRef};
use std::sync::Arc;

use crate::graph::Outputs;
use crate::model;

fn slot(i: usize) -> SlotRef {
    SlotRef::from_raw(i as u32)
}

/// Two threads push one task each and take one each, if they find one. Every task is taken once, and whoever takes it
/// sees what was written before it was pushed.
#[test]
fn what_is_pushed_is_taken_once() {
    model(|| {
        let queue = Arc::new(ReadyQueue::new(2));
        let written = Outputs::new(2);
        let turn = |queue: &ReadyQueue, written: &Outputs, i: usize| {
            written.write(i);
            queue.push(slot(i));
            let taken = queue.pop();
            if let Some(taken) = taken {
                assert!(written.seen(taken.raw() as usize), "a task was taken without what it needs");
            }
            taken
        };
        let other = {
            let (queue, written) = (Arc::clone(&queue), written.clone());
            thread::spawn(move || turn(&queue, &written, 1))
        };
        let here = turn(&queue, &written, 0);
        let there = other.join().unwrap();
        let rest = core::iter::from_fn(|| queue.pop());
        let mut all: Vec<u32> = here.into_iter().chain(there).chain(rest).map(SlotRef::raw).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1], "a task was lost or doubled");
        assert!(queue.is_empty());
    });
}

/// A cell is filled again only when its taker is done with it: a queue of two cells carries a third task while the
/// first is being taken.
#[test]
fn a_cell_is_reused_after_its_taker_is_done() {
    model(|| {
        let queue = Arc::new(ReadyQueue::new(2));
        queue.push(slot(0));
        queue.push(slot(1));
        let taker = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.pop())
        };
        let first = queue.pop();
        // There is room now: this thread has taken one, or found both taken.
        queue.push(slot(2));
        let other = taker.join().unwrap();
        let rest = core::iter::from_fn(|| queue.pop());
        let mut all: Vec<u32> = first.into_iter().chain(other).chain(rest).map(SlotRef::raw).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    });
}
