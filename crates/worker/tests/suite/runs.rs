//! Runs of a worker and their handles: order, waits, deadlines, cancels, panics. The children are threads.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Gate, axpy, next};
use prewire_test_support::Watchdog;
use prewire_worker::{Error, Worker};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn launched_runs_follow_one_another() {
    let _watchdog = Watchdog::new(LIMIT);
    let axpy = axpy();
    let node = Worker::node().subs(2).threads().callable(&axpy).start().unwrap();
    let (x, y) = (node.tensor(&[1.0f32], &[1]).unwrap(), node.zeros::<f32>(&[1]).unwrap());
    let order = Arc::new(Mutex::new(Vec::new()));
    let runs: Vec<_> = (0..5)
        .map(|i| {
            let (axpy, x, y, order) = (axpy.clone(), x.tensor(), y.tensor(), Arc::clone(&order));
            node.launch(move |orch| {
                order.lock().unwrap().push(i);
                for _ in 0..10 {
                    orch.submit(&axpy).input(&x).inout(&y).scalar(1.0f32).go()?;
                }
                Ok(())
            })
            .unwrap()
        })
        .collect();
    for run in runs {
        assert_eq!(run.wait().unwrap().tasks, 10);
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(node.read::<f32>(&y).unwrap(), [50.0]);
}

#[test]
fn a_cancelled_run_finishes_what_runs_and_skips_the_rest() {
    let _watchdog = Watchdog::new(LIMIT);
    let (gate, next) = (Gate::default(), next());
    let hold = gate.function("hold");
    let node = Worker::node().subs(1).threads().callable(&hold).callable(&next).start().unwrap();
    let (x, y) = (node.zeros::<f32>(&[4]).unwrap(), node.zeros::<f32>(&[4]).unwrap());
    let (holds, steps, from, to) = (hold.clone(), next.clone(), x.tensor(), y.tensor());
    let run = node
        .launch(move |orch| {
            orch.submit(&holds).go()?;
            // One is staged behind it, the others wait in the queue.
            for _ in 0..5 {
                orch.submit(&steps).input(&from).output_into(&to).go()?;
            }
            Ok(())
        })
        .unwrap();
    gate.wait_for(1);
    let doing = run.wait_for(Duration::ZERO).unwrap_err();
    assert!(doing.contains("node/sub0 runs task 0:0 (\"hold\", submitted at"), "{doing}");
    run.cancel();
    assert!(run.root_cause().unwrap().contains("cancelled"));
    gate.open();
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    assert_eq!(node.read::<f32>(&y).unwrap(), [0.0; 4]);
    node.run(|orch| orch.submit(&next).input(&x).output_into(&y).go().map(drop)).unwrap();
    assert_eq!(node.read::<f32>(&y).unwrap(), [1.0; 4]);
}

#[test]
fn a_thread_that_outlasts_its_deadline_costs_the_worker_and_nothing_hangs() {
    let _watchdog = Watchdog::new(LIMIT);
    outlast(true);
    outlast(false);
}

fn outlast(launched: bool) {
    let gate = Gate::default();
    let hold = gate.function("hold");
    let tree = Worker::node().subs(1).threads().callable(&hold).close_limit(Duration::from_millis(50));
    let node = tree.start().unwrap();
    let hangs = hold.clone();
    let orchestration = move |orch: &mut prewire_worker::Orch<'_>| {
        orch.deadline(Duration::from_millis(20));
        orch.submit(&hangs).go().map(drop)
    };
    let error = if launched {
        node.launch(orchestration).unwrap().wait().unwrap_err().to_string()
    } else {
        node.run(orchestration).unwrap_err().to_string()
    };
    for part in ["deadline of 20ms", "node/sub0 runs task 0:0 (\"hold\""] {
        assert!(error.contains(part), "{error}");
    }
    let lost = node.run(|_| Ok(())).unwrap_err().to_string();
    assert!(lost.contains("cannot be used any more"), "{lost}");
    let closed = node.close().unwrap_err().to_string();
    assert!(closed.contains("sub0"), "{closed}");
    gate.open();
}

#[test]
fn a_deadline_that_is_kept_changes_nothing() {
    let _watchdog = Watchdog::new(LIMIT);
    let axpy = axpy();
    let tree = Worker::node().subs(1).threads().callable(&axpy).deadline(Duration::from_secs(60));
    let node = tree.start().unwrap();
    let (x, y) = (node.tensor(&[1.0f32], &[1]).unwrap(), node.zeros::<f32>(&[1]).unwrap());
    for _ in 0..3 {
        node.run(|orch| orch.submit(&axpy).input(&x).inout(&y).scalar(1.0f32).go().map(drop)).unwrap();
    }
    assert_eq!(node.read::<f32>(&y).unwrap(), [3.0]);
}

#[test]
fn panics_errors_and_calls_from_inside_end_in_order() {
    let _watchdog = Watchdog::new(LIMIT);
    let axpy = axpy();
    let node = Arc::new(Worker::node().subs(1).threads().callable(&axpy).start().unwrap());
    let (x, y) = (node.tensor(&[1.0f32], &[1]).unwrap(), node.zeros::<f32>(&[1]).unwrap());
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| node.run(|_| panic!("on purpose"))));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
    let run = node.launch(|_| panic!("again")).unwrap();
    let error = run.wait().unwrap_err().to_string();
    assert!(error.contains("panicked: again") && error.contains("suite/runs.rs"), "{error}");
    let fails = |orch: &mut prewire_worker::Orch<'_>| {
        orch.fail(std::io::Error::other("enough"));
        let refused = orch.submit(&axpy).input(&x).inout(&y).scalar(1.0f32).go().unwrap_err();
        assert!(refused.to_string().contains("the run has ended"), "{refused}");
        Ok(())
    };
    assert!(matches!(node.run(fails), Err(Error::User(error)) if error.to_string() == "enough"));
    let inside = Arc::clone(&node);
    node.run(|_| {
        assert!(matches!(inside.run(|_| Ok(())), Err(Error::InsideRun { .. })));
        assert!(matches!(inside.close(), Err(Error::InsideRun { .. })));
        Ok(())
    })
    .unwrap();
    node.run(|orch| orch.submit(&axpy).input(&x).inout(&y).scalar(2.0f32).go().map(drop)).unwrap();
    assert_eq!(node.read::<f32>(&y).unwrap(), [2.0]);
}

#[test]
fn a_worker_that_is_closed_refuses_and_closes_once() {
    let _watchdog = Watchdog::new(LIMIT);
    let (gate, axpy) = (Gate::default(), axpy());
    let hold = gate.function("hold");
    let node = Worker::node().subs(1).threads().callable(&hold).callable(&axpy).start().unwrap();
    let held = hold.clone();
    let first = node.launch(move |orch| orch.submit(&held).go().map(drop)).unwrap();
    let second = node.launch(|_| Ok(())).unwrap();
    gate.wait_for(1);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| node.close());
        while second.root_cause().is_none() {
            std::thread::yield_now();
        }
        gate.open();
        closing.join().unwrap().unwrap();
    });
    assert!(matches!(first.wait(), Err(Error::Cancelled)));
    assert!(matches!(second.wait(), Err(Error::Cancelled)));
    node.close().unwrap();
    assert!(matches!(node.run(|_| Ok(())), Err(Error::Lost { .. } | Error::Cancelled)));
    assert!(node.launch(|_| Ok(())).is_err());
}
