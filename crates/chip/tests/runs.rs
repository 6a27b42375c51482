//! Runs that go on by themselves: waited for, cancelled, given deadlines, and what becomes of kernels that never return.
mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::{Gate, Log, add, dog, fails, here, refused, says, still_works};
use prewire_chip::{
    Chip, ChipBuilder, Core, Error, ErrorCode, Kept, Kernel, Mix, Run, StallClass, StallReason, StallReport,
};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);
/// Shorter than anybody notices.
const SHORT: Duration = Duration::from_millis(20);

fn chip() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2)
}

/// A kernel that passes `began` and then waits until `go` was passed once.
fn waits(chip: &Chip, name: &str, began: &Arc<Gate>, go: &Arc<Gate>) -> Kernel {
    let (began, go) = (Arc::clone(began), Arc::clone(go));
    let body = move |_: &mut prewire_chip::KernelCtx<'_>| {
        began.pass();
        go.wait(1);
        Ok(())
    };
    chip.kernel(name, Core::Aiv, body).unwrap()
}

/// The stall that ended a run.
#[track_caller]
fn stalled<T: std::fmt::Debug>(result: Result<T, Error>) -> StallReport {
    match result {
        Err(error @ Error::Stalled(_)) => {
            assert_eq!(error.code(), Some(ErrorCode::SchedulerTimeout));
            let Error::Stalled(report) = error else { unreachable!() };
            *report
        }
        other => panic!("not a stall: {other:?}"),
    }
}

/// Waits until the run has a root cause: until somebody has ended it.
fn until_ended(run: &Run) {
    while run.root_cause().is_none() {
        assert!(run.wait_for(Duration::from_millis(1)).is_err(), "it is over without a root cause");
    }
}

#[test]
fn launched_runs_follow_one_another_in_order() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (add, log) = (add(&chip), Log::default());
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let runs: Vec<Run> = (0..20)
        .map(|i| {
            let (add, x, log) = (add.clone(), x.tensor(), log.clone());
            let orchestration = move |orch: &mut prewire_chip::Orch<'_>| {
                log.note(i);
                orch.submit(&add).inout(&x).scalar(i as i32).go().map(drop)
            };
            chip.launch(orchestration).unwrap()
        })
        .collect();
    for run in runs {
        let report = run.wait().unwrap();
        assert_eq!((report.tasks, report.executed), (1, 1));
    }
    assert_eq!(log.take(), (0..20).collect::<Vec<_>>());
    assert_eq!(chip.read::<i32>(&x).unwrap(), [190; 4]);
}

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

#[test]
fn a_cancelled_run_finishes_what_runs_and_skips_the_rest() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (began, go, submitted, refusal) = (Gate::new(), Gate::new(), Gate::new(), Gate::new());
    let slow = waits(&chip, "slow", &began, &go);
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let (add, tensor, kernel) = (add(&chip), x.tensor(), slow.clone());
    let (told, cancelled, counted) = (Arc::clone(&submitted), Arc::clone(&refusal), add.clone());
    let run = chip
        .launch(move |orch| {
            orch.submit(&kernel).inout(&tensor).go()?;
            for _ in 0..10 {
                orch.submit(&counted).inout(&tensor).scalar(1i32).go()?;
            }
            told.pass();
            cancelled.wait(1);
            let refused = orch.submit(&counted).inout(&tensor).scalar(1i32).go().unwrap_err();
            says(&refused, &["the run has ended"]);
            refused_calls(orch);
            Err(refused)
        })
        .unwrap();
    submitted.wait(1);
    began.wait(1);
    run.cancel();
    run.cancel();
    assert!(run.root_cause().unwrap().contains("cancelled"));
    refusal.pass();
    assert!(run.wait_for(SHORT).is_err(), "a kernel of it runs");
    go.pass();
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    assert_eq!(chip.read::<i32>(&x).unwrap(), [0; 4]);
    still_works(&chip, &add);
}

/// Every call after the end is refused, and changes nothing.
fn refused_calls(orch: &mut prewire_chip::Orch<'_>) {
    refused(orch.alloc(&[4], prewire_chip::DataType::I32), &["the run has ended"]);
    refused(orch.scope(|_| Ok(())), &["the run has ended"]);
    refused(orch.manual_scope(|_| Ok(())), &["the run has ended"]);
    refused(orch.dummy().go(), &["the run has ended"]);
}

#[test]
fn a_run_that_is_cancelled_before_its_turn_does_nothing() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let slow = waits(&chip, "slow", &began, &go);
    let first = chip.launch(move |orch| orch.submit(&slow).go().map(drop)).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let second = chip
        .launch(move |_| {
            noted.note(2);
            Ok(())
        })
        .unwrap();
    began.wait(1);
    second.cancel();
    assert_eq!((first.root_cause(), second.root_cause()), (None, None));
    go.pass();
    assert_eq!(first.wait().unwrap().tasks, 1);
    assert!(matches!(second.wait(), Err(Error::Cancelled)));
    assert_eq!(log.take(), []);
}

#[test]
fn the_root_cause_is_what_came_first() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (fails, again) = (fails(&chip), Gate::new());
    let held = Arc::clone(&again);
    let run = chip
        .launch(move |orch| {
            orch.submit(&fails).go()?;
            held.wait(1);
            Ok(())
        })
        .unwrap();
    until_ended(&run);
    assert!(run.root_cause().unwrap().contains("out of luck"));
    run.cancel();
    again.pass();
    assert!(run.wait_for(LONG).is_ok());
    assert!(run.root_cause().unwrap().contains("out of luck"));
    says(&run.wait().unwrap_err(), &["out of luck"]);
}

#[test]
fn a_run_that_declares_itself_failed_is_over_for_every_later_call() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let add = add(&chip);
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let error = chip
        .run(|orch| {
            orch.fail(std::io::Error::other("the model is inconsistent"));
            refused_calls(orch);
            orch.fail(std::io::Error::other("a later reason"));
            let _ = orch.submit(&add).inout(&x).scalar(1i32).go();
            Ok(())
        })
        .unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::ExplicitOrchFatal));
    says(&error, &["the model is inconsistent"]);
    assert_eq!(chip.read::<i32>(&x).unwrap(), [0; 4]);
    still_works(&chip, &add);
}

#[test]
fn a_deadline_ends_the_run_and_a_kernel_that_returns_in_time_keeps_the_chip() {
    let _dog = dog();
    let chip = chip().patience(LONG).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let (tensor, counted) = (x.tensor(), add.clone());
    let run = chip
        .launch(move |orch| {
            orch.submit(&slow).inout(&tensor).go()?;
            began.wait(1);
            orch.deadline(SHORT);
            orch.submit(&counted).inout(&tensor).scalar(1i32).go().map(drop)
        })
        .unwrap();
    until_ended(&run);
    go.pass();
    let report = stalled(run.wait());
    assert_eq!((report.reason, report.class), (StallReason::Deadline(SHORT), StallClass::Running));
    assert_eq!(chip.read::<i32>(&x).unwrap(), [0; 4], "what waited did not run");
    assert_eq!(chip.lost(), None);
    chip.run(|orch| orch.submit(&add).inout(&x).scalar(1i32).go().map(drop)).unwrap();
    assert_eq!(chip.read::<i32>(&x).unwrap(), [1; 4]);
}

#[test]
fn a_program_that_never_waits_has_a_deadline_too() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let add = add(&chip);
    let result = chip.run(|orch| {
        orch.deadline(SHORT);
        // Without end, and never in a wait: dummies are gone before the window is full.
        loop {
            orch.scope(|orch| orch.dummy().go().map(drop))?;
        }
    });
    assert_eq!(stalled(result).reason, StallReason::Deadline(SHORT));
    still_works(&chip, &add);
}

/// Runs a kernel that never returns, and checks what is said about it. Hands back what lets it return.
fn lose(chip: &Chip, launched: bool, deadline: Duration) -> Arc<Gate> {
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, x) = (waits(chip, "never", &began, &go), chip.zeros::<i32>(&[4]).unwrap());
    let tensor = x.tensor();
    let site = &format!("{}:{}:", file!(), line!() + 2);
    let orchestration = move |orch: &mut prewire_chip::Orch<'_>| {
        orch.submit(&slow).inout(&tensor).go()?;
        if deadline == SHORT {
            // It is to have begun by then.
            began.wait(1);
        }
        orch.deadline(deadline);
        orch.submit(&slow).inout(&tensor).go().map(drop)
    };
    let result = if launched { chip.launch(orchestration).unwrap().wait() } else { chip.run(orchestration) };
    let report = stalled(result);
    assert_eq!((report.reason, report.class), (StallReason::Deadline(deadline), StallClass::Running));
    let [kernel] = &report.running[..] else { panic!("one kernel runs: {report}") };
    assert_eq!((kernel.task.kernel.as_str(), kernel.core.0, kernel.block), ("never", Core::Aiv, 0));
    assert!(kernel.running > Duration::ZERO && kernel.running < LONG, "{:?}", kernel.running);
    assert!(kernel.task.site.unwrap().to_string().starts_with(site.as_str()));
    let lost = chip.lost().expect("a kernel did not return");
    for part in ["kernel \"never\"", "on AIV core ", site] {
        assert!(lost.contains(part), "{part:?} is not in\n{lost}");
    }
    for refused in [
        chip.run(|_| Ok(())).map(drop),
        chip.launch(|_| Ok(())).map(drop),
        chip.read::<i32>(&x).map(drop),
        chip.write(&x, &[1i32; 4]),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, Error::Lost { .. }));
        says(&error, &["the chip is lost: ", "kernel \"never\"", site]);
    }
    // No wait for the kernel's end, which does not come before this test is over.
    drop(x);
    go
}

#[test]
fn a_kernel_that_never_returns_is_named_and_costs_the_chip_and_nothing_else() {
    let _dog = dog();
    for launched in [false, true] {
        let chip = chip().patience(SHORT).build().unwrap();
        let go = lose(&chip, launched, SHORT);
        drop(chip);
        // The kernel returns into a chip that is gone.
        go.pass();
    }
}

#[test]
fn a_kernel_that_never_returns_is_named_by_a_seeded_chip_too() {
    let _dog = dog();
    let chip = chip().seed(1).patience(SHORT).build().unwrap();
    // The kernel runs on the thread of the run, when that waits: the deadline is one that it comes to that before.
    let go = lose(&chip, true, Duration::from_secs(1));
    drop(chip);
    go.pass();
}

#[test]
fn a_process_with_a_kernel_that_never_returns_ends() {
    let _dog = dog();
    let me = std::env::current_exe().unwrap();
    let ended =
        Command::new(me).args(["--exact", "child_that_loses_its_chip", "--ignored"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{ended:?}");
}

#[test]
#[ignore = "runs in a process of its own"]
fn child_that_loses_its_chip() {
    let chip = chip().patience(SHORT).build().unwrap();
    let _never = lose(&chip, false, SHORT);
}

#[test]
fn an_orchestration_that_never_returns_costs_the_chip() {
    let _dog = dog();
    let chip = chip().deadline(SHORT).patience(SHORT).build().unwrap();
    let (go, held) = (Gate::new(), Gate::new());
    let (wait, tell) = (Arc::clone(&go), Arc::clone(&held));
    let run = chip
        .launch(move |_| {
            wait.wait(1);
            tell.pass();
            Ok(())
        })
        .unwrap();
    let waits_behind = chip.launch(|_| Ok(())).unwrap();
    let report = stalled(run.wait());
    assert_eq!(report.class, StallClass::Orchestration);
    assert!(report.to_string().contains("orchestrator: in the program's own code"), "{report}");
    assert!(chip.lost().unwrap().contains(concat!("the orchestration of the run at ", file!())));
    refused(chip.run(|_| Ok(())), &["the chip is lost"]);
    go.pass();
    held.wait(1);
    assert!(matches!(waits_behind.wait(), Err(Error::Lost { .. })));
}

#[test]
fn a_run_that_stands_still_is_ended_when_that_was_asked_for() {
    let _dog = dog();
    let chip = chip().stall_timeout(SHORT).patience(LONG).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let run = chip
        .launch(move |orch| {
            orch.submit(&slow).go()?;
            began.wait(1);
            Ok(())
        })
        .unwrap();
    until_ended(&run);
    go.pass();
    let report = stalled(run.wait());
    assert_eq!((report.reason, report.class), (StallReason::NoProgress(SHORT), StallClass::Running));
    assert_eq!(report.class.code(), 1);
    still_works(&chip, &add);
}

#[test]
fn an_orchestration_that_waits_too_long_for_an_element_is_told_so() {
    let _dog = dog();
    let chip = chip().patience(LONG).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let tensor = x.tensor();
    let run = chip
        .launch(move |orch| {
            orch.submit(&slow).inout(&tensor).go()?;
            began.wait(1);
            orch.deadline(SHORT);
            orch.read::<i32>(&tensor, &[0]).map(drop)
        })
        .unwrap();
    until_ended(&run);
    go.pass();
    let error = run.wait().unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::TensorWaitTimeout));
    says(&error, &["orchestrator: waits for an element that task 0:0 uses", "kernel \"slow\""]);
    still_works(&chip, &add);
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

#[test]
fn a_panic_of_a_launched_orchestration_is_an_error_of_the_run() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let add = add(&chip);
    let run = chip.launch(|_| panic!("no such layer")).unwrap();
    let error = run.wait().unwrap_err();
    says(&error, &["no such layer", &format!("{}:{}:", file!(), line!() - 2)]);
    assert!(matches!(error, Error::Panicked { .. }));
    still_works(&chip, &add);
}

#[test]
fn dropping_the_chip_cancels_what_was_launched() {
    let _dog = dog();
    let chip = chip().patience(LONG).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let slow = waits(&chip, "slow", &began, &go);
    let first = chip.launch(move |orch| orch.submit(&slow).go().map(drop)).unwrap();
    let log = Log::default();
    let noted = log.clone();
    let second = chip
        .launch(move |_| {
            noted.note(1);
            Ok(())
        })
        .unwrap();
    began.wait(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            until_ended(&first);
            go.pass();
        });
        drop(chip);
    });
    assert!(matches!(first.wait(), Err(Error::Cancelled)));
    assert!(matches!(second.wait(), Err(Error::Cancelled)));
    assert_eq!(log.take(), []);
}

#[test]
fn a_chip_whose_kernel_never_returns_is_dropped_within_its_patience() {
    let _dog = dog();
    let chip = chip().patience(SHORT).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let slow = waits(&chip, "slow", &began, &go);
    let run = chip.launch(move |orch| orch.submit(&slow).go().map(drop)).unwrap();
    began.wait(1);
    drop(chip);
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    go.pass();
}

#[test]
fn a_run_whose_orchestration_never_returns_is_given_up_with_its_chip() {
    let _dog = dog();
    let chip = chip().patience(SHORT).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (tell, wait) = (Arc::clone(&began), Arc::clone(&go));
    let run = chip
        .launch(move |_| {
            tell.pass();
            wait.wait(1);
            Ok(())
        })
        .unwrap();
    began.wait(1);
    std::thread::scope(|scope| {
        // Waits before the chip is dropped, or after: it returns either way.
        let waiting = scope.spawn(|| run.wait());
        drop(chip);
        let error = waiting.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Stalled(_) | Error::Cancelled), "{error}");
    });
    go.pass();
}

#[test]
fn limits_at_the_ends_of_their_range_are_limits() {
    let _dog = dog();
    let max = Duration::MAX;
    let chip = chip().deadline(max).stall_timeout(max).patience(max).build().unwrap();
    let add = add(&chip);
    let run = chip.launch(|orch| orch.dummy().go().map(drop)).unwrap();
    assert!(run.wait_for(max).is_ok());
    run.wait().unwrap();
    still_works(&chip, &add);
    drop(chip);

    let chip = self::chip().deadline(Duration::ZERO).patience(Duration::ZERO).build().unwrap();
    assert_eq!(stalled(chip.run(|orch| orch.dummy().go().map(drop))).class, StallClass::Orchestration);
}

#[test]
fn a_chip_may_be_dropped_last_by_its_own_run() {
    let _dog = dog();
    let chip = Arc::new(chip().build().unwrap());
    let (add, held) = (add(&chip), Gate::new());
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let (mine, wait, tensor) = (Arc::clone(&chip), Arc::clone(&held), x.tensor());
    let run = chip
        .launch(move |orch| {
            wait.wait(1);
            orch.submit(&add).inout(&tensor).scalar(1i32).go()?;
            drop(mine);
            Ok(())
        })
        .unwrap();
    drop(chip);
    held.pass();
    // It is over, one way or the other: the drop cancels the run if it comes before the task has begun.
    match run.wait() {
        Err(Error::Cancelled) => {}
        other => panic!("the chip was dropped in the middle of it: {other:?}"),
    }
}

#[test]
fn a_run_is_not_waited_for_from_inside_a_run() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let inner = chip.launch(|_| Ok(())).unwrap();
    chip.run(|orch| {
        refused(inner.wait(), &["Run::wait was called inside a run or a kernel"]);
        orch.dummy().go().map(drop)
    })
    .unwrap();
}

#[test]
fn runs_do_not_influence_each_other() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (add, fails) = (add(&chip), fails(&chip));
    let x = chip.zeros::<i32>(&[4]).unwrap();
    for round in 1..=50 {
        let (fails, tensor) = (fails.clone(), x.tensor());
        let failing = chip.launch(move |orch| orch.submit(&fails).inout(&tensor).go().map(drop)).unwrap();
        let cancelled = chip.launch(|_| Ok(())).unwrap();
        cancelled.cancel();
        let (add, tensor) = (add.clone(), x.tensor());
        let right =
            chip.launch(move |orch| orch.submit(&add).inout(&tensor).scalar(1i32).go().map(drop)).unwrap();
        says(&failing.wait().unwrap_err(), &["out of luck", here!().split(':').next().unwrap()]);
        let _ = cancelled.wait();
        right.wait().unwrap();
        assert_eq!(chip.read::<i32>(&x).unwrap(), [round; 4]);
    }
}
