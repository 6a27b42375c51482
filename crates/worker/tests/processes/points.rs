//! A child that ends, or stands still, at each state of its mailbox: the points are in its code, so nothing is left to luck.

use std::time::Duration;

use prewire_chip::{Chip, ChipBuilder};
use prewire_test_support::Held;
use prewire_worker::{Act, Error, Fault, Point, Reason, Worker};

use super::{assert_works, count, replaced_by};

/// Points between taking a task and telling its outcome: the task is lost there.
const AT_WORK: [Point; 3] = [Point::Taken, Point::Calling, Point::Returned];
/// The outcome is told there.
const AFTER: [Point; 2] = [Point::Told, Point::Reported];

fn node(act: Act, point: Point) -> Worker {
    Worker::node().subs(1).callable(&count()).fault(Fault::new("sub0", act, point).nth(2)).start().unwrap()
}

/// Three runs of two tasks each, and a fault at the second task.
fn run(act: Act, point: Point, ends: &str) {
    let node = node(act, point);
    let number = node.processes()[0].unwrap();
    let (first, second) = (node.zeros::<f32>(&[4]).unwrap(), node.zeros::<f32>(&[4]).unwrap());
    let result = node.run(|orch| {
        let a = orch.submit(&count()).inout(&first).go()?;
        // The fault comes here.
        let b = orch.submit(&count()).inout(&second).go()?;
        orch.submit(&count()).inout(&second).after(&b).go()?;
        orch.submit(&count()).inout(&first).after(&a).go().map(drop)
    });
    let context = format!("{act:?} at {point:?}");
    let done = node.read::<f32>(&second).unwrap()[0];
    if AT_WORK.contains(&point) {
        let Err(Error::Task(failure)) = result else { panic!("{context}: the task was lost") };
        let Reason::Died(death) = &failure.reason else { panic!("{context}: {failure}") };
        assert_eq!((death.pid, failure.skipped), (Some(number), 1), "{context}: {failure}");
        let text = failure.to_string();
        assert!(
            text.contains(ends) && text.contains("points.rs") && text.contains("node/sub0"),
            "{context}: {text}"
        );
        assert_eq!(done, if point == Point::Returned { 1.0 } else { 0.0 }, "{context}");
    } else {
        assert!(result.is_ok(), "{context}: {result:?}");
        assert_eq!(done, 2.0, "{context}: what was told is done, once");
    }
    assert_eq!(node.read::<f32>(&first).unwrap(), [2.0; 4], "{context}: what does not depend on it goes on");
    replaced_by(&node, 0, number);
    assert_works(&node, 5);
    node.close().unwrap();
}

pub(crate) fn a_child_that_dies_at_any_state_loses_what_it_runs_and_no_more() {
    let before = Held::now();
    for point in AT_WORK.into_iter().chain(AFTER) {
        for (act, ends) in [
            (Act::Kill, "killed by SIGKILL (9)"),
            (Act::Crash, "killed by SIGSEGV (11)"),
            (Act::Exit, "exited with code 7"),
            (Act::Panic, "exited with code 101"),
        ] {
            // What panics in a callable is its outcome.
            if (act, point) != (Act::Panic, Point::Calling) {
                run(act, point, ends);
            }
        }
    }
    before.assert_same();
}

pub(crate) fn a_child_that_stands_still_is_killed_at_the_deadline_and_no_sooner() {
    for point in AT_WORK.into_iter().chain(AFTER) {
        let node = node(Act::Stop, point);
        let number = node.processes()[0].unwrap();
        let x = node.zeros::<f32>(&[4]).unwrap();
        let result = node.run(|orch| {
            orch.deadline(Duration::from_millis(300));
            (0..3).try_for_each(|_| orch.submit(&count()).inout(&x).go().map(drop))
        });
        let text = result.map(drop).expect_err(&format!("{point:?}: it did not stop")).to_string();
        assert!(text.contains("300ms") && text.contains("node/sub0"), "{point:?}: {text}");
        let done = if AT_WORK[..2].contains(&point) { 1.0 } else { 2.0 };
        assert_eq!(node.read::<f32>(&x).unwrap(), [done; 4], "{point:?}");
        // One that had told its outcome runs nothing, so nobody kills it at the deadline; closing does.
        if AT_WORK.contains(&point) {
            replaced_by(&node, 0, number);
            assert_works(&node, 5);
        }
    }
}

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

pub(crate) fn a_request_is_answered_or_lost_with_its_child() {
    for (point, answered) in [(Point::Asked, false), (Point::Answered, true)] {
        for act in [Act::Kill, Act::Crash, Act::Exit, Act::Panic] {
            let tree = Worker::node().chips(1, chip()).subs(1).callable(&count());
            let node = tree.fault(Fault::new("chip0", act, point).nth(2)).start().unwrap();
            let number = node.processes()[0].unwrap();
            let device = node.device("chip0").unwrap();
            device.ping().unwrap();
            match device.ping() {
                Ok(()) => assert!(answered, "{act:?} at {point:?}"),
                Err(error) => {
                    let text = error.to_string();
                    let named = text.contains("ping on node/chip0") && text.contains("is no more");
                    assert!(!answered && named, "{act:?} at {point:?}: {text}");
                }
            }
            replaced_by(&node, 0, number);
            device.ping().unwrap();
            assert_works(&node, 2);
            node.close().unwrap();
        }
    }
}

pub(crate) fn a_child_that_dies_as_it_leaves_or_as_it_begins_to_serve_is_contained() {
    let before = Held::now();
    for act in [Act::Kill, Act::Crash, Act::Exit, Act::Panic] {
        let tree = Worker::node().subs(2).callable(&count()).fault(Fault::new("sub0", act, Point::Leaving));
        let node = tree.start().unwrap();
        assert_works(&node, 5);
        // It is gone either way.
        let _ = node.close();
        drop(node);
        before.assert_same();
        let tree = Worker::node().subs(2).callable(&count()).fault(Fault::new("sub0", act, Point::Ready));
        match tree.start() {
            Ok(node) => assert_works(&node, 20),
            Err(error) => assert!(error.to_string().contains("node/sub0"), "{error}"),
        }
        before.assert_same();
    }
}
