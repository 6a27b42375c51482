//! The kernels of the tiled product: multiply two tiles, add one tile to another.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError};

use crate::machine::Machine;
use crate::tile;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// `0 x 1 -> 2`.
    pub(crate) multiply: Kernel,
    /// `1 += 0`.
    pub(crate) accumulate: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            multiply: machine.kernel("multiply", Core::Aic, multiply)?,
            accumulate: machine.kernel("accumulate", Core::Aiv, accumulate)?,
        })
    }
}

fn multiply(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let a = tile::load(&k.input::<f32>(0)?)?;
    let b = tile::load(&k.input::<f32>(1)?)?;
    tile::store(&tile::multiply(a.view(), b.view())?, &mut k.output::<f32>(2)?)
}

fn accumulate(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let product = k.input::<f32>(0)?;
    let mut sum = k.output::<f32>(1)?;
    for row in 0..product.rows() {
        for (sum, product) in sum.row_mut(row)?.iter_mut().zip(product.row(row)?) {
            *sum += product;
        }
    }
    Ok(())
}
