//! Handles from many threads, at bad moments, and around orchestrations that do not come back or throw what throws again.
mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::slow::{LONG, SHORT, chip, stuck, until_ended, waits};
use common::{Gate, Log, add, dog, fails, nop, still_works};
use prewire_chip::{Chip, Core, DataType, Error, KernelCtx, Mix, PredicateOp, RingSizes, Run};

/// Drops with a panic of its own.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("again");
        }
    }
}

/// An error that cannot say what it is.
#[derive(Debug)]
struct Mute;

impl std::fmt::Display for Mute {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no words")
    }
}

impl std::error::Error for Mute {}

/// Cancels a run when it is dropped.
struct Ends(Run);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.cancel();
        let _ = (self.0.root_cause(), self.0.stall());
    }
}

#[test]
fn a_handle_goes_from_thread_to_thread() {
    fn sent<T: Send + Sync>() {}
    sent::<Run>();
}

#[test]
fn what_waits_behind_an_orchestration_that_never_returns_is_over_when_the_chip_is_lost() {
    let _dog = dog();
    let chip = chip().deadline(SHORT).patience(SHORT).build().unwrap();
    let go = Gate::new();
    let held = Arc::clone(&go);
    // Nobody waits for the first: those who wait for others see to its deadline.
    let first = chip
        .launch(move |_| {
            held.wait(1);
            Ok(())
        })
        .unwrap();
    let bomb = Bomb;
    let second = chip
        .launch(move |_| {
            let _ = &bomb;
            Ok(())
        })
        .unwrap();
    // What it has captured asks the chip for something when it is dropped.
    let third = Ends(chip.launch(|_| Ok(())).unwrap());
    let fourth = chip
        .launch(move |_| {
            let _ = &third;
            Ok(())
        })
        .unwrap();
    assert!(matches!(second.wait(), Err(Error::Lost { .. })));
    assert!(matches!(fourth.wait(), Err(Error::Lost { .. })));
    assert!(matches!(chip.run(|_| Ok(())), Err(Error::Lost { .. })));
    assert!(matches!(first.wait(), Err(Error::Stalled(_))));
    go.pass();
}

#[test]
fn what_waits_behind_an_orchestration_that_never_returns_is_over_when_the_chip_is_dropped() {
    let _dog = dog();
    let chip = chip().patience(SHORT).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let first = chip.launch(stuck(&began, &go)).unwrap();
    let second = chip.launch(|_| Ok(())).unwrap();
    began.wait(1);
    drop(chip);
    assert!(matches!(second.wait(), Err(Error::Cancelled)));
    assert!(first.wait().is_err());
    go.pass();
}

#[test]
fn a_deadline_is_kept_while_the_orchestration_computes() {
    let _dog = dog();
    let chip = chip().patience(LONG).build().unwrap();
    let (began, go, held) = (Gate::new(), Gate::new(), Gate::new());
    let (slow, add) = (waits(&chip, "slow", &began, &go), add(&chip));
    let x = chip.zeros::<i32>(&[4]).unwrap();
    let (tensor, counted, wait) = (x.tensor(), add.clone(), Arc::clone(&held));
    let run = chip
        .launch(move |orch| {
            orch.submit(&slow).inout(&tensor).go()?;
            orch.submit(&counted).inout(&tensor).scalar(1i32).go()?;
            began.wait(1);
            orch.deadline(SHORT);
            wait.wait(1);
            Ok(())
        })
        .unwrap();
    until_ended(&run);
    go.pass();
    held.pass();
    assert!(matches!(run.wait(), Err(Error::Stalled(_))));
    assert_eq!((chip.read::<i32>(&x).unwrap(), chip.lost()), (vec![0; 4], None));
    still_works(&chip, &add);
}

#[test]
fn a_run_without_a_kernel_that_runs_never_costs_the_chip() {
    let _dog = dog();
    for _ in 0..20 {
        let chip = chip().deadline(Duration::from_millis(5)).patience(Duration::ZERO).build().unwrap();
        let run = chip.launch(|orch| {
            loop {
                orch.scope(|orch| orch.dummy().go().map(drop))?;
            }
        });
        assert!(matches!(run.unwrap().wait(), Err(Error::Stalled(_))));
        assert_eq!(chip.lost(), None);
    }
}

#[test]
fn what_a_core_was_given_and_had_not_taken_up_does_not_run_after_the_end() {
    let _dog = dog();
    // Two vector cores: each runs one task and has another one waiting.
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let (began, go, submitted, log) = (Gate::new(), Gate::new(), Gate::new(), Log::default());
    let (told, wait, noted) = (Arc::clone(&began), Arc::clone(&go), log.clone());
    let kernel = chip
        .kernel("one after the other", Core::Aiv, move |k| {
            noted.note(k.task().raw());
            told.pass();
            wait.wait(1);
            Ok(())
        })
        .unwrap();
    let all = Arc::clone(&submitted);
    let run = chip
        .launch(move |orch| {
            for _ in 0..50 {
                orch.submit(&kernel).go()?;
            }
            all.pass();
            Ok(())
        })
        .unwrap();
    submitted.wait(1);
    began.wait(2);
    run.cancel();
    go.pass();
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    assert_eq!(log.take().len(), 2, "two ran when the run was cancelled");
}

#[test]
fn the_last_handle_of_a_chip_may_go_in_one_of_its_kernels() {
    let _dog = dog();
    let chip = Arc::new(chip().patience(LONG).build().unwrap());
    let (weak, has, dropped) = (Arc::downgrade(&chip), Gate::new(), Gate::new());
    let (told, wait) = (Arc::clone(&has), Arc::clone(&dropped));
    let kernel = chip
        .kernel("owner", Core::Aiv, move |_| {
            let chip = weak.upgrade();
            told.pass();
            wait.wait(1);
            drop(chip);
            Ok(())
        })
        .unwrap();
    let run = chip.launch(move |orch| orch.submit(&kernel).go().map(drop)).unwrap();
    has.wait(1);
    drop(chip);
    dropped.pass();
    let _ = run.wait();
}

#[test]
fn what_throws_when_it_is_dropped_costs_its_run_and_no_other() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let add = add(&chip);
    let thrown = chip.launch(|_| std::panic::panic_any(Bomb)).unwrap();
    assert!(matches!(thrown.wait(), Err(Error::Panicked { .. })));
    let bomb = Bomb;
    let captured = chip
        .launch(move |_| {
            let _ = &bomb;
            Ok(())
        })
        .unwrap();
    captured.cancel();
    assert!(captured.wait().is_err());
    assert_eq!(chip.launch(|_| Ok(())).unwrap().wait().unwrap().tasks, 0);
    still_works(&chip, &add);
}

#[test]
fn an_end_hits_the_run_that_it_was_meant_for() {
    let _dog = dog();
    for (chip, rounds) in [(chip().build().unwrap(), 400), (chip().seed(7).build().unwrap(), 60)] {
        let (add, fails) = (add(&chip), fails(&chip));
        let x = chip.zeros::<i32>(&[4]).unwrap();
        for round in 0..rounds {
            let (adds, tensor) = (add.clone(), x.tensor());
            let victim = chip.launch(move |orch| {
                for _ in 0..(round % 7) {
                    orch.submit(&adds).inout(&tensor).scalar(1i32).go()?;
                }
                orch.read::<i32>(&tensor, &[0]).map(drop)
            });
            let (victim, adds) = (victim.unwrap(), add.clone());
            let next = chip.launch(move |orch| {
                (0..3).try_for_each(|_| orch.submit(&adds).inout(&tensor).scalar(1i32).go().map(drop))
            });
            let (next, fails) = (next.unwrap(), fails.clone());
            let failing = chip.launch(move |orch| orch.submit(&fails).inout(&tensor).go().map(drop)).unwrap();
            std::thread::scope(|scope| {
                for late in [round % 5, round % 11] {
                    let victim = &victim;
                    scope.spawn(move || {
                        for _ in 0..late {
                            let _ = victim.stall().to_string();
                        }
                        victim.cancel();
                    });
                }
            });
            match victim.wait() {
                Ok(report) => assert_eq!(report.tasks, round % 7),
                Err(Error::Cancelled) => {}
                Err(other) => panic!("{other}"),
            }
            assert_eq!(next.wait().unwrap().executed, 3);
            assert!(matches!(failing.wait(), Err(Error::Task(_))));
        }
    }
}

#[test]
fn a_run_that_is_cancelled_in_the_thick_of_it_drains() {
    let _dog = dog();
    for domains in [1, 3] {
        let rings = RingSizes::default().with_window(16);
        let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(6).domains(domains);
        let chip = builder.rings(rings).patience(LONG).build().unwrap();
        let meet = |k: &mut KernelCtx<'_>| {
            let _ = k.cluster_barrier();
            let _ = k.cohort_barrier();
            Ok(())
        };
        let (cube, vector) =
            (chip.kernel("c", Core::Aic, meet).unwrap(), chip.kernel("v", Core::Aiv, meet).unwrap());
        let mix = chip.mix("m", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) }).unwrap();
        let cohort = chip.kernel("cohort", Core::Aiv, |k| k.cohort_barrier()).unwrap();
        let add = add(&chip);
        for round in 0..150u64 {
            let x = chip.tensor(&[1i32; 4], &[4]).unwrap();
            let (tensor, add, mix, cohort) = (x.tensor(), add.clone(), mix.clone(), cohort.clone());
            let run = chip.launch(move |orch| {
                for i in 0..40 {
                    match (i + round) % 6 {
                        0 => drop(orch.submit(&mix).blocks(5).sync_start().go()?),
                        1 => drop(orch.submit(&cohort).blocks(12).sync_start().go()?),
                        2 => drop(orch.submit(&mix).blocks(9).go()?),
                        3 => {
                            let task = orch.submit(&add).inout(&tensor).scalar(1i32);
                            task.predicate(&tensor, &[0], PredicateOp::Ge, 1).go()?;
                        }
                        4 => orch.scope(|orch| {
                            orch.submit(&cohort).blocks(3).sync_start().go()?;
                            orch.submit(&add).output(&[4], DataType::I32).scalar(1i32).go().map(drop)
                        })?,
                        _ => drop(orch.read::<i32>(&tensor, &[1])?),
                    }
                }
                Ok(())
            });
            let run = run.unwrap();
            // More or fewer looks, so that the end comes sooner or later.
            for _ in 0..round % 29 {
                let _ = run.stall();
            }
            run.cancel();
            drop(x);
            assert!(matches!(run.wait(), Ok(_) | Err(Error::Cancelled)));
        }
        assert_eq!(chip.lost(), None);
        still_works(&chip, &add);
    }
}

#[test]
fn a_chip_is_dropped_in_the_middle_of_its_runs() {
    let _dog = dog();
    for round in 0..60u64 {
        let builder = chip().patience(LONG);
        let chip = if round % 5 == 4 { builder.seed(round).build() } else { builder.build() }.unwrap();
        let (add, x) = (add(&chip), chip.zeros::<i32>(&[4]).unwrap());
        let runs: Vec<Run> = (0..6)
            .map(|_| {
                let (add, tensor) = (add.clone(), x.tensor());
                let body = move |orch: &mut prewire_chip::Orch<'_>| {
                    (0..20).try_for_each(|_| orch.submit(&add).inout(&tensor).scalar(1i32).go().map(drop))
                };
                chip.launch(body).unwrap()
            })
            .collect();
        std::thread::scope(|scope| {
            for run in runs.iter().step_by(2) {
                scope.spawn(move || {
                    run.cancel();
                    let _ = (run.stall(), run.root_cause());
                });
            }
            for _ in 0..round {
                let _ = runs[0].stall();
            }
            drop(chip);
        });
        drop(x);
        for run in runs {
            match run.wait() {
                Ok(_) | Err(Error::Cancelled) => {}
                Err(other) => panic!("round {round}: {other}"),
            }
        }
    }
}

#[test]
fn a_kernel_may_cancel_its_own_run() {
    let _dog = dog();
    for chip in [chip().build().unwrap(), chip().seed(5).build().unwrap()] {
        let add = add(&chip);
        let (handle, ready) = (Arc::<Mutex<Option<Arc<Run>>>>::default(), Gate::new());
        let (mine, wait) = (Arc::clone(&handle), Arc::clone(&ready));
        let ends = chip
            .kernel("ends", Core::Aiv, move |_| {
                wait.wait(1);
                mine.lock().unwrap().as_ref().unwrap().cancel();
                Ok(())
            })
            .unwrap();
        let x = chip.zeros::<i32>(&[4]).unwrap();
        let (tensor, counted) = (x.tensor(), add.clone());
        let run = chip.launch(move |orch| {
            orch.submit(&ends).inout(&tensor).go()?;
            orch.submit(&counted).inout(&tensor).scalar(1i32).go().map(drop)
        });
        let run = Arc::new(run.unwrap());
        *handle.lock().unwrap() = Some(Arc::clone(&run));
        ready.pass();
        assert!(run.wait_for(LONG).is_ok());
        assert!(run.root_cause().unwrap().contains("cancelled"));
        assert_eq!(chip.read::<i32>(&x).unwrap(), [0; 4]);
        still_works(&chip, &add);
        // The chip keeps the kernel, which would keep the run, which keeps the chip.
        handle.lock().unwrap().take();
    }
}

#[test]
fn a_report_of_a_chip_at_work_stays_within_its_rings() {
    let _dog = dog();
    let chip = chip().rings(RingSizes::default().with_window(16)).build().unwrap();
    let (nop, x) = (nop(&chip), chip.zeros::<i32>(&[4]).unwrap());
    let tensor = x.tensor();
    let run = chip.launch(move |orch| {
        for i in 0..40_000 {
            let task = orch.submit(&nop);
            if i % 3 == 0 {
                task.inout(&tensor).go()?
            } else {
                task.input(&tensor).go()?
            };
        }
        Ok(())
    });
    let run = run.unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !run.is_over() {
                    let report = run.stall();
                    assert!(!report.to_string().is_empty());
                    assert!(report.rings.iter().all(|ring| ring.alive <= 15));
                    assert!(report.ready.len() + report.waiting.len() <= 15);
                }
            });
        }
    });
    run.wait().unwrap();
}

#[test]
fn a_run_that_owns_its_chip_may_wait_behind_an_orchestration_that_never_returns() {
    let _dog = dog();
    let chip = Arc::new(chip().deadline(SHORT).patience(SHORT).build().unwrap());
    let (go, own) = (Gate::new(), Arc::clone(&chip));
    let held = Arc::clone(&go);
    let first = chip
        .launch(move |_| {
            held.wait(1);
            Ok(())
        })
        .unwrap();
    let second = chip
        .launch(move |_| {
            let _ = &own;
            Ok(())
        })
        .unwrap();
    drop(chip);
    assert!(second.wait().is_err() && first.wait().is_err());
    go.pass();
}

#[test]
fn a_run_that_is_given_up_returns_what_ended_it() {
    let _dog = dog();
    // The drop of its chip.
    let dropped = chip().patience(SHORT).build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let run = dropped.launch(stuck(&began, &go)).unwrap();
    began.wait(1);
    drop(dropped);
    assert!(matches!(run.wait(), Err(Error::Cancelled)));
    go.pass();
    // A task that failed before its deadline passed.
    let (chip, go) = (chip().patience(SHORT).build().unwrap(), Gate::new());
    let (fails, held) = (fails(&chip), Arc::clone(&go));
    let run = chip
        .launch(move |orch| {
            let task = orch.submit(&fails).output(&[1], DataType::I32).go()?;
            let _ = orch.read::<i32>(&task, &[0]);
            orch.deadline(SHORT);
            held.wait(1);
            Ok(())
        })
        .unwrap();
    assert!(matches!(run.wait(), Err(Error::Task(_))));
    go.pass();
}

#[test]
fn a_panic_of_the_orchestration_is_the_root_cause_of_what_fails_after_it() {
    let _dog = dog();
    let chip = chip().build().unwrap();
    let (began, go) = (Gate::new(), Gate::new());
    let (told, held) = (Arc::clone(&began), Arc::clone(&go));
    let later = chip
        .kernel("later", Core::Aiv, move |_| {
            told.pass();
            held.wait(1);
            Err(prewire_chip::KernelError::new("later"))
        })
        .unwrap();
    let run = chip
        .launch(move |orch| {
            orch.submit(&later).go()?;
            began.wait(1);
            panic!("first")
        })
        .unwrap();
    until_ended(&run);
    go.pass();
    assert!(run.wait_for(LONG).is_ok());
    assert!(run.root_cause().unwrap().contains("first"));
    assert!(matches!(run.wait(), Err(Error::Panicked { .. })));
}

#[test]
fn an_error_that_cannot_say_what_it_is_is_an_error_as_any_other() {
    let _dog = dog();
    let chip = chip().patience(SHORT).build().unwrap();
    assert!(matches!(chip.run(|_| Err(Error::user(Mute))), Err(Error::User(_))));
    assert!(chip.launch(|_| Err(Error::user(Mute))).unwrap().wait_for(LONG).is_ok());
    // The more so when a kernel does not return, and holds a view of memory that is to be freed after the run.
    let (began, go) = (Gate::new(), Gate::new());
    let stuck = waits(&chip, "stuck", &began, &go);
    let mut x = Some(chip.zeros::<i32>(&[1024]).unwrap());
    let ended = chip.run(|orch| {
        orch.submit(&stuck).inout(x.as_ref().unwrap()).go()?;
        began.wait(1);
        orch.deadline(SHORT);
        x = None;
        Err(Error::user(Mute))
    });
    assert!(matches!(ended, Err(Error::User(_))));
    assert!(chip.lost().is_some_and(|why| why.contains("kernel \"stuck\"")));
    go.pass();
}
