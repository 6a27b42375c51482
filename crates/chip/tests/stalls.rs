//! What a stall report says.
mod common;

use std::sync::Arc;
use std::time::Duration;

use common::slow::{chip, waits};
use common::{Gate, add, dog};
use prewire_chip::{Core, Kept, Mix, StallClass, StallReason};

#[test]
fn a_wait_with_a_limit_says_what_the_run_is_doing_and_lets_it_go_on() {
    let _dog = dog();
    let chip = chip().rings(prewire_chip::RingSizes::default().with_window(4)).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let slow = waits(&chip, "slow", &began, &go);
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let (tensor, kernel) = (x.tensor(), slow.clone());
    let run = chip
        .launch(move |orch| {
            orch.scope(|orch| {
                for _ in 0..5 {
                    orch.submit(&kernel).inout(&tensor).go()?;
                }
                Ok(())
            })
        })
        .unwrap();
    began.wait(1);
    // The orchestrator comes to stand at the fourth submit, however long that takes.
    let report = loop {
        let report = run.wait_for(Duration::from_millis(1)).unwrap_err();
        if report.orchestrator.is_some() {
            break report;
        }
    };
    assert_eq!((report.reason, report.class), (StallReason::Asked, StallClass::Running));
    assert_eq!((report.running.len(), report.ready.len(), report.waiting.len()), (1, 0, 2));
    assert_eq!(report.running[0].task.kernel, "slow");
    assert_eq!(report.waiting[0].waits_for, [report.running[0].task.task]);
    let text = report.to_string();
    let parts = [
        "the run is not over: S1 kernels are running",
        "running: task 1:0 (kernel \"slow\"), submitted at ",
        "block 0 on AIV core ",
        "waiting: task 1:1 (kernel \"slow\"), submitted at ",
        "waits for task 1:0",
        "orchestrator: waits for room for a task: 1 slots of ring 1 wanted, 3 of 3 in use (RingSizes::window",
        ", in the scope opened at ",
        "ring 1: 3 tasks alive, the oldest is task 1:0",
        file!(),
    ];
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    assert!(!run.is_over() && run.root_cause().is_none());
    go.pass();
    assert_eq!(run.wait().unwrap().executed, 5);
}

/// What is over is not reported as alive, though nobody has reclaimed it while another kernel runs.
#[test]
fn what_is_over_is_not_the_oldest_that_is_alive() {
    let _dog = dog();
    let chip = chip().domains(1).build().unwrap();
    let (began, [go, stay]) = (Gate::new(), [Gate::new(), Gate::new()]);
    let first = waits(&chip, "first", &began, &go);
    let second = waits(&chip, "second", &began, &stay);
    let run = chip
        .launch(move |orch| {
            orch.submit(&first).go()?;
            orch.submit(&second).go().map(drop)
        })
        .unwrap();
    began.wait(2);
    go.pass();
    let report = loop {
        let report = run.wait_for(Duration::from_millis(1)).unwrap_err();
        if report.running.len() == 1 && report.rings[0].alive < 2 {
            break report;
        }
    };
    assert_eq!((report.rings[0].alive, report.running[0].task.kernel.as_str()), (1, "second"));
    assert!(report.to_string().contains("1 tasks alive, the oldest is task 0:1"), "{report}");
    stay.pass();
    run.wait().unwrap();
}

#[test]
fn what_keeps_the_oldest_task_is_told() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add, release) = (waits(&chip, "slow", &began, &go), add(&chip), Arc::clone(&go));
    let run = chip
        .launch(move |orch| {
            let i32 = prewire_chip::DataType::I32;
            orch.scope(|orch| {
                orch.submit(&add).output(&[4], i32).scalar(1i32).go()?;
                orch.scope(|orch| {
                    let made = orch.submit(&add).output(&[4], i32).scalar(1i32).go()?;
                    orch.submit(&slow).input(&made).go().map(drop)
                })?;
                began.wait(1);
                go.wait(1);
                Ok(())
            })
        })
        .unwrap();
    let report = loop {
        let report = run.wait_for(Duration::from_millis(1)).unwrap_err();
        if !report.running.is_empty() && report.rings.len() == 2 && report.rings[1].kept != Kept::Alive {
            break report;
        }
    };
    let kept: Vec<_> = report.rings.iter().map(|ring| (ring.ring, ring.kept)).collect();
    assert_eq!(kept, [(1, Kept::Scope), (2, Kept::Consumers(1))]);
    let text = report.to_string();
    assert!(
        text.contains("an open scope holds it") && text.contains("1 consumers keep its output"),
        "{text}"
    );
    release.pass();
    run.wait().unwrap();
}

#[test]
fn a_stall_is_classed_by_what_keeps_the_run() {
    let _dog = dog();
    // Nothing runs by itself on a seeded chip: what was submitted stays ready while the program holds the thread.
    let chip = chip().seed(3).build().unwrap();
    let (add, x) = (add(&chip), chip.zeros::<i32>(&[4]).unwrap());
    let (idle, submitted, go) = (Gate::new(), Gate::new(), Gate::new());
    let (tell, told, wait, tensor) = (Arc::clone(&idle), Arc::clone(&submitted), Arc::clone(&go), x.tensor());
    let run = chip
        .launch(move |orch| {
            tell.pass();
            wait.wait(1);
            // Steps may be taken between submits: so many that some are left.
            for _ in 0..100 {
                orch.submit(&add).inout(&tensor).scalar(1i32).go()?;
            }
            told.pass();
            wait.wait(2);
            Ok(())
        })
        .unwrap();
    idle.wait(1);
    let report = run.stall();
    assert_eq!((report.class, report.class.code()), (StallClass::Orchestration, 5));
    go.pass();
    submitted.wait(1);
    let report = run.stall();
    assert_eq!((report.class, report.class.code()), (StallClass::ReadyButIdle, 3));
    assert!(!report.ready.is_empty() && report.waiting.len() > 8);
    assert!(report.to_string().contains("waiting: and "), "{report}");
    go.pass();
    assert_eq!(run.wait().unwrap().tasks, 100);
}

#[test]
fn kernels_that_wait_for_their_peers_are_told_from_those_that_keep_them_waiting() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let meets = chip.kernel("meets", Core::Aic, |k| k.cluster_barrier()).unwrap();
    let (told, wait) = (Arc::clone(&began), Arc::clone(&go));
    let late = chip
        .kernel("late", Core::Aiv, move |k| {
            told.pass();
            wait.wait(1);
            k.cluster_barrier()
        })
        .unwrap();
    let pair = chip.mix("pair", Mix { aic: Some(&meets), aiv0: Some(&late), aiv1: None }).unwrap();
    let run = chip.launch(move |orch| orch.submit(&pair).go().map(drop)).unwrap();
    began.wait(1);
    let report = loop {
        let report = run.wait_for(Duration::from_millis(1)).unwrap_err();
        if report.running.iter().any(|kernel| kernel.at_barrier) {
            break report;
        }
    };
    let seen: Vec<_> = report.running.iter().map(|kernel| (kernel.core.0, kernel.at_barrier)).collect();
    assert_eq!(seen, [(Core::Aic, true), (Core::Aiv, false)]);
    assert!(report.to_string().contains(", at a barrier, waits for its peers"));
    go.pass();
    run.wait().unwrap();
}
