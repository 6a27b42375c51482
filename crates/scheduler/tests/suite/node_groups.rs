//! Groups: all members at once on idle workers, or none; one at a time reserves.

use prewire_platform::Standing;
use prewire_ring::{Cold, Verdict};

use crate::children::Node;

#[test]
fn it_starts_when_the_last_of_its_workers_is_idle_and_not_before() {
    let mut node = Node::new(3, 0);
    // Each worker has one that runs and one that waits.
    (0..6).for_each(|i| {
        node.to(i % 3);
    });
    let _ = node.poll();
    let group = node.group(&[2, 0, 1]);
    let behind = node.to(0);
    for lane in [0, 0, 1, 2, 1] {
        node.finish(lane);
        assert!(node.placed(group.slot).is_empty(), "part of it has started");
        assert!(node.placed(behind.slot).is_empty(), "somebody took a worker from under it");
    }
    node.finish(2);
    assert_eq!(node.placed(group.slot), [(2, 0), (0, 1), (1, 2)]);
    let log = node.children.log();
    assert!(log.iter().all(|d| d.work.slot != group.slot.raw() || !d.behind), "on idle workers only");
    assert_eq!(node.held(0), [group.slot, behind.slot], "once it has started, work may wait behind it");
    node.drain();
    node.assert_drained();
}

/// It names two workers of three: the third goes on, and only what has been handed to the two is finished first.
#[test]
fn it_reserves_its_own_workers_and_no_other() {
    let mut node = Node::new(3, 1);
    node.to(0);
    let _ = node.poll();
    let group = node.group(&[0, 1]);
    let (reserved, free, host) = (node.to(1), node.to(2), node.sub());
    let _ = node.poll();
    assert_eq!(node.children.busy(), [0, 2, 3]);
    assert!(node.placed(reserved.slot).is_empty());
    assert_eq!((node.held(2), node.held(3)), (vec![free.slot], vec![host.slot]));
    node.finish(0);
    assert_eq!(node.placed(group.slot), [(0, 0), (1, 1)]);
    assert_eq!(node.held(1), [group.slot, reserved.slot]);
    node.drain();
    node.assert_drained();
}

/// The second group could start, the first cannot: it waits all the same, and reserves nothing.
#[test]
fn only_the_first_group_reserves_and_the_second_waits_for_it() {
    let mut node = Node::new(4, 0);
    node.to(0);
    let _ = node.poll();
    let first = node.group(&[0, 1]);
    let second = node.group(&[2, 3]);
    let single = node.to(2);
    let _ = node.poll();
    assert!(node.placed(second.slot).is_empty());
    assert_eq!(node.held(2), [single.slot], "a group that is not the first reserves nothing");
    node.finish(0);
    assert_eq!(node.placed(first.slot).len(), 2);
    assert!(node.placed(second.slot).is_empty(), "worker 2 is busy");
    let late = node.to(3);
    let _ = node.poll();
    assert!(node.placed(late.slot).is_empty(), "it is the first now");
    node.finish(2);
    assert_eq!(node.placed(second.slot), [(2, 0), (3, 1)]);
    assert_eq!(node.held(3), [second.slot, late.slot]);
    node.drain();
    node.assert_drained();
}

#[test]
fn groups_that_can_start_go_before_single_tasks() {
    let mut node = Node::new(2, 0);
    let single = node.to(0);
    let (first, second) = (node.group(&[0, 1]), node.group(&[1, 0]));
    let progress = node.poll();
    assert_eq!(progress.dispatched, 2, "the second group has reserved what the single task names");
    assert_eq!((node.held(0), node.held(1)), (vec![first.slot], vec![first.slot]));
    node.finish(0);
    assert_eq!(node.held(0), []);
    node.finish(1);
    assert_eq!((node.held(0), node.held(1)), (vec![second.slot, single.slot], vec![second.slot]));
    node.drain();
    node.assert_drained();
}

#[test]
fn it_completes_once_after_its_last_member_and_then_its_consumers_go() {
    let mut node = Node::new(3, 0);
    let group = node.group(&[0, 1, 2]);
    let then = node.submit(Cold::worker(1, 0), &[0], &[group.id]);
    let _ = node.poll();
    for lane in [1, 2] {
        node.finish(lane);
        assert_eq!((node.verdict(group.id), node.placed(then.slot)), (None, vec![]));
    }
    node.finish(0);
    assert_eq!(node.verdict(group.id), Some(Verdict::Sound));
    assert_eq!(node.placed(then.slot), [(0, 0)]);
    node.drain();
    node.assert_drained();
}

/// The first failure of a member fails the task; its consumers hear of it once, when all members are over, as the others
/// still use its memory.
#[test]
fn a_member_that_fails_fails_it_once_when_all_members_are_over() {
    let mut node = Node::new(3, 0);
    let group = node.group(&[0, 1, 2]);
    let then = node.submit(Cold::worker(1, 0), &[0], &[group.id]);
    let _ = node.poll();
    node.rings.slot(group.slot).fail();
    node.finish(2);
    assert_eq!((node.verdict(group.id), node.verdict(then.id)), (None, None));
    // Another one fails too, as its worker dies.
    let _ = node.stand(1, Standing::Down);
    assert_eq!((node.verdict(group.id), node.verdict(then.id)), (None, None));
    node.finish(0);
    assert_eq!(
        (node.verdict(group.id), node.verdict(then.id)),
        (Some(Verdict::Failed), Some(Verdict::Poisoned))
    );
    assert_eq!(node.rings.failures(), 2);
    node.assert_drained();
}

#[test]
fn a_group_that_can_never_start_fails_at_once_and_holds_up_nothing() {
    let mut node = Node::new(2, 1);
    for (lanes, member, lane) in [
        // A worker for host functions, no worker at all, one worker twice, more members than there are workers.
        (vec![0, 2], 1, 2),
        (vec![7, 0], 0, 7),
        (vec![u16::MAX, 1], 0, u16::MAX),
        (vec![1, 1], 1, 1),
        (vec![0, 1, 0, 1], 2, 0),
        // And a single task.
        (vec![2], 0, 2),
        (vec![128], 0, 128),
    ] {
        let before = node.told.unavailable().len();
        let task = node.group(&lanes);
        let _ = node.poll();
        assert_eq!(node.told.unavailable()[before..], [(task.slot, member, lane)]);
        assert_eq!(node.verdict(task.id), Some(Verdict::Failed));
    }
    let good = node.group(&[0, 1]);
    let _ = node.poll();
    assert_eq!(node.placed(good.slot).len(), 2);
    node.drain();
    node.assert_drained();
}

/// Groups over overlapping workers, in every order of finishing, all come to an end: none waits for another that has
/// half of its workers.
#[test]
fn groups_that_overlap_never_wait_for_each_other() {
    for order in 0..64u16 {
        let mut node = Node::new(4, 0);
        let groups = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]].map(|lanes| node.group(&lanes).id);
        (0..8).for_each(|i| {
            node.to(i % 4);
        });
        let _ = node.poll();
        let mut turn = 0;
        while let busy = node.children.busy()
            && !busy.is_empty()
        {
            turn += 1;
            node.finish(busy[usize::from(order * turn) % busy.len()]);
        }
        assert!(groups.iter().all(|&id| node.verdict(id) == Some(Verdict::Sound)), "order {order}");
        node.assert_drained();
    }
}
