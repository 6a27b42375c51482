//! Models of reuse: entries and words of a task that is being completed are its own, never the next one's.

use loom::thread;
use prewire_abi::EdgeKind;
use prewire_ring::{Need, Placed};
use std::sync::Arc;

use crate::graph::{Graph, Outputs, complete, retire};
use crate::model;

/// Argument words of one task, and the whole argument ring of the smallest window under loom.
const WORDS: u32 = 16;

fn fill(graph: &Graph, task: &Placed, word: u64) {
    let mut words = graph.rings.arg_words(task, WORDS);
    (0..WORDS).for_each(|_| words.put(word));
}

/// A task completes while the orchestrator wants the dep entries and the argument words that it has. It is closed
/// last, so its completer reads its own entries and words, and its producer, in another ring, is let go.
///
/// Catches `close-first`, `combine-leaves`.
#[test]
fn a_completer_reads_the_entries_of_its_own_task() {
    model(|| {
        let mut graph = Graph::new();
        let (producer, other) = (graph.root(1), graph.root(1));
        let need = Need { deps: 4, args: WORDS, heap: 0 };
        let task = graph.place(0, need, 1);
        fill(&graph, &task, 7);
        assert!(!graph.allocator.wire(&task, &[(producer.id, EdgeKind::BOTH)]));
        let _ = complete(&graph.rings, 0, producer.slot, |_| ());

        let runner = {
            let rings = Arc::clone(&graph.rings);
            thread::spawn(move || {
                assert_eq!(rings.arg(task.slot, 0), 7, "the words are another task's");
                assert_eq!(rings.arg(task.slot, WORDS - 1), 7, "the words are another task's");
                retire(&rings, 1, task.slot);
                rings.advance(1);
            })
        };
        graph.rings.advance(0);
        let early = graph.allocator.try_reserve(0, &need).is_ok();
        if early {
            let next = graph.place(0, need, 1);
            fill(&graph, &next, 9);
            assert!(!graph.allocator.wire(&next, &[(other.id, EdgeKind::WAIT)]));
        }
        runner.join().unwrap();
        assert_eq!(graph.rings.watermark(0), 1);
        assert_eq!(graph.rings.watermark(1), 1, "the hold on the producer was not given back");
        assert!(early || graph.allocator.try_reserve(0, &need).is_ok());
    });
}

/// The walk over a list goes on although a consumer on it ran, retired, and had its entry reused for another list while
/// the walk was at it: both consumers are made ready.
///
/// Catches `late-next`.
#[test]
fn a_walk_survives_the_reuse_of_what_it_has_passed() {
    model(|| {
        let mut graph = Graph::new();
        let (producer, other) = (graph.root(1), graph.root(1));
        // On the list the second comes first; the two are in rings of their own, so that either can retire alone.
        let need = Need { deps: 4, ..Need::default() };
        let behind = graph.place(2, need, 1);
        assert!(!graph.allocator.wire(&behind, &[(producer.id, EdgeKind::WAIT)]));
        let front = graph.place(0, need, 1);
        assert!(!graph.allocator.wire(&front, &[(producer.id, EdgeKind::WAIT)]));

        // Which of the two were handed out: the walk goes from the front on.
        let readied = Outputs::new(2);
        let closer = {
            let (rings, readied) = (Arc::clone(&graph.rings), readied.clone());
            thread::spawn(move || {
                let _ = complete(&rings, 1, producer.slot, |slot| {
                    readied.write(usize::from(slot == behind.slot))
                });
            })
        };
        if readied.seen(0) {
            retire(&graph.rings, 0, front.slot);
            // Its entries are free: the next task puts them on another list.
            let next = graph.place(0, need, 1);
            assert!(!graph.allocator.wire(&next, &[(other.id, EdgeKind::WAIT)]));
        }
        closer.join().unwrap();
        assert!(readied.seen(0) && readied.seen(1), "the walk went astray");
    });
}
