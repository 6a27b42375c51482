//! What random programs have found, each as the shortest program that shows it. Invariant: every seed shows the same.

use prewire_chip::{
    Chip, ChipBuilder, Core, DataType, Error, Hazards, Kernel, KernelError, Refusal, Result, RingSizes,
    SubmitError,
};

fn chip(seed: u64, sizes: RingSizes) -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(1).domains(1).rings(sizes).seed(seed)
}

/// Adds one to every element of argument 0.
fn raise(chip: &Chip) -> Result<Kernel> {
    chip.kernel("raise", Core::Aiv, |k| {
        k.output::<i32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x = x.wrapping_add(1));
        Ok(())
    })
}

#[test]
fn a_failure_does_not_haunt_the_next_memory_at_its_address() -> Result<()> {
    for seed in 0..32 {
        // The heap has room for one output: the second one is where the first was.
        let chip = chip(seed, RingSizes::smallest()).build()?;
        let raise = raise(&chip)?;
        let fail = chip.kernel("fail", Core::Aiv, |_| Err(KernelError::new("meant")))?;
        let copy = chip.kernel("copy", Core::Aiv, |k| {
            let from = k.input::<i32>(0)?.to_vec();
            k.output::<i32>(1)?.as_mut_slice()?.copy_from_slice(&from);
            Ok(())
        })?;
        let seven = chip.tensor(&[7i32], &[1])?;
        let out = chip.zeros::<i32>(&[1])?;
        let run = chip.run(|orch| {
            orch.scope(|orch| {
                let first = orch.submit(&copy).input(&seven).output(&[1], DataType::I32).go()?;
                orch.submit(&fail).inout(&first).go().map(drop)
            })?;
            orch.scope(|orch| {
                let second = orch.submit(&copy).input(&seven).output(&[1], DataType::I32).go()?;
                orch.submit(&raise).inout(&second).go()?;
                orch.submit(&copy).input(&second).output_into(&out).go().map(drop)
            })
        });
        assert!(matches!(run, Err(Error::Task(_))), "seed {seed}: {run:?}");
        assert_eq!(chip.read::<i32>(&out)?, [8], "seed {seed}: what depends on no failure was skipped");
    }
    Ok(())
}

#[test]
fn what_never_fits_is_refused_although_something_else_is_short_first() -> Result<()> {
    for seed in 0..32 {
        let chip = chip(seed, RingSizes::smallest()).build()?;
        let raise = raise(&chip)?;
        let x = chip.zeros::<i32>(&[1])?;
        let run = chip.run(|orch| {
            // They fill the window, unless they have retired by now: it depends on the seed.
            for _ in 0..3 {
                orch.submit(&raise).inout(&x).go()?;
            }
            orch.submit(&raise).output(&[257], DataType::I32).go().map(drop)
        });
        let refusal = if let Err(Error::Submit(refused)) = &run { Some(&refused.why) } else { None };
        let too_large = matches!(refusal, Some(Refusal::Submit(SubmitError::TooLarge { ring: 0, .. })));
        assert!(too_large, "seed {seed}: {run:?}");
    }
    Ok(())
}

#[test]
fn what_is_read_and_written_waits_for_writers_under_raw_hazards_too() -> Result<()> {
    for seed in 0..32 {
        let chip = chip(seed, RingSizes::default().with_heap(1024)).hazards(Hazards::Raw).build()?;
        let raise = raise(&chip)?;
        let set = chip.kernel("set", Core::Aic, |k| {
            k.output::<i32>(0)?.fill(100);
            Ok(())
        })?;
        let x = chip.zeros::<i32>(&[1])?;
        chip.run(|orch| {
            orch.submit(&set).output_into(&x).go()?;
            orch.submit(&raise).inout(&x).go()?;
            orch.submit(&raise).inout(&x).go()?;
            // So does a write by the host.
            orch.write(&x.view(&[0], &[1])?, &[0], 5i32)?;
            orch.submit(&raise).inout(&x).go().map(drop)
        })?;
        assert_eq!(chip.read::<i32>(&x)?, [6], "seed {seed}");
    }
    Ok(())
}

#[test]
fn sub_tasks_share_a_matrix_with_a_transposed_view_of_its_other_part() -> Result<()> {
    // Four blocks, each with a view of two columns of b that it reads and of rows of the transposed rest that it writes.
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(2).threads(2).build()?;
    let add = chip.kernel("add", Core::Aiv, |k| {
        let left = k.input::<i32>(0)?;
        let mut right = k.output_at::<i32>(1, &[k.block(), 0], &[1, 8])?;
        for row in 0..8 {
            let sum: i32 = left.row(row)?.iter().sum();
            right.set(&[0, row], sum)?;
        }
        Ok(())
    })?;
    let b = chip.tensor(&[1i32; 64], &[8, 8])?;
    for _ in 0..50 {
        chip.run(|orch| {
            let (left, right) = (b.slice(1, 0..4)?, b.slice(1, 4..8)?.transpose(0, 1)?);
            orch.submit(&add).input(&left).inout(&right).blocks(4).go().map(drop)
        })?;
    }
    assert_eq!(chip.read::<i32>(&b)?, [1, 1, 1, 1, 4, 4, 4, 4].repeat(8));
    Ok(())
}
