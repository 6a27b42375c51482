//! What the chips run: the member of a group, the task between two groups, and a member that fails.

use prewire::prelude::{Args, Callable, Core, KernelCtx, KernelError, Orch};

use crate::spoil::Spoil;

/// The member of a group: `1 = 1 / 2 + 0 * scalar 0`.
pub(crate) fn advance(spoil: Spoil) -> Callable {
    Callable::chip_program("advance", move |chip| {
        let mix = spoil.kernel(chip, "mix", Core::Aiv, mix)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let (shared, row) = (args.tensor(0)?, args.tensor(1)?);
            orch.submit(&mix).input(&shared).inout(&row).scalar(args.scalar::<f32>(0)?).go().map(drop)
        })
    })
}

/// What comes between two groups: 1, and three quarters of `1`, less a sixteenth of the sum of the rows of `0`, into `2`.
pub(crate) fn fold(spoil: Spoil) -> Callable {
    Callable::chip_program("fold", move |chip| {
        let fold = spoil.kernel(chip, "fold", Core::Aiv, fold_rows)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let [rows, shared, next] = [args.tensor(0)?, args.tensor(1)?, args.tensor(2)?];
            orch.submit(&fold).input(&rows).input(&shared).output_into(&next).go().map(drop)
        })
    })
}

/// A member that writes its row, and fails if scalar 0 is not 0.
pub(crate) fn refuse() -> Callable {
    Callable::chip_program("refuse", |chip| {
        let refuse = chip.kernel("refuse", Core::Aiv, |k| {
            k.output::<f32>(0)?.fill(-1.0);
            if k.scalar::<u32>(0)? == 0 { Ok(()) } else { Err(KernelError::new("refused on purpose")) }
        })?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            orch.submit(&refuse).output_into(&args.tensor(0)?).scalar(args.scalar::<u32>(0)?).go().map(drop)
        })
    })
}

fn mix(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let by = k.scalar::<f32>(0)?;
    let shared = k.input::<f32>(0)?;
    let mut row = k.output::<f32>(1)?;
    for (row, shared) in row.as_mut_slice()?.iter_mut().zip(shared.as_slice()?) {
        *row = 0.5 * *row + shared * by;
    }
    Ok(())
}

fn fold_rows(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let rows = k.input::<f32>(0)?;
    let shared = k.input::<f32>(1)?;
    let mut next = k.output::<f32>(2)?;
    let next = next.as_mut_slice()?;
    next.iter_mut().zip(shared.as_slice()?).for_each(|(next, shared)| *next = 1.0 + 0.75 * shared);
    for row in 0..rows.rows() {
        for (next, row) in next.iter_mut().zip(rows.row(row)?) {
            *next -= 0.0625 * row;
        }
    }
    Ok(())
}
