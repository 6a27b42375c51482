//! The kernels of the layer. Cube cores multiply, vector cores do the rest, in `f32`.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError, bf16};

use crate::machine::Machine;
use crate::tile;

/// The kernels of the layer; those of attention are in `paged_attention`.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// RMS norm of the block's row of 0 with weights 1 and epsilon scalar 0, to 2.
    pub(crate) norm: Kernel,
    /// `0 x 1 -> 2`, weights of `bf16`.
    pub(crate) project: Kernel,
    /// `1 += 0`.
    pub(crate) add_onto: Kernel,
    /// The block's row of 0, each head normed with weights 1 and rotated by table 2 at place 3, to 4.
    pub(crate) rotate_query: Kernel,
    /// A token of heads 0, each normed with weights 1 and rotated by the row 2 of the table, rounded to 3.
    pub(crate) store_key: Kernel,
    /// A token of heads 0, rounded to 1.
    pub(crate) store_value: Kernel,
    /// `silu(0) * 1 -> 2`.
    pub(crate) swiglu: Kernel,
    /// `0 -> 1`.
    pub(crate) copy: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            norm: machine.kernel("norm", Core::Aiv, norm)?,
            project: machine.kernel("project", Core::Aic, project)?,
            add_onto: machine.kernel("add_onto", Core::Aiv, add_onto)?,
            rotate_query: machine.kernel("rotate_query", Core::Aiv, rotate_query)?,
            store_key: machine.kernel("store_key", Core::Aiv, store_key)?,
            store_value: machine.kernel("store_value", Core::Aiv, store_value)?,
            swiglu: machine.kernel("swiglu", Core::Aiv, swiglu)?,
            copy: machine.kernel("copy", Core::Aiv, copy)?,
        })
    }
}

/// `x` divided by its root mean square, times the weights.
fn rms(x: &[f32], weights: &[f32], epsilon: f32, y: &mut [f32]) {
    let square: f32 = x.iter().map(|x| x * x).sum();
    let scale = 1.0 / (square / x.len() as f32 + epsilon).sqrt();
    for (y, (x, weight)) in y.iter_mut().zip(x.iter().zip(weights)) {
        *y = x * scale * weight;
    }
}

/// Turns the pairs `(x[i], x[i + half])` by the angles whose cosines and sines follow each other in `table`.
fn rotate(x: &mut [f32], table: &[f32]) {
    let half = x.len() / 2;
    let (low, high) = x.split_at_mut(half);
    let (cosines, sines) = table.split_at(half);
    for (i, (low, high)) in low.iter_mut().zip(high).enumerate() {
        (*low, *high) = (*low * cosines[i] - *high * sines[i], *high * cosines[i] + *low * sines[i]);
    }
}

fn norm(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let epsilon: f32 = k.scalar(0)?;
    let (offsets, shape) = ([k.block(), 0], [1, k.shape(0)?[1]]);
    let x = k.input_at::<f32>(0, &offsets, &shape)?;
    let weights = k.input::<f32>(1)?;
    let mut y = k.output_at::<f32>(2, &offsets, &shape)?;
    rms(x.row(0)?, weights.as_slice()?, epsilon, y.row_mut(0)?);
    Ok(())
}

fn project(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let x = tile::load(&k.input::<f32>(0)?)?;
    let weights = tile::load(&k.input::<bf16>(1)?)?;
    tile::store(&tile::multiply(x.view(), weights.view())?, &mut k.output::<f32>(2)?)
}

fn add_onto(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more = k.input::<f32>(0)?;
    let mut sum = k.output::<f32>(1)?;
    for row in 0..more.rows() {
        for (sum, more) in sum.row_mut(row)?.iter_mut().zip(more.row(row)?) {
            *sum += more;
        }
    }
    Ok(())
}

fn rotate_query(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let epsilon: f32 = k.scalar(0)?;
    let token = k.block();
    let query = k.input_at::<f32>(0, &[token, 0], &[1, k.shape(0)?[1]])?;
    let weights = k.input::<f32>(1)?;
    let place = k
        .input::<i32>(3)?
        .get(&[token as usize])
        .and_then(|place| u32::try_from(place).ok())
        .ok_or_else(|| KernelError::new("the token has no place in its sequence"))?;
    let half = k.shape(2)?[2];
    let table = k.input_at::<f32>(2, &[place, 0, 0], &[1, 2, half])?;
    let mut rotated = k.output_at::<f32>(4, &[token, 0, 0], &[1, k.shape(4)?[1], 2 * half])?;
    for (row, head) in query.row(0)?.chunks(2 * half as usize).enumerate() {
        let to = rotated.row_mut(row)?;
        rms(head, weights.as_slice()?, epsilon, to);
        rotate(to, table.as_slice()?);
    }
    Ok(())
}

fn store_key(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let epsilon: f32 = k.scalar(0)?;
    let (key, weights, table) = (k.input::<f32>(0)?, k.input::<f32>(1)?, k.input::<f32>(2)?);
    let weights = weights.as_slice()?;
    let mut cache = k.output::<bf16>(3)?;
    let mut rotated = vec![0.0; weights.len()];
    for (row, head) in key.row(0)?.chunks(weights.len()).enumerate() {
        rms(head, weights, epsilon, &mut rotated);
        rotate(&mut rotated, table.as_slice()?);
        for (to, from) in cache.row_mut(row)?.iter_mut().zip(&rotated) {
            *to = bf16::from_f32(*from);
        }
    }
    Ok(())
}

fn store_value(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let value = k.input::<f32>(0)?;
    let mut cache = k.output::<bf16>(1)?;
    for (to, from) in cache.as_mut_slice()?.iter_mut().zip(value.iter()) {
        *to = bf16::from_f32(from);
    }
    Ok(())
}

fn swiglu(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (gate, up) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
    let mut inside = k.output::<f32>(2)?;
    for row in 0..gate.rows() {
        for (inside, (gate, up)) in
            inside.row_mut(row)?.iter_mut().zip(gate.row(row)?.iter().zip(up.row(row)?))
        {
            *inside = gate / (1.0 + (-gate).exp()) * up;
        }
    }
    Ok(())
}

fn copy(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let from = k.input::<f32>(0)?;
    k.output::<f32>(1)?.as_mut_slice()?.copy_from_slice(from.as_slice()?);
    Ok(())
}
