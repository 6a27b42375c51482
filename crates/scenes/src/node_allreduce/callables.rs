//! What the chips run of an all-reduce: sum shards, gather shards, add one to another, fetch one.

use prewire::prelude::{Args, Callable, Core, KernelCtx, KernelError, Orch};

use crate::spoil::Spoil;

/// The programs of the scene.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The sum of all but the last into the last.
    pub(crate) reduce: Callable,
    /// All but the last, one after the other, into the rows of the last.
    pub(crate) gather: Callable,
    /// `1 += 0`.
    pub(crate) accumulate: Callable,
    /// `0 -> 1`.
    pub(crate) fetch: Callable,
}

impl Programs {
    pub(crate) fn new(spoil: Spoil) -> Self {
        let reduce = Callable::chip_program("reduce", move |chip| {
            let add_up = spoil.kernel(chip, "add_up", Core::Aiv, add_up)?;
            Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
                let mut task = orch.submit(&add_up);
                for shard in 0..args.tensors() - 1 {
                    task = task.input(&args.tensor(shard)?);
                }
                task.output_into(&args.tensor(args.tensors() - 1)?).go().map(drop)
            })
        });
        let gather = Callable::chip_program("gather", move |chip| {
            let copy = spoil.kernel(chip, "copy", Core::Aiv, copy)?;
            Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
                let all = args.tensor(args.tensors() - 1)?;
                for (shard, row) in (0..args.tensors() - 1).zip(0..) {
                    let row = all.slice(0, row..row + 1)?;
                    orch.submit(&copy).input(&args.tensor(shard)?).output_into(&row).go()?;
                }
                Ok(())
            })
        });
        let accumulate = Callable::chip_program("accumulate", move |chip| {
            let add_to = spoil.kernel(chip, "add_to", Core::Aiv, add_to)?;
            Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
                orch.submit(&add_to).input(&args.tensor(0)?).inout(&args.tensor(1)?).go().map(drop)
            })
        });
        let fetch = Callable::chip_program("fetch", move |chip| {
            let fetch = spoil.kernel(chip, "fetch", Core::Aiv, copy)?;
            Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
                orch.submit(&fetch).input(&args.tensor(0)?).output_into(&args.tensor(1)?).go().map(drop)
            })
        });
        Self { reduce, gather, accumulate, fetch }
    }
}

fn add_up(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut sum = k.output::<f32>(k.tensors() - 1)?;
    sum.fill(0.0);
    for shard in 0..k.tensors() - 1 {
        let shard = k.input::<f32>(shard)?;
        sum.as_mut_slice()?.iter_mut().zip(shard.as_slice()?).for_each(|(sum, x)| *sum += x);
    }
    Ok(())
}

fn add_to(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let from = k.input::<f32>(0)?;
    let mut to = k.output::<f32>(1)?;
    to.as_mut_slice()?.iter_mut().zip(from.as_slice()?).for_each(|(to, from)| *to += from);
    Ok(())
}

fn copy(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let from = k.input::<f32>(0)?;
    k.output::<f32>(1)?.as_mut_slice()?.copy_from_slice(from.as_slice()?);
    Ok(())
}
