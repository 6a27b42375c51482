//! The vector kernels: one result each, element by element.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError};

use crate::machine::Machine;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// `0 + 1 -> 2`.
    pub(crate) add: Kernel,
    /// `0 + scalar 0 -> 1`.
    pub(crate) add_scalar: Kernel,
    /// `0 * 1 -> 2`.
    pub(crate) multiply: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            add: machine.kernel("add", Core::Aiv, |k| pairwise(k, |a, b| a + b))?,
            add_scalar: machine.kernel("add_scalar", Core::Aiv, add_scalar)?,
            multiply: machine.kernel("multiply", Core::Aiv, |k| pairwise(k, |a, b| a * b))?,
        })
    }
}

fn pairwise(k: &KernelCtx<'_>, op: impl Fn(f32, f32) -> f32) -> Result<(), KernelError> {
    let (a, b) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
    let mut c = k.output::<f32>(2)?;
    for (c, (a, b)) in c.as_mut_slice()?.iter_mut().zip(a.as_slice()?.iter().zip(b.as_slice()?)) {
        *c = op(*a, *b);
    }
    Ok(())
}

fn add_scalar(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more: f32 = k.scalar(0)?;
    let a = k.input::<f32>(0)?;
    let mut b = k.output::<f32>(1)?;
    for (b, a) in b.as_mut_slice()?.iter_mut().zip(a.as_slice()?) {
        *b = a + more;
    }
    Ok(())
}
