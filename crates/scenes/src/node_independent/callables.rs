//! What each chip runs: the polynomial of its tensor, a kernel a tile, and the number of its process.

use prewire::prelude::{Args, Callable, Core, KernelCtx, KernelError, Orch};

use crate::spoil::Spoil;

/// `0 -> 1`, tile by tile along the first dimension, with scalars `a` and `b`; the chip's process into `2`.
pub(crate) fn evaluate(spoil: Spoil) -> Callable {
    Callable::chip_program("evaluate", move |chip| {
        let polynomial = spoil.kernel(chip, "polynomial", Core::Aiv, polynomial)?;
        let sign = spoil.kernel(chip, "sign", Core::Aiv, sign)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let (x, y, signed) = (args.tensor(0)?, args.tensor(1)?, args.tensor(2)?);
            let (a, b) = (args.scalar::<f32>(0)?, args.scalar::<f32>(1)?);
            for tile in 0..x.shape()[0] {
                let (x, y) = (x.slice(0, tile..tile + 1)?, y.slice(0, tile..tile + 1)?);
                orch.submit(&polynomial).input(&x).output_into(&y).scalar(a).scalar(b).go()?;
            }
            orch.submit(&sign).output_into(&signed).go().map(drop)
        })
    })
}

fn polynomial(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (a, b) = (k.scalar::<f32>(0)?, k.scalar::<f32>(1)?);
    let x = k.input::<f32>(0)?;
    let mut y = k.output::<f32>(1)?;
    for (y, x) in y.as_mut_slice()?.iter_mut().zip(x.as_slice()?) {
        *y = (a * x + b) * x + 1.0;
    }
    Ok(())
}

fn sign(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    k.output::<u64>(0)?.fill(u64::from(std::process::id()));
    Ok(())
}
