//! Kernels on integers modulo 2⁶⁴ of which no two may change places.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError};

use crate::machine::Machine;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// `0 = 5 * 0 + scalar 0`.
    pub(crate) step: Kernel,
    /// `1 = (2 * scalar 0 + 1) * 0 + scalar 0`.
    pub(crate) make: Kernel,
    /// The last is three times itself, plus each of the others times its number, from one.
    pub(crate) join: Kernel,
    /// Scalar 0 squared to each element of 0.
    pub(crate) overwrite: Kernel,
    /// `1 = 5 * 1 + 0`.
    pub(crate) fold: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            step: machine.kernel("step", Core::Aiv, step)?,
            make: machine.kernel("make", Core::Aic, make)?,
            join: machine.kernel("join", Core::Aiv, join)?,
            overwrite: machine.kernel("overwrite", Core::Aiv, overwrite)?,
            fold: machine.kernel("fold", Core::Aic, fold)?,
        })
    }
}

fn step(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more: u64 = k.scalar(0)?;
    for x in k.output::<u64>(0)?.as_mut_slice()? {
        *x = x.wrapping_mul(5).wrapping_add(more);
    }
    Ok(())
}

fn make(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let scalar: u64 = k.scalar(0)?;
    let from = k.input::<u64>(0)?;
    for (to, from) in k.output::<u64>(1)?.as_mut_slice()?.iter_mut().zip(from.as_slice()?) {
        *to = from.wrapping_mul(2 * scalar + 1).wrapping_add(scalar);
    }
    Ok(())
}

fn join(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let last = k.tensors() - 1;
    let mut sum = k.output::<u64>(last)?;
    let sum = sum.as_mut_slice()?;
    for x in &mut *sum {
        *x = x.wrapping_mul(3);
    }
    for number in 0..last {
        for (sum, x) in sum.iter_mut().zip(k.input::<u64>(number)?.as_slice()?) {
            *sum = sum.wrapping_add(x.wrapping_mul(number as u64 + 1));
        }
    }
    Ok(())
}

fn overwrite(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let scalar: u64 = k.scalar(0)?;
    k.output::<u64>(0)?.fill(scalar.wrapping_mul(scalar));
    Ok(())
}

fn fold(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more = k.input::<u64>(0)?;
    for (x, more) in k.output::<u64>(1)?.as_mut_slice()?.iter_mut().zip(more.as_slice()?) {
        *x = x.wrapping_mul(5).wrapping_add(*more);
    }
    Ok(())
}
