//! Mistakes in a kernel: each is an error of its own, which fails the task and names it.
mod common;

use common::{add, copy, dog, failure, fill, refused, still_works};
use prewire_chip::{Chip, ChipBuilder, Core, DataType, KernelError, Result};

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

type Case = fn(&mut prewire_chip::KernelCtx<'_>) -> Result<(), KernelError>;

#[test]
fn each_mistake_of_a_kernel_is_an_error_of_its_own() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let add = add(&chip);
    let x = chip.zeros::<i32>(&[4, 6]).unwrap();
    let read = chip.zeros::<f32>(&[4]).unwrap();
    let columns = x.slice(1, 1..3).unwrap();
    let turned = columns.transpose(0, 1).unwrap();
    // Argument 0 is written and strided, 1 is read, 2 is created.
    let cases: [(&str, Case, &str); 14] = [
        ("tensor", |k| k.input::<i32>(3).map(drop), "argument 3 was asked for, but the task has 3 tensors"),
        ("shape", |k| k.shape(7).map(drop), "argument 7 was asked for, but the task has 3 tensors"),
        ("scalar", |k| k.scalar::<i32>(1).map(drop), "scalar 1 was asked for, but the task has 1 scalars"),
        (
            "dtype",
            |k| k.input::<i32>(1).map(drop),
            "argument 1 has dtype float32, but the kernel asked for int32",
        ),
        (
            "access",
            |k| k.output::<f32>(1).map(drop),
            "argument 1 was passed as INPUT, which a kernel must not write",
        ),
        (
            "borrowed",
            |k| {
                let _kept = k.input::<i32>(0)?;
                k.output::<i32>(0).map(drop)
            },
            "argument 0 is already borrowed by another view of this kernel",
        ),
        (
            "borrowed twice",
            |k| {
                let _kept = k.output_at::<i32>(0, &[0, 0], &[1, 1])?;
                k.output_at::<i32>(0, &[1, 1], &[1, 1]).map(drop)
            },
            "argument 0 is already borrowed by another view of this kernel",
        ),
        (
            "slice",
            |k| k.output::<i32>(0)?.as_mut_slice().map(drop),
            "shape [4, 2] and strides [6, 1] do not lie one after the other",
        ),
        (
            "slice read",
            |k| k.input::<i32>(0)?.as_slice().map(drop),
            "do not lie one after the other; use rows",
        ),
        (
            "row",
            |k| k.output::<i32>(0)?.row_mut(4).map(drop),
            "index [4] is outside of a view of shape [4, 2]",
        ),
        ("set", |k| k.output::<i32>(0)?.set(&[3, 2], 1), "index [3, 2] is outside of a view of shape [4, 2]"),
        (
            "part",
            |k| k.output_at::<i32>(0, &[3, 0], &[2, 1]).map(drop),
            "argument 0: the view takes indices 3..5 of dimension 0, which has 4",
        ),
        ("cluster", |k| k.cluster_barrier(), "a task with one place a block has no cluster barrier"),
        ("cohort", |k| k.cohort_barrier(), "submit the task with sync_start"),
    ];
    for (name, case, says) in cases {
        let kernel = chip.kernel(name, Core::Aiv, case).unwrap();
        let result = chip.run(|orch| {
            let task = orch.submit(&kernel).inout(&columns).input(&read).output(&[2], DataType::I32);
            task.scalar(1i32).go().map(drop)
        });
        refused(result, &[&format!("kernel {name:?}"), says]);
    }
    let row = chip.kernel("turned row", Core::Aiv, |k| k.input::<i32>(0)?.row(0).map(drop)).unwrap();
    let result = chip.run(|orch| orch.submit(&row).input(&turned).go().map(drop));
    refused(result, &["shape [2, 4] and strides [1, 6] do not lie one after the other"]);
    // A view that was dropped, and an error that was handled, are no failure.
    let handles = chip
        .kernel("handles", Core::Aiv, |k| {
            drop(k.output::<i32>(0)?);
            let (a, b) = (k.input::<i32>(0)?, k.input::<i32>(0)?);
            assert!(k.output::<i32>(0).is_err() && a.get(&[4, 0]).is_none() && b.len() == 8);
            drop((a, b));
            k.output::<i32>(0)?.set(&[3, 1], 77)
        })
        .unwrap();
    chip.run(|orch| orch.submit(&handles).inout(&columns).go().map(drop)).unwrap();
    assert_eq!(chip.read::<i32>(&x).unwrap()[3 * 6 + 2], 77);
    still_works(&chip, &add);
}

#[test]
fn blocks_that_write_the_same_bytes_at_the_same_time_are_refused_not_raced() {
    let _dog = dog();
    for seed in [None, Some(4)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let (add, copy, fill) = (add(&chip), copy(&chip), fill(&chip));
        let overlapping = chip
            .kernel("overlapping", Core::Aiv, |k| {
                let first = k.block() == 0;
                let kept = if first { Some(k.output_at::<i32>(0, &[0], &[5])?) } else { None };
                k.cohort_barrier()?;
                if !first {
                    k.output_at::<i32>(0, &[5], &[3])?.fill(9);
                    k.output_at::<i32>(0, &[4], &[4])?.fill(8);
                }
                k.cohort_barrier()?;
                drop(kept);
                Ok(())
            })
            .unwrap();
        let x = chip.zeros::<i32>(&[8]).unwrap();
        let y = chip.zeros::<i32>(&[8]).unwrap();
        for _ in 0..20 {
            let result = chip.run(|orch| {
                orch.submit(&overlapping).inout(&x).blocks(2).sync_start().go()?;
                orch.submit(&fill).output_into(&y).scalar(3i32).go()?;
                orch.submit(&copy).input(&x).output_into(&y).go()?;
                Ok(())
            });
            let failure = failure(result);
            assert_eq!((failure.block, failure.skipped), ((1, 2), 1));
            let KernelError::Conflict { arg: 0, other } = &failure.error else {
                panic!("{:?}", failure.error)
            };
            assert!(other.contains("task 0:") && other.contains("block 0"), "{other}");
            assert_eq!(chip.read::<i32>(&x).unwrap(), [0, 0, 0, 0, 0, 9, 9, 9]);
            assert_eq!(chip.read::<i32>(&y).unwrap(), [3; 8]);
        }
        still_works(&chip, &add);
    }
}
