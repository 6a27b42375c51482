//! Runs that go on by themselves: waited for, cancelled, dropped, and none of them another's business.
mod common;

use std::sync::Arc;

use common::slow::{LONG, SHORT, chip, until_ended, waits};
use common::{Gate, Log, add, dog, fails, here, refused, says, still_works};
use prewire_chip::{DataType, Error, ErrorCode, RingSizes, Run};

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

/// A run finds its slots where those of the run before were, whatever has become of that: all that has completed is told of, if not at once.
#[test]
fn runs_begin_in_the_same_slots() {
    const WINDOW: u32 = 64;
    let _dog = dog();
    for seeded in [true, false] {
        let builder = chip().rings(RingSizes::default().with_window(WINDOW));
        let chip = if seeded { builder.seed(3) } else { builder }.build().unwrap();
        let (add, fails) = (add(&chip), fails(&chip));
        let x = chip.zeros::<i32>(&[4]).unwrap();
        let begun = |run: u32| {
            let mut first = None;
            let ended = chip.run(|orch| {
                first = Some(orch.dummy().go()?.id().local());
                orch.scope(|orch| {
                    let made = orch.alloc(&[4], DataType::I32)?;
                    orch.submit(&add).inout(&made).scalar(1i32).go()
                })?;
                if run % 3 == 1 {
                    orch.submit(&fails).inout(&x).go()?;
                }
                orch.submit(&add).inout(&x).scalar(1i32).go().map(drop)
            });
            assert_eq!(ended.is_err(), run % 3 == 1, "{ended:?}");
            first.expect("it began") % WINDOW
        };
        let others = (0..30).map(begun).filter(|&slot| slot != 0).count();
        // Threads may have yet to say what they have completed when the next run begins.
        assert!(others <= if seeded { 0 } else { 5 }, "{others} of 30 runs began elsewhere");
    }
}
