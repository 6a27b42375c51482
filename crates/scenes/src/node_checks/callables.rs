//! What runs: the square of a matrix on a chip, and a host function that checks it.

use prewire::prelude::{Args, Callable, Core, DataType, HostArgs, KernelCtx, KernelError, Orch};

use super::golden;
use crate::compare::Worst;
use crate::spoil::Spoil;
use crate::tile;

/// `0 x 0 -> 1`; then scalar 0 is added to the first element, for whoever is to find it.
pub(crate) fn square(spoil: Spoil) -> Callable {
    Callable::chip_program("square", move |chip| {
        let multiply = spoil.kernel(chip, "multiply", Core::Aic, multiply)?;
        let shift = spoil.kernel(chip, "shift", Core::Aiv, shift)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let (a, square) = (args.tensor(0)?, args.tensor(1)?);
            let side = square.shape()[0];
            let product = orch.submit(&multiply).input(&a).output(&[side, side], DataType::F32).go()?;
            let by = args.scalar::<f32>(0)?;
            orch.submit(&shift).input(&product).output_into(&square).scalar(by).go().map(drop)
        })
    })
}

/// Fails unless `1` is the square of `0`, to within `tolerance`.
pub(crate) fn check(tolerance: f64) -> Callable {
    Callable::host_function("check", move |args: &HostArgs<'_>| {
        let (a, square) = (args.input::<f32>(0)?, args.input::<f32>(1)?);
        let side = a.shape()[0] as usize;
        let mut worst = Worst::default();
        worst.see_all(square.as_slice()?, &golden::square(side, a.as_slice()?));
        if worst.get() <= tolerance {
            return Ok(());
        }
        Err(KernelError::new(format!("a square differs from the golden by {:.3e}", worst.get())))
    })
}

fn multiply(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let a = tile::load(&k.input::<f32>(0)?)?;
    tile::store(&tile::multiply(a.view(), a.view())?, &mut k.output::<f32>(1)?)
}

fn shift(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let by = k.scalar::<f32>(0)?;
    let product = k.input::<f32>(0)?;
    let mut square = k.output::<f32>(1)?;
    square.as_mut_slice()?.copy_from_slice(product.as_slice()?);
    let first = square.get(&[0, 0]).unwrap_or_default();
    square.set(&[0, 0], first + by)
}
