//! What the chips run: one step of a chain, and the sum of two of them.

use prewire::prelude::{Args, Callable, Core, KernelCtx, KernelError, Orch};

use crate::spoil::Spoil;

/// `0 -> 1`: half of the element, a quarter of its mirror image and scalar 0.
pub(crate) fn step(spoil: Spoil) -> Callable {
    Callable::chip_program("step", move |chip| {
        let halve = spoil.kernel(chip, "halve", Core::Aiv, halve)?;
        let mirror = spoil.kernel(chip, "mirror", Core::Aiv, mirror)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let (x, y) = (args.tensor(0)?, args.tensor(1)?);
            orch.submit(&halve).input(&x).output_into(&y).scalar(args.scalar::<f32>(0)?).go()?;
            orch.submit(&mirror).input(&x).inout(&y).go().map(drop)
        })
    })
}

/// `0 + 1 -> 2`.
pub(crate) fn join(spoil: Spoil) -> Callable {
    Callable::chip_program("join", move |chip| {
        let add = spoil.kernel(chip, "add", Core::Aiv, add)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let (a, b, sum) = (args.tensor(0)?, args.tensor(1)?, args.tensor(2)?);
            orch.submit(&add).input(&a).input(&b).output_into(&sum).go().map(drop)
        })
    })
}

fn halve(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more = k.scalar::<f32>(0)?;
    let x = k.input::<f32>(0)?;
    let mut y = k.output::<f32>(1)?;
    for (y, x) in y.as_mut_slice()?.iter_mut().zip(x.as_slice()?) {
        *y = 0.5 * x + more;
    }
    Ok(())
}

fn mirror(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let x = k.input::<f32>(0)?;
    let mut y = k.output::<f32>(1)?;
    for (y, x) in y.as_mut_slice()?.iter_mut().zip(x.as_slice()?.iter().rev()) {
        *y += 0.25 * x;
    }
    Ok(())
}

fn add(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (a, b) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
    let mut sum = k.output::<f32>(2)?;
    for (sum, (a, b)) in sum.as_mut_slice()?.iter_mut().zip(a.as_slice()?.iter().zip(b.as_slice()?)) {
        *sum = a + b;
    }
    Ok(())
}
