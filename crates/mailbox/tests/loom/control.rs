//! Models of requests: each gets its answer, or is told that there will be none.

use crate::model;
use crate::pair::Pair;
use crate::scope::scope;
use prewire_mailbox::{ChildEnd, ControlError, Generation, Work};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::hint::spin_loop;

/// Serves until it is told to leave, and answers each request with its double.
fn serve(child: ChildEnd<'_>, served: &AtomicU32) {
    loop {
        match child.wait(None) {
            Some(Work::Control(control)) => {
                let [a, ..] = control.args();
                assert_eq!(u64::from(control.code()), a, "a torn request");
                assert_eq!(control.bytes(), [a as u8]);
                served.fetch_add(1, Ordering::Relaxed);
                control.answer([2 * a, 0, 0, 0], &[2 * a as u8]);
            }
            Some(Work::Shutdown) => break,
            other => unreachable!("{other:?}"),
        }
    }
    let _ = child.leave();
}

/// What is asked for is what the child is given.
///
/// Catches `frame-publish`, `frame-take`.
#[test]
fn a_request_is_seen_whole() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        scope(|scope| {
            scope.spawn(|| {
                let control = loop {
                    match child.look() {
                        Some(Work::Control(control)) => break control,
                        _ => spin_loop(),
                    }
                };
                assert_eq!((control.code(), control.args(), control.bytes()), (5, [6; 4], &[7][..]));
            });
            core::mem::forget(pair.parent().request(5, [6; 4], &[7]).expect("the child serves"));
        });
    });
}

/// An answer ends the wait for it.
///
/// Catches `control-no-ring`, `event-prepare-fence`.
#[test]
fn an_answer_wakes_who_waits_for_it() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        let request = pair.parent().request(1, [1, 0, 0, 0], &[1]).expect("the child serves");
        let Some(Work::Control(control)) = child.look() else { unreachable!("it was asked before") };
        scope(|scope| {
            scope.spawn(|| control.answer([2, 0, 0, 0], &[2]));
            let answer = request.wait(None).expect("it was answered");
            assert_eq!((answer.results[0], &answer.bytes[..]), (2, &[2][..]));
        });
    });
}

/// An answer that a child gives just before it leaves is the answer: the parent does not take the request for lost.
///
/// Catches `control-early-look`, `life-look`.
#[test]
fn an_answer_before_leaving_is_not_lost() {
    model(|| {
        let pair = Pair::new();
        scope(|scope| {
            let child = pair.child(Generation::FIRST);
            let mut request = pair.parent().request(1, [1, 0, 0, 0], &[1]).expect("the child serves");
            let Some(Work::Control(control)) = child.look() else { unreachable!("it was asked before") };
            scope.spawn(move || {
                if let Some(answer) = request.look() {
                    assert_eq!(answer.expect("it was answered").results[0], 2);
                }
            });
            control.answer([2, 0, 0, 0], &[2]);
            let _ = child.leave();
        });
    });
}

/// A request that meets a shutdown is answered if the child has taken it, and refused if not: it is never lost, its answer
/// never dropped, and nobody waits for ever.
///
/// Catches `mailbox-no-ring`, `event-notify-fence`.
#[test]
fn a_request_that_meets_a_shutdown_is_answered_or_refused() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        let served = AtomicU32::new(0);
        let request = pair.parent().request(21, [21, 0, 0, 0], &[21]).expect("the child serves");
        scope(|scope| {
            scope.spawn(|| serve(child, &served));
            pair.parent().shut_down();
            match request.wait(None) {
                Ok(answer) => {
                    assert_eq!((answer.results[0], &answer.bytes[..]), (42, &[42][..]));
                    assert_eq!(served.load(Ordering::Relaxed), 1);
                }
                Err(ControlError::NotUp { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        });
    });
}

/// A request that its maker gives up while the child answers it leaves the frame to the next one, whoever was first.
///
/// Catches `frame-abandoned`.
#[test]
fn an_abandoned_request_frees_its_frame() {
    model(|| {
        let pair = Pair::new();
        let child = pair.child(Generation::FIRST);
        let request = pair.parent().request(1, [1, 0, 0, 0], &[1]).expect("the child serves");
        let Some(Work::Control(control)) = child.look() else { unreachable!("it was asked before") };
        scope(|scope| {
            scope.spawn(|| {
                assert_eq!(control.bytes(), [1]);
                control.answer([2, 0, 0, 0], &[2]);
            });
            drop(request);
            // The frame is free once the child has let go of it.
            if let Ok(mut next) = pair.parent().request(3, [3, 0, 0, 0], &[3]) {
                let Some(Work::Control(control)) = child.look() else { unreachable!("it was asked before") };
                control.answer([6, 0, 0, 0], &[6]);
                let answer = next.look().expect("it was answered").expect("it was answered well");
                assert_eq!(answer.results[0], 6);
            }
        });
        let _ = pair.parent().request(4, [4, 0, 0, 0], &[4]).expect("the frame is free in the end");
    });
}
