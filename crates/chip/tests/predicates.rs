//! Predicates: whether a task runs is decided when it is ready, and nothing else changes.
mod common;

use common::{Gate, add, copy, dog, fill, refused};
use prewire_chip::{Chip, ChipBuilder, Core, DataType, Element, Mix, PredicateOp};
use std::sync::Arc;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

const OPS: [PredicateOp; 7] = [
    PredicateOp::None,
    PredicateOp::Eq,
    PredicateOp::Ne,
    PredicateOp::Gt,
    PredicateOp::Lt,
    PredicateOp::Ge,
    PredicateOp::Le,
];

/// Every operator, with targets below, at and above each value.
fn compares<T: Element>(chip: &Chip, values: &[T], meaning: &[i64]) {
    let fill = chip.kernel(&format!("fill {}", T::DTYPE), Core::Aiv, |k| {
        k.output::<u8>(0)?.fill(1);
        Ok(())
    });
    let fill = fill.unwrap();
    let flags = chip.tensor(values, &[values.len() as u32, 1]).unwrap();
    let cases: Vec<(u32, PredicateOp, i64)> = (0..values.len() as u32)
        .flat_map(|i| OPS.into_iter().map(move |op| (i, op)))
        .flat_map(|(i, op)| {
            let value = meaning[i as usize];
            [value.saturating_sub(1), value, value.saturating_add(1), 0].map(|target| (i, op, target))
        })
        .collect();
    let ran = chip.zeros::<u8>(&[cases.len() as u32]).unwrap();
    chip.run(|orch| {
        for (at, (i, op, target)) in (0u32..).zip(&cases) {
            let cell = ran.slice(0, at..at + 1)?;
            orch.submit(&fill).output_into(&cell).predicate(&flags, &[*i, 0], *op, *target).go()?;
        }
        Ok(())
    })
    .unwrap();
    for ((i, op, target), ran) in cases.iter().zip(chip.read::<u8>(&ran).unwrap()) {
        let value = meaning[*i as usize];
        let holds = match op {
            PredicateOp::Eq => value == *target,
            PredicateOp::Ne => value != *target,
            PredicateOp::Gt => value > *target,
            PredicateOp::Lt => value < *target,
            PredicateOp::Ge => value >= *target,
            PredicateOp::Le => value <= *target,
            _ => true,
        };
        assert_eq!(ran == 1, holds, "{} {value} {op:?} {target}", T::DTYPE);
    }
}

#[test]
fn every_operator_compares_every_integer_type_with_its_sign() {
    let _dog = dog();
    let chip = small().build().unwrap();
    compares(&chip, &[i8::MIN, -1, 0, 1, i8::MAX], &[-128, -1, 0, 1, 127]);
    compares(&chip, &[0u8, 1, 128, 255], &[0, 1, 128, 255]);
    compares(&chip, &[i16::MIN, -1, 0, i16::MAX], &[-32768, -1, 0, 32767]);
    compares(&chip, &[0u16, 1, u16::MAX], &[0, 1, 65535]);
    compares(&chip, &[i32::MIN, -1, 0, i32::MAX], &[i32::MIN.into(), -1, 0, i32::MAX.into()]);
    compares(&chip, &[0u32, 1, u32::MAX], &[0, 1, u32::MAX.into()]);
    compares(&chip, &[i64::MIN, -1, 0, i64::MAX], &[i64::MIN, -1, 0, i64::MAX]);
    compares(&chip, &[0u64, 1, i64::MAX as u64], &[0, 1, i64::MAX]);
}

#[test]
fn a_task_that_is_skipped_changes_nothing_and_its_consumers_go_on() {
    let _dog = dog();
    for seed in [None, Some(8)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let (add, fill, copy) = (add(&chip), fill(&chip), copy(&chip));
        let (x, y) = (chip.tensor(&[5i32; 8], &[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
        let flag = chip.zeros::<i32>(&[2, 2]).unwrap();
        let report = chip
            .run(|orch| {
                orch.submit(&add).inout(&x).scalar(1i32).go()?;
                let skipped = orch
                    .submit(&fill)
                    .output_into(&x)
                    .scalar(99i32)
                    .predicate(&flag, &[1, 1], PredicateOp::Ne, 0)
                    .go()?;
                orch.submit(&add).inout(&x).scalar(1i32).after(&skipped).go()?;
                orch.submit(&copy).input(&x).output_into(&y).go()?;
                Ok(())
            })
            .unwrap();
        assert_eq!((report.tasks, report.executed), (4, 3));
        assert_eq!(chip.read::<i32>(&y).unwrap(), [7; 8]);
    }
}

#[test]
fn a_predicate_waits_for_what_writes_its_element_and_later_writers_wait_for_it() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (add, fill) = (add(&chip), fill(&chip));
    let gate = Gate::new();
    let waits = Arc::clone(&gate);
    let slow = chip
        .kernel("slow", Core::Aiv, move |k| {
            waits.wait(1);
            k.output::<i32>(0)?.fill(1);
            Ok(())
        })
        .unwrap();
    let x = chip.zeros::<i32>(&[8]).unwrap();
    chip.run(|orch| {
        // A loop that ends early: the flag is set by a task of the run.
        let flag = orch.submit(&slow).output(&[1], DataType::I32).go()?;
        orch.submit(&add).inout(&x).scalar(1i32).predicate(&flag, &[0], PredicateOp::Eq, 1).go()?;
        orch.submit(&fill).output_into(&flag).scalar(0i32).go()?;
        orch.submit(&add).inout(&x).scalar(10i32).predicate(&flag, &[0], PredicateOp::Eq, 1).go()?;
        orch.submit(&add).inout(&x).scalar(100i32).predicate(&flag, &[0], PredicateOp::Eq, 0).go()?;
        gate.pass();
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.read::<i32>(&x).unwrap(), [101; 8]);
}

#[test]
fn groups_are_skipped_whole() {
    let _dog = dog();
    for seed in [None, Some(21)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let meets = chip.kernel("meets", Core::Aiv, |k| k.cohort_barrier()).unwrap();
        let blocks = chip.kernel("blocks", Core::Aiv, |_| Ok(())).unwrap();
        let cube = chip.kernel("cube", Core::Aic, |k| k.cluster_barrier()).unwrap();
        let vector = chip.kernel("vector", Core::Aiv, |k| k.cluster_barrier()).unwrap();
        let mix = chip.mix("mix", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: None }).unwrap();
        let flag = chip.tensor(&[0i32, 1], &[2]).unwrap();
        let report = chip
            .run(|orch| {
                for i in 0..40u32 {
                    let which = [i % 2];
                    let runs = (PredicateOp::Eq, 1);
                    orch.submit(&meets)
                        .blocks(8)
                        .sync_start()
                        .predicate(&flag, &which, runs.0, runs.1)
                        .go()?;
                    orch.submit(&blocks).blocks(33).predicate(&flag, &which, runs.0, runs.1).go()?;
                    orch.submit(&mix).blocks(5).predicate(&flag, &which, runs.0, runs.1).go()?;
                    orch.dummy().predicate(&flag, &which, runs.0, runs.1).go()?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((report.tasks, report.executed), (160, 20 * (8 + 33 + 10)));
    }
}

#[test]
fn a_predicate_on_what_an_unordered_task_writes_is_refused() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (held, done) = (Gate::new(), Gate::new());
    let (holds, waits) = (Arc::clone(&held), Arc::clone(&done));
    let holder = chip
        .kernel("holder", Core::Aiv, move |k| {
            let view = k.output::<i32>(0)?;
            holds.pass();
            waits.wait(1);
            drop(view);
            Ok(())
        })
        .unwrap();
    let nop = common::nop(&chip);
    let flag = chip.zeros::<i32>(&[4]).unwrap();
    let result = chip.run(|orch| {
        orch.manual_scope(|orch| {
            orch.submit(&holder).inout(&flag).go()?;
            held.wait(1);
            let task = orch
                .submit(&nop)
                .predicate(&flag, &[2], PredicateOp::Eq, 0)
                .output(&[1], DataType::I32)
                .go()?;
            refused(orch.read::<i32>(&task, &[0]), &["failed"]);
            done.pass();
            Ok(())
        })
    });
    refused(result, &["kernel \"nop\"", "its predicate reads what task", "writes; add an edge"]);
}
