//! What runs on each level: a product on a chip, one split over the chips of a node, and sums of rows beside the nodes.

use prewire::prelude::{Args, Callable, Core, HostArgs, KernelCtx, KernelError, Orch as ChipOrch};
use prewire::worker::Orch;

use super::CHIPS;
use crate::spoil::Spoil;
use crate::tile;

/// On a chip: `0 x 1 -> 2`.
pub(crate) fn product(spoil: Spoil) -> Callable {
    Callable::chip_program("product", move |chip| {
        let multiply = spoil.kernel(chip, "multiply", Core::Aic, multiply)?;
        Ok(move |orch: &mut ChipOrch<'_>, args: &Args<'_>| {
            let [a, b, c] = [args.tensor(0)?, args.tensor(1)?, args.tensor(2)?];
            orch.submit(&multiply).input(&a).input(&b).output_into(&c).go().map(drop)
        })
    })
}

/// On a node: the same, with the columns of `1` and `2` split over its chips.
pub(crate) fn split_product(product: Callable) -> Callable {
    Callable::orchestration("split_product", move |orch: &mut Orch<'_>, args: &Args<'_>| {
        let [a, b, c] = [args.tensor(0)?, args.tensor(1)?, args.tensor(2)?];
        let columns = b.shape()[1];
        let share = columns.div_ceil(CHIPS);
        for (chip, first) in (0..).zip((0..columns).step_by(share as usize)) {
            let part = first..columns.min(first + share);
            let (b, c) = (b.slice(1, part.clone())?, c.slice(1, part)?);
            orch.submit(&product).to(&format!("chip{chip}")).input(&a).input(&b).output_into(&c).go()?;
        }
        Ok(())
    })
}

/// In a SUB worker: the sums of the rows of `0` into `1`.
pub(crate) fn row_sums(spoil: Spoil) -> Callable {
    spoil.function("row_sums", |args: &HostArgs<'_>| {
        let matrix = args.input::<f32>(0)?;
        let mut sums = args.output::<f32>(1)?;
        for (row, sum) in sums.as_mut_slice()?.iter_mut().enumerate() {
            *sum = matrix.row(row)?.iter().sum();
        }
        Ok(())
    })
}

fn multiply(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let a = tile::load(&k.input::<f32>(0)?)?;
    let b = tile::load(&k.input::<f32>(1)?)?;
    tile::store(&tile::multiply(a.view(), b.view())?, &mut k.output::<f32>(2)?)
}
