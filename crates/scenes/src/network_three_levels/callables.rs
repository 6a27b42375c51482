//! What runs on each level: every one above the chips splits what it has over its children, and says so in a scalar.

use prewire::prelude::{Args, Callable, Core, HostArgs, KernelCtx, KernelError, Orch as ChipOrch};
use prewire::worker::Orch;

use crate::spoil::Spoil;

/// On a chip: the squares of `0`, with scalar 0 added, into `1`.
pub(crate) fn square(spoil: Spoil) -> Callable {
    Callable::chip_program("square", move |chip| {
        let square = spoil.kernel(chip, "square", Core::Aiv, square_and_add)?;
        Ok(move |orch: &mut ChipOrch<'_>, args: &Args<'_>| {
            let (x, y, way) = (args.tensor(0)?, args.tensor(1)?, args.scalar::<f32>(0)?);
            orch.submit(&square).input(&x).output_into(&y).scalar(way).go().map(drop)
        })
    })
}

/// On a worker: `below` on each child, with an equal share each of `0` and `1`, and scalar 0 with `step` more for each.
pub(crate) fn split(name: &'static str, below: Callable, step: f32) -> Callable {
    Callable::orchestration(name, move |orch: &mut Orch<'_>, args: &Args<'_>| {
        let (x, y, way) = (args.tensor(0)?, args.tensor(1)?, args.scalar::<f32>(0)?);
        let children: Vec<String> = orch.children().map(str::to_owned).collect();
        let share = x.shape()[0] / children.len() as u32;
        for (child, index) in children.iter().zip(0..) {
            let part = index * share..(index + 1) * share;
            let (x, y) = (x.slice(0, part.clone())?, y.slice(0, part)?);
            let way = way + step * (index + 1) as f32;
            orch.submit(&below).to(child).input(&x).output_into(&y).scalar(way).go()?;
        }
        Ok(())
    })
}

/// In a SUB worker of the top: the sum of `0` into `1`.
pub(crate) fn sum(spoil: Spoil) -> Callable {
    spoil.function("sum", |args: &HostArgs<'_>| {
        let sum: f64 = args.input::<f32>(0)?.iter().map(f64::from).sum();
        args.output::<f32>(1)?.fill(sum as f32);
        Ok(())
    })
}

fn square_and_add(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let way = k.scalar::<f32>(0)?;
    let x = k.input::<f32>(0)?;
    let mut y = k.output::<f32>(1)?;
    for (y, x) in y.as_mut_slice()?.iter_mut().zip(x.as_slice()?) {
        *y = x * x + way;
    }
    Ok(())
}
