//! The golden of attention: for each head, all scores of the context at once and one softmax over them.

use prewire::prelude::bf16;

use super::{Pages, Sizes};

/// One query head over a whole context: `token(i)` is the start of token `i`'s head in `key` and `value`.
pub(crate) fn attend(
    query: &[f64],
    key: &[bf16],
    value: &[bf16],
    tokens: usize,
    token: impl Fn(usize) -> usize,
) -> Vec<f64> {
    let dim = query.len();
    let mut scores = Vec::with_capacity(tokens);
    for i in 0..tokens {
        let start = token(i);
        let mut score = 0.0;
        for d in 0..dim {
            score += query[d] * key[start + d].to_f64();
        }
        scores.push(score / (dim as f64).sqrt());
    }
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - top).exp()).sum();
    let mut result = vec![0.0; dim];
    for (i, score) in scores.iter().enumerate() {
        let weight = (score - top).exp() / total;
        let start = token(i);
        for d in 0..dim {
            result[d] += weight * value[start + d].to_f64();
        }
    }
    result
}

/// What the result must be, `[batch, heads, dim]`.
pub(crate) fn paged_attention(
    sizes: Sizes,
    pages: &Pages,
    query: &[f32],
    key: &[bf16],
    value: &[bf16],
) -> Vec<f64> {
    let [heads, kv_heads, dim] = [sizes.heads, sizes.kv_heads, sizes.dim].map(|n| n as usize);
    let mut result = Vec::with_capacity(query.len());
    for (at, query) in query.chunks(dim).enumerate() {
        let (sequence, head) = (at / heads, at % heads);
        let query: Vec<f64> = query.iter().map(|&x| f64::from(x)).collect();
        let kv_head = head / (heads / kv_heads);
        let token = |i: usize| {
            let (block, slot) = pages.place(sequence, i as u32, sizes.block);
            ((block * sizes.block + slot) as usize * kv_heads + kv_head) * dim
        };
        result.extend(attend(&query, key, value, pages.lengths[sequence] as usize, token));
    }
    result
}

#[cfg(test)]
mod tests {
    use prewire::prelude::bf16;

    use super::super::{Pages, Sizes};
    use super::paged_attention;

    #[test]
    fn by_hand() {
        // One sequence of two tokens, in blocks 1 and 0 of one token each; two query heads share one head of size 1.
        let sizes = Sizes { heads: 2, kv_heads: 1, dim: 1, block: 1 };
        let pages = Pages { lengths: vec![2], table: vec![1, 0], width: 2, blocks: 2 };
        let three = 3.0f32.ln();
        let key = [0.0, 1.0].map(bf16::from_f32);
        let value = [8.0, 4.0].map(bf16::from_f32);
        // Scores of head 0: 0 and 0, so the mean. Scores of head 1: ln 3 (block 1) and 0 (block 0): weights 3 : 1.
        let result = paged_attention(sizes, &pages, &[0.0, three], &key, &value);
        assert!((result[0] - 6.0).abs() < 1e-6 && (result[1] - 5.0).abs() < 1e-6, "{result:?}");
    }
}
