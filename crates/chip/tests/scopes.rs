//! Scopes and the heap: memory is used again and again, and no value is ever another task's.
mod common;

use common::{Gate, add, copy, dog, fill};
use prewire_chip::{Chip, ChipBuilder, Core, DataType, Kernel, Orch, Result, RingSizes, Tensor};
use std::sync::Arc;

fn tight(window: u32, heap: u64) -> ChipBuilder {
    let rings = RingSizes::default()
        .with_window(window)
        .with_heap(heap)
        .with_deps(8 * window)
        .with_tensor_map(8 * window);
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2).rings(rings)
}

/// Every way to build, with and without a seed.
fn chips(window: u32, heap: u64) -> impl Iterator<Item = Chip> {
    [None, Some(1), Some(77)].into_iter().map(move |seed| {
        let builder = tight(window, heap);
        seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap()
    })
}

struct Kernels {
    add: Kernel,
    fill: Kernel,
    copy: Kernel,
    sum: Kernel,
}

impl Kernels {
    fn new(chip: &Chip) -> Self {
        let sum = chip.kernel("sum", Core::Aiv, |k| {
            let (a, b) = (k.input::<i32>(0)?.to_vec(), k.input::<i32>(1)?.to_vec());
            let mut c = k.output::<i32>(2)?;
            c.as_mut_slice()?.iter_mut().zip(a.iter().zip(&b)).for_each(|(c, (a, b))| *c = a + b);
            Ok(())
        });
        Self { add: add(chip), fill: fill(chip), copy: copy(chip), sum: sum.unwrap() }
    }
}

#[test]
fn a_heap_of_a_few_kilobytes_carries_any_number_of_outputs() {
    let _dog = dog();
    for chip in chips(8, 4096) {
        let k = Kernels::new(&chip);
        let results = chip.zeros::<i32>(&[400, 16]).unwrap();
        chip.run(|orch| {
            for i in 0..400u32 {
                orch.scope(|orch| {
                    // Outputs of 64 bytes to 2 KiB, of which the ring has room for one set.
                    let len = 16 + 496 * (i % 2);
                    let a = orch.submit(&k.fill).output(&[len], DataType::I32).scalar(i as i32).go()?;
                    let b = orch.submit(&k.fill).output(&[16], DataType::I32).scalar(1000i32).go()?;
                    orch.submit(&k.add).inout(&a).scalar(i as i32).go()?;
                    let head = a.tensor()?.slice(0, 0..16)?;
                    let row = results.view(&[i, 0], &[1, 16])?.reshape(&[16])?;
                    orch.submit(&k.sum).input(&head).input(&b).output_into(&row).go()?;
                    Ok(())
                })?;
            }
            Ok(())
        })
        .unwrap();
        let expected: Vec<i32> = (0..400).flat_map(|i| [2 * i + 1000; 16]).collect();
        assert_eq!(chip.read::<i32>(&results).unwrap(), expected);
    }
}

/// The sum of 0..2^depth by halves, in nested scopes, each of which hands its result to the one around it.
fn halves(orch: &mut Orch<'_>, k: &Kernels, depth: u32, from: i32, result: &Tensor) -> Result<()> {
    if depth == 0 {
        return orch.submit(&k.fill).output_into(result).scalar(from).go().map(drop);
    }
    let parts = orch.alloc(&[2, 4], DataType::I32)?;
    let (left, right) = (parts.slice(0, 0..1)?.reshape(&[4])?, parts.slice(0, 1..2)?.reshape(&[4])?);
    orch.scope(|orch| halves(orch, k, depth - 1, from, &left))?;
    orch.scope(|orch| halves(orch, k, depth - 1, from + (1 << (depth - 1)), &right))?;
    orch.submit(&k.sum).input(&left).input(&right).output_into(result).go().map(drop)
}

#[test]
fn scopes_nest_deeper_than_there_are_rings() {
    let _dog = dog();
    // What the fourth scope and all inside it submit stays in the last ring until the fourth one closes.
    for chip in chips(128, 64 << 10) {
        let k = Kernels::new(&chip);
        let x = chip.zeros::<i32>(&[4]).unwrap();
        for _ in 0..3 {
            chip.run(|orch| halves(orch, &k, 8, 0, &x)).unwrap();
            assert_eq!(chip.read::<i32>(&x).unwrap(), [255 * 128; 4]);
        }
    }
}

#[test]
fn an_output_outlives_its_scope_until_its_consumers_are_done() {
    let _dog = dog();
    let chip = tight(64, 4096).build().unwrap();
    let k = Kernels::new(&chip);
    let gate = Gate::new();
    let waits = Arc::clone(&gate);
    let late = chip
        .kernel("late", Core::Aiv, move |k| {
            waits.wait(1);
            let value = k.input::<i32>(0)?.to_vec();
            k.output::<i32>(1)?.as_mut_slice()?.copy_from_slice(&value);
            Ok(())
        })
        .unwrap();
    let opens = chip
        .kernel("opens", Core::Aiv, move |k| {
            k.output::<i32>(0)?.fill(-1);
            gate.pass();
            Ok(())
        })
        .unwrap();
    let (x, y) = (chip.zeros::<i32>(&[256]).unwrap(), chip.zeros::<i32>(&[256]).unwrap());
    chip.run(|orch| {
        orch.scope(|orch| {
            let made = orch.submit(&k.fill).output(&[256], DataType::I32).scalar(7i32).go()?;
            let held = orch.alloc(&[256], DataType::I32)?;
            orch.submit(&k.fill).output_into(&held).scalar(8i32).go()?;
            orch.submit(&late).input(&made).output_into(&x).go()?;
            orch.submit(&late).input(&held).output_into(&y).go().map(drop)
        })?;
        // Two fit beside the ones that are waited for; the third one has to wait for their consumers.
        for kernel in [&k.fill, &opens, &k.fill, &k.fill, &k.fill, &k.fill] {
            orch.scope(|orch| {
                orch.submit(kernel).output(&[256], DataType::I32).scalar(-1i32).go().map(drop)
            })?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!((chip.read::<i32>(&x).unwrap(), chip.read::<i32>(&y).unwrap()), (vec![7; 256], vec![8; 256]));
}

#[test]
fn the_smallest_rings_there_are_carry_a_long_program() {
    let _dog = dog();
    for seed in [None, Some(3)] {
        let builder = Chip::sim(prewire_a5::a5()).rings(RingSizes::smallest());
        let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
        let k = Kernels::new(&chip);
        let (x, y) = (chip.zeros::<i32>(&[8]).unwrap(), chip.zeros::<i32>(&[8]).unwrap());
        chip.run(|orch| {
            for i in 0..500 {
                orch.submit(&k.add).inout(&x).scalar(1i32).go()?;
                orch.scope(|orch| {
                    let made = orch.submit(&k.fill).output(&[8], DataType::I32).scalar(i).go()?;
                    orch.scope(|orch| {
                        orch.submit(&k.sum).input(&made).input(&x).output_into(&y).go()?;
                        let copied = orch.submit(&k.copy).input(&y).output(&[8], DataType::I32).go()?;
                        orch.submit(&k.copy).input(&copied).output_into(&y).go().map(drop)
                    })
                })?;
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(
            (chip.read::<i32>(&x).unwrap(), chip.read::<i32>(&y).unwrap()),
            (vec![500; 8], vec![999; 8])
        );
    }
}

#[test]
fn memory_without_a_task_is_written_by_whoever_and_lives_as_long_as_its_scope() {
    let _dog = dog();
    for chip in chips(8, 4096) {
        let k = Kernels::new(&chip);
        let x = chip.zeros::<i32>(&[4]).unwrap();
        let report = chip
            .run(|orch| {
                for round in 0..50 {
                    orch.scope(|orch| {
                        let memory = orch.alloc(&[4], DataType::I32)?;
                        for i in 0..4 {
                            orch.write(&memory, &[i], round)?;
                        }
                        orch.submit(&k.add).inout(&memory).scalar(1i32).go()?;
                        assert_eq!(orch.read::<i32>(&memory, &[2])?, round + 1);
                        orch.submit(&k.sum).input(&memory).input(&memory).output_into(&x).go().map(drop)
                    })?;
                }
                Ok(())
            })
            .unwrap();
        assert_eq!((report.tasks, report.executed), (100, 100));
        assert_eq!(chip.read::<i32>(&x).unwrap(), [100; 4]);
    }
}
