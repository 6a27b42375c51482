//! Failure: the first error is what the run returns, what depends on it does not run, everything else does, and the
//! chip goes on.
mod common;

use common::{Gate, Log, add, dog, fails, failure, here, nop, refused, says, still_works};
use prewire_chip::{
    Buffer, Chip, ChipBuilder, Core, DataType, Error, Kernel, KernelError, Mix, Orch, Result, RingSizes,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

/// A kernel that notes its scalar.
fn noting(chip: &Chip, log: &Log) -> Kernel {
    let log = log.clone();
    chip.kernel("noting", Core::Aiv, move |k| {
        log.note(k.scalar(0)?);
        Ok(())
    })
    .unwrap()
}

#[test]
fn a_failed_kernel_is_named_with_its_task_its_site_and_its_core() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (add, fails) = (add(&chip), fails(&chip));
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let mut site = "";
    let result = chip.run(|orch| {
        orch.submit(&add).inout(&x).scalar(1i32).go()?;
        let (here, submit) = (here!(), orch.submit(&fails));
        site = here;
        submit.inout(&x).go().map(drop)
    });
    let error = refused(result, &["task 0:1", "kernel \"fails\"", "on AIV core ", "failed: out of luck"]);
    says(&error, &[site]);
    let failure = failure::<()>(Err(error));
    assert_eq!((failure.task.raw(), failure.block, failure.skipped), (1, (0, 1), 0));
    assert!(
        failure.core.is_some_and(|(kind, n)| kind == Core::Aiv && (4..12).contains(&n)),
        "{:?}",
        failure.core
    );
    assert_eq!(failure.error, KernelError::new("out of luck"));
    still_works(&chip, &add);
}

#[test]
fn a_panicking_kernel_fails_its_task_with_its_message() {
    let _dog = dog();
    for seed in [None, Some(1)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let add = add(&chip);
        let panics = chip.kernel("panics", Core::Aic, |k| panic!("block {} is cursed", k.block())).unwrap();
        let result = chip.run(|orch| orch.submit(&panics).go().map(drop));
        let error =
            refused(result, &["kernel \"panics\"", "on AIC core", "the kernel panicked: block 0 is cursed"]);
        assert!(matches!(failure::<()>(Err(error)).error, KernelError::Panicked(_)));
        still_works(&chip, &add);
    }
}

#[test]
fn what_depends_on_a_failure_is_skipped_and_all_else_runs() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let log = Log::default();
    let (add, fails, note) = (add(&chip), fails(&chip), noting(&chip, &log));
    let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
    let result = chip.run(|orch| {
        let bad = orch.submit(&fails).inout(&x).output(&[1], DataType::I32).go()?;
        // By data, by an edge, through a dummy, and further on from there.
        orch.submit(&note).input(&bad).scalar(1u64).go()?;
        let after = orch.submit(&note).after(&bad).scalar(2u64).go()?;
        let join = orch.dummy().after(&after).go()?;
        orch.submit(&note).after(&join).scalar(3u64).go()?;
        let read = orch.submit(&note).input(&x).output(&[1], DataType::I32).scalar(4u64).go()?;
        orch.submit(&note).inout(&read).scalar(5u64).go()?;
        // Not touched by it.
        orch.submit(&note).inout(&y).scalar(6u64).go()?;
        let join = orch.dummy().input(&y).go()?;
        orch.submit(&note).after(&join).scalar(7u64).go()?;
        Ok(())
    });
    let failure = failure(result);
    assert_eq!(failure.skipped, 6);
    assert_eq!(log.take(), [6, 7]);
    still_works(&chip, &add);
}

/// Sends `n` tasks through the ring of this scope, so that every earlier one of it is retired.
fn flush(orch: &mut Orch<'_>, add: &Kernel, y: &Buffer, n: usize) -> Result<()> {
    (0..n).try_for_each(|_| orch.submit(add).inout(y).scalar(1i32).go().map(drop))
}

#[test]
fn a_failure_is_not_forgotten_when_its_slot_is_used_again() {
    let _dog = dog();
    for seed in [None, Some(5)] {
        let builder = small().rings(RingSizes::default().with_window(4));
        let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
        let log = Log::default();
        let (add, fails, note) = (add(&chip), fails(&chip), noting(&chip, &log));
        let x = chip.zeros::<i32>(&[4, 8]).unwrap();
        let (y, z) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
        let (left, right) = (x.slice(1, 0..4).unwrap(), x.slice(1, 4..8).unwrap());
        let result = chip.run(|orch| {
            let mut failed = None;
            orch.scope(|orch| {
                orch.scope(|orch| {
                    orch.submit(&fails).inout(&left).go()?;
                    failed = Some(orch.submit(&fails).input(&z).go()?);
                    flush(orch, &add, &y, 40)
                })?;
                flush(orch, &add, &y, 40)
            })?;
            flush(orch, &add, &y, 40)?;
            // The failed task wrote the left half: reading it, and all that follows, is skipped.
            orch.submit(&note).input(&x).scalar(1u64).go()?;
            orch.submit(&note).inout(&left).scalar(2u64).go()?;
            flush(orch, &add, &y, 40)?;
            orch.scope(|orch| orch.submit(&note).input(&left).scalar(3u64).go().map(drop))?;
            // The right half is as it was; the reader of all of it was skipped, and so is who waits for that reader.
            orch.submit(&note).input(&right).scalar(4u64).go()?;
            // An explicit edge remembers too.
            let failed = failed.as_ref().unwrap();
            orch.submit(&note).after(failed).scalar(5u64).go()?;
            // What failed read z: others may read it.
            orch.submit(&note).input(&z).scalar(6u64).go()?;
            flush(orch, &add, &y, 40)
        });
        failure(result);
        let mut ran = log.take();
        ran.sort_unstable();
        assert_eq!(ran, [4, 6], "seed {seed:?}");
        assert_eq!(chip.read::<i32>(&y).unwrap(), [200; 8], "independent tasks ran");
        still_works(&chip, &add);
        // A later run knows nothing of it.
        chip.run(|orch| orch.submit(&note).inout(&x).scalar(9u64).go().map(drop)).unwrap();
        assert_eq!(log.take(), [9]);
    }
}

#[test]
fn the_first_error_is_the_root_cause_whatever_fails_later() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (add, first) = (add(&chip), fails(&chip));
    let gate = Gate::new();
    let waits = Arc::clone(&gate);
    let second = chip
        .kernel("second", Core::Aiv, move |_| {
            waits.wait(1);
            Err(KernelError::new("me too"))
        })
        .unwrap();
    let x = chip.zeros::<i32>(&[1]).unwrap();
    let result = chip.run(|orch| {
        orch.submit(&second).go()?;
        orch.submit(&first).inout(&x).go()?;
        // Waits until the first one has failed, and says so.
        let (site, read) = (here!(), orch.read::<i32>(&x, &[0]));
        refused(read, &[site, "a host read", "task 0:1 failed"]);
        gate.pass();
        Ok(())
    });
    assert_eq!(failure(result).kernel, "fails");
    // An error of the program that follows from it does not replace it.
    let result = chip.run(|orch| {
        orch.submit(&first).inout(&x).go()?;
        orch.read::<i32>(&x, &[0]).map(drop)
    });
    assert_eq!(failure(result).kernel, "fails");
    let result = chip.run(|orch| {
        orch.submit(&first).inout(&x).go()?;
        let _ = orch.read::<i32>(&x, &[0]);
        Err(Error::user(std::io::Error::other("gave up")))
    });
    assert_eq!(failure(result).kernel, "fails");
    still_works(&chip, &add);
}

#[test]
fn an_orchestration_that_returns_an_error_ends_the_run() {
    let _dog = dog();
    // Seeded, so that it is known that not all tasks have run when it returns: a task takes more steps than a submit.
    for seed in 1..20 {
        let chip = small().seed(seed).build().unwrap();
        let add = add(&chip);
        let x = chip.zeros::<i32>(&[8]).unwrap();
        let result = chip.run(|orch| {
            for _ in 0..1000 {
                orch.submit(&add).inout(&x).scalar(1i32).go()?;
            }
            Err(Error::user(std::io::Error::other("enough")))
        });
        let error = refused(result, &["enough"]);
        assert!(matches!(error, Error::User(_)));
        let ran = chip.read::<i32>(&x).unwrap();
        assert!(ran[0] < 1000 && ran == [ran[0]; 8], "{ran:?}");
        still_works(&chip, &add);
    }
    let chip = small().build().unwrap();
    let add = add(&chip);
    for _ in 0..50 {
        let x = chip.zeros::<i32>(&[8]).unwrap();
        let result = chip.run(|orch| {
            orch.scope(|orch| {
                for _ in 0..100 {
                    orch.submit(&add).inout(&x).scalar(1i32).output(&[64], DataType::I32).go()?;
                }
                Err(Error::user(std::io::Error::other("enough")))
            })
        });
        refused::<()>(result.map(drop), &["enough"]);
        still_works(&chip, &add);
    }
}

#[test]
fn a_run_that_ends_while_cohorts_gather_over_several_domains_leaves_no_member_waiting() {
    let _dog = dog();
    let chip = Chip::sim(prewire_a2a3::a2a3()).build().unwrap();
    let (add, nop) = (add(&chip), nop(&chip));
    let meets = chip.kernel("meets", Core::Aiv, |k| k.cohort_barrier()).unwrap();
    for round in 0..300 {
        let result = chip.run(|orch| {
            for i in 0..4 {
                orch.submit(&nop).blocks(20 + round % 7).go()?;
                orch.submit(&meets).blocks(40 + i).sync_start().go()?;
            }
            Err(Error::user(std::io::Error::other("enough")))
        });
        refused::<()>(result.map(drop), &["enough"]);
    }
    still_works(&chip, &add);
}

#[test]
fn an_orchestration_that_panics_unwinds_out_of_the_run() {
    let _dog = dog();
    for seed in [None, Some(11)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let add = add(&chip);
        let x = chip.zeros::<i32>(&[8]).unwrap();
        let panic = catch_unwind(AssertUnwindSafe(|| {
            chip.run(|orch| {
                orch.scope(|orch| {
                    orch.manual_scope(|orch| {
                        orch.submit(&add).inout(&x).scalar(1i32).output(&[9], DataType::I8).go()?;
                        panic!("no further");
                    })
                })
            })
        }));
        let panic = panic.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"no further"));
        still_works(&chip, &add);
        // The thread is outside of the run again.
        assert_eq!(chip.read::<i32>(&x).unwrap().len(), 8);
    }
}

#[test]
fn one_failing_block_fails_its_task() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let log = Log::default();
    let (add, note) = (add(&chip), noting(&chip, &log));
    let blocks = Log::default();
    let ran = blocks.clone();
    let spmd = chip
        .kernel("spmd", Core::Aiv, move |k| {
            ran.note(k.block().into());
            if k.block() == 5 { Err(KernelError::new("not this one")) } else { Ok(()) }
        })
        .unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let result = chip.run(|orch| {
        orch.submit(&spmd).inout(&x).blocks(64).go()?;
        orch.submit(&note).input(&x).scalar(1u64).go()?;
        Ok(())
    });
    let failure = failure(result);
    assert_eq!((failure.block, failure.skipped), ((5, 64), 1));
    says(&Error::Task(Box::new(failure)), &["kernel \"spmd\", block 5 of 64)", "1 further task"]);
    let mut ran = blocks.take();
    ran.sort_unstable();
    ran.windows(2).for_each(|pair| assert_ne!(pair[0], pair[1], "a block ran twice"));
    assert!(ran.contains(&5) && log.take().is_empty());
    still_works(&chip, &add);
}

#[test]
fn a_peer_that_never_comes_to_the_barrier_does_not_hang_the_others_and_is_the_root_cause() {
    let _dog = dog();
    for seed in [None, Some(2), Some(3)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let add = add(&chip);
        let cluster = |name: &str, core, how: u64| {
            chip.kernel(name, core, move |k| match how {
                0 => k.cluster_barrier(),
                1 => Err(KernelError::new("did not come")),
                2 => panic!("did not come"),
                _ => Ok(()),
            })
            .unwrap()
        };
        let vector = cluster("vector", Core::Aiv, 0);
        for (name, how) in [("error", 1), ("panic", 2), ("silence", 3)] {
            let cube = cluster(&format!("{name} cube"), Core::Aic, how);
            let parts = Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) };
            let mix = chip.mix(name, parts).unwrap();
            for _ in 0..50 {
                let failure = failure(chip.run(|orch| orch.submit(&mix).blocks(3).go().map(drop)));
                match &failure.error {
                    KernelError::BarrierBroken => assert_eq!(how, 3, "seed {seed:?}: {name}"),
                    KernelError::Failed(message) => assert_eq!((how, &**message), (1, "did not come")),
                    KernelError::Panicked(message) => assert_eq!((how, &**message), (2, "did not come")),
                    other => panic!("{other}"),
                }
            }
        }
        let cohort = chip
            .kernel("cohort", Core::Aiv, |k| {
                k.cohort_barrier()?;
                if k.block() == 2 {
                    return Err(KernelError::new("left early"));
                }
                k.cohort_barrier()
            })
            .unwrap();
        for _ in 0..50 {
            let failure =
                failure(chip.run(|orch| orch.submit(&cohort).blocks(8).sync_start().go().map(drop)));
            assert_eq!((failure.block, failure.error), ((2, 8), KernelError::new("left early")));
        }
        still_works(&chip, &add);
    }
}

#[test]
fn a_failure_keeps_later_cohorts_and_mixes_from_running_but_not_from_ending() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (add, fails) = (add(&chip), fails(&chip));
    let meets = chip.kernel("meets", Core::Aiv, |k| k.cohort_barrier()).unwrap();
    let cube = chip.kernel("cube", Core::Aic, |k| k.cluster_barrier()).unwrap();
    let vector = chip.kernel("vector", Core::Aiv, |k| k.cluster_barrier()).unwrap();
    let parts = Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: None };
    let mix = chip.mix("mix", parts).unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let result = chip.run(|orch| {
        orch.submit(&fails).inout(&x).go()?;
        for _ in 0..10 {
            orch.submit(&meets).input(&x).blocks(8).sync_start().go()?;
            orch.submit(&mix).inout(&x).blocks(9).go()?;
            orch.submit(&meets).blocks(8).sync_start().go()?;
        }
        Ok(())
    });
    assert_eq!(failure(result).skipped, 20);
    still_works(&chip, &add);
}
