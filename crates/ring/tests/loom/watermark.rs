//! Models of the watermark: completions that come together move it over all of them.

use loom::thread;
use prewire_abi::EdgeKind;
use prewire_ring::{Need, Placed, Rings};
use std::sync::Arc;

use crate::graph::{Graph, Outputs, beside, complete, completer, looker, retire};
use crate::model;

/// Two tasks complete in two threads at the same time. The watermark ends at the head, although each thread looks once
/// and neither waits for the other.
///
/// Catches `combine-leaves`, `combine-stay`, `combine-call/release`, `head-not-renewed`.
#[test]
fn it_ends_at_the_head() {
    model(|| {
        let mut graph = Graph::new();
        let tasks = [graph.root(0), graph.root(0)];
        let other = completer(&graph.rings, tasks[1].slot);
        retire(&graph.rings, 0, tasks[0].slot);
        let _ = other.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 2, "a completion was not noticed");
    });
}

/// A thread that only looks may be at it when the last task completes, and is left to move it. Who waits for its turn finds it moved.
///
/// Catches `combine-enter`, `combine-leaves`.
#[test]
fn who_waits_for_its_turn_finds_it_moved() {
    model(|| {
        let mut graph = Graph::new();
        let task = graph.root(0);
        let other = looker(&graph.rings);
        retire(&graph.rings, 0, task.slot);
        graph.rings.advance_all_in_turn();
        assert_eq!(graph.rings.watermark(0), 1, "it is left to the other one still");
        other.join().unwrap();
    });
}

/// Whoever moves it remembers how far it could go. A task that was submitted after that, and has completed before the one
/// in front of it, is walked over with it.
///
/// Catches `reach-forgotten`, `combine-leaves`.
#[test]
fn it_goes_on_to_what_came_later() {
    model(|| {
        let mut graph = Graph::new();
        let first = graph.root(0);
        // Here it learns that there is one.
        graph.rings.advance(0);
        let second = graph.root(0);
        let other = completer(&graph.rings, first.slot);
        retire(&graph.rings, 0, second.slot);
        let _ = other.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 2, "the later one stays");
    });
}

/// The same with the orchestrator submitting meanwhile: a slot that is not yet initialised is never walked over, although
/// whoever is asked to look again goes as far as there are tasks.
///
/// Catches `head-store`, `head-load`.
#[test]
fn it_stops_at_what_is_alive() {
    model(|| {
        let mut graph = Graph::worn();
        let first = graph.root(0);
        let other = completer(&graph.rings, first.slot);
        // Where the other one is at it, it looks again.
        graph.rings.advance(0);
        let second = graph.root(0);
        let _ = other.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 5, "the second task is alive");
        retire(&graph.rings, 0, second.slot);
        assert_eq!(graph.rings.watermark(0), 6);
    });
}

/// A run may begin while who has ended the last task of the one before has yet to say so. It then goes on with the next slot, else it
/// begins with the first one again: then nobody has anything to say of that run.
///
/// Catches `told-first`, `combine-enter`.
#[test]
fn numbers_are_left_out_when_nobody_has_one_to_tell() {
    model(|| {
        let mut graph = Graph::new();
        let last = graph.root(0);
        let other = completer(&graph.rings, last.slot);
        graph.rings.advance_all_in_turn();
        if graph.allocator.is_drained() {
            graph.allocator.start_run();
            let first = graph.root(0);
            let (slot, number) = (first.slot, first.id.local());
            assert!((slot == last.slot && number == 4) || number == 1, "task {number} in {slot:?}");
            retire(&graph.rings, 0, slot);
            let _ = other.join().unwrap();
            assert_eq!(
                graph.rings.watermark(0),
                number + 1,
                "past what is not there, or behind what has ended"
            );
        }
    });
}

/// Whoever looks while numbers are left out sees no task that there never was.
///
/// Catches `live-once`, `live-head`, `skip-head`.
#[test]
fn numbers_that_are_left_out_are_no_tasks() {
    model(|| {
        let mut graph = Graph::new();
        let task = graph.root(0);
        retire(&graph.rings, 0, task.slot);
        let rings = Arc::clone(&graph.rings);
        let other = thread::spawn(move || rings.usage(0));
        graph.allocator.start_run();
        assert_eq!(graph.allocator.next(0), 4);
        let seen = other.join().unwrap();
        assert_eq!((seen.live, seen.oldest), (0, None), "tasks that there never were");
    });
}

/// Room that another thread has made is given after what was there before: the orchestrator sees what the task did, and
/// that it failed.
///
/// Catches `watermark-load`, `watermark-store`, `holds-load`.
#[test]
fn room_that_others_made_comes_after_what_was_there() {
    model(|| {
        let mut graph = Graph::new();
        let need = Need { heap: 1024, ..Need::default() };
        let task = graph.place(0, need, 1);
        graph.rings.publish_unwired(task.slot);
        let marks = Outputs::new(2);
        let runner = {
            let (rings, marks) = (Arc::clone(&graph.rings), marks.clone());
            thread::spawn(move || {
                marks.write(0);
                rings.slot(task.slot).fail();
                retire(&rings, 1, task.slot);
                marks.write(1);
            })
        };
        // This thread may be the one that finds it consumed. What it writes says nothing, and lets the model put all of the other thread
        // before what follows.
        graph.rings.advance(0);
        marks.write(1);
        if graph.allocator.try_reserve(0, &need).is_ok() {
            assert!(marks.seen(0), "the bytes were given away under their user");
        }
        assert_ne!(graph.allocator.retired(task.id), Some(false), "a failed task passes for a sound one");
        runner.join().unwrap();
        assert_eq!(graph.allocator.retired(task.id), Some(true));
    });
}

/// What a task wrote, and what it read, is over when its slot is given to another one: the orchestrator that gets room
/// sees the marks of both, although a consumer in another thread gave the last hold back.
///
/// Catches `hold-give-back`, `given-back-load`.
#[test]
fn room_is_given_after_the_last_access() {
    model(|| {
        let mut graph = Graph::new();
        let need = Need { heap: 1024, ..Need::default() };
        let producer = graph.place(0, need, 1);
        graph.rings.publish_unwired(producer.slot);
        let (consumer, _) = graph.consumer(&[(producer.id, EdgeKind::BOTH)]);
        let (rings, marks) = (Arc::clone(&graph.rings), Outputs::new(2));
        let seen = marks.clone();
        // The heap has room for one: it is there again when producer and consumer are done with it. This thread may be
        // the one that finds them consumed, before the other one looks.
        let orchestrates = move || {
            graph.rings.advance(0);
            if graph.allocator.try_reserve(0, &need).is_ok() {
                assert!(seen.seen(0) && seen.seen(1), "the bytes were given away under their users");
            }
            graph
        };
        let graph = beside(orchestrates, || run_both(&rings, producer, consumer, &marks));
        assert_eq!(graph.allocator.try_reserve(0, &need), Ok(()));
    });
}

/// Runs and completes a producer and its only consumer, each of which leaves its mark.
fn run_both(rings: &Rings, producer: Placed, consumer: Placed, marks: &Outputs) {
    marks.write(0);
    let mut ready = Vec::new();
    let _ = complete(rings, 0, producer.slot, |slot| ready.push(slot));
    assert_eq!(ready, [consumer.slot]);
    rings.advance(0);
    marks.write(1);
    retire(rings, 0, consumer.slot);
}

/// Two completers that have to do with the same task, one of whom lets it go last, each look once, and neither waits for the
/// other: it is retired.
#[track_caller]
fn let_go_by_two(graph: &Graph, others: Placed, own: Placed) {
    let other = completer(&graph.rings, others.slot);
    retire(&graph.rings, 0, own.slot);
    let _ = other.join().unwrap();
    assert_eq!(graph.rings.watermark(1), 1, "who let go of it last did not notice");
}

/// What two consumers have held is retired when both have let go.
///
/// Catches `hold-untold`, `combine-leaves`, `combine-stay`.
#[test]
fn what_two_let_go_at_once_is_retired() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(1);
        let edges = [(producer.id, EdgeKind::BOTH)];
        let consumers = [graph.consumer(&edges).0, graph.consumer(&edges).0];
        retire(&graph.rings, 0, producer.slot);
        let_go_by_two(&graph, consumers[1], consumers[0]);
    });
}

/// What a consumer lets go that did not wait for it, while it completes, is retired: who completes it may not see that it is let go, and
/// who lets it go not that it is complete.
///
/// Catches `hold-untold`, `end-told-if-consumed`, `combine-leaves`, `combine-stay`.
#[test]
fn what_is_let_go_as_it_completes_is_retired() {
    model(|| {
        let mut graph = Graph::new();
        let producer = graph.root(1);
        let (consumer, _) = graph.consumer(&[(producer.id, EdgeKind::RETAIN)]);
        let_go_by_two(&graph, producer, consumer);
    });
}

/// What was given back of a task does not count for the next one in its slot.
///
/// Catches `given-back-kept`.
#[test]
fn what_was_given_back_is_forgotten_with_the_task() {
    model(|| {
        let mut graph = Graph::new();
        let first = graph.root(0);
        let (consumer, _) = graph.consumer(&[(first.id, EdgeKind::BOTH)]);
        let other = {
            let rings = Arc::clone(&graph.rings);
            thread::spawn(move || {
                let _ = complete(&rings, 1, first.slot, |_| ());
                retire(&rings, 1, consumer.slot);
            })
        };
        graph.rings.advance(0);
        if graph.rings.watermark(0) == 2 {
            let fillers = [graph.root(0), graph.root(0)];
            fillers.iter().for_each(|filler| retire(&graph.rings, 0, filler.slot));
            // The other one may be at it still.
            graph.rings.advance_all_in_turn();
            let second = graph.root(0);
            assert_eq!(second.slot, first.slot);
            let (consumer, _) = graph.consumer(&[(second.id, EdgeKind::BOTH)]);
            retire(&graph.rings, 0, second.slot);
            assert_eq!(graph.rings.watermark(0), 4, "reclaimed while retained");
            retire(&graph.rings, 0, consumer.slot);
            graph.rings.advance_all_in_turn();
            assert_eq!(graph.rings.watermark(0), 6, "the last hold is gone, the slots are not");
        }
        other.join().unwrap();
    });
}

/// And it is forgotten before the slot can be the next one's: else what is given back of that one would be forgotten too.
///
/// Catches `given-back-late`, `given-back-kept`.
#[test]
fn what_was_given_back_is_forgotten_before_the_slot_is_given_away() {
    model(|| {
        let mut graph = Graph::new();
        let first = graph.root(0);
        let (consumer, _) = graph.consumer(&[(first.id, EdgeKind::BOTH)]);
        let filler = graph.root(0);
        for ended in [filler, first] {
            let _ = complete(&graph.rings, 0, ended.slot, |_| ());
        }
        let rings = Arc::clone(&graph.rings);
        let orchestrates = move || {
            let again = graph.rings.watermark(0) >= 2;
            if again {
                let (last, second) = (graph.root(0), graph.root(0));
                assert_eq!(second.slot, first.slot);
                let consumer = graph.place(1, Need { deps: 1, ..Need::default() }, 1);
                assert!(!graph.allocator.wire(&consumer, &[(second.id, EdgeKind::BOTH)]));
                [last, second, consumer].iter().for_each(|task| retire(&graph.rings, 1, task.slot));
            }
            (graph, again)
        };
        let (graph, again) = beside(orchestrates, || retire(&rings, 0, consumer.slot));
        if again {
            graph.rings.advance(0);
            assert_eq!(graph.rings.watermark(0), 5, "what nobody holds any more stays");
        }
    });
}
