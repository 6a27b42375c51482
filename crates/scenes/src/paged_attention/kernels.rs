//! The kernels of attention over one block: scores, softmax, values, and the update of the running result. A softmax
//! is taken relative to the greatest score of its block, so no weight exceeds 1.

use prewire::prelude::{KernelCtx, KernelError, bf16};

use crate::tile;

/// `0 x 1ᵀ -> 2`: queries `[1, g, d]` of `f32` and keys `[1, t, 1, d]` of `bf16` to scores `[g, t]`.
pub(crate) fn scores(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let query = tile::load(&k.input::<f32>(0)?)?;
    let key = tile::load(&k.input::<bf16>(1)?)?;
    tile::store(&tile::multiply(query.view(), key.t())?, &mut k.output::<f32>(2)?)
}

/// Scores `[g, t]`, times scalar 0, to weights `[g, t]`, the greatest score `[g, 1]` and the sum of weights `[g, 1]`.
pub(crate) fn softmax(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let scale: f32 = k.scalar(0)?;
    let scores = k.input::<f32>(0)?;
    let mut weights = k.output::<f32>(1)?;
    let mut max = k.output::<f32>(2)?;
    let mut sum = k.output::<f32>(3)?;
    for row in 0..scores.rows() {
        let scores = scores.row(row)?;
        let top = scores.iter().fold(f32::NEG_INFINITY, |top, score| top.max(score * scale));
        let mut total = 0.0;
        for (weight, score) in weights.row_mut(row)?.iter_mut().zip(scores) {
            *weight = (score * scale - top).exp();
            total += *weight;
        }
        max.set(&[row, 0], top)?;
        sum.set(&[row, 0], total)?;
    }
    Ok(())
}

/// `0 x 1 -> 2`: weights `[g, t]` and values `[1, t, 1, d]` of `bf16` to weighted values `[g, d]`.
pub(crate) fn values(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let weights = tile::load(&k.input::<f32>(0)?)?;
    let value = tile::load(&k.input::<bf16>(1)?)?;
    tile::store(&tile::multiply(weights.view(), value.view())?, &mut k.output::<f32>(2)?)
}

/// Adds a block (greatest score 0, sum 1, values 2) to the running result (3, 4, 5), which it is if scalar 0 says so.
pub(crate) fn update(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let first: bool = k.scalar(0)?;
    let (max, sum, values) = (k.input::<f32>(0)?, k.input::<f32>(1)?, k.input::<f32>(2)?);
    let mut running_max = k.output::<f32>(3)?;
    let mut running_sum = k.output::<f32>(4)?;
    let mut running_values = k.output::<f32>(5)?;
    let running_max = running_max.as_mut_slice()?;
    let running_sum = running_sum.as_mut_slice()?;
    for (row, (&max, &sum)) in max.as_slice()?.iter().zip(sum.as_slice()?).enumerate() {
        // What is in the running result before the first block is not a number to compute with.
        let (old_max, old_sum) = if first { (max, 0.0) } else { (running_max[row], running_sum[row]) };
        let new_max = old_max.max(max);
        let (keep, take) = ((old_max - new_max).exp(), (max - new_max).exp());
        running_max[row] = new_max;
        running_sum[row] = old_sum * keep + sum * take;
        for (running, &value) in running_values.row_mut(row)?.iter_mut().zip(values.row(row)?) {
            let old = if first { 0.0 } else { *running * keep };
            *running = old + value * take;
        }
    }
    Ok(())
}

/// Values 1 `[g, d]` divided by sums 0 `[g, 1]` to the result 2 `[1, g, d]`.
pub(crate) fn divide(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let (sum, values) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
    let mut result = k.output::<f32>(2)?;
    for (row, sum) in sum.iter().enumerate() {
        for (result, value) in result.row_mut(row)?.iter_mut().zip(values.row(row)?) {
            *result = value / sum;
        }
    }
    Ok(())
}
