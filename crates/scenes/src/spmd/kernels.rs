//! The kernels of tasks with many blocks. A block touches rows of its own; what lanes share, they share across a
//! barrier, and hold no view of it while they wait there.

use core::ops::Range;

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError, Mix, Place};

use super::SIDE;
use crate::machine::Machine;
use crate::tile;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// Rows of 0, twice, plus the number of the row, to 1.
    pub(crate) ramp: Kernel,
    /// A cluster: tile of 0, times 1, plus bias 2, clipped at 0, times 3, to tile of 5. Scratch: 4.
    pub(crate) clusters: Kernel,
    /// Each part of 0 divided by the sum of all, to 2. Scratch: 1.
    pub(crate) share: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        let cube = machine.kernel("cluster_cube", Core::Aic, cluster_cube)?;
        // What this lane makes is used before it ends, so it cannot be spoilt after.
        let error = if machine.spoils("cluster_vector") { 1.0 } else { 0.0 };
        let vector = machine.chip.kernel("cluster_vector", Core::Aiv, move |k| cluster_vector(k, error))?;
        Ok(Self {
            ramp: machine.kernel("ramp", Core::Aiv, ramp)?,
            clusters: machine
                .chip
                .mix("clusters", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: Some(&vector) })?,
            share: machine.kernel("share", Core::Aiv, share)?,
        })
    }
}

/// The rows, out of `rows`, that are this block's.
fn own(k: &KernelCtx<'_>, rows: u32) -> Range<u32> {
    let at = |block: u32| (u64::from(rows) * u64::from(block) / u64::from(k.blocks())) as u32;
    at(k.block())..at(k.block() + 1)
}

fn ramp(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let rows = own(k, k.shape(0)?[0]);
    let (offsets, shape) = ([rows.start, 0], [rows.end - rows.start, SIDE]);
    let x = k.input_at::<f32>(0, &offsets, &shape)?;
    let mut y = k.output_at::<f32>(1, &offsets, &shape)?;
    for row in 0..x.rows() {
        for (y, x) in y.row_mut(row)?.iter_mut().zip(x.row(row)?) {
            *y = 2.0 * x + (rows.start as usize + row) as f32 / 64.0;
        }
    }
    Ok(())
}

fn cluster_cube(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (offsets, shape) = ([k.block(), 0, 0], [1, SIDE, SIDE]);
    {
        let a = tile::load(&k.input_at::<f32>(0, &offsets, &shape)?)?;
        let first = tile::load(&k.input::<f32>(1)?)?;
        let product = tile::multiply(a.view(), first.view())?;
        tile::store(&product, &mut k.output_at::<f32>(4, &offsets, &shape)?)?;
    }
    k.cluster_barrier()?;
    // The vector lanes have their turn.
    k.cluster_barrier()?;
    let hidden = tile::load(&k.input_at::<f32>(4, &offsets, &shape)?)?;
    let second = tile::load(&k.input::<f32>(3)?)?;
    let product = tile::multiply(hidden.view(), second.view())?;
    tile::store(&product, &mut k.output_at::<f32>(5, &offsets, &shape)?)
}

fn cluster_vector(k: &mut KernelCtx<'_>, error: f32) -> Result<(), KernelError> {
    k.cluster_barrier()?;
    {
        let half = SIDE / 2;
        let start = if k.place() == Place::Aiv0 { 0 } else { half };
        let bias = k.input::<f32>(2)?;
        let mut hidden = k.output_at::<f32>(4, &[k.block(), start, 0], &[1, half, SIDE])?;
        for row in 0..half as usize {
            for (hidden, bias) in hidden.row_mut(row)?.iter_mut().zip(bias.iter()) {
                *hidden = (*hidden + bias).max(0.0) + error;
            }
        }
    }
    k.cluster_barrier()
}

fn share(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let rows = own(k, k.shape(0)?[0]);
    let (offsets, shape) = ([rows.start, 0], [rows.end - rows.start, SIDE]);
    let parts = k.input_at::<f32>(0, &offsets, &shape)?;
    {
        let mut sum = k.output_at::<f32>(1, &[k.block(), 0], &[1, 1])?;
        sum.fill(parts.iter().sum());
    }
    k.cohort_barrier()?;
    let total: f32 = k.input_at::<f32>(1, &[0, 0], &[k.blocks(), 1])?.iter().sum();
    let mut shares = k.output_at::<f32>(2, &offsets, &shape)?;
    for row in 0..parts.rows() {
        for (share, part) in shares.row_mut(row)?.iter_mut().zip(parts.row(row)?) {
            *share = part / total;
        }
    }
    Ok(())
}
