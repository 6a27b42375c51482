//! Models of edges: wiring against completion, and the poison that travels with it.

use loom::thread;
use prewire_abi::{EdgeKind, LaneMask, Shape};
use prewire_ring::{Cold, Need, Routed, SlotRef, Verdict};
use std::sync::Arc;

use crate::graph::{Graph, Outputs, beside, complete, completer, retire};
use crate::model;

/// A push and the close of the list agree: the consumer is made ready by the orchestrator or by the completer, by one
/// of them, and that one sees what the producer wrote.
///
/// Catches `fanout-push`, `fanout-closed`, `fanout-close/acquire`, `fanout-close/release`, `push-on-closed`,
/// `no-guard`.
#[test]
fn one_wait_ends_once() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(0);
        let outputs = Outputs::new(1);
        let closer = {
            let (rings, outputs) = (Arc::clone(&graph.rings), outputs.clone());
            thread::spawn(move || {
                outputs.write(0);
                let mut ready = Vec::new();
                let _ = complete(&rings, 1, producer.slot, |slot| ready.push(slot));
                ready
            })
        };
        let (consumer, ready) = graph.consumer(&[(producer.id, EdgeKind::WAIT)]);
        if ready {
            assert!(outputs.seen(0), "the wait is over, but not what it was for");
        }
        let readied = closer.join().unwrap();
        assert_eq!(readied.len() + usize::from(ready), 1, "the wake was lost or doubled");
        assert!(ready || readied == [consumer.slot]);
    });
}

/// A wait that is still to be linked keeps a consumer back: of two completers and the orchestrator exactly one makes it
/// ready, and that one sees what both producers wrote.
///
/// Catches `pending-wire/acquire`, `pending-wire/release`, `pending-last`, `pending-complete/release`, `no-guard`.
#[test]
fn a_consumer_of_two_is_ready_once_and_sees_both() {
    model(|| {
        let mut graph = Graph::new();
        let producers = [graph.root(0), graph.root(0)];
        let outputs = Outputs::new(2);
        let closers = [0, 1].map(|i| {
            let (rings, outputs, slot) = (Arc::clone(&graph.rings), outputs.clone(), producers[i].slot);
            thread::spawn(move || {
                outputs.write(i);
                let mut ready = 0;
                let _ = complete(&rings, i as u16, slot, |_| {
                    ready += 1;
                    assert!(outputs.seen(0) && outputs.seen(1), "ready before both had written");
                });
                ready
            })
        });
        let (_, ready) = graph.consumer(&producers.map(|producer| (producer.id, EdgeKind::WAIT)));
        if ready {
            assert!(outputs.seen(0) && outputs.seen(1), "ready before both had written");
        }
        let readied: u32 = closers.into_iter().map(|closer| closer.join().unwrap()).sum();
        assert_eq!(readied + u32::from(ready), 1, "ready-once");
    });
}

/// Where there is one completer it takes waits without a locked instruction, but not before the orchestrator has
/// taken its own: the consumer is ready once, and whoever makes it ready sees what all producers wrote.
///
/// Catches `wired-early`, `wired-store`, `wired-look`.
#[test]
fn a_completer_that_is_alone_takes_waits_behind_the_orchestrator() {
    model(|| {
        let mut graph = Graph::alone();
        let producers = [graph.root(1), graph.root(1), graph.root(1)];
        let outputs = Outputs::new(3);
        let (rings, seen) = (Arc::clone(&graph.rings), outputs.clone());
        let orchestrates = move || {
            let (_, ready) = graph.consumer(&producers.map(|producer| (producer.id, EdgeKind::WAIT)));
            assert!(!ready || (0..3).all(|i| seen.seen(i)), "ready before all had written");
            u32::from(ready)
        };
        let mut readied = 0;
        let ready = beside(orchestrates, || {
            // The one in the middle ends first: then it is over when it is wired, and the others may be on lists.
            for i in [1, 0, 2] {
                outputs.write(i);
                let _ = complete(&rings, 0, producers[i].slot, |_| {
                    readied += 1;
                    assert!((0..3).all(|i| outputs.seen(i)), "ready before all had written");
                });
            }
        });
        assert_eq!(readied + ready, 1, "ready-once");
    });
}

/// Edges that do not wait keep the consumer back until they are there: whoever runs it at once gives back the holds
/// that it has.
///
/// Catches `late-retain`, `push-on-closed`.
#[test]
fn nothing_runs_before_its_wiring_is_done() {
    model(|| {
        let mut graph = Graph::new();
        let (waited, kept) = (graph.root(0), graph.root(1));
        let closer = {
            let rings = Arc::clone(&graph.rings);
            thread::spawn(move || {
                let mut ready = Vec::new();
                let _ = complete(&rings, 1, waited.slot, |slot| ready.push(slot));
                if let Some(&slot) = ready.first() {
                    let _ = complete(&rings, 1, slot, |_| ());
                }
            })
        };
        let edges = [(waited.id, EdgeKind::WAIT), (kept.id, EdgeKind::RETAIN)];
        let (consumer, ready) = graph.consumer(&edges);
        if ready {
            let _ = complete(&graph.rings, 0, consumer.slot, |_| ());
        }
        closer.join().unwrap();
        let _ = complete(&graph.rings, 0, kept.slot, |_| ());
        graph.rings.advance(1);
        assert_eq!(graph.rings.watermark(1), 1, "the consumer completed without giving its hold back");
    });
}

/// The poison is stored before the wait is taken: whoever takes the last one sees it, whichever producer failed, so the
/// consumer completes as failed and is never handed out to run.
///
/// Catches `late-poison`, `pending-last`, `pending-complete/acquire`, `pending-complete/release`.
#[test]
fn the_last_wait_sees_the_poison() {
    model(|| {
        let mut graph = Graph::new();
        let producers = [graph.root(0), graph.root(0)];
        let (consumer, ready) = graph.consumer(&producers.map(|producer| (producer.id, EdgeKind::WAIT)));
        assert!(!ready);
        graph.rings.slot(producers[0].slot).fail();
        let other = completer(&graph.rings, producers[1].slot);
        let mut run = Vec::new();
        let routed = complete(&graph.rings, 0, producers[0].slot, |slot| run.push(slot));
        run.extend(other.join().unwrap());
        assert_eq!(run, [], "a consumer of a failed task was handed out to run");
        assert!(routed.completed == 1 || routed.failed == 2);
        assert_eq!(graph.rings.slot(consumer.slot).verdict(), Verdict::Poisoned);
        graph.rings.advance(0);
        assert_eq!(graph.rings.watermark(0), 3, "the consumer did not complete");
    });
}

/// A thread that fails the task in `slot`, and hands nobody out to run.
fn fails(graph: &Graph, slot: SlotRef) -> thread::JoinHandle<Routed> {
    let rings = Arc::clone(&graph.rings);
    thread::spawn(move || {
        rings.slot(slot).fail();
        let routed = complete(&rings, 1, slot, |slot| panic!("{slot:?} was handed out to run"));
        rings.advance(0);
        routed
    })
}

/// A producer that fails while its consumer is wired poisons it, whether the consumer was linked or came too late, and
/// whether the producer was retired by then or not.
///
/// Catches `late-failure`, `push-on-closed`.
#[test]
fn a_failure_during_wiring_poisons() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(0);
        let failing = fails(&graph, producer.slot);
        graph.rings.advance(0);
        assert_ne!(graph.allocator.retired(producer.id), Some(false), "a failed task passes for a sound one");
        let (consumer, ready) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        if ready {
            let state = graph.rings.slot(consumer.slot);
            assert!(state.is_inline(), "the orchestrator would queue it to run");
            let _ = complete(&graph.rings, 0, consumer.slot, |_| ());
        }
        let routed = failing.join().unwrap();
        assert_eq!(routed.failed, if ready { 1 } else { 2 });
        assert_eq!(graph.rings.slot(consumer.slot).verdict(), Verdict::Poisoned);
        graph.rings.advance(0);
        assert_eq!(graph.rings.watermark(0), 2);
    });
}

/// A failed producer poisons although its slot has been given away since: the slot that it had says nothing about it.
///
/// Catches `producer-by-place`.
#[test]
fn a_failed_task_poisons_beyond_its_slot() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(0);
        let failing = fails(&graph, producer.slot);
        // As long as there is room; the fourth of them gets the producer's slot.
        let mut taken = 0;
        while taken < 4 && graph.allocator.try_reserve(0, &Need::default()).is_ok() {
            let filler = graph.root(0);
            retire(&graph.rings, 0, filler.slot);
            taken += 1;
        }
        let _ = failing.join().unwrap();
        graph.rings.advance(0);
        let (consumer, ready) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        assert!(ready, "{taken} tasks on, it waits for a task that has ended");
        assert_eq!(graph.rings.slot(consumer.slot).verdict(), Verdict::Poisoned, "{taken} tasks on");
        retire(&graph.rings, 0, consumer.slot);
        assert_eq!(graph.rings.watermark(0), 2 + taken);
    });
}

/// Whoever counts the last sub-task sees what the others wrote, and that one of them failed.
///
/// Catches `subtask-done/acquire`, `subtask-done/release`.
#[test]
fn the_last_sub_task_sees_the_others() {
    model(|| {
        let mut graph = Graph::new();
        let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, blocks: 2, ..Cold::default() };
        let task = graph.allocator.commit(0, &Need::default(), cold);
        let outputs = Outputs::new(2);
        let finish = move |rings: &prewire_ring::Rings, outputs: &Outputs, block: usize| {
            let state = rings.slot(task.slot);
            outputs.write(block);
            if block == 0 {
                state.fail();
            }
            let last = state.finish(1);
            if last {
                assert!(outputs.seen(0) && outputs.seen(1), "a sub-task's writes are missing");
                assert_eq!(state.verdict(), Verdict::Failed);
            }
            last
        };
        let other = {
            let (rings, outputs) = (Arc::clone(&graph.rings), outputs.clone());
            thread::spawn(move || finish(&rings, &outputs, 1))
        };
        let here = finish(&graph.rings, &outputs, 0);
        assert_ne!(here, other.join().unwrap(), "exactly one is the last");
    });
}
