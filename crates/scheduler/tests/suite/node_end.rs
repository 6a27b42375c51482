//! A run that is ended: what waits, and what was handed over and has not begun, ends without running.

use prewire_platform::Standing;
use prewire_ring::{Cold, Verdict};

use crate::children::Node;

#[test]
fn everything_that_waits_ends_without_running() {
    let mut node = Node::new(3, 2);
    for lane in 0..3 {
        (0..5).for_each(|_| {
            node.to(lane);
        });
    }
    let _ = node.poll();
    let groups = [node.group(&[0, 1]), node.group(&[1, 2])];
    let wide = node.submit(Cold::sub(30, 0), &[], &[]);
    let after = node.submit(Cold::worker(1, 0), &[0], &[groups[0].id, wide.id]);
    let _ = node.poll();
    assert_eq!(node.children.busy().len(), 5);
    node.rings.end();
    let unsorted = [node.to(1), node.sub(), node.group(&[0, 2])];
    let _ = node.poll();
    // What runs goes on; behind it nothing waits any more.
    assert!((0..5).all(|lane| node.held(lane).len() == 1), "what waited behind was taken back");
    let (log, dispatched) = (node.children.log(), 6 + 4);
    assert_eq!((log.len(), log.iter().filter(|d| d.retracted).count()), (dispatched, 5));
    for task in [groups[0], groups[1], unsorted[0], unsorted[1], unsorted[2], after] {
        if task.id != after.id {
            assert_eq!(node.verdict(task.id), Some(Verdict::Poisoned));
        }
    }
    assert_eq!((node.verdict(wide.id), node.verdict(after.id)), (None, None), "two pieces of it run");
    node.drain();
    assert_eq!(
        (node.verdict(wide.id), node.verdict(after.id)),
        (Some(Verdict::Poisoned), Some(Verdict::Poisoned))
    );
    assert_eq!(node.children.log().len(), dispatched);
    node.assert_drained();
    assert_eq!(node.told.completed().len(), 15 + 2 + 1 + 1 + 3);
}

/// Handed over and not taken up: it is taken back from both places; what has begun is waited for.
#[test]
fn what_has_not_begun_is_taken_back_from_both_places() {
    let mut node = Node::new(2, 0);
    node.children.be_lazy();
    let [first, second] = [(); 2].map(|()| node.to(0));
    let [third, fourth] = [(); 2].map(|()| node.to(1));
    let _ = node.poll();
    node.children.take_up(1);
    node.rings.end();
    let _ = node.poll();
    let ends = [first, second, fourth].map(|task| node.verdict(task.id));
    assert_eq!(ends, [Some(Verdict::Poisoned); 3]);
    assert_eq!((node.held(0), node.held(1)), (vec![], vec![third.slot]));
    let asked = node.children.asked()[1];
    (0..5).for_each(|_| {
        let _ = node.poll();
    });
    assert_eq!(node.children.asked()[1], asked, "what has begun is asked for once");
    node.drain();
    assert_eq!(node.verdict(third.id), Some(Verdict::Sound));
    node.assert_drained();
}

/// Of a group that was handed over nothing is taken back: the others may wait for the member that has not begun.
#[test]
fn a_group_that_was_handed_over_stays_whole() {
    let mut node = Node::new(2, 0);
    node.children.be_lazy();
    let group = node.group(&[0, 1]);
    let behind = node.to(1);
    let _ = node.poll();
    node.children.take_up(0);
    node.rings.end();
    let _ = node.poll();
    assert_eq!((node.held(0), node.held(1)), (vec![group.slot], vec![group.slot]));
    assert_eq!(node.verdict(behind.id), Some(Verdict::Poisoned), "but what waits behind it is");
    node.drain();
    assert_eq!(node.verdict(group.id), Some(Verdict::Sound));
    node.assert_drained();
}

/// The lanes are free for the next run, with tokens that fit what they had.
#[test]
fn the_next_run_finds_every_lane_free() {
    let mut node = Node::new(2, 2);
    for run in 0..20u16 {
        node.start_run();
        for lane in 0..2 {
            (0..=run % 4).for_each(|_| {
                node.to(lane);
                node.sub();
            });
        }
        node.group(&[1, 0]);
        let _ = node.poll();
        if run % 3 == 0 {
            let _ = node.stand(run % 4, Standing::Down);
            let _ = node.stand(run % 4, Standing::Up);
        }
        node.rings.end();
        node.drain();
        node.assert_drained();
    }
    node.start_run();
    let tasks = [node.to(0), node.group(&[0, 1]), node.sub()];
    node.drain();
    assert_eq!(tasks.map(|task| node.verdict(task.id)), [Some(Verdict::Sound); 3]);
    node.assert_drained();
}
