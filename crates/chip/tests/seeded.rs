//! Seeded chips: the same seed gives the same order of kernels, another seed another one, and the values are the same.
mod common;

use common::{Log, dog};
use prewire_chip::{Chip, Core, DataType, KernelCtx, KernelError, Mix, Orch, Result, RingSizes, Tensor};

/// What a program did: the sub-tasks in the order in which they began, and the values that it left.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    order: Vec<u64>,
    values: Vec<i32>,
}

/// A program with chains, fans, scopes under back-pressure, SPMD blocks, MIX tasks and cohorts that meet.
fn outcome(seed: Option<u64>, rings: RingSizes) -> Outcome {
    let builder = Chip::sim(prewire_a2a3::a2a3()).clusters(6).domains(3).rings(rings);
    let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
    let log = Log::default();
    let noting = |name: &str, core, body: fn(&mut KernelCtx<'_>) -> Result<(), KernelError>| {
        let log = log.clone();
        let kernel = move |k: &mut KernelCtx<'_>| {
            log.note(k.scalar::<u64>(0)? * 100 + u64::from(k.block()) * 3 + k.place() as u64);
            body(k)
        };
        chip.kernel(name, core, kernel).unwrap()
    };
    let step = noting("step", Core::Aiv, |k| {
        let id = k.scalar::<u64>(0)? as i32;
        k.output::<i32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x = x.wrapping_mul(3).wrapping_add(id));
        Ok(())
    });
    let take = noting("take", Core::Aic, |k| {
        let from = k.input::<i32>(0)?.to_vec();
        k.output::<i32>(1)?.as_mut_slice()?.iter_mut().zip(&from).for_each(|(to, from)| *to ^= from);
        Ok(())
    });
    let start = noting("start", Core::Aiv, |k| {
        let id = k.scalar::<u64>(0)? as i32;
        k.output::<i32>(0)?.fill(id);
        Ok(())
    });
    let block = noting("block", Core::Aiv, |k| {
        let b = k.block();
        let mut cell = k.output_at::<i32>(0, &[b], &[1])?;
        cell.as_mut_slice()?[0] += b as i32;
        Ok(())
    });
    let meets = noting("meets", Core::Aiv, |k| {
        k.cohort_barrier()?;
        let b = k.block();
        k.output_at::<i32>(0, &[b], &[1])?.fill(b as i32 + 7);
        k.cohort_barrier()
    });
    let cube = noting("cube", Core::Aic, |k| k.cluster_barrier());
    let vector = noting("vector", Core::Aiv, |k| k.cluster_barrier());
    let mix = chip.mix("mix", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) }).unwrap();
    let x = chip.zeros::<i32>(&[6, 8]).unwrap();
    let program = |orch: &mut Orch<'_>| {
        let row = |i: u32| -> Result<Tensor> { x.slice(0, i..i + 1)?.reshape(&[8]) };
        let mut id = 0u64;
        for round in 0..12u32 {
            let mut next = || {
                id += 1;
                id
            };
            for i in 0..6 {
                orch.submit(&step).inout(&row(i)?).scalar(next()).go()?;
            }
            orch.scope(|orch| {
                let made = orch.submit(&start).output(&[8], DataType::I32).scalar(next()).go()?;
                orch.submit(&take).input(&made).inout(&row(round % 6)?).scalar(next()).go()?;
                orch.submit(&take).input(&row(round % 5)?).inout(&row(5)?).scalar(next()).go()?;
                Ok(())
            })?;
            orch.submit(&block).inout(&row(0)?).blocks(8).scalar(next()).go()?;
            orch.submit(&meets).inout(&row(1)?).blocks(8).sync_start().scalar(next()).go()?;
            orch.submit(&mix).inout(&row(2)?).blocks(4).scalar(next()).go()?;
        }
        Ok(())
    };
    let report = chip.run(program).unwrap_or_else(|error| panic!("seed {seed:?}: {error}"));
    let order = log.take();
    assert_eq!(report.executed, order.len() as u64);
    Outcome { order, values: chip.read::<i32>(&x).unwrap() }
}

#[test]
fn the_same_seed_gives_the_same_order_and_another_one_another() {
    let _dog = dog();
    let roomy = RingSizes::default().with_window(256).with_heap(64 << 10);
    let expected = outcome(None, roomy).values;
    let mut orders = Vec::new();
    for seed in 0..12 {
        let (first, second) = (outcome(Some(seed), roomy), outcome(Some(seed), roomy));
        assert_eq!(first, second, "seed {seed} is not one order");
        assert_eq!(first.values, expected, "seed {seed}");
        orders.push(first.order);
    }
    let all = orders.len();
    orders.sort();
    orders.dedup();
    assert_eq!(orders.len(), all, "two seeds gave the same order");
}

#[test]
fn back_pressure_does_not_change_the_values() {
    let _dog = dog();
    let roomy = RingSizes::default().with_window(256).with_heap(64 << 10);
    let expected = outcome(None, roomy).values;
    for window in [4, 8, 16] {
        let tight =
            RingSizes::default().with_window(window).with_heap(1024).with_deps(16).with_tensor_map(64);
        assert_eq!(outcome(None, tight).values, expected, "window {window}");
        for seed in [1, 2, 99] {
            let seeded = outcome(Some(seed), tight);
            assert_eq!(seeded.values, expected, "window {window}, seed {seed}");
            assert_eq!(seeded, outcome(Some(seed), tight), "window {window}, seed {seed}");
        }
    }
}

#[test]
fn runs_of_a_seeded_chip_follow_one_another_as_those_of_any_other() {
    let _dog = dog();
    let orders = |seed: u64| {
        let chip = Chip::sim(prewire_a5::a5()).seed(seed).build().unwrap();
        let log = Log::default();
        let notes = log.clone();
        let kernel = chip
            .kernel("note", Core::Aiv, move |k| {
                notes.note(k.scalar::<u64>(0)?);
                Ok(())
            })
            .unwrap();
        (0..5)
            .map(|_| {
                chip.run(|orch| (0..40u64).try_for_each(|i| orch.submit(&kernel).scalar(i).go().map(drop)))
                    .unwrap();
                log.take()
            })
            .collect::<Vec<_>>()
    };
    let runs = orders(4);
    assert_eq!(runs, orders(4));
    for mut run in runs {
        run.sort_unstable();
        assert_eq!(run, (0..40).collect::<Vec<_>>());
    }
}
