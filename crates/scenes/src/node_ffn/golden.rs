//! The golden of the feed-forward layer: `max(x W1, 0) W2`, whole, in plain loops.

use super::Sizes;

/// What the layer must give.
pub(crate) fn layer(sizes: Sizes, x: &[f32], up: &[f32], down: &[f32]) -> Vec<f64> {
    let [tokens, model, hidden] = [sizes.tokens, sizes.model, sizes.hidden].map(|n| n as usize);
    let mut y = vec![0.0; tokens * model];
    for token in 0..tokens {
        let mut row = vec![0.0; hidden];
        for i in 0..model {
            for h in 0..hidden {
                row[h] += f64::from(x[token * model + i]) * f64::from(up[i * hidden + h]);
            }
        }
        for (h, value) in row.into_iter().enumerate().filter(|(_, value)| *value > 0.0) {
            for j in 0..model {
                y[token * model + j] += value * f64::from(down[h * model + j]);
            }
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;

    #[test]
    fn by_hand() {
        let sizes = Sizes { tokens: 1, model: 2, hidden: 3 };
        let (up, down) = ([1.0, -1.0, 2.0, 0.5, -1.0, 1.0], [1.0, 2.0, 9.0, 9.0, -1.0, 3.0]);
        // [2, 4] up is [4, -6, 8]
        assert_eq!(super::layer(sizes, &[2.0, 4.0], &up, &down), [4.0 - 8.0, 8.0 + 24.0]);
    }
}
