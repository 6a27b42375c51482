//! Tasks that name one worker: in order for each of them, and none holds up what waits for another.

use prewire_ring::{Attrs, Class, Cold, SlotRef, Verdict};
use prewire_scheduler::{NodeError, NodePlacement, NodeSpec, Scheduler};
use std::sync::Arc;

use crate::children::Node;

#[test]
fn each_worker_runs_what_names_it_in_order_two_at_hand() {
    let mut node = Node::new(2, 0);
    let slots: Vec<SlotRef> = (0..10).map(|i| node.to(i % 2).slot).collect();
    assert_eq!(node.poll().dispatched, 4);
    assert_eq!(
        (node.held(0), node.held(1)),
        (slots[0..4].iter().step_by(2).copied().collect(), vec![slots[1], slots[3]])
    );
    assert_eq!(node.children.asked()[2], 1, "one batch, one kick");
    node.drain();
    for lane in 0..2 {
        let log = node.children.log();
        let order: Vec<_> =
            log.iter().filter(|d| d.lane == lane).map(|d| SlotRef::from_raw(d.work.slot)).collect();
        let mine: Vec<_> = slots.iter().skip(lane.into()).step_by(2).copied().collect();
        assert_eq!(order, mine);
    }
    node.assert_drained();
}

/// A worker with a thousand tasks before it takes none of another's time: one poll finds the idle one, and nothing is
/// taken from a queue and put back.
#[test]
fn a_busy_worker_holds_up_nobody_else() {
    let mut node = Node::new(2, 1);
    for _ in 0..1000 {
        node.to(0);
    }
    let other = node.to(1);
    let host = node.sub();
    let _ = node.poll();
    assert_eq!((node.held(1), node.held(2)), (vec![other.slot], vec![host.slot]));
    let before = node.children.asked();
    for _ in 0..10 {
        assert!(!node.poll().any(), "nothing has changed");
    }
    assert_eq!(node.children.asked(), before, "a poll without news looks at no lane");
    assert!(!node.scheduler.has_ready(0), "whoever asks before it parks would never park");
    node.to(1);
    assert!(node.scheduler.has_ready(0));
    let _ = node.poll();
    assert_eq!(node.held(1).len(), 2);
    node.drain();
    assert_eq!(node.children.log().len(), 1003);
    node.assert_drained();
}

#[test]
fn a_consumer_waits_for_its_producer_and_goes_to_its_own_worker() {
    let mut node = Node::new(2, 1);
    let first = node.to(0);
    let then = node.submit(Cold::worker(1, 0), &[1], &[first.id]);
    let last = node.submit(Cold::sub(1, 0), &[], &[then.id]);
    let _ = node.poll();
    assert_eq!(node.children.busy(), [0]);
    assert_eq!((node.finish(0), node.children.busy()), (first.slot, vec![1]));
    assert_eq!((node.finish(1), node.children.busy()), (then.slot, vec![2]));
    assert_eq!(node.finish(2), last.slot);
    node.assert_drained();
}

/// What has failed on a worker poisons what waits for it, which no worker ever sees.
#[test]
fn a_failure_is_carried_by_the_edges() {
    let mut node = Node::new(2, 0);
    let first = node.to(0);
    let then = node.submit(Cold::worker(1, 0), &[1], &[first.id]);
    let last = node.submit(Cold::worker(2, 0), &[0, 1], &[then.id]);
    let _ = node.poll();
    node.rings.slot(first.slot).fail();
    node.finish(0);
    let ends = [first, then, last].map(|task| node.verdict(task.id));
    assert_eq!(ends, [Some(Verdict::Failed), Some(Verdict::Poisoned), Some(Verdict::Poisoned)]);
    assert_eq!(node.children.log().len(), 1);
    node.assert_drained();
}

#[test]
fn a_predicate_is_asked_for_once_when_there_is_a_place() {
    let mut node = Node::new(2, 1);
    let predicated = |cold| Cold { attrs: Attrs { predicated: true, ..Attrs::default() }, ..cold };
    (0..2).for_each(|_| {
        node.to(0);
    });
    let off = node.submit(predicated(Cold::worker(1, 0)), &[0], &[]);
    let group = node.submit(predicated(Cold::worker(2, 0)), &[0, 1], &[]);
    let host = node.submit(predicated(Cold::sub(3, 0)), &[], &[]);
    [off, group].iter().for_each(|task| node.told.refuse(task.slot));
    let _ = node.poll();
    assert_eq!(node.told.predicates(), 2, "of the first group and of the host function");
    assert_eq!(node.verdict(group.id), Some(Verdict::Sound), "skipped, not failed");
    node.finish(0);
    assert_eq!(node.told.predicates(), 3);
    assert_eq!(node.verdict(off.id), Some(Verdict::Sound));
    node.drain();
    assert_eq!((node.told.predicates(), node.placed(host.slot).len()), (3, 3));
    assert_eq!(node.children.log().len(), 5);
    node.assert_drained();
}

#[test]
fn a_node_has_at_most_128_children_and_uses_each() {
    for (workers, subs) in [(129, 0), (0, 129), (64, 65), (u16::MAX, u16::MAX)] {
        let error = refused(NodeSpec::new(workers, subs));
        assert_eq!(error, NodeError::TooManyLanes { workers, subs });
        let text = error.to_string();
        assert!(text.contains("128") && text.contains(&workers.to_string()), "{text}");
    }
    for (workers, subs) in [(128, 0), (0, 128), (127, 1), (1, 127)] {
        let mut node = Node::new(workers, subs);
        (0..workers).for_each(|lane| {
            node.to(lane);
        });
        (0..subs).for_each(|_| {
            node.sub();
        });
        let _ = node.poll();
        assert_eq!(node.children.busy(), (0..128).collect::<Vec<_>>());
        assert!(node.children.log().iter().all(|d| !d.behind));
        node.drain();
        if workers > 1 {
            let everybody = node.group(&(0..workers).rev().collect::<Vec<_>>());
            let _ = node.poll();
            assert_eq!(node.placed(everybody.slot).len(), usize::from(workers));
            assert_eq!(node.placed(everybody.slot)[0], (workers - 1, 0), "a member runs where it says");
            node.drain();
        }
        node.assert_drained();
    }
}

#[track_caller]
fn refused(spec: NodeSpec) -> NodeError {
    let node = Node::new(1, 0);
    let made: Result<Scheduler<_, NodePlacement>, _> =
        Scheduler::node(spec, node.rings.clone(), node.ready.clone(), Arc::clone(&node.children));
    made.expect_err("there are too many")
}

/// On a node of 128 a completion looks at the lane that reports it, and at no other.
#[test]
fn a_completion_looks_at_one_lane() {
    let mut node = Node::new(100, 28);
    (0..100).for_each(|lane| {
        node.to(lane);
    });
    let _ = node.poll();
    let before = node.children.asked()[0];
    for lane in 0..100 {
        node.finish(lane);
    }
    assert_eq!(node.children.asked()[0] - before, 100);
    assert!(node.ready.queue(Class::Worker).is_empty());
    node.assert_drained();
}
