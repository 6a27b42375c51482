//! Children that die, come back, or are given up.

use prewire_platform::Standing;
use prewire_ring::{Cold, Verdict};

use crate::children::Node;

/// What it had has failed; what waits for it goes on waiting, and runs when it is back. Its sibling notices nothing.
#[test]
fn what_waits_for_a_worker_that_is_down_runs_when_it_is_up() {
    let mut node = Node::new(2, 0);
    let (first, second, third) = (node.to(0), node.to(0), node.to(0));
    let other = node.to(1);
    let _ = node.poll();
    let progress = node.stand(0, Standing::Down);
    assert_eq!((progress.completed, progress.failed, progress.dispatched), (2, 2, 0));
    assert_eq!([first, second].map(|task| node.verdict(task.id)), [Some(Verdict::Failed); 2]);
    let fourth = node.to(0);
    assert!(!node.poll().any(), "nothing is dispatched to it");
    assert_eq!((node.held(0), node.held(1)), (vec![], vec![other.slot]));
    assert_eq!(node.finish(1), other.slot);
    let _ = node.stand(0, Standing::Up);
    assert_eq!(node.held(0), [third.slot, fourth.slot]);
    node.drain();
    assert_eq!([third, fourth].map(|task| node.verdict(task.id)), [Some(Verdict::Sound); 2]);
    assert_eq!(node.told.unavailable(), []);
    node.assert_drained();
}

#[test]
fn what_waits_for_a_worker_that_is_gone_fails_and_so_does_what_comes_later() {
    let mut node = Node::new(3, 0);
    let tasks = [(); 4].map(|()| node.to(0));
    let poisoned = node.submit(Cold::worker(1, 0), &[1], &[tasks[3].id]);
    let _ = node.poll();
    // Two groups: the first waits for worker 1, the second names the one that is given up.
    node.to(1);
    let _ = node.poll();
    let (waits, fails) = (node.group(&[1, 2]), node.group(&[2, 0]));
    let _ = node.poll();
    let _ = node.stand(0, Standing::Gone);
    assert_eq!(tasks.map(|task| node.verdict(task.id)), [Some(Verdict::Failed); 4]);
    assert_eq!(node.verdict(fails.id), Some(Verdict::Failed), "although it is not the first");
    assert_eq!((node.verdict(poisoned.id), node.verdict(waits.id)), (Some(Verdict::Poisoned), None));
    let told = [(tasks[2].slot, 0, 0), (tasks[3].slot, 0, 0), (fails.slot, 1, 0)];
    assert_eq!(node.told.unavailable(), told, "what it had it has failed itself");
    let (late, late_group) = (node.to(0), node.group(&[0, 2]));
    let _ = node.poll();
    assert_eq!([late, late_group].map(|task| node.verdict(task.id)), [Some(Verdict::Failed); 2]);
    // Nobody comes back from there.
    let _ = node.stand(0, Standing::Up);
    let after = node.to(0);
    let _ = node.poll();
    assert_eq!(node.verdict(after.id), Some(Verdict::Failed));
    node.drain();
    assert_eq!(node.verdict(waits.id), Some(Verdict::Sound));
    node.assert_drained();
}

/// The first group has reserved; a worker of it is given up: the group fails as one task, and what it had reserved is
/// free.
#[test]
fn a_group_with_a_member_that_is_gone_fails_once_and_frees_what_it_reserved() {
    let mut node = Node::new(3, 0);
    (0..2).for_each(|lane| {
        node.to(lane);
    });
    let _ = node.poll();
    let group = node.group(&[0, 1, 2]);
    let then = node.submit(Cold::worker(1, 0), &[2], &[group.id]);
    let single = node.to(2);
    let _ = node.poll();
    assert_eq!(node.held(2), [], "reserved");
    let _ = node.stand(1, Standing::Gone);
    assert_eq!(node.told.unavailable(), [(group.slot, 1, 1)]);
    assert_eq!(
        (node.verdict(group.id), node.verdict(then.id)),
        (Some(Verdict::Failed), Some(Verdict::Poisoned))
    );
    assert_eq!((node.placed(group.slot), node.held(2)), (vec![], vec![single.slot]));
    node.drain();
    node.assert_drained();
}

/// Its predicate was asked for when it reserved, and held: it is not asked for again to fail it.
#[test]
fn a_predicate_of_a_group_that_fails_is_asked_for_once() {
    let mut node = Node::new(2, 0);
    node.to(0);
    let _ = node.poll();
    let attrs = prewire_ring::Attrs { predicated: true, ..Default::default() };
    let group = node.submit(Cold { attrs, ..Cold::worker(2, 0) }, &[0, 1], &[]);
    let _ = node.poll();
    let _ = node.stand(1, Standing::Gone);
    assert_eq!((node.verdict(group.id), node.told.predicates()), (Some(Verdict::Failed), 1));
    node.drain();
    node.assert_drained();
}

#[test]
fn a_group_waits_for_a_member_that_is_down() {
    let mut node = Node::new(2, 0);
    let _ = node.stand(1, Standing::Down);
    let (group, single) = (node.group(&[0, 1]), node.to(0));
    let _ = node.poll();
    assert!(node.children.busy().is_empty(), "its other worker is reserved");
    let _ = node.stand(1, Standing::Up);
    assert_eq!(node.placed(group.slot), [(0, 0), (1, 1)]);
    assert_eq!(node.held(0), [group.slot, single.slot]);
    node.drain();
    node.assert_drained();
}

/// A member dies while the group runs: the task fails, once, and not before the others are over.
#[test]
fn a_group_of_which_a_worker_dies_fails_when_the_others_are_over() {
    let mut node = Node::new(3, 0);
    let group = node.group(&[0, 1, 2]);
    let _ = node.poll();
    let _ = node.stand(1, Standing::Down);
    let _ = node.stand(1, Standing::Gone);
    assert_eq!((node.verdict(group.id), node.told.unavailable().len()), (None, 0));
    node.finish(0);
    node.finish(2);
    assert_eq!((node.verdict(group.id), node.rings.failures()), (Some(Verdict::Failed), 1));
    node.assert_drained();
}

/// What stood before the scheduler was there counts as well: a child that never became ready.
#[test]
fn children_that_are_not_up_from_the_start_get_nothing() {
    let mut node = Node::with_standing(2, 1, &[(0, Standing::Gone), (2, Standing::Down)]);
    let (dead, alive, host) = (node.to(0), node.to(1), node.sub());
    let _ = node.poll();
    assert_eq!((node.verdict(dead.id), node.held(1)), (Some(Verdict::Failed), vec![alive.slot]));
    assert_eq!((node.verdict(host.id), node.held(2)), (None, vec![]));
    let _ = node.stand(2, Standing::Up);
    assert_eq!(node.held(2), [host.slot]);
    node.drain();
    node.assert_drained();
}

/// What is not to run anyway is not failed: its predicate is off, or the run has ended.
#[test]
fn what_would_not_run_does_not_fail_for_want_of_a_worker() {
    let mut node = Node::with_standing(1, 0, &[(0, Standing::Gone)]);
    let attrs = prewire_ring::Attrs { predicated: true, ..Default::default() };
    let off = node.submit(Cold { attrs, ..Cold::worker(1, 0) }, &[0], &[]);
    node.told.refuse(off.slot);
    let _ = node.poll();
    assert_eq!((node.verdict(off.id), node.told.unavailable()), (Some(Verdict::Sound), vec![]));
    let ended = node.to(0);
    node.rings.end();
    let _ = node.poll();
    assert_eq!((node.verdict(ended.id), node.told.unavailable()), (Some(Verdict::Poisoned), vec![]));
    node.assert_drained();
}
