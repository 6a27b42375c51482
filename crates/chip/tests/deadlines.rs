//! Runs that are ended because they take too long, and what becomes of kernels that never return.
mod common;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use common::slow::{LONG, SHORT, chip, stalled, stuck, until_ended, waits};
use common::{Gate, add, dog, refused, says, still_works};
use prewire_chip::{Chip, Core, Error, ErrorCode, StallClass, StallReason};

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
    let running = kernel.running.expect("its run had a deadline");
    assert!(running > Duration::ZERO && running < LONG, "{running:?}");
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
        let chip = chip().deadline(LONG).patience(SHORT).build().unwrap();
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

/// Passes a gate when it is dropped.
struct Tells(Arc<Gate>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.pass();
    }
}

#[test]
fn a_lost_chip_lets_its_memory_go_when_the_kernel_returns_after_all() {
    let _dog = dog();
    for (builder, deadline) in [(chip(), SHORT), (chip().seed(1), Duration::from_secs(1))] {
        let chip = builder.patience(SHORT).build().unwrap();
        let gone = Gate::new();
        let tells = Tells(Arc::clone(&gone));
        let holds = move |_: &mut prewire_chip::KernelCtx<'_>| {
            let _held = &tells;
            Ok(())
        };
        // The chip keeps its kernels as long as anything.
        drop(chip.kernel("holds", Core::Aiv, holds).unwrap());
        let go = lose(&chip, true, deadline);
        drop(chip);
        assert_eq!(gone.passed(), 0, "the kernel still runs");
        go.pass();
        gone.wait(1);
    }
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
    let chip = chip().deadline(LONG).patience(SHORT).build().unwrap();
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
    let run = chip.launch(stuck(&began, &go)).unwrap();
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
