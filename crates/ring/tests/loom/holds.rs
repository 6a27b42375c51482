//! Models of holds: what an open scope or a consumer holds is not reclaimed, and is once they let go.

use prewire_abi::EdgeKind;
use prewire_ring::{Placed, ReadyQueue};
use std::sync::Arc;

use crate::graph::{Graph, Outputs, beside, complete, completer, looker, retire};
use crate::model;

/// Completes `consumer`, the only task besides its producer, and sees both retired.
#[track_caller]
fn let_go(graph: &Graph, consumer: Placed, head: u32) {
    retire(&graph.rings, 0, consumer.slot);
    assert_eq!(graph.rings.watermark(0), head, "the last hold is gone, the slots are not");
}

fn retains(graph: &Graph, consumer: Placed) -> bool {
    graph.rings.deps(consumer.slot).any(|dep| dep.kind().retains())
}

/// Taking a hold races with the last one's release: it is refused, or it keeps the producer from being reclaimed.
///
/// Catches `retain-retired`, `still-beside`, `combine-enter`.
#[test]
fn a_hold_that_was_taken_holds() {
    model(|| {
        let mut graph = Graph::worn();
        let producer = graph.root(0);
        let other = completer(&graph.rings, producer.slot);
        let (consumer, ready) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        graph.rings.advance(0);
        let retained = retains(&graph, consumer);
        if retained {
            assert_eq!(graph.rings.watermark(0), 4, "reclaimed while retained");
        }
        let readied = other.join().unwrap();
        assert_eq!(readied.len() + usize::from(ready), 1);
        assert_eq!(
            graph.rings.watermark(0),
            4 + u32::from(!retained),
            "reclaimed while retained, or not at all"
        );
        let_go(&graph, consumer, 6);
    });
}

/// The same of a producer that is complete and that another consumer lets go at that moment.
///
/// Catches `retain-retired`, `still-beside`, `combine-enter`.
#[test]
fn a_hold_that_was_taken_holds_while_another_is_given_back() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(0);
        let (first, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        let rings = Arc::clone(&graph.rings);
        let orchestrates = move || {
            let (consumer, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
            graph.rings.advance(0);
            let retained = retains(&graph, consumer);
            if retained {
                assert_eq!(graph.rings.watermark(0), 0, "reclaimed while retained");
            }
            (graph, consumer, retained)
        };
        let (graph, consumer, retained) = beside(orchestrates, || {
            retire(&rings, 0, producer.slot);
            retire(&rings, 0, first.slot);
        });
        let left = if retained { 0 } else { 2 };
        assert_eq!(graph.rings.watermark(0), left, "reclaimed while retained, or not at all");
        let_go(&graph, consumer, 3);
    });
}

/// Who is told that a consumer has let go finds that nobody retains what it held, although a third thread may be retiring that, and forget
/// at that moment what was given back.
///
/// Catches `still-beside`.
#[test]
fn who_is_told_of_the_last_one_finds_nobody() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(0);
        let (consumer, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        let _ = complete(&graph.rings, 0, producer.slot, |_| ());
        let other = completer(&graph.rings, consumer.slot);
        let third = looker(&graph.rings);
        let _ = other.join().unwrap();
        assert!(!graph.allocator.is_retained(producer.id), "retained by nobody");
        assert!(matches!(graph.rings.holds(producer.id), None | Some(0)), "held by nobody");
        third.join().unwrap();
    });
}

/// A hold that is taken on a list that its completer has just closed does not hide what was closed: who waits for the producer
/// after that finds it complete, and sees what it wrote.
///
/// Catches `fanout-held`.
#[test]
fn whoever_finds_a_retained_task_complete_sees_what_it_wrote() {
    model(|| {
        let mut graph = Graph::new();
        graph.allocator.set_floor(0, Some(0));
        let producer = graph.root(0);
        let (rings, output) = (Arc::clone(&graph.rings), Outputs::new(1));
        let written = output.clone();
        let orchestrates = move || {
            let _ = graph.consumer(&[(producer.id, EdgeKind::RETAIN)]);
            let (_, ready) = graph.consumer(&[(producer.id, EdgeKind::WAIT)]);
            assert!(!ready || written.seen(0), "ready before its producer has written");
        };
        beside(orchestrates, || {
            output.write(0);
            let _ = complete(&rings, 0, producer.slot, |_| ());
        });
    });
}

/// A task that an open scope holds may be retained although nothing else holds it; when the scope closes, that hold
/// keeps it, even if another thread is looking at the task at that moment, and another consumer lets it go.
///
/// Catches `floor-store`, `floor-load`, `holds-before-floor`.
#[test]
fn a_hold_taken_under_a_scope_outlives_the_scope() {
    model(|| {
        let mut graph = Graph::new();
        graph.allocator.set_floor(0, Some(0));
        let producer = graph.root(0);
        let (first, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        let rings = Arc::clone(&graph.rings);
        let orchestrates = move || {
            let (consumer, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
            assert!(retains(&graph, consumer), "the scope keeps the producer, so a hold can be had");
            graph.allocator.set_floor(0, None);
            graph.rings.advance(0);
            assert_eq!(graph.rings.watermark(0), 0, "reclaimed while retained");
            (graph, consumer)
        };
        let (graph, consumer) = beside(orchestrates, || {
            let _ = complete(&rings, 0, producer.slot, |_| ());
            let _ = complete(&rings, 0, first.slot, |_| ());
            rings.advance(0);
        });
        assert_eq!(graph.rings.watermark(0), 0, "reclaimed while retained");
        let_go(&graph, consumer, 3);
    });
}

/// What an open scope holds is not retired however complete it is; once the scope is closed it is, whichever of the
/// completion and the close comes last, and without another look.
///
/// Catches `combine-leaves`, `combine-stay`, `combine-call/release`.
#[test]
fn a_scope_holds_until_it_closes_and_no_longer() {
    model(|| {
        let mut graph = Graph::new();
        graph.allocator.set_floor(0, Some(0));
        let task = graph.root(0);
        let other = completer(&graph.rings, task.slot);
        assert_eq!(graph.rings.watermark(0), 0, "retired under an open scope");
        graph.rings.advance(0);
        assert_eq!(graph.rings.watermark(0), 0, "retired under an open scope");
        graph.allocator.set_floor(0, None);
        graph.rings.advance(0);
        let _ = other.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 1, "the close and the completion each left it to the other");
    });
}

/// A task that a queue hands to another thread carries its scope with it: whoever completes it sees the floor.
///
/// Catches `head-store`, `head-load`, `ready-fill`, `ready-take`.
#[test]
fn whoever_takes_a_task_from_a_queue_sees_its_scope() {
    model(|| {
        let mut graph = Graph::worn();
        let queue = Arc::new(ReadyQueue::new(4));
        let other = {
            let (rings, queue) = (Arc::clone(&graph.rings), Arc::clone(&queue));
            loom::thread::spawn(move || {
                let taken = queue.pop();
                match taken {
                    Some(slot) => retire(&rings, 1, slot),
                    None => rings.advance(0),
                }
                taken.is_some()
            })
        };
        graph.allocator.set_floor(0, Some(4));
        let task = graph.root(0);
        queue.push(task.slot);
        let taken = other.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 4, "retired under an open scope");
        if !taken {
            assert_eq!(queue.pop(), Some(task.slot));
            let _ = complete(&graph.rings, 0, task.slot, |_| ());
        }
        graph.allocator.set_floor(0, None);
        graph.rings.advance(0);
        assert_eq!(graph.rings.watermark(0), 5);
    });
}
