//! What programs that mean harm, or meet bad luck, found: each rule here was once broken.
mod common;

use common::bench::Bench;
use common::{Gate, add, dog, fails, failure, fill, nop, refused, says, still_works};
use prewire_chip::{
    Chip, ChipBuilder, Core, DataType, Error, ErrorCode, KernelError, PredicateOp, Refusal, Result, RingSizes,
};
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Barrier, OnceLock, Weak};
use std::thread;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2).domains(1)
}

/// The bytes of each output are fewer than 2^64, and of both together they are not.
#[test]
fn outputs_that_add_up_past_every_size_are_too_large() {
    let _dog = dog();
    let bench = Bench::new(small());
    let huge = [u32::MAX, u32::MAX];
    bench.run(0, |orch| {
        for outputs in 1..=4 {
            let submit =
                (0..outputs).fold(orch.submit(&bench.nop), |submit, _| submit.output(&huge, DataType::U8));
            let error = refused(submit.go(), &["heap", "bytes wanted"]);
            assert_eq!(error.code(), Some(ErrorCode::HeapRingDeadlock), "{outputs} outputs");
        }
        // A whole heap, and what brings the sum around to next to nothing.
        let submit = orch.submit(&bench.nop).output(&[64], DataType::U8);
        let submit = submit.output(&huge, DataType::U8).output(&[u32::MAX, 2], DataType::U8);
        refused(submit.go(), &["heap", "bytes wanted"]);
        refused(orch.alloc(&huge, DataType::U8), &["heap", "bytes wanted"]);
    });
}

/// The element is 1 only while its writer holds a view of it, so whoever sees 1 looks at what is being written.
#[test]
fn a_predicate_never_sees_what_a_view_is_writing() {
    let _dog = dog();
    let chip = small().threads(2).build().unwrap();
    let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let stopped = Arc::clone(&stop);
    let writer = chip
        .kernel("writer", Core::Aiv, move |k| {
            while !stopped.load(Relaxed) {
                // The predicate's turn, now and then.
                let Ok(mut x) = k.output::<u32>(0) else { continue };
                x.fill(1);
                std::hint::black_box(x.as_mut_ptr());
                x.fill(0);
            }
            Ok(())
        })
        .unwrap();
    let sees = Arc::clone(&seen);
    let sight = chip
        .kernel("sight", Core::Aic, move |_| {
            sees.fetch_add(1, Relaxed);
            Ok(())
        })
        .unwrap();
    let last = chip.kernel("last", Core::Aic, |k| k.output::<u32>(0).map(|mut x| x.fill(9))).unwrap();
    let x = chip.zeros::<u32>(&[1]).unwrap();
    for _ in 0..10 {
        stop.store(false, Relaxed);
        let result = chip.run(|orch| {
            let ended = orch.manual_scope(|orch| {
                orch.submit(&writer).inout(&x).go()?;
                for _ in 0..2000 {
                    orch.submit(&sight).predicate(&x, &[0], PredicateOp::Eq, 1).go()?;
                }
                // Behind all of them in the queue: the writer goes on until they were looked at.
                let last = orch.submit(&last).output(&[1], DataType::U32).go()?;
                orch.read::<u32>(&last, &[0])
            });
            stop.store(true, Relaxed);
            assert_eq!(ended?, 9);
            Ok(())
        });
        // A predicate that came while the view was alive was refused.
        if let Err(error) = result {
            says(&error, &["its predicate reads what task", "writes; add an edge"]);
        }
        assert_eq!(seen.load(Relaxed), 0, "a predicate read under an exclusive view");
    }
}

/// A predicate is evaluated before its task has a core.
#[test]
fn a_task_that_fails_before_it_is_dispatched_names_no_core() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (held, done) = (Gate::new(), Gate::new());
    let (holds, waits) = (Arc::clone(&held), Arc::clone(&done));
    let holder = chip
        .kernel("holder", Core::Aiv, move |k| {
            let _view = k.output::<i32>(0)?;
            holds.pass();
            waits.wait(1);
            Ok(())
        })
        .unwrap();
    let nop = nop(&chip);
    let flag = chip.zeros::<i32>(&[1]).unwrap();
    let result = chip.run(|orch| {
        orch.manual_scope(|orch| {
            orch.submit(&holder).inout(&flag).go()?;
            held.wait(1);
            let submit = orch.submit(&nop).predicate(&flag, &[0], PredicateOp::Eq, 0);
            let task = submit.output(&[1], DataType::I32).go()?;
            refused(orch.read::<i32>(&task, &[0]), &["failed"]);
            done.pass();
            Ok(())
        })
    });
    let error = refused(result, &["(kernel \"nop\"), submitted at ", "its predicate reads what task"]);
    assert!(!error.to_string().contains(" core "), "{error}");
}

#[test]
fn a_u64_that_no_target_reaches_is_above_every_target() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let add = add(&chip);
    let flag = chip.tensor(&[1u64 << 63, u64::MAX], &[2]).unwrap();
    let x = chip.zeros::<i32>(&[1]).unwrap();
    let mut expected = 0;
    chip.run(|orch| {
        for (op, holds) in [
            (PredicateOp::Gt, true),
            (PredicateOp::Ge, true),
            (PredicateOp::Ne, true),
            (PredicateOp::Eq, false),
            (PredicateOp::Lt, false),
            (PredicateOp::Le, false),
        ] {
            for target in [i64::MIN, -1, 0, 1, i64::MAX] {
                for at in 0..2 {
                    expected += i32::from(holds);
                    // What must not run adds so much that nothing makes up for it.
                    let by = if holds { 1i32 } else { 1000 };
                    orch.submit(&add).inout(&x).scalar(by).predicate(&flag, &[at], op, target).go()?;
                }
            }
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.read::<i32>(&x).unwrap(), [expected]);
}

const SIDE: u32 = 96;
const BYTES: u64 = SIDE as u64 * SIDE as u64;

/// Copies to or from one buffer, element by element, while it is dropped and its memory would go to another one.
fn copy_against_a_drop(copy: impl Fn(&Chip, &prewire_chip::Tensor) -> Result<()> + Sync) {
    // For one buffer and the one after it: what is kept for a copy must come back.
    let builder = small().rings(RingSizes::default().with_heap(1024)).memory_limit(4 * 1024 + 2 * BYTES);
    let chip = builder.build().unwrap();
    let shape = [SIDE, SIDE];
    for turn in 0..80usize {
        let first = chip.tensor(&[1u8; BYTES as usize], &shape).unwrap();
        let by_columns = first.transpose(0, 1).unwrap();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            let copier = scope.spawn(|| {
                start.wait();
                copy(&chip, &by_columns)
            });
            start.wait();
            (0..turn * 3).for_each(|_| thread::yield_now());
            drop(first);
            let second = chip.tensor(&[2u8; BYTES as usize], &shape).unwrap();
            if let Err(error) = copier.join().unwrap() {
                let Error::Submit(refused) = &error else { panic!("turn {turn}: {error}") };
                assert!(matches!(refused.why, Refusal::Dropped { .. }), "turn {turn}: {error}");
            }
            let all = chip.read::<u8>(&second).unwrap();
            assert!(all.iter().all(|&byte| byte == 2), "turn {turn}: a copy to a buffer changed another one");
        });
    }
}

#[test]
fn a_read_sees_one_buffer_whole_although_it_is_dropped_meanwhile() {
    let _dog = dog();
    copy_against_a_drop(|chip, tensor| {
        let all = chip.read::<u8>(tensor)?;
        let ones = all.iter().filter(|&&byte| byte == 1).count();
        assert_eq!(ones as u64, BYTES, "a part was read of other memory");
        Ok(())
    });
}

#[test]
fn a_write_changes_no_buffer_but_its_own_although_that_is_dropped_meanwhile() {
    let _dog = dog();
    copy_against_a_drop(|chip, tensor| chip.write(tensor, &[7u8; BYTES as usize]));
}

/// One thread runs everything, at most three steps at each submit, and each reader takes 64: at the write most of the
/// twenty are alive.
#[test]
fn a_write_after_more_readers_than_dep_entries_waits_for_some_of_them() {
    let _dog = dog();
    let sizes = RingSizes::default().with_window(64).with_deps(8);
    for seed in 0..5 {
        let chip = small().rings(sizes).seed(seed).build().unwrap();
        let reads = Arc::new(AtomicU64::new(0));
        let counts = Arc::clone(&reads);
        let reader = chip
            .kernel("reader", Core::Aiv, move |k| {
                counts.fetch_add(u64::from(k.input::<i32>(0)?.iter().all(|x| x == 1)), Relaxed);
                Ok(())
            })
            .unwrap();
        let (add, fill) = (add(&chip), fill(&chip));
        let x = chip.tensor(&[1i32; 16], &[16]).unwrap();
        let result = chip.run(|orch| {
            for _ in 0..20 {
                orch.submit(&reader).input(&x).blocks(64).go()?;
            }
            orch.submit(&fill).inout(&x).scalar(5i32).go()?;
            orch.submit(&add).inout(&x).scalar(1i32).go().map(drop)
        });
        assert_eq!(result.unwrap().executed, 20 * 64 + 2);
        assert_eq!(reads.load(Relaxed), 20 * 64, "each reader was before the write");
        assert_eq!(chip.read::<i32>(&x).unwrap(), [6; 16]);
    }
}

/// A manual scope that stayed open would take the order of all that follows.
#[test]
fn a_manual_scope_that_a_caught_panic_leaves_is_closed() {
    let _dog = dog();
    for seed in 0..5 {
        let chip = small().seed(seed).build().unwrap();
        let fill = fill(&chip);
        let x = chip.zeros::<i32>(&[4]).unwrap();
        let result = chip.run(|orch| {
            let left = catch_unwind(AssertUnwindSafe(|| {
                orch.manual_scope(|_| -> Result<()> { panic_any("on purpose") })
            }));
            assert!(left.is_err());
            // Refused in a manual scope.
            orch.scope(|orch| {
                (1..=10).try_for_each(|i| orch.submit(&fill).inout(&x).scalar(i).go().map(drop))
            })?;
            (11..=20).try_for_each(|i| orch.submit(&fill).inout(&x).scalar(i).go().map(drop))
        });
        assert_eq!(result.unwrap().executed, 20);
        assert_eq!(chip.read::<i32>(&x).unwrap(), [20; 4], "the last write wins");
    }
}

#[test]
fn scopes_that_a_caught_panic_leaves_are_closed_with_what_they_held() {
    let _dog = dog();
    // A scope that stayed open would hold its three outputs, and the window with them.
    let chip = small().rings(RingSizes::default().with_window(4)).build().unwrap();
    let (add, nop) = (add(&chip), nop(&chip));
    let result = chip.run(|orch| {
        for _ in 0..10 {
            let mut inner = None;
            let left = catch_unwind(AssertUnwindSafe(|| {
                orch.scope(|orch| {
                    orch.scope(|orch| -> Result<()> {
                        inner = Some(orch.submit(&nop).output(&[4], DataType::I32).go()?);
                        orch.submit(&nop).output(&[4], DataType::I32).go()?;
                        orch.submit(&nop).output(&[4], DataType::I32).go()?;
                        panic_any("on purpose")
                    })
                })
            }));
            assert!(left.is_err());
            refused(orch.submit(&nop).input(inner.as_ref().unwrap()).go(), &["is the output of task"]);
        }
        Ok(())
    });
    assert_eq!(result.unwrap().tasks, 30);
    still_works(&chip, &add);
}

/// Panics again when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any("in its drop, on purpose");
    }
}

#[test]
fn what_a_kernel_throws_may_panic_again_when_it_is_dropped() {
    let _dog = dog();
    for seed in [None, Some(2)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let (add, bomb) = (add(&chip), chip.kernel("bomb", Core::Aiv, |_| panic_any(Bomb)).unwrap());
        // As many as there are threads that it could take along, and more.
        for _ in 0..4 {
            let result = chip.run(|orch| (0..8).try_for_each(|_| orch.submit(&bomb).go().map(drop)));
            let failure = failure(result);
            assert!(matches!(failure.error, KernelError::Panicked(_)), "{failure}");
            assert_eq!((failure.kernel.as_str(), failure.skipped), ("bomb", 7));
        }
        still_works(&chip, &add);
    }
}

#[test]
fn how_many_were_skipped_is_exact_in_every_run() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let fails = fails(&chip);
    let x = chip.zeros::<i32>(&[4]).unwrap();
    for run in 0..10_000 {
        let result = chip.run(|orch| (0..4).try_for_each(|_| orch.submit(&fails).inout(&x).go().map(drop)));
        assert_eq!(failure(result).skipped, 3, "run {run}");
    }
}

#[test]
fn a_spec_whose_tokens_make_no_sense_builds_no_chip() {
    let _dog = dog();
    let mut spec = prewire_a2a3::a2a3();
    spec.tokens.exit = 2;
    let error = refused(Chip::sim(spec).build(), &["below the exit word"]);
    assert!(matches!(error, Error::Spec(_)));
    let mut spec = prewire_a2a3::a2a3();
    spec.tokens.core_idle = 5;
    refused(Chip::sim(spec).build(), &["the idle words must not be tokens"]);
}

/// Whether a chip keeps account of a meeting: only while its members are there. As its `Debug` shows it.
fn keeps_a_meeting(chip: &Chip) -> bool {
    format!("{chip:?}").contains("Meeting {")
}

#[test]
fn a_cohort_of_one_passes_its_barrier_and_leaves_nothing_behind() {
    let _dog = dog();
    let chip = Arc::new(small().build().unwrap());
    let alone = chip.kernel("alone", Core::Aiv, |k| (0..3).try_for_each(|_| k.cohort_barrier())).unwrap();
    chip.run(|orch| (0..50).try_for_each(|_| orch.submit(&alone).blocks(1).sync_start().go().map(drop)))
        .unwrap();
    assert!(!keeps_a_meeting(&chip));

    // That this would have shown: two that have met, and neither of them has ended.
    let (met, looked) = (Gate::new(), Gate::new());
    let (here, shown): (Weak<Chip>, _) = (Arc::downgrade(&chip), Arc::new(OnceLock::new()));
    let shows = Arc::clone(&shown);
    let pair = chip
        .kernel("pair", Core::Aiv, move |k| {
            k.cohort_barrier()?;
            if k.block() == 0 {
                met.wait(1);
                let _ = shows.set(here.upgrade().is_some_and(|chip| keeps_a_meeting(&chip)));
                looked.pass();
            } else {
                met.pass();
                looked.wait(1);
            }
            Ok(())
        })
        .unwrap();
    chip.run(|orch| orch.submit(&pair).blocks(2).sync_start().go().map(drop)).unwrap();
    assert_eq!(shown.get(), Some(&true));
    assert!(!keeps_a_meeting(&chip));
}
