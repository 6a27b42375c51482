//! What runs of the layer: the part of one chip, and the sum of the parts by a SUB worker or by a chip.

use prewire::prelude::{Args, Callable, Core, DataType, HostArgs, KernelCtx, KernelError, Orch, ViewMut};

use super::tiles;
use crate::spoil::Spoil;
use crate::tile;

/// `max(0 x 1, 0) x 2 -> 3`, tile by tile: `1` is some columns of the first matrix, `2` the same rows of the second.
pub(crate) fn part(spoil: Spoil) -> Callable {
    Callable::chip_program("part", move |chip| {
        let up = spoil.kernel(chip, "up", Core::Aic, multiply)?;
        let relu = spoil.kernel(chip, "relu", Core::Aiv, relu)?;
        let down = spoil.kernel(chip, "down", Core::Aic, multiply)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let [x, first, second, y] = [args.tensor(0)?, args.tensor(1)?, args.tensor(2)?, args.tensor(3)?];
            let [tokens, model, hidden] = [x.shape()[0], x.shape()[1], first.shape()[1]];
            for (token, height) in tiles(tokens) {
                let x = x.view(&[token, 0], &[height, model])?;
                orch.scope(|orch| {
                    let activation = orch.alloc(&[height, hidden], DataType::F32)?;
                    for (column, width) in tiles(hidden) {
                        let a = activation.view(&[0, column], &[height, width])?;
                        let first = first.view(&[0, column], &[model, width])?;
                        orch.submit(&up).input(&x).input(&first).output_into(&a).go()?;
                        orch.submit(&relu).inout(&a).go()?;
                    }
                    for (column, width) in tiles(model) {
                        let second = second.view(&[0, column], &[hidden, width])?;
                        let y = y.view(&[token, column], &[height, width])?;
                        orch.submit(&down).input(&activation).input(&second).output_into(&y).go()?;
                    }
                    Ok(())
                })?;
            }
            Ok(())
        })
    })
}

/// The sum of all tensors but the last into the last, by a function of the host.
pub(crate) fn reduce(spoil: Spoil) -> Callable {
    spoil.function("reduce", |args: &HostArgs<'_>| {
        let (mut sum, parts) = (args.output::<f32>(args.tensors() - 1)?, 0..args.tensors() - 1);
        sum.fill(0.0);
        parts.into_iter().try_for_each(|part| add(&mut sum, args.input::<f32>(part)?.as_slice()?))
    })
}

/// The same on a chip.
pub(crate) fn reduce_on_chip(spoil: Spoil) -> Callable {
    Callable::chip_program("reduce_on_chip", move |chip| {
        let add_up = spoil.kernel(chip, "add_up", Core::Aiv, add_up)?;
        Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
            let sum = args.tensor(args.tensors() - 1)?;
            for (token, height) in tiles(sum.shape()[0]) {
                let mut task = orch.submit(&add_up);
                for part in 0..args.tensors() - 1 {
                    task = task.input(&args.tensor(part)?.slice(0, token..token + height)?);
                }
                task.output_into(&sum.slice(0, token..token + height)?).go()?;
            }
            Ok(())
        })
    })
}

fn multiply(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let a = tile::load(&k.input::<f32>(0)?)?;
    let b = tile::load(&k.input::<f32>(1)?)?;
    tile::store(&tile::multiply(a.view(), b.view())?, &mut k.output::<f32>(2)?)
}

fn relu(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut a = k.output::<f32>(0)?;
    for row in 0..a.rows() {
        a.row_mut(row)?.iter_mut().for_each(|a| *a = a.max(0.0));
    }
    Ok(())
}

fn add_up(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut sum = k.output::<f32>(k.tensors() - 1)?;
    sum.fill(0.0);
    (0..k.tensors() - 1).try_for_each(|part| add(&mut sum, k.input::<f32>(part)?.as_slice()?))
}

fn add(sum: &mut ViewMut<'_, f32>, part: &[f32]) -> Result<(), KernelError> {
    sum.as_mut_slice()?.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    Ok(())
}
