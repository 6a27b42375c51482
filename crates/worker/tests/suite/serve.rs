//! What a child does with what it is asked to run: chip programs, host functions, orchestrations below; and how what goes
//! wrong there is told.

use std::time::Duration;

use prewire_chip::{Chip, ChipBuilder, Core, DataType, KernelError};
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_test_support::Watchdog;
use prewire_worker::{Args, Callable, Error, Reason, Worker};

use crate::common::{LIMIT, axpy, bad, next, says};

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).threads(1)
}

/// `y = a * x`, by one kernel; `prepared` counts how often it was prepared.
fn scale(prepared: &'static AtomicU32) -> Callable {
    Callable::chip_program("scale", move |chip| {
        prepared.fetch_add(1, Ordering::Relaxed);
        let scale = chip.kernel("scale", Core::Aiv, |k| {
            let (a, x) = (k.scalar::<f32>(0)?, k.input::<f32>(0)?);
            k.output::<f32>(1)?.as_mut_slice()?.iter_mut().zip(x.iter()).for_each(|(y, x)| *y = a * x);
            Ok(())
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, args: &Args<'_>| {
            let (x, y) = (args.tensor(0)?, args.tensor(1)?);
            orch.submit(&scale).input(&x).output_into(&y).scalar(args.scalar::<f32>(0)?).go().map(drop)
        })
    })
}

/// A chip program whose every task is `body`.
fn program(
    name: &str,
    body: impl Fn(&mut prewire_chip::Orch<'_>, &Args<'_>) -> Result<(), prewire_chip::Error>
    + Clone
    + Send
    + Sync
    + 'static,
) -> Callable {
    Callable::chip_program(name, move |_| Ok(body.clone()))
}

fn reason(error: Error) -> String {
    match error {
        Error::Task(failure) => match failure.reason {
            Reason::Said(text) => text,
            other => panic!("it did not say so: {other}"),
        },
        other => panic!("no task failed: {other}"),
    }
}

#[test]
fn chips_are_prepared_once_and_work_where_everybody_sees_it() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    let _watchdog = Watchdog::new(LIMIT);
    let (scale, axpy) = (scale(&PREPARED), axpy());
    let node =
        Worker::node().chips(2, chip()).subs(1).callable(&scale).callable(&axpy).threads().start().unwrap();
    let x = node.tensor(&[1.0f32, 2.0, 3.0, 4.0], &[4]).unwrap();
    let sum = node.zeros::<f32>(&[4]).unwrap();
    let report = node
        .run(|orch| {
            for chip in ["chip0", "chip1"] {
                for a in [2.0f32, 3.0] {
                    let y =
                        orch.submit(&scale).to(chip).input(&x).output(&[4], DataType::F32).scalar(a).go()?;
                    orch.submit(&axpy).input(&y).inout(&sum).scalar(1.0f32).go()?;
                }
            }
            Ok(())
        })
        .unwrap();
    assert_eq!(node.read::<f32>(&sum).unwrap(), [10.0, 20.0, 30.0, 40.0]);
    assert_eq!((report.executed, PREPARED.load(Ordering::Relaxed)), (8, 2));
}

#[test]
fn views_reach_a_chip_as_they_are() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    let _watchdog = Watchdog::new(LIMIT);
    let scale = scale(&PREPARED);
    let node = Worker::node().chips(1, chip()).callable(&scale).threads().start().unwrap();
    let data: Vec<f32> = (0..16).map(|i| i as f32).collect();
    let (x, y) = (node.tensor(&data, &[4, 4]).unwrap(), node.zeros::<f32>(&[2, 2]).unwrap());
    let inner = x.view(&[1, 1], &[2, 2]).unwrap();
    let turned = inner.transpose(0, 1).unwrap();
    for (view, expected) in [(inner, [10.0, 12.0, 18.0, 20.0]), (turned, [10.0, 18.0, 12.0, 20.0])] {
        node.run(|orch| {
            orch.submit(&scale).to("chip0").input(&view).output_into(&y).scalar(2.0f32).go().map(drop)
        })
        .unwrap();
        assert_eq!(node.read::<f32>(&y).unwrap(), expected);
    }
}

#[test]
fn what_goes_wrong_on_a_chip_is_told_with_its_text() {
    let _watchdog = Watchdog::new(LIMIT);
    let kernel = Callable::chip_program("bad kernel", |chip| {
        let bad = chip.kernel("spoilt", Core::Aiv, |_| Err(KernelError::new("no such luck")))?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, _: &Args<'_>| orch.submit(&bad).go().map(drop))
    });
    let tensor = program("tensor 3", |_, args| args.tensor(3).map(drop));
    let scalar = program("scalar 1", |_, args| args.scalar::<u32>(1).map(drop));
    let panics = program("panics", |_, _| panic!("of all things"));
    let unfit = Callable::chip_program("unfit", |chip| {
        chip.kernel("twice", Core::Aiv, |_| Ok(()))?;
        chip.kernel("twice", Core::Aiv, |_| Ok(()))?;
        Ok(|_: &mut prewire_chip::Orch<'_>, _: &Args<'_>| Ok(()))
    });
    let fine = program("fine", |_, args| {
        assert_eq!((args.tensors(), args.scalars()), (1, 1));
        Ok(())
    });
    let all = [&kernel, &tensor, &scalar, &panics, &unfit, &fine];
    let tree = all.iter().fold(Worker::node().chips(1, chip()), |tree, callable| tree.callable(callable));
    let node = tree.threads().start().unwrap();
    let x = node.zeros::<f32>(&[4]).unwrap();
    let run = |callable: &Callable| {
        node.run(|orch| orch.submit(callable).to("chip0").input(&x).scalar(1u32).go().map(drop))
    };
    for (callable, parts) in [
        (&kernel, &["spoilt", "no such luck", "serve.rs"][..]),
        (&tensor, &["argument 3", "1 tensor"]),
        (&scalar, &["scalar 1", "1 scalar"]),
        (&panics, &["panicked", "of all things"]),
        (&unfit, &["could not be prepared", "twice"]),
        // Not again: its first kernel is there.
        (&unfit, &["could not be prepared", "twice"]),
    ] {
        let text = reason(run(callable).unwrap_err());
        assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} is not all in: {text}");
        run(&fine).unwrap();
    }
}

#[test]
fn what_is_passed_to_be_read_is_read_only_at_every_level() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    let _watchdog = Watchdog::new(LIMIT);
    let scale = scale(&PREPARED);
    let next = next();
    let overwrite = {
        let next = next.clone();
        Callable::orchestration("overwrite", move |orch, args: &Args<'_>| {
            let x = args.tensor(0)?;
            orch.submit(&next).input(&x).output_into(&x).go().map(drop)
        })
    };
    let poke =
        Callable::orchestration("poke", |orch, args: &Args<'_>| orch.write(&args.tensor(0)?, &[0], 7.0f32));
    let below = Worker::node().subs(1).callable(&next).threads();
    let tree = Worker::network(4).child(below).callable(&overwrite).callable(&poke);
    let top = tree.threads().start().unwrap();
    let x = top.tensor(&[1.0f32], &[1]).unwrap();
    for callable in [&overwrite, &poke] {
        let error = top.run(|orch| orch.submit(callable).to("worker0").input(&x).go().map(drop)).unwrap_err();
        says(&error, &["argument", "to be read"]);
        assert_eq!(top.read::<f32>(&x).unwrap(), [1.0]);
    }
    top.run(|orch| orch.submit(&poke).to("worker0").inout(&x).go().map(drop)).unwrap();
    assert_eq!(top.read::<f32>(&x).unwrap(), [7.0]);

    let node = Worker::node().chips(1, chip()).callable(&scale).threads().start().unwrap();
    let (x, y) = (node.zeros::<f32>(&[1]).unwrap(), node.zeros::<f32>(&[1]).unwrap());
    let error = node
        .run(|orch| orch.submit(&scale).to("chip0").input(&x).input(&y).scalar(1.0f32).go().map(drop))
        .unwrap_err();
    says(&error, &["argument 1", "to be read"]);
}

#[test]
fn a_worker_below_orchestrates_for_itself() {
    let _watchdog = Watchdog::new(LIMIT);
    let (axpy, bad) = (axpy(), bad());
    let sum = {
        let axpy = axpy.clone();
        Callable::orchestration("sum", move |orch, args: &Args<'_>| {
            let (x, y) = (args.tensor(0)?, args.tensor(1)?);
            let part = orch.alloc(&[2], DataType::F32)?;
            for i in 0..2 {
                orch.write(&part, &[i], 0.0f32)?;
            }
            orch.submit(&axpy).input(&x).inout(&part).scalar(args.scalar::<f32>(0)?).go()?;
            orch.submit(&axpy).input(&part).inout(&y).scalar(1.0f32).go()?;
            // Waits for both.
            let (part, y): (f32, f32) = (orch.read(&part, &[1])?, orch.read(&y, &[1])?);
            assert!(part > 0.0 && y >= part);
            Ok(())
        })
    };
    let fails = {
        let bad = bad.clone();
        Callable::orchestration("fails", move |orch, _: &Args<'_>| orch.submit(&bad).go().map(drop))
    };
    let panics = Callable::orchestration("panics", |_, _: &Args<'_>| panic!("of all things"));
    let keeps =
        Callable::orchestration("keeps", |_, args: &Args<'_>| args.tensor(7).map(drop).map_err(Error::from));
    let node = |name: &str| Worker::node().name(name).subs(2).threads().callable(&axpy).callable(&bad);
    let tree =
        [&sum, &fails, &panics, &keeps].into_iter().fold(Worker::network(4), |tree, c| tree.callable(c));
    let top = tree.child(node("left")).child(node("right")).threads().start().unwrap();
    let x = top.tensor(&[1.0f32, 2.0], &[2]).unwrap();
    let y = top.zeros::<f32>(&[2]).unwrap();
    top.run(|orch| {
        for (node, a) in [("left", 10.0f32), ("right", 100.0), ("left", 1000.0)] {
            orch.submit(&sum).to(node).input(&x).inout(&y).scalar(a).go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(top.read::<f32>(&y).unwrap(), [1110.0, 2220.0]);
    for (callable, parts) in [
        (&fails, ["\"bad\"", "network1/right/sub", "no such luck"]),
        (&panics, ["panicked", "of all things", "network1/right"]),
        (&keeps, ["argument 7", "0 tensors", "network1/right"]),
    ] {
        let error = top.run(|orch| orch.submit(callable).to("right").go().map(drop)).unwrap_err();
        says(&error, &parts);
        top.run(|orch| orch.submit(&sum).to("right").input(&x).inout(&y).scalar(1.0f32).go().map(drop))
            .unwrap();
    }
    assert_eq!(top.read::<f32>(&y).unwrap(), [1113.0, 2226.0]);
    top.close().unwrap();
}

#[test]
fn callables_must_not_wait_for_the_worker_that_waits_for_them() {
    use std::sync::{Arc, OnceLock, Weak};
    let _watchdog = Watchdog::new(LIMIT);
    let at: Arc<OnceLock<Weak<Worker>>> = Arc::default();
    let inside = {
        let at = Arc::clone(&at);
        Callable::host_function("inside", move |_| {
            let worker = at.get().and_then(Weak::upgrade).ok_or(KernelError::new("not there"))?;
            worker.run(|_| Ok(())).map(drop).map_err(|error| KernelError::new(error.to_string()))
        })
    };
    let node = Arc::new(Worker::node().subs(1).callable(&inside).threads().start().unwrap());
    at.set(Arc::downgrade(&node)).unwrap();
    let error = node.run(|orch| orch.submit(&inside).go().map(drop)).unwrap_err();
    says(&error, &["Worker::run", "between runs"]);
}

#[test]
fn a_chip_that_is_lost_in_a_thread_says_so_and_is_replaced() {
    static PREPARED: AtomicU32 = AtomicU32::new(0);
    static OPEN: AtomicU32 = AtomicU32::new(0);
    let _watchdog = Watchdog::new(LIMIT);
    let scale = scale(&PREPARED);
    let stuck = Callable::chip_program("stuck", |chip| {
        let stuck = chip.kernel("stuck kernel", Core::Aiv, |_| {
            while OPEN.load(Ordering::Relaxed) == 0 {
                std::thread::yield_now();
            }
            Ok(())
        })?;
        Ok(move |orch: &mut prewire_chip::Orch<'_>, _: &Args<'_>| orch.submit(&stuck).go().map(drop))
    });
    let limit = Duration::from_millis(50);
    let tree =
        Worker::node().chips(1, chip().deadline(limit).patience(limit)).callable(&scale).callable(&stuck);
    let node = tree.threads().start().unwrap();
    let (x, y) = (node.tensor(&[4.0f32], &[1]).unwrap(), node.zeros::<f32>(&[1]).unwrap());
    let far = node.device("chip0").unwrap().tensor(&[1.0f32], &[1]).unwrap();
    let error = node.run(|orch| orch.submit(&stuck).to("chip0").go().map(drop)).unwrap_err();
    says(&error, &["stuck kernel", "node/chip0"]);
    // What the new one runs, it was prepared for anew.
    node.run(|orch| orch.submit(&scale).to("chip0").input(&x).output_into(&y).scalar(2.0f32).go().map(drop))
        .unwrap();
    assert_eq!((node.read::<f32>(&y).unwrap(), PREPARED.load(Ordering::Relaxed)), (vec![8.0], 1));
    let error = node.read::<f32>(&far).unwrap_err();
    says(&error, &["no device allocation"]);
    OPEN.store(1, Ordering::Relaxed);
    node.close().unwrap();
}
