//! Host functions: any idle worker for them, else behind a busy one, from where they move to one that becomes idle.

use prewire_platform::Standing;
use prewire_ring::{Class, Cold, SlotRef, Verdict};

use crate::children::Node;

#[test]
fn they_take_idle_workers_and_then_wait_behind_busy_ones() {
    let mut node = Node::new(1, 3);
    let subs: Vec<SlotRef> = (0..8).map(|_| node.sub().slot).collect();
    assert_eq!(node.poll().dispatched, 6);
    let log = node.children.log();
    assert_eq!(log.iter().map(|d| d.behind).collect::<Vec<_>>(), [false, false, false, true, true, true]);
    assert_eq!(log.iter().map(|d| SlotRef::from_raw(d.work.slot)).collect::<Vec<_>>(), subs[..6]);
    assert_eq!(node.ready.queue(Class::Sub).len(), 2, "what has no place stays in its queue");
    assert!(!node.scheduler.has_ready(0) && node.held(0).is_empty());
    node.finish(2);
    assert_eq!(node.held(2), [subs[4], subs[6]]);
    node.drain();
    node.assert_drained();
}

/// Two run, one waits behind the first; the second ends: what waits is taken back and runs there, in a frame that nothing
/// uses.
#[test]
fn what_waits_behind_a_busy_worker_moves_to_an_idle_one() {
    let mut node = Node::new(0, 2);
    let [first, second, third] = [(); 3].map(|()| node.sub().slot);
    let _ = node.poll();
    assert_eq!((node.held(0), node.held(1)), (vec![first, third], vec![second]));
    let kicks = node.children.asked()[2];
    node.finish(1);
    assert_eq!((node.held(0), node.held(1)), (vec![first], vec![third]));
    assert_eq!(node.children.asked()[2], kicks + 1, "whoever is to run it is woken");
    // The place that it left is used again, next to what still runs.
    let fourth = node.sub().slot;
    let _ = node.poll();
    assert_eq!(node.held(0), [first, fourth]);
    node.drain();
    node.assert_drained();
    assert_eq!(node.told.completed().len(), 4);
    assert_eq!(node.placed(third), [(1, 0)]);
}

/// The worker has taken it up before the scheduler hears that another became idle: it runs where it is.
#[test]
fn what_was_taken_up_first_stays() {
    let mut node = Node::new(0, 2);
    let [first, second, third] = [(); 3].map(|()| node.sub().slot);
    let _ = node.poll();
    // The second ends, and before the scheduler hears anything the first ends too, so the third has begun.
    node.children.finish(1);
    node.children.finish(0);
    let _ = node.poll();
    assert_eq!(node.children.asked()[1], 0, "it is known that it has begun");
    assert_eq!((node.held(0), node.held(1)), (vec![third], vec![]));
    assert_eq!(node.placed(third), [(0, 0)]);
    node.drain();
    assert_eq!([first, second, third].map(|slot| node.placed(slot).len()), [1, 1, 1]);
    node.assert_drained();
}

#[test]
fn a_retract_that_comes_too_late_is_not_tried_again_until_there_is_news() {
    let mut node = Node::new(0, 2);
    node.children.be_lazy();
    let [_, _, third] = [(); 3].map(|()| node.sub().slot);
    let _ = node.poll();
    (0..2).for_each(|lane| node.children.take_up(lane));
    let _ = node.poll();
    // Worker 0 has finished and taken up the next; of that the scheduler has not heard.
    node.children.finish(0);
    let held_back = node.children.hold_back_news(0);
    node.children.take_up_silently(0);
    node.children.finish(1);
    let _ = node.poll();
    assert_eq!(node.children.asked()[1], 1);
    for _ in 0..5 {
        let _ = node.poll();
    }
    assert_eq!(node.children.asked()[1], 1, "nothing has changed");
    assert_eq!((node.held(0), node.held(1)), (vec![third], vec![]));
    node.children.release_news(held_back);
    let _ = node.poll();
    // It hears that the third runs, and a fourth and fifth find the idle worker first.
    let [fourth, fifth] = [(); 2].map(|()| node.sub().slot);
    let _ = node.poll();
    assert_eq!((node.held(0), node.held(1)), (vec![third, fifth], vec![fourth]));
    (0..2).for_each(|lane| node.children.take_up(lane));
    node.finish(1);
    assert_eq!((node.held(0), node.held(1)), (vec![third], vec![fifth]), "after news it is tried again");
    node.drain();
    node.assert_drained();
}

/// Its pieces are free of each other: as many as there are places start, the others follow, each once.
#[test]
fn a_task_of_many_pieces_spreads_over_what_there_is() {
    let mut node = Node::new(0, 3);
    let wide = node.submit(Cold::sub(20, 0), &[], &[]);
    let (next, then) = (node.sub(), node.submit(Cold::sub(2, 0), &[], &[wide.id]));
    assert_eq!(node.poll().dispatched, 6);
    assert!(node.placed(next.slot).is_empty(), "the first goes first");
    let mut finished = 0;
    while node.verdict(wide.id).is_none() {
        finished += 1;
        node.finish(finished % 3);
        assert!(node.placed(then.slot).is_empty() || node.verdict(wide.id).is_some());
    }
    let mut pieces: Vec<u32> = node.placed(wide.slot).into_iter().map(|(_, piece)| piece).collect();
    pieces.sort_unstable();
    assert_eq!(pieces, (0..20).collect::<Vec<_>>());
    node.drain();
    assert_eq!((node.placed(next.slot).len(), node.placed(then.slot).len()), (1, 2));
    node.assert_drained();
}

#[test]
fn where_a_piece_has_failed_the_others_do_not_begin() {
    let mut node = Node::new(0, 1);
    let wide = node.submit(Cold::sub(20, 0), &[], &[]);
    let next = node.sub();
    let _ = node.poll();
    node.rings.slot(wide.slot).fail();
    node.finish(0);
    assert_eq!(node.held(0).len(), 2, "the second piece, which was there already, and the next task");
    node.drain();
    assert_eq!((node.placed(wide.slot).len(), node.verdict(wide.id)), (2, Some(Verdict::Failed)));
    assert_eq!(node.verdict(next.id), Some(Verdict::Sound));
    node.assert_drained();
}

#[test]
fn they_fail_only_when_the_last_worker_for_them_is_gone() {
    let mut node = Node::new(1, 2);
    let wide = node.submit(Cold::sub(5, 0), &[], &[]);
    let queued = node.sub();
    let _ = node.poll();
    let _ = node.stand(1, Standing::Gone);
    // Who was given up is not used again, whatever it says.
    let _ = node.stand(1, Standing::Up);
    assert_eq!((node.verdict(queued.id), node.held(1)), (None, vec![]));
    assert_eq!(node.verdict(wide.id), None, "pieces of it still run");
    let _ = node.stand(2, Standing::Down);
    let late = node.sub();
    let _ = node.poll();
    assert_eq!(
        (node.verdict(queued.id), node.verdict(late.id)),
        (None, None),
        "they wait for its replacement"
    );
    assert!(!node.scheduler.has_ready(0));
    let _ = node.stand(2, Standing::Gone);
    assert_eq!(
        (node.verdict(queued.id), node.verdict(late.id)),
        (Some(Verdict::Failed), Some(Verdict::Failed))
    );
    assert_eq!(node.told.unavailable(), [(queued.slot, 0, 1), (late.slot, 0, 1)]);
    let after = node.sub();
    assert!(node.scheduler.has_ready(0), "a poll fails it");
    let _ = node.poll();
    assert_eq!(node.verdict(after.id), Some(Verdict::Failed));
    // The worker beside them goes on.
    let other = node.to(0);
    let _ = node.poll();
    assert_eq!(node.held(0), [other.slot]);
    node.drain();
    node.assert_drained();
}
