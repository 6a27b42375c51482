//! Chips, members of groups and workers between that end at every point of their life: what the run says, what goes on, and
//! that the next run is clean. Where the outcome of a task was told before its child ended, the task has succeeded.

use std::time::Duration;

use prewire_chip::{Chip, ChipBuilder, Core};
use prewire_test_support::Held;
use prewire_worker::{Act, Args, Builder, Callable, Error, Fault, Point, Reason, Worker};

use super::{assert_works, count};

/// The points at which a child can end while it serves, and whether the task that it has then is lost.
const POINTS: [(Point, bool); 6] = [
    (Point::Ready, false),
    (Point::Taken, true),
    (Point::Calling, true),
    (Point::Returned, true),
    (Point::Told, false),
    (Point::Reported, false),
];

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

/// Adds one to each element of its tensor, on a core.
fn on_a_chip() -> Callable {
    Callable::chip_program("on a chip", |chip: &Chip| {
        let add = chip.kernel("add", Core::Aiv, |k| {
            k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x += 1.0);
            Ok(())
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
            orch.submit(&add).inout(&args.tensor(0)?).go().map(drop)
        })
    })
}

/// A tree with a fault at `point`, unless it ended so soon that its start has seen it.
fn started(tree: Builder, point: Point) -> Option<Worker> {
    match tree.start() {
        Ok(node) => Some(node),
        Err(Error::Start { why, .. }) if point == Point::Ready => {
            assert!(why.contains("killed by") || why.contains("exited"), "{why}");
            None
        }
        Err(error) => panic!("{point:?}: {error}"),
    }
}

/// Runs two tasks on the child of that name, whose first one the fault is for, and others that have nothing to do with it.
fn through(tree: Builder, child: &str, act: Act, point: Point, lost: bool, callable: &Callable) {
    let tree = tree.subs(1).callable(callable).callable(&count()).fault(Fault::new(child, act, point));
    let Some(node) = started(tree, point) else { return };
    let (x, y) = (node.zeros::<f32>(&[4]).unwrap(), node.zeros::<f32>(&[4]).unwrap());
    let result = node.run(|orch| {
        for _ in 0..2 {
            orch.submit(callable).to(child).inout(&x).go()?;
        }
        for _ in 0..20 {
            orch.submit(&count()).inout(&y).go()?;
        }
        Ok(())
    });
    match result {
        Err(Error::Task(failure)) if lost => {
            let Reason::Died(death) = &failure.reason else { panic!("{point:?}: {failure}") };
            assert!(death.pid.is_some() && death.exit.is_some(), "{point:?}: {failure}");
            assert!(failure.site.is_some_and(|site| site.file().ends_with("ends.rs")), "{failure}");
            assert_eq!(failure.skipped, 1, "{point:?}: what depends on it is skipped: {failure}");
        }
        Ok(report) if !lost => {
            assert_eq!(report.executed, 22, "{point:?}");
            assert_eq!(node.read::<f32>(&x).unwrap(), [2.0; 4], "{point:?}");
        }
        other => panic!("{act:?} at {point:?}: {other:?}"),
    }
    assert_eq!(node.read::<f32>(&y).unwrap(), [20.0; 4], "{point:?}: all else went on");
    assert_works(&node, 3);
    let again = node.zeros::<f32>(&[4]).unwrap();
    node.run(|orch| orch.submit(callable).to(child).inout(&again).go().map(drop))
        .unwrap_or_else(|error| panic!("{point:?}: the next run is clean: {error}"));
    assert_eq!(node.read::<f32>(&again).unwrap(), [1.0; 4]);
    node.close().unwrap();
}

pub(crate) fn a_chip_may_end_at_every_point_in_every_way() {
    let held = Held::now();
    for (point, lost) in POINTS {
        for act in [Act::Kill, Act::Crash, Act::Exit] {
            through(Worker::node().chips(2, chip()), "chip0", act, point, lost, &on_a_chip());
        }
    }
    held.assert_same();
}

pub(crate) fn a_worker_between_may_end_at_every_point() {
    let held = Held::now();
    let add = Callable::orchestration("add", |orch, args| {
        let x = args.tensor(0)?;
        orch.submit(&count()).inout(&x).go().map(drop)
    });
    for (point, lost) in POINTS {
        let inner = Worker::node().subs(1).callable(&count());
        through(Worker::network(4).child(inner), "worker0", Act::Kill, point, lost, &add);
    }
    held.assert_same();
}

pub(crate) fn a_member_that_ends_fails_its_group_once() {
    for (point, lost) in POINTS {
        let (program, count) = (on_a_chip(), count());
        let tree = Worker::node().chips(3, chip()).subs(1).callable(&program).callable(&count);
        let Some(node) = started(tree.fault(Fault::new("chip1", Act::Kill, point)), point) else { continue };
        let parts: Vec<_> = (0..3).map(|_| node.zeros::<f32>(&[4]).unwrap()).collect();
        let y = node.zeros::<f32>(&[4]).unwrap();
        let result = node.run(|orch| {
            let mut group = orch.group(&program);
            for (at, part) in parts.iter().enumerate() {
                group = group.member(&format!("chip{at}")).inout(part);
            }
            let group = group.go()?;
            orch.submit(&count).inout(&parts[1]).go()?;
            orch.submit(&count).inout(&y).after(&group).go()?;
            Ok(())
        });
        match result {
            Err(Error::Task(failure)) if lost => {
                let seen = (failure.worker.as_str(), failure.member, failure.skipped);
                assert_eq!(seen, ("node/chip1", (1, 3), 2), "{failure}");
                assert_eq!(node.read::<f32>(&y).unwrap(), [0.0; 4]);
            }
            Ok(_) if !lost => assert_eq!(node.read::<f32>(&parts[1]).unwrap(), [2.0; 4]),
            other => panic!("{point:?}: {other:?}"),
        }
        for other in [0, 2] {
            assert_eq!(node.read::<f32>(&parts[other]).unwrap(), [1.0; 4], "its peers went on");
        }
        assert_works(&node, 2);
        node.close().unwrap();
    }
}

pub(crate) fn members_that_wait_for_one_that_is_gone_are_ended() {
    // As in a collective: each waits for the others in memory that they share, of which nobody else knows.
    let meets = Callable::chip_program("meets", |_| {
        Ok(|_: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
            if args.scalar::<u32>(0)? == 1 {
                std::process::exit(7);
            }
            loop {
                std::thread::yield_now();
            }
        })
    });
    let works = on_a_chip();
    let tree = Worker::node().chips(3, chip()).callable(&meets).callable(&works);
    let node = tree.group_limit(Duration::from_millis(100)).start().unwrap();
    let before = node.processes();
    let result = node.run(|orch| {
        let group =
            (0..3u32).fold(orch.group(&meets), |group, at| group.member(&format!("chip{at}")).scalar(at));
        group.go().map(drop)
    });
    // No deadline ends this run. What went wrong first is told, not what was done about it.
    let Err(Error::Task(failure)) = result else { panic!("{result:?}") };
    assert_eq!((failure.worker.as_str(), failure.member), ("node/chip1", (1, 3)), "{failure}");
    assert!(failure.to_string().contains("exited with code 7"), "{failure}");
    let x = node.zeros::<f32>(&[4]).unwrap();
    node.run(|orch| {
        (0..3).try_for_each(|at| orch.submit(&works).to(&format!("chip{at}")).inout(&x).go().map(drop))
    })
    .unwrap();
    assert_eq!(node.read::<f32>(&x).unwrap(), [3.0; 4]);
    assert!(node.processes().iter().zip(&before).all(|(now, then)| now != then), "all three were replaced");
    node.close().unwrap();
}

pub(crate) fn a_child_that_panics_in_its_task_says_so_and_serves_on() {
    let tree = Worker::node().subs(1).callable(&count());
    let node = tree.fault(Fault::new("sub0", Act::Panic, Point::Calling)).start().unwrap();
    let (x, before) = (node.zeros::<f32>(&[4]).unwrap(), node.processes());
    let error = node.run(|orch| orch.submit(&count()).inout(&x).go().map(drop)).unwrap_err().to_string();
    assert!(error.contains("panicked") && error.contains("a fault was set here"), "{error}");
    assert_eq!(before, node.processes(), "a panic is contained");
    assert_works(&node, 2);
    node.close().unwrap();
}
