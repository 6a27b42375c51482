//! What the chips run: one step of a chain, in place.

use prewire::prelude::{Args, Callable, Core, KernelCtx, KernelError, Orch};

use crate::spoil::Spoil;

/// `0 = 0 / 2 + 1`.
pub(crate) fn step(spoil: Spoil) -> Callable {
    Callable::chip_program("step", move |chip| {
        let step = spoil.kernel(chip, "halve", Core::Aiv, halve)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            orch.submit(&step).inout(&args.tensor(0)?).go().map(drop)
        })
    })
}

fn halve(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x = 0.5 * *x + 1.0);
    Ok(())
}
