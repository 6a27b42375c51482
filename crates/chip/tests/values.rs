//! Values: elements and scalars of all types, strided tensors, empty tensors, and the host's reads and writes.
mod common;

use common::{Gate, add, copy, dog, fill};
use prewire_chip::{Chip, ChipBuilder, Core, DataType, Element, KernelError, bf16, f16};
use std::sync::Arc;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

/// Through a buffer, a kernel, an output, another kernel, and a host access.
fn travels<T: Element + PartialEq + std::fmt::Debug>(chip: &Chip, values: [T; 4]) {
    let reverse = chip
        .kernel(&format!("reverse {}", T::DTYPE), Core::Aic, |k| {
            let mut from = k.input::<T>(0)?.to_vec();
            from.reverse();
            k.output::<T>(1)?.as_mut_slice()?.copy_from_slice(&from);
            Ok(())
        })
        .unwrap();
    let (x, y) = (chip.tensor(&values, &[2, 2]).unwrap(), chip.zeros::<T>(&[4]).unwrap());
    chip.run(|orch| {
        let turned = orch.submit(&reverse).input(&x).output(&[4], T::DTYPE).go()?;
        orch.submit(&reverse).input(&turned).output_into(&y).go()?;
        assert_eq!(orch.read::<T>(&turned, &[0])?, values[3]);
        assert_eq!(orch.read::<T>(&y, &[1])?, values[1]);
        orch.write(&y, &[0], values[3])
    })
    .unwrap();
    let [_, b, c, d] = values;
    assert_eq!(chip.read::<T>(&y).unwrap(), [d, b, c, d], "{}", T::DTYPE);
}

#[test]
fn elements_of_every_type_travel_unchanged() {
    let _dog = dog();
    for spec in [prewire_a2a3::a2a3(), prewire_a5::a5()] {
        let chip = Chip::sim(spec).threads(1).build().unwrap();
        travels(&chip, [1.5f32, -0.0, f32::MAX, f32::MIN_POSITIVE]);
        travels(&chip, [1.5f32, -2.25, 3.0, 4.0].map(f16::from_f32));
        travels(&chip, [1.5f32, -2.25, 3.0, 4.0].map(bf16::from_f32));
        travels(&chip, [i64::MIN, -1, 2, i64::MAX]);
        travels(&chip, [i32::MIN, -1, 2, i32::MAX]);
        travels(&chip, [i16::MIN, -1, 2, i16::MAX]);
        travels(&chip, [i8::MIN, -1, 2, i8::MAX]);
        travels(&chip, [u64::MAX, 1, 2, 1 << 63]);
        travels(&chip, [u32::MAX, 1, 2, 3]);
        travels(&chip, [u16::MAX, 1, 2, 3]);
        travels(&chip, [u8::MAX, 1, 2, 3]);
    }
}

#[test]
fn scalars_of_every_type_travel_unchanged() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let check = |name: &str, body: fn(&mut prewire_chip::KernelCtx<'_>) -> Result<(), KernelError>| {
        chip.kernel(name, Core::Aiv, body).unwrap()
    };
    let integers = check("integers", |k| {
        assert_eq!(
            (k.scalar::<u8>(0)?, k.scalar::<u16>(1)?, k.scalar::<u32>(2)?),
            (200, 60_000, 4_000_000_000)
        );
        assert_eq!((k.scalar::<u64>(3)?, k.scalar::<usize>(4)?), (u64::MAX, usize::MAX - 1));
        assert_eq!((k.scalar::<i8>(5)?, k.scalar::<i16>(6)?, k.scalar::<i32>(7)?), (-100, -30_000, i32::MIN));
        assert_eq!((k.scalar::<i64>(8)?, k.scalar::<isize>(9)?, k.scalars()), (i64::MIN, -1, 10));
        Ok(())
    });
    let others = check("others", |k| {
        assert_eq!((k.scalar::<f32>(0)?, k.scalar::<f64>(1)?), (-1.5, f64::MIN_POSITIVE));
        assert!(k.scalar::<f32>(2)?.is_nan() && k.scalar::<bool>(3)? && !k.scalar::<bool>(4)?);
        Ok(())
    });
    let x = chip.zeros::<i32>(&[2, 3]).unwrap();
    let column = x.slice(1, 1..2).unwrap();
    let report = chip
        .run(|orch| {
            let unsigned = |submit: prewire_chip::Submit<'_, '_>| {
                let submit = submit.scalar(200u8).scalar(60_000u16).scalar(4_000_000_000u32);
                let submit = submit.scalar(u64::MAX).scalar(usize::MAX - 1).scalar(-100i8);
                submit.scalar(-30_000i16).scalar(i32::MIN).scalar(i64::MIN).scalar(-1isize).go().map(drop)
            };
            // Scalars are counted on their own, whatever stands before them.
            unsigned(orch.submit(&integers))?;
            unsigned(orch.submit(&integers).input(&column).output(&[3], DataType::F16))?;
            let submit = orch.submit(&others).scalar(-1.5f32).scalar(f64::MIN_POSITIVE).input(&column);
            submit.scalar(f32::NAN).scalar(true).scalar(false).go().map(drop)
        })
        .unwrap();
    assert_eq!(report.executed, 3);
}

#[test]
fn the_host_reads_and_writes_strided_tensors_row_after_row() {
    let chip = small().build().unwrap();
    let data: Vec<i32> = (0..2 * 3 * 4).collect();
    let x = chip.tensor(&data, &[2, 3, 4]).unwrap();
    let at = |i: i32, j: i32, k: i32| 12 * i + 4 * j + k;
    let turned = x.permute(&[2, 0, 1]).unwrap();
    assert_eq!((turned.shape(), turned.strides()), (&[4, 2, 3][..], &[1, 12, 4][..]));
    let expected: Vec<i32> =
        (0..4).flat_map(|k| (0..2).flat_map(move |i| (0..3).map(move |j| at(i, j, k)))).collect();
    assert_eq!(chip.read::<i32>(&turned).unwrap(), expected);
    let part = x.view(&[0, 1, 1], &[2, 2, 2]).unwrap();
    assert_eq!(chip.read::<i32>(&part).unwrap(), [5, 6, 9, 10, 17, 18, 21, 22]);
    chip.write(&part.transpose(0, 2).unwrap(), &[-1, -2, -3, -4, -5, -6, -7, -8]).unwrap();
    assert_eq!(chip.read::<i32>(&part).unwrap(), [-1, -5, -3, -7, -2, -6, -4, -8]);
    assert_eq!(
        chip.read::<i32>(&x.slice(0, 0..1).unwrap()).unwrap(),
        [0, 1, 2, 3, 4, -1, -5, 7, 8, -3, -7, 11]
    );
    let flat = x.reshape(&[24]).unwrap().slice(0, 20..24).unwrap();
    assert_eq!(chip.read::<i32>(&flat).unwrap(), [20, -4, -8, 23]);
}

#[test]
fn a_kernel_sees_a_strided_argument_as_it_was_passed() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let data: Vec<i32> = (0..24).collect();
    let x = chip.tensor(&data, &[4, 6]).unwrap();
    let turned = x.slice(1, 2..5).unwrap().transpose(0, 1).unwrap();
    let looks = chip
        .kernel("looks", Core::Aiv, |k| {
            assert_eq!((k.shape(0)?, k.tensors()), (vec![3, 4], 2));
            let view = k.input::<i32>(0)?;
            assert_eq!(
                (view.shape(), view.strides(), view.len(), view.rows()),
                (&[3, 4][..], &[1, 6][..], 12, 3)
            );
            assert!(view.row(0).is_err() && view.as_slice().is_err());
            assert_eq!(view.get(&[2, 3]), Some(22));
            assert_eq!((view.get(&[3, 0]), view.get(&[0, 4]), view.get(&[0])), (None, None, None));
            assert_eq!(view.to_vec(), [2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22]);
            let part = k.input_at::<i32>(0, &[1, 1], &[2, 2])?;
            assert_eq!(part.iter().collect::<Vec<_>>(), [9, 15, 10, 16]);
            let mut rows = k.output::<i32>(1)?;
            rows.row_mut(1)?.copy_from_slice(&[-1, -2]);
            rows.set(&[3, 1], -3)
        })
        .unwrap();
    let columns = x.slice(1, 0..2).unwrap();
    let (add, copy) = (add(&chip), copy(&chip));
    let y = chip.zeros::<i32>(&[3, 4]).unwrap();
    chip.run(|orch| {
        orch.submit(&looks).input(&turned).output_into(&columns).go()?;
        orch.submit(&copy).input(&turned).output_into(&y).go()?;
        orch.submit(&add).inout(&x.slice(1, 5..6)?).scalar(100i32).go()?;
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.read::<i32>(&y).unwrap(), [2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22]);
    assert_eq!(chip.read::<i32>(&columns).unwrap(), [0, 1, -1, -2, 12, 13, 18, -3]);
    assert_eq!(chip.read::<i32>(&x.slice(1, 5..6).unwrap()).unwrap(), [105, 111, 117, 123]);
}

#[test]
fn a_tensor_without_elements_goes_everywhere_and_orders_nothing() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let gate = Gate::new();
    let both = chip
        .kernel("both", Core::Aiv, move |k| {
            let mut empty = k.output::<i32>(0)?;
            assert!(empty.is_empty() && empty.as_mut_slice()?.is_empty() && empty.iter().next().is_none());
            empty.fill(1);
            assert!(empty.get(&[0, 0]).is_none());
            gate.pass();
            gate.wait(2);
            Ok(())
        })
        .unwrap();
    let (fill, copy) = (fill(&chip), copy(&chip));
    let full = chip.tensor(&[1i32, 2, 3, 4], &[2, 2]).unwrap();
    let empty = chip.zeros::<i32>(&[0, 4]).unwrap();
    chip.run(|orch| {
        // Two writers of nothing do not wait for each other.
        orch.submit(&both).inout(&empty).go()?;
        orch.submit(&both).inout(&full.slice(0, 1..1)?).go()?;
        let made = orch.submit(&fill).output(&[3, 0], DataType::I32).scalar(1i32).go()?;
        orch.submit(&copy).input(&made).output_into(&empty).go()?;
        orch.submit(&fill).output(&[0], DataType::I32).scalar(1i32).go()?;
        assert_eq!(orch.alloc(&[0], DataType::F32)?.len(), 0);
        Ok(())
    })
    .unwrap();
    assert!(chip.read::<i32>(&empty).unwrap().is_empty() && empty.is_empty());
    chip.write::<i32>(&empty, &[]).unwrap();
    assert_eq!(chip.read::<i32>(&full).unwrap(), [1, 2, 3, 4]);
    assert!(chip.tensor::<u8>(&[], &[0]).unwrap().is_empty());
}

#[test]
fn a_host_access_waits_for_the_tasks_before_it_and_those_after_it_see_it() {
    let _dog = dog();
    for seed in [None, Some(6)] {
        let chip = seed.map_or(small(), |seed| small().seed(seed)).build().unwrap();
        let (add, copy) = (add(&chip), copy(&chip));
        let (x, y) = (chip.zeros::<i32>(&[4]).unwrap(), chip.zeros::<i32>(&[4]).unwrap());
        chip.run(|orch| {
            for i in 0..100i32 {
                orch.submit(&add).inout(&x).scalar(1i32).go()?;
                assert_eq!(orch.read::<i32>(&x, &[1])?, i + 1);
                orch.submit(&copy).input(&x).output_into(&y).go()?;
                // After the reader of x.
                orch.write(&x, &[0], 1000)?;
            }
            assert_eq!(orch.tasks(), 200);
            Ok(())
        })
        .unwrap();
        assert_eq!(chip.read::<i32>(&y).unwrap(), [1001, 100, 100, 100]);
        assert_eq!(chip.read::<i32>(&x).unwrap(), [1000, 100, 100, 100]);
    }
}

#[test]
fn a_host_write_waits_for_readers_that_run() {
    let _dog = dog();
    let chip = small().build().unwrap();
    let (gate, begun) = (Gate::new(), Gate::new());
    let (waits, begins) = (Arc::clone(&gate), Arc::clone(&begun));
    let reader = chip
        .kernel("reader", Core::Aiv, move |k| {
            begins.pass();
            waits.wait(1);
            let seen = k.input::<i32>(0)?.to_vec();
            k.output::<i32>(1)?.as_mut_slice()?.copy_from_slice(&seen);
            Ok(())
        })
        .unwrap();
    let (x, y) = (chip.tensor(&[1i32; 4], &[4]).unwrap(), chip.zeros::<i32>(&[4]).unwrap());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            begun.wait(1);
            gate.pass();
        });
        chip.run(|orch| {
            orch.submit(&reader).input(&x).output_into(&y).go()?;
            orch.write(&x, &[0], 9i32)
        })
        .unwrap();
    });
    assert_eq!(
        (chip.read::<i32>(&x).unwrap(), chip.read::<i32>(&y).unwrap()),
        (vec![9, 1, 1, 1], vec![1; 4])
    );
}
