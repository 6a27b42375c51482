//! Submits to a worker: edges from memory, explicit ones, scopes, groups, and what is refused. The children are threads:
//! what is shown here does not depend on where they run.

use std::time::Duration;

use crate::common::{Gate, axpy, bad, next};
use prewire_chip::{DataType, RingSizes};
use prewire_test_support::Watchdog;
use prewire_worker::{Builder, Callable, Error, Worker};

const LIMIT: Duration = Duration::from_secs(60);

fn node(subs: usize) -> Builder {
    Worker::node().subs(subs).threads()
}

fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    assert!(parts.iter().all(|part| text.contains(part)), "{parts:?} is not all in: {text}");
}

#[test]
fn edges_follow_from_memory() {
    let _watchdog = Watchdog::new(LIMIT);
    let axpy = axpy();
    let node = node(3).callable(&axpy).start().unwrap();
    let (x, y) = (node.tensor(&[1.0f32; 64], &[64]).unwrap(), node.tensor(&[0.0f32; 64], &[64]).unwrap());
    let report = node
        .run(|orch| {
            for round in 0..200 {
                // Writes y, then reads y and writes x: each needs the one before.
                orch.submit(&axpy).input(&x).inout(&y).scalar(1.0f32).go()?;
                orch.submit(&axpy)
                    .input(&y)
                    .inout(&x)
                    .scalar(if round % 2 == 0 { -1.0f32 } else { 1.0 })
                    .go()?;
            }
            Ok(())
        })
        .unwrap();
    let (mut a, mut b) = (1.0f32, 0.0f32);
    for round in 0..200 {
        b += a;
        a += if round % 2 == 0 { -b } else { b };
    }
    assert_eq!(node.read::<f32>(&y).unwrap(), [b; 64]);
    assert_eq!(node.read::<f32>(&x).unwrap(), [a; 64]);
    assert_eq!((report.tasks, report.executed), (400, 400));
}

#[test]
fn outputs_live_in_scopes_and_their_memory_comes_around() {
    let _watchdog = Watchdog::new(LIMIT);
    let (next, axpy) = (next(), axpy());
    let rings = RingSizes::default().with_window(8).with_heap(16 << 10);
    let node = node(2).rings(rings).callable(&next).callable(&axpy).start().unwrap();
    let (x, sum) = (node.tensor(&[0.0f32; 256], &[256]).unwrap(), node.zeros::<f32>(&[256]).unwrap());
    node.run(|orch| {
        for _ in 0..100 {
            orch.scope(|orch| {
                let one = orch.submit(&next).input(&x).output(&[256], DataType::F32).go()?;
                let two = orch.submit(&next).input(&one).output(&[256], DataType::F32).go()?;
                orch.submit(&axpy).input(&two).inout(&sum).scalar(0.5f32).go().map(drop)
            })?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(node.read::<f32>(&sum).unwrap(), [100.0; 256]);
}

#[test]
fn views_of_one_buffer_that_do_not_meet_are_not_ordered() {
    let _watchdog = Watchdog::new(LIMIT);
    let gate = Gate::default();
    let hold = gate.function("hold");
    let node = node(4).callable(&hold).start().unwrap();
    let grid = node.zeros::<f32>(&[4, 64]).unwrap();
    node.run(|orch| {
        for column in 0..4 {
            orch.submit(&hold).inout(&grid.view(&[0, 16 * column], &[4, 16])?).go()?;
        }
        // All four run at the same time, or this would wait for ever.
        gate.wait_for(4);
        gate.open();
        Ok(())
    })
    .unwrap();
}

#[test]
fn the_host_reads_and_writes_in_order() {
    let _watchdog = Watchdog::new(LIMIT);
    let axpy = axpy();
    let node = node(2).callable(&axpy).start().unwrap();
    let (x, y) = (node.tensor(&[2.0f32], &[1]).unwrap(), node.tensor(&[1.0f32], &[1]).unwrap());
    node.run(|orch| {
        orch.submit(&axpy).input(&x).inout(&y).scalar(3.0f32).go()?;
        assert_eq!(orch.read::<f32>(&y, &[0])?, 7.0);
        orch.write(&x, &[0], 10.0f32)?;
        orch.submit(&axpy).input(&x).inout(&y).scalar(1.0f32).go()?;
        assert_eq!(orch.read::<f32>(&y, &[0])?, 17.0);
        says(&orch.read::<i32>(&y, &[0]).unwrap_err(), &["suite/submit.rs", "not of the type"]);
        says(&orch.read::<f32>(&y, &[1]).unwrap_err(), &["there is no such element"]);
        Ok(())
    })
    .unwrap();
}

#[test]
fn explicit_edges_order_what_memory_does_not() {
    let _watchdog = Watchdog::new(LIMIT);
    let (gate, next) = (Gate::default(), next());
    let hold = gate.function("hold");
    let node = node(2).callable(&hold).callable(&next).start().unwrap();
    let (x, y) = (node.zeros::<f32>(&[8]).unwrap(), node.zeros::<f32>(&[8]).unwrap());
    node.run(|orch| {
        let first = orch.submit(&hold).go()?;
        let dummy = orch.dummy().after(&first).go()?;
        orch.submit(&next).input(&x).output_into(&y).after(&dummy).go()?;
        gate.wait_for(1);
        assert_eq!(orch.children().count(), 2);
        gate.open();
        assert_eq!(orch.read::<f32>(&y, &[3])?, 1.0);
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_failed_task_is_the_cause_and_what_depends_on_it_is_skipped() {
    let _watchdog = Watchdog::new(LIMIT);
    let (bad, next) = (bad(), next());
    let node = node(2).callable(&bad).callable(&next).start().unwrap();
    let (x, y, z) = (
        node.zeros::<f32>(&[8]).unwrap(),
        node.zeros::<f32>(&[8]).unwrap(),
        node.zeros::<f32>(&[8]).unwrap(),
    );
    let error = node
        .run(|orch| {
            orch.submit(&bad).inout(&x).go()?;
            orch.submit(&next).input(&x).output_into(&y).go()?;
            orch.submit(&next).input(&y).output_into(&y.view(&[0], &[8])?).go().unwrap_err();
            orch.submit(&next).input(&z).output_into(&z).go().unwrap_err();
            Ok(())
        })
        .unwrap_err();
    says(&error, &["task 0:0 (\"bad\") on node/sub", "suite/submit.rs", "no such luck", "1 further task"]);
    assert_eq!(node.read::<f32>(&y).unwrap(), [0.0; 8], "what depends on it did not run");
    node.run(|orch| orch.submit(&next).input(&z).output_into(&y).go().map(drop)).unwrap();
    assert_eq!(node.read::<f32>(&y).unwrap(), [1.0; 8], "the next run is clean");
}

#[test]
fn unordered_tasks_that_conflict_are_an_error_and_no_race() {
    let _watchdog = Watchdog::new(LIMIT);
    let gate = Gate::default();
    let hold = gate.function("hold");
    let node = node(2).callable(&hold).start().unwrap();
    let grid = node.zeros::<f32>(&[4, 64]).unwrap();
    let error = node
        .run(|orch| {
            orch.manual_scope(|orch| {
                let left = grid.view(&[0, 0], &[4, 32])?;
                orch.submit(&hold).inout(&left).go()?;
                gate.wait_for(1);
                orch.submit(&hold).inout(&grid.view(&[0, 32], &[4, 32])?).go()?;
                gate.wait_for(2);
                gate.open();
                Ok(())
            })
        })
        .and_then(|_| {
            let gate = Gate::default();
            let again = gate.function("again");
            node.register(&again)?;
            node.run(|orch| {
                orch.manual_scope(|orch| {
                    orch.submit(&again).inout(&grid).go()?;
                    gate.wait_for(1);
                    let refused = orch.submit(&again).input(&grid.view(&[1, 1], &[1, 1])?).go()?;
                    let host = orch.read::<f32>(&grid, &[0, 0]).unwrap_err();
                    says(&host, &["uses the element"]);
                    gate.open();
                    drop(refused);
                    Ok(())
                })
            })
        })
        .unwrap_err();
    says(&error, &["uses memory that task", "at the same time", "add an edge"]);
}

#[test]
fn what_cannot_be_submitted_is_refused_with_its_place() {
    let _watchdog = Watchdog::new(LIMIT);
    let (next, other) = (next(), axpy());
    let program = Callable::orchestration("program", |_, _| Ok(()));
    let node_ = node(1).callable(&next).callable(&program).start().unwrap();
    let foreign = node(1).start().unwrap();
    let theirs = foreign.zeros::<f32>(&[8]).unwrap();
    let (x, empty) = (node_.zeros::<f32>(&[8]).unwrap(), node_.zeros::<f32>(&[0]).unwrap());
    let dropped = node_.zeros::<f32>(&[8]).unwrap().tensor();
    node_
        .run(|orch| {
            let site = "suite/submit.rs";
            let submit = orch.submit(&other).go();
            says(&submit.unwrap_err(), &[site, "host function \"axpy\"", "not registered"]);
            let submit = orch.submit(&program).go();
            says(&submit.unwrap_err(), &[site, "runs on one child", "to()"]);
            let submit = orch.submit(&next).to("sub7").go();
            says(&submit.unwrap_err(), &[site, "\"next\"", "node has no child \"sub7\"; it has sub0"]);
            let submit = orch.submit(&program).to("sub0").go();
            says(&submit.unwrap_err(), &[site, "SUB workers are not named"]);
            let submit = orch.submit(&next).input(&theirs).output_into(&x).go();
            says(&submit.unwrap_err(), &[site, "argument 0", "another chip or worker"]);
            let submit = orch.submit(&next).input(&x).output_into(&dropped).go();
            says(&submit.unwrap_err(), &[site, "argument 1", "dropped"]);
            let submit = orch.submit(&next).input(&empty).go();
            says(&submit.unwrap_err(), &[site, "argument 0 has no elements"]);
            let submit = orch.submit(&next).input(&x).inout(&x).go();
            says(&submit.unwrap_err(), &[site, "touch the same bytes"]);
            let submit = orch.group(&next).input(&x).go();
            says(&submit.unwrap_err(), &[site, "begin a member"]);
            let submit = orch.group(&next).go();
            says(&submit.unwrap_err(), &[site, "no members"]);
            let submit = orch.submit(&next).member("sub0").go();
            says(&submit.unwrap_err(), &[site, "only a group has members"]);
            let many = (0..500).fold(orch.submit(&next), |submit, _| submit.input(&x));
            says(&many.go().unwrap_err(), &[site, "500 tensors", "split the task"]);
            assert_eq!(orch.tasks(), 0, "nothing of a refused task exists");
            Ok(())
        })
        .unwrap();
}

#[test]
fn shared_memory_that_is_used_up_is_told_and_comes_back() {
    let _watchdog = Watchdog::new(LIMIT);
    let node = node(1).memory_limit(8 << 10).start().unwrap();
    let (held, other) = (node.zeros::<f32>(&[1024]).unwrap(), node.zeros::<f32>(&[512]).unwrap());
    let error = node.zeros::<f32>(&[1024]).unwrap_err();
    says(&error, &["shared memory of node is used up", "4096 bytes wanted", "6144 of 8192", "memory_limit"]);
    drop((held, other));
    drop(node.zeros::<f32>(&[2048]).unwrap());
    let large = self::node(1).memory_limit(1 << 46).start().unwrap();
    let error = large.zeros::<u64>(&[1 << 20, 1 << 20]).unwrap_err();
    says(&error, &["shared memory of node", "8796093022208 bytes wanted", "this machine"]);
}

#[test]
fn a_task_with_as_much_as_a_message_holds_arrives_whole() {
    let _watchdog = Watchdog::new(LIMIT);
    let sum = Callable::host_function("sum", |args| {
        let all: u64 = (0..args.scalars()).map(|i| args.scalar::<u64>(i)).sum::<Result<_, _>>()?;
        let inputs = (1..args.tensors()).map(|i| Ok(args.input::<u64>(i)?.iter().sum::<u64>()));
        let inputs: u64 = inputs.sum::<Result<u64, prewire_worker::KernelError>>()?;
        args.output::<u64>(0)?.set(&[0], all + inputs)
    });
    let node = node(1).callable(&sum).start().unwrap();
    let (x, out) = (node.tensor(&[3u64; 8], &[8]).unwrap(), node.zeros::<u64>(&[1]).unwrap());
    node.run(|orch| {
        let mut submit = orch.submit(&sum).output_into(&out);
        for _ in 0..380 {
            submit = submit.input(&x);
        }
        for i in 0..500u64 {
            submit = submit.scalar(i);
        }
        submit.go().map(drop)
    })
    .unwrap();
    assert_eq!(node.read::<u64>(&out).unwrap(), [380 * 24 + 499 * 500 / 2]);
}
