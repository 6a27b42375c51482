//! Models of a task frame and the doorbell.

use crate::model;
use crate::pair::Pair;
use crate::scope::scope;
use prewire_mailbox::{Generation, TaskStatus, Work};
use prewire_sync::hint::spin_loop;
use std::num::NonZeroI32;

/// What a task has written is there when it is reaped.
///
/// Catches `frame-done`, `frame-reap`.
#[test]
fn the_results_of_a_task_are_seen_whole() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        pair.post(0, 7).expect("the frame is idle");
        scope(|scope| {
            // Not the first thread: to loom, one that waits by turns never reads again what it has written before.
            scope.spawn(|| {
                while pair.parent().reap(0).is_none() {
                    spin_loop();
                }
                assert_eq!(pair.output(0), 7, "it has ended, and its results are not there");
            });
            let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted before") };
            let _ = pair.run(task);
        });
    });
}

/// What was posted is what the child runs.
///
/// Catches `frame-publish`.
#[test]
fn a_task_is_seen_whole() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        scope(|scope| {
            scope.spawn(|| {
                if let Some(Work::Task(task)) = child.look() {
                    let _ = pair.run(task);
                }
            });
            pair.post(0, 7).expect("the frame is idle");
        });
        if pair.parent().status(0) == TaskStatus::Ended {
            assert_eq!(pair.parent().reap(0), Some(Ok(())));
        }
    });
}

/// The text of a failure is there when the task is reaped; a frame that another thread of the parent has freed is filled
/// again only when both sides are done with it.
///
/// Catches `frame-claim`, `frame-freed`, `frame-read`.
#[test]
fn a_failure_is_seen_whole_and_its_frame_is_used_again() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        pair.post(0, 7).expect("the frame is idle");
        scope(|scope| {
            scope.spawn(|| {
                let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted before") };
                assert_eq!(task.bytes().expect("it has one"), [7]);
                let _ = task.fail(NonZeroI32::MIN, "no");
            });
            scope.spawn(|| {
                if let Some(outcome) = pair.parent().reap(0) {
                    assert_eq!(outcome.expect_err("it failed").text, "no");
                }
            });
            // The frame is free once it was reaped.
            if pair.post(2, 8).is_ok() {
                let Some(Work::Task(task)) = child.look() else { unreachable!("it was posted before") };
                let _ = task.fail(NonZeroI32::MIN, "new");
            }
        });
    });
}

/// A task that is taken back while the child is about to take it runs, or is taken back: one of the two. If it is taken
/// back, its frame can be used at once.
///
/// Catches `frame-retract-blind`.
#[test]
fn a_task_is_taken_or_taken_back() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        pair.post(0, 7).expect("the frame is idle");
        let mut ran = false;
        let mut back = false;
        scope(|scope| {
            scope.spawn(|| {
                if let Some(Work::Task(task)) = child.look() {
                    ran = task.token() == 0;
                    let _ = pair.run(task);
                }
            });
            back = pair.parent().retract(0);
            if back {
                pair.post(2, 8).expect("a frame whose task was taken back is idle");
            }
        });
        assert!(ran || back, "nobody has it");
        assert!(!(ran && back), "it ran although it was taken back");
    });
}

/// Of two tasks that wait the child takes the one that was posted first, whatever frames they are in; and one that is
/// taken back meanwhile does not hide the other.
///
/// Catches `frame-retract-blind`.
#[test]
fn the_order_of_posts_is_kept() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        pair.post(1, 1).expect("the frame is idle");
        pair.post(2, 2).expect("the frame is idle");
        let mut first = 0;
        let mut back = false;
        scope(|scope| {
            scope.spawn(|| {
                let Some(Work::Task(task)) = child.look() else { unreachable!("one of them is there") };
                first = task.token();
                let _ = pair.run(task);
            });
            back = pair.parent().retract(1);
        });
        assert_eq!(first, if back { 2 } else { 1 });
    });
}

/// A child that looks while two tasks are posted never takes the second before the first.
///
/// Catches `child-one-look`, `child-order-fence`.
#[test]
fn the_order_of_posts_is_kept_while_they_come() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        scope(|scope| {
            scope.spawn(|| {
                if let Some(Work::Task(task)) = child.look() {
                    assert_eq!(task.token(), 2, "the second was taken before the first");
                }
            });
            pair.post(2, 2).expect("the frame is idle");
            pair.post(3, 3).expect("the frame is idle");
        });
    });
}

/// A child that parks while a task is posted wakes up and runs it.
///
/// Catches `mailbox-no-ring`, `event-prepare-fence`, `event-notify-fence`, `event-late-epoch`, `event-no-epoch`.
#[test]
fn a_child_that_parks_hears_the_doorbell() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        scope(|scope| {
            scope.spawn(|| {
                let Some(Work::Task(task)) = child.wait(None) else {
                    unreachable!("it is the only thing to do")
                };
                let _ = pair.run(task);
            });
            pair.post(0, 7).expect("the frame is idle");
        });
        assert_eq!(pair.parent().reap(0), Some(Ok(())));
    });
}
