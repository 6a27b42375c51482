//! Models of the ready queue.

use loom::thread;
use prewire_ring::{Class, Queued, Ready, ReadyQueue, RingSizes, SlotRef, Tally};
use std::sync::Arc;

use crate::graph::{Graph, Outputs};
use crate::model;

fn slot(i: usize) -> SlotRef {
    SlotRef::from_raw(i as u32)
}

/// Two threads push one task each and take one each, if they find one. Every task is taken once, and whoever takes it
/// sees what was written before it was pushed.
///
/// Catches `ready-fill`, `ready-take`, `ready-double-take`.
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

/// A cell is filled again once `head` has passed it, while another taker still looks at it: a queue of two cells carries
/// a third task while the first is being taken. What is left in a cell is not taken again.
///
/// Catches `ready-no-stamp`, `ready-double-take`.
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
        let rest = core::iter::from_fn(|| queue.pop()).take(3);
        let mut all: Vec<u32> = first.into_iter().chain(other).chain(rest).map(SlotRef::raw).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
    });
}

/// Several are taken at once: who finds that another has taken one of them leaves the others to be taken again.
///
/// Catches `take-keeps`, `ready-double-take`.
#[test]
fn several_are_taken_at_once_and_each_once() {
    model(|| {
        let queue = Arc::new(ReadyQueue::new(4));
        (0..2).for_each(|i| queue.publish(slot(i)));
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.pop())
        };
        let mut taken = [Queued::default(); 4];
        let count = queue.take(2, |_| 1, &mut taken);
        let mut all: Vec<SlotRef> = taken[..count].iter().map(|task| task.slot()).collect();
        all.extend(other.join().unwrap());
        all.extend(core::iter::from_fn(|| queue.pop()));
        all.sort_unstable_by_key(|task| task.raw());
        assert_eq!(all, [slot(0), slot(1)], "a task was lost or doubled");
    });
}

/// Who publishes needs no exchange beside the others who hand tasks on: what both put in is taken once, by one who sees it.
///
/// Catches `ready-fill`, `ready-take`, `ready-double-take`.
#[test]
fn what_is_published_is_taken_once() {
    model(|| {
        let queue = Arc::new(ReadyQueue::new(2));
        let written = Outputs::new(2);
        let taker = {
            let (queue, written) = (Arc::clone(&queue), written.clone());
            thread::spawn(move || {
                written.write(1);
                queue.push(slot(1));
                let taken = queue.pop_if(|task| task == slot(0));
                assert!(taken.is_none() || written.seen(0), "a task was taken without what it needs");
                taken
            })
        };
        written.write(0);
        queue.publish(slot(0));
        let here = queue.pop();
        let there = taker.join().unwrap();
        let rest = core::iter::from_fn(|| queue.pop());
        let mut all: Vec<u32> = here.into_iter().chain(there).chain(rest).map(SlotRef::raw).collect();
        all.sort_unstable();
        assert_eq!(all, [0, 1], "a task was lost or doubled");
    });
}

/// Who reads of a task in the tally finds it in its queue: as long as the tally is the same, no queue needs another look.
///
/// Catches `ready-published`, `ready-handed-on`, `ready-tally`.
#[test]
fn what_is_counted_is_there() {
    for published in [true, false] {
        model(move || {
            let mut graph = Graph::new();
            let task = graph.root(0);
            let ready = Arc::new(Ready::new(&RingSizes::smallest()));
            let other = {
                let ready = Arc::clone(&ready);
                thread::spawn(move || {
                    let tally = ready.tally();
                    (tally != Tally::default(), ready.queue(Class::Aiv).pop())
                })
            };
            if published {
                ready.publish(&mut graph.allocator, task.slot);
            } else {
                ready.hand_on(Class::Aiv, task.slot);
            }
            let (counted, taken) = other.join().unwrap();
            assert!(!counted || taken == Some(task.slot), "it was counted before it was there");
            assert_eq!(taken.is_none(), ready.any());
        });
    }
}

/// Whoever takes on a condition takes only a task that met it: one that loses the first to another thread asks again
/// about the one behind, and leaves it where it is.
///
/// Catches `pop-asks-once`.
#[test]
fn what_is_not_wanted_stays() {
    model(|| {
        let queue = Arc::new(ReadyQueue::new(2));
        queue.push(slot(0));
        queue.push(slot(1));
        let other = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.pop())
        };
        let here = queue.pop_if(|task| task == slot(0));
        let there = other.join().unwrap();
        assert_ne!(here, Some(slot(1)), "a task was taken that was not wanted");
        let rest: Vec<SlotRef> = core::iter::from_fn(|| queue.pop()).collect();
        let all: Vec<SlotRef> = here.into_iter().chain(there).chain(rest).collect();
        assert!(all.len() == 2 && all.contains(&slot(0)) && all.contains(&slot(1)), "{all:?}");
    });
}
