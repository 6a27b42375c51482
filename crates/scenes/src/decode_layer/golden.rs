//! The golden of the layer: one token after another, in `f64`, no tiles, one softmax a head.

use prewire::prelude::bf16;

use super::inputs::{Inputs, Weights};
use super::{EPSILON, Model, ROTARY_BASE};
use crate::paged_attention::attend_golden;

/// What must come out.
#[derive(Debug)]
pub(crate) struct Golden {
    /// The tokens after the layer, `[batch, hidden]`.
    pub(crate) result: Vec<f64>,
    /// The new keys, `[batch, kv_heads, dim]`, not rounded.
    pub(crate) key: Vec<f64>,
    /// The new values, of the same shape.
    pub(crate) value: Vec<f64>,
}

/// The layer.
pub(crate) fn layer(model: Model, inputs: &Inputs) -> Golden {
    let (hidden, dim) = (model.hidden as usize, model.heads.dim as usize);
    let (heads, kv_heads, block) =
        (model.heads.heads as usize, model.heads.kv_heads as usize, model.heads.block);
    let tokens: Vec<f64> = inputs.tokens.iter().map(|&x| f64::from(x)).collect();
    let normed = norm(&tokens, &inputs.norm_attention);
    let mut query = project(&normed, &inputs.query);
    let mut key = project(&normed, &inputs.key);
    let value = project(&normed, &inputs.value);
    query = norm(&query, &inputs.norm_query);
    key = norm(&key, &inputs.norm_key);
    for (sequence, length) in inputs.pages.lengths.iter().enumerate() {
        for head in query[sequence * heads * dim..(sequence + 1) * heads * dim].chunks_mut(dim) {
            rotate(head, length - 1);
        }
        for head in key[sequence * kv_heads * dim..(sequence + 1) * kv_heads * dim].chunks_mut(dim) {
            rotate(head, length - 1);
        }
    }

    // The caches as they are after the step: the new token rounded as a cache rounds.
    let (mut keys, mut values) = (inputs.key_cache.clone(), inputs.value_cache.clone());
    let start = |sequence: usize, token: u32| {
        let (page, slot) = inputs.pages.place(sequence, token, block);
        (page * block + slot) as usize * kv_heads * dim
    };
    for (sequence, length) in inputs.pages.lengths.iter().enumerate() {
        let at = start(sequence, length - 1);
        for i in 0..kv_heads * dim {
            keys[at + i] = bf16::from_f64(key[sequence * kv_heads * dim + i]);
            values[at + i] = bf16::from_f64(value[sequence * kv_heads * dim + i]);
        }
    }
    let mut attended = Vec::with_capacity(query.len());
    for (at, query) in query.chunks(dim).enumerate() {
        let (sequence, head) = (at / heads, at % heads);
        let length = inputs.pages.lengths[sequence] as usize;
        let offset = head / (heads / kv_heads) * dim;
        attended.extend(attend_golden(query, &keys, &values, length, |i| start(sequence, i as u32) + offset));
    }

    let mut result = project(&attended, &inputs.output);
    for i in 0..result.len() {
        result[i] += tokens[i];
    }
    let normed = norm(&result, &inputs.norm_mlp);
    let mut inside = project(&normed, &inputs.gate);
    for (gate, up) in inside.iter_mut().zip(project(&normed, &inputs.up)) {
        *gate *= up / (1.0 + (-*gate).exp());
    }
    for (result, more) in result.iter_mut().zip(project(&inside, &inputs.down)) {
        *result += more;
    }
    debug_assert_eq!(result.len(), model.batch as usize * hidden);
    Golden { result, key, value }
}

/// Each stretch of as many elements as there are weights, divided by its root mean square, times the weights.
fn norm(x: &[f64], weights: &[f32]) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(weights.len()) {
        let mut mean = 0.0;
        for x in row {
            mean += x * x / row.len() as f64;
        }
        for i in 0..row.len() {
            y.push(row[i] * f64::from(weights[i]) / (mean + f64::from(EPSILON)).sqrt());
        }
    }
    y
}

/// Rows of `x` times the weights.
fn project(x: &[f64], weights: &Weights) -> Vec<f64> {
    let (inner, columns) = (weights.inner as usize, weights.columns as usize);
    let rows = x.len() / inner;
    let mut y = vec![0.0; rows * columns];
    let mut row_of_weights = vec![0.0; columns];
    for i in 0..inner {
        for (to, from) in row_of_weights.iter_mut().zip(&weights.elements[i * columns..(i + 1) * columns]) {
            *to = from.to_f64();
        }
        for row in 0..rows {
            let factor = x[row * inner + i];
            for (y, weight) in y[row * columns..(row + 1) * columns].iter_mut().zip(&row_of_weights) {
                *y += factor * weight;
            }
        }
    }
    y
}

/// Turns each pair of a head, as a complex number, by its angle at `place`.
fn rotate(head: &mut [f64], place: u32) {
    let half = head.len() / 2;
    for i in 0..half {
        let angle = f64::from(place) * ROTARY_BASE.powf(-(i as f64) / half as f64);
        let (radius, phase) = (head[i].hypot(head[i + half]), head[i + half].atan2(head[i]));
        head[i] = radius * (phase + angle).cos();
        head[i + half] = radius * (phase + angle).sin();
    }
}

#[cfg(test)]
mod tests {
    use prewire::prelude::bf16;

    use super::{Weights, norm, project, rotate};

    fn close(got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-5, "{got} is not {want}");
        }
    }

    #[test]
    fn by_hand() {
        // Root mean squares 5 and 1.
        close(&norm(&[1.0, 7.0, -1.0, 1.0], &[5.0, 10.0]), &[1.0, 14.0, -5.0, 10.0]);
        let weights = Weights {
            inner: 2,
            columns: 3,
            elements: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(bf16::from_f32).to_vec(),
        };
        close(&project(&[1.0, 0.0, 2.0, -1.0], &weights), &[1.0, 2.0, 3.0, -2.0, -1.0, 0.0]);
        // The first pair turns by the place itself, the second a thousand times slower.
        let mut head = [1.0, 0.0, 0.0, 2.0];
        rotate(&mut head, 3);
        close(&head, &[3.0f64.cos(), -2.0 * 0.003f64.sin(), 3.0f64.sin(), 2.0 * 0.003f64.cos()]);
    }
}
