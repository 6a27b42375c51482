//! The kernels of the two streams: a product and a sum of square matrices.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError};

use crate::machine::Machine;
use crate::tile;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// `0 x 1 -> 2`.
    pub(crate) multiply: Kernel,
    /// `0 + 1 -> 2`.
    pub(crate) add: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            multiply: machine.kernel("multiply", Core::Aic, multiply)?,
            add: machine.kernel("add", Core::Aiv, add)?,
        })
    }
}

fn multiply(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let a = tile::load(&k.input::<f32>(0)?)?;
    let b = tile::load(&k.input::<f32>(1)?)?;
    tile::store(&tile::multiply(a.view(), b.view())?, &mut k.output::<f32>(2)?)
}

fn add(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (a, b) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
    let mut c = k.output::<f32>(2)?;
    for (c, (a, b)) in c.as_mut_slice()?.iter_mut().zip(a.iter().zip(b.iter())) {
        *c = a + b;
    }
    Ok(())
}
