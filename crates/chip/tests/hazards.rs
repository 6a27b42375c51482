//! Order: what conflicts runs in the order of its submits, and nothing else waits.
mod common;

use common::{Gate, Log, add, copy, dog, fill, here, nop, refused};
use prewire_chip::{
    Chip, ChipBuilder, Core, DataType, EdgeKind, Error, Hazards, Kernel, KernelError, Result, RingSizes,
    Tensor,
};
use std::sync::Arc;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

/// A kernel that passes its gate and waits until `n` have passed it: it ends only if `n` of them run at once.
fn meeting(chip: &Chip, name: &str, n: u32) -> Kernel {
    let gate = Gate::new();
    chip.kernel(name, Core::Aiv, move |_| {
        gate.pass();
        gate.wait(n);
        Ok(())
    })
    .unwrap()
}

/// A kernel that notes its scalar times two when it begins, and one more when it ends.
fn spanning(chip: &Chip, log: &Log) -> Kernel {
    let log = log.clone();
    chip.kernel("spanning", Core::Aiv, move |k| {
        let id = k.scalar::<u64>(0)?;
        log.note(2 * id);
        if k.tensors() > 0 {
            std::hint::black_box(k.input::<i32>(0)?.iter().sum::<i32>());
        }
        log.note(2 * id + 1);
        Ok(())
    })
    .unwrap()
}

/// A rectangle of a matrix: rows, columns.
type Rectangle = [(u32, u32); 2];

fn meets(a: &Rectangle, b: &Rectangle) -> bool {
    a.iter().zip(b).all(|(a, b)| a.0 < b.1 && b.0 < a.1)
}

#[test]
fn tasks_on_overlapping_views_run_in_the_order_of_their_submits_if_one_writes() {
    let _dog = dog();
    let mut seed = 9u64;
    let mut below = |n: u32| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as u32 % n
    };
    for (round, dice) in [None, None, None, Some(1), Some(2)].into_iter().enumerate() {
        let rings = RingSizes::default().with_window([8, 64, 1024, 16, 256][round]);
        let builder = Chip::sim(prewire_a2a3::a2a3()).rings(rings);
        let chip = dice.map_or(builder.clone(), |dice| builder.seed(dice)).build().unwrap();
        let log = Log::default();
        let kernel = spanning(&chip, &log);
        let x = chip.zeros::<i32>(&[12, 12]).unwrap();
        let tasks: Vec<(Rectangle, bool)> = (0..600)
            .map(|_| {
                let mut side = || match below(4) {
                    0 => (0, 12),
                    _ => {
                        let start = below(12);
                        (start, start + 1 + below(4).min(11 - start))
                    }
                };
                ([side(), side()], below(3) == 0)
            })
            .collect();
        chip.run(|orch| {
            for (id, ([rows, columns], write)) in tasks.iter().enumerate() {
                let view = x.view(&[rows.0, columns.0], &[rows.1 - rows.0, columns.1 - columns.0])?;
                let submit = orch.submit(&kernel).scalar(id as u64);
                if *write { submit.inout(&view) } else { submit.input(&view) }.go()?;
            }
            Ok(())
        })
        .unwrap();
        let mut when = vec![usize::MAX; 2 * tasks.len()];
        log.take().into_iter().enumerate().for_each(|(at, event)| when[event as usize] = at);
        assert!(!when.contains(&usize::MAX), "every task ran");
        let mut conflicts = 0;
        for (j, (b, writes)) in tasks.iter().enumerate() {
            for (i, (a, wrote)) in tasks[..j].iter().enumerate() {
                if (*writes || *wrote) && meets(a, b) {
                    conflicts += 1;
                    assert!(when[2 * i + 1] < when[2 * j], "{i} {a:?} {wrote} and {j} {b:?} {writes}");
                }
            }
        }
        assert!(conflicts > 1000, "the program has conflicts: {conflicts}");
    }
}

#[test]
fn readers_run_at_the_same_time_and_writers_wait_for_all_of_them() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (readers, again) = (meeting(&chip, "readers", 4), meeting(&chip, "again", 4));
    let (add, copy) = (add(&chip), copy(&chip));
    let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
    chip.run(|orch| {
        orch.submit(&add).inout(&x).scalar(1i32).go()?;
        for _ in 0..4 {
            orch.submit(&readers).input(&x).go()?;
        }
        orch.submit(&copy).input(&x).output_into(&y).go()?;
        orch.submit(&add).inout(&x).scalar(1i32).go()?;
        for _ in 0..4 {
            orch.submit(&again).input(&x).go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((chip.read::<i32>(&x).unwrap(), chip.read::<i32>(&y).unwrap()), (vec![2; 8], vec![1; 8]));
    assert!(chip.peak_threads() >= 4, "four kernels were blocked at once");
}

#[test]
fn writers_of_disjoint_columns_run_at_the_same_time() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let writers = meeting(&chip, "writers", 4);
    let x = chip.zeros::<i32>(&[16, 8]).unwrap();
    chip.run(|orch| {
        (0..4).try_for_each(|i| {
            let columns = x.slice(1, 2 * i..2 * i + 2)?;
            orch.submit(&writers).inout(&columns).go().map(drop)
        })
    })
    .unwrap();
}

/// A reader that ends when a later writer of the same memory has begun, and that writer.
fn overtaken(chip: &Chip) -> (Kernel, Kernel) {
    let gate = Gate::new();
    let waits = Arc::clone(&gate);
    let reader = chip
        .kernel("reader", Core::Aiv, move |k| {
            drop(k.input::<i32>(0)?);
            waits.wait(1);
            Ok(())
        })
        .unwrap();
    let writer = chip
        .kernel("writer", Core::Aiv, move |k| {
            k.output::<i32>(0)?.fill(1);
            gate.pass();
            Ok(())
        })
        .unwrap();
    (reader, writer)
}

#[test]
fn without_write_after_read_a_writer_overtakes_a_reader() {
    let _dog = dog();
    let chip = small().hazards(Hazards::RawWaw).build().unwrap();
    let (reader, writer) = overtaken(&chip);
    let x = chip.zeros::<i32>(&[8]).unwrap();
    chip.run(|orch| {
        orch.submit(&reader).input(&x).go()?;
        orch.submit(&writer).output_into(&x).go()?;
        // Read after write is as ever.
        assert_eq!(orch.read::<i32>(&x, &[3])?, 1);
        Ok(())
    })
    .unwrap();
}

#[test]
fn an_explicit_edge_orders_what_shares_no_memory() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let log = Log::default();
    let kernel = spanning(&chip, &log);
    chip.run(|orch| {
        let mut last = orch.submit(&kernel).scalar(0u64).go()?;
        for id in 1..500u64 {
            let submit = orch.submit(&kernel).scalar(id);
            last = if id % 2 == 0 { submit.after(&last) } else { submit.after_kind(&last, EdgeKind::WAIT) }
                .go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(log.take(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn an_edge_that_only_retains_or_means_nothing_orders_nothing() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (first, second) = (meeting(&chip, "retained", 2), meeting(&chip, "unrelated", 2));
    chip.run(|orch| {
        let producer = orch.submit(&first).go()?;
        orch.submit(&first).after_kind(&producer, EdgeKind::RETAIN).go()?;
        let producer = orch.submit(&second).go()?;
        orch.submit(&second).after_kind(&producer, EdgeKind::NONE).go()?;
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_dummy_joins_many_and_lets_many_go() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let log = Log::default();
    let kernel = spanning(&chip, &log);
    let x = chip.zeros::<i32>(&[64]).unwrap();
    let parts: Vec<Tensor> = (0..64).map(|i| x.slice(0, i..i + 1).unwrap()).collect();
    let report = chip
        .run(|orch| {
            for (i, part) in parts.iter().enumerate() {
                orch.submit(&kernel).inout(part).scalar(i as u64).go()?;
            }
            let by_data = orch.dummy().inout(&x).go()?;
            let join = orch.dummy().after(&by_data).go()?;
            for i in 64..128u64 {
                orch.submit(&kernel).after(&join).scalar(i).go()?;
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((report.tasks, report.executed), (130, 128));
    let log = log.take();
    assert!(log[..128].iter().all(|event| *event < 128) && log[128..].iter().all(|event| *event >= 128));
}

#[test]
fn in_a_manual_scope_only_explicit_edges_and_creators_count() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let both = meeting(&chip, "both", 2);
    let (add, fill, copy) = (add(&chip), fill(&chip), copy(&chip));
    let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
    chip.run(|orch| {
        orch.submit(&fill).output_into(&x).scalar(5i32).go()?;
        orch.manual_scope(|orch| {
            // These two would wait for each other in an auto scope; they touch nothing, so nothing conflicts.
            orch.submit(&both).inout(&y).go()?;
            orch.submit(&both).inout(&y).go()?;
            // Ordered ones may touch the same memory.
            let mut last = orch.submit(&add).inout(&x).scalar(1i32).go()?;
            for _ in 0..50 {
                last = orch.submit(&add).inout(&x).scalar(1i32).after(&last).go()?;
            }
            // Who uses an output waits for its creator without being told.
            let made = orch.submit(&fill).output(&[8], DataType::I32).scalar(9i32).go()?;
            orch.submit(&copy).input(&made).output_into(&y).go()?;
            Ok(())
        })
    })
    .unwrap();
    assert_eq!((chip.read::<i32>(&x).unwrap(), chip.read::<i32>(&y).unwrap()), (vec![56; 8], vec![9; 8]));
}

/// Two kernels: one that holds a view to write until the other has tried to have one too, and the other, which fails
/// with what it is told.
fn rivals(chip: &Chip) -> (Kernel, Kernel) {
    let (held, tried) = (Gate::new(), Gate::new());
    let (holds, waits) = (Arc::clone(&held), Arc::clone(&tried));
    let holder = chip
        .kernel("holder", Core::Aiv, move |k| {
            let view = k.output::<i32>(0)?;
            holds.pass();
            waits.wait(1);
            drop(view);
            Ok(())
        })
        .unwrap();
    let rival = chip
        .kernel("rival", Core::Aiv, move |k| {
            held.wait(1);
            let view = k.output::<i32>(0).map(drop);
            tried.pass();
            view
        })
        .unwrap();
    (holder, rival)
}

fn assert_conflict<T>(result: Result<T>) {
    let error = refused(
        result,
        &["kernel \"rival\"", "argument 0 touches bytes that task", "order the tasks by an edge"],
    );
    let Error::Task(failure) = error else { panic!("{error}") };
    assert!(matches!(failure.error, KernelError::Conflict { arg: 0, .. }));
}

#[test]
fn tasks_that_nothing_orders_and_that_conflict_are_refused_not_raced() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let (holder, rival) = rivals(&chip);
    assert_conflict(chip.run(|orch| {
        orch.manual_scope(|orch| {
            orch.submit(&holder).inout(&x).go()?;
            orch.submit(&rival).inout(&x.slice(0, 7..8)?).go().map(drop)
        })
    }));
    let chip = small().build().unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let (holder, rival) = rivals(&chip);
    assert_conflict(chip.run(|orch| {
        orch.submit(&holder).no_dep(&x).go()?;
        orch.submit(&rival).no_dep(&x).go().map(drop)
    }));
}

#[test]
fn a_tensor_without_dependencies_orders_nothing_but_its_creator() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let halves = chip
        .kernel("halves", Core::Aiv, {
            let gate = Gate::new();
            move |k| {
                let at = k.scalar::<u32>(0)?;
                let mut half = k.output_at::<i32>(0, &[at], &[4])?;
                gate.pass();
                gate.wait(2);
                half.fill(at as i32 + 1);
                Ok(())
            }
        })
        .unwrap();
    let (fill, add) = (fill(&chip), add(&chip));
    let x = chip.zeros::<i32>(&[8]).unwrap();
    chip.run(|orch| {
        let first = orch.submit(&halves).no_dep(&x).scalar(0u32).go()?;
        let second = orch.submit(&halves).no_dep(&x).scalar(4u32).go()?;
        orch.submit(&add).inout(&x).scalar(10i32).after(&first).after(&second).go()?;
        let made = orch.submit(&fill).output(&[4], DataType::I32).scalar(3i32).go()?;
        orch.submit(&add).no_dep(&made).scalar(4i32).go().and_then(|added| {
            orch.dummy().inout(&made).after(&added).go()?;
            assert_eq!(orch.read::<i32>(&made, &[2])?, 7);
            Ok(())
        })
    })
    .unwrap();
    assert_eq!(chip.read::<i32>(&x).unwrap(), [11, 11, 11, 11, 15, 15, 15, 15]);
}

#[test]
fn a_host_access_that_an_unordered_task_conflicts_with_is_refused() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    let (held, done) = (Gate::new(), Gate::new());
    let (holds, waits) = (Arc::clone(&held), Arc::clone(&done));
    let holder = chip
        .kernel("holder", Core::Aiv, move |k| {
            let mut view = k.output_at::<i32>(0, &[0], &[4])?;
            holds.pass();
            waits.wait(1);
            view.fill(6);
            Ok(())
        })
        .unwrap();
    let nop = nop(&chip);
    chip.run(|orch| {
        let running = orch.manual_scope(|orch| {
            let task = orch.submit(&holder).inout(&x).go()?;
            held.wait(1);
            let (site, read) = (here!(), orch.read::<i32>(&x, &[3]));
            refused(read, &[site, "a host read", "holds a view of the element"]);
            refused(orch.write(&x, &[0], 1i32), &["a host write", "holds a view of the element"]);
            assert_eq!(orch.read::<i32>(&x, &[4])?, 0, "nobody holds this one");
            Ok(task)
        });
        done.pass();
        // An edge to a task in an auto scope makes it an order that a host access knows.
        orch.submit(&nop).inout(&x).after(&running?).go()?;
        assert_eq!(orch.read::<i32>(&x, &[3])?, 6);
        Ok(())
    })
    .unwrap();
}
