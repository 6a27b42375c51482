//! The golden of tasks with many blocks: no blocks, one element after another.

/// What doubling and adding `row / 64`, twice, makes of `x`: `4 x + 3 row / 64`.
pub(crate) fn ramp(columns: usize, x: &[f32]) -> Vec<f64> {
    let mut result = Vec::with_capacity(x.len());
    for (at, &x) in x.iter().enumerate() {
        result.push(4.0 * f64::from(x) + 3.0 * (at / columns) as f64 / 64.0);
    }
    result
}

/// What the clusters must make of square tiles of `side`.
pub(crate) fn clusters(side: usize, tiles: &[f32], first: &[f32], bias: &[f32], second: &[f32]) -> Vec<f64> {
    let mut result = vec![0.0; tiles.len()];
    // A row of a tile does not know of any other.
    for (row, tile) in tiles.chunks(side).enumerate() {
        for middle in 0..side {
            let mut hidden = f64::from(bias[middle]);
            for i in 0..side {
                hidden += f64::from(tile[i]) * f64::from(first[i * side + middle]);
            }
            if hidden > 0.0 {
                for column in 0..side {
                    result[row * side + column] += hidden * f64::from(second[middle * side + column]);
                }
            }
        }
    }
    result
}

/// What the cohort must make of its parts: each divided by the sum of all.
pub(crate) fn shares(parts: &[f32]) -> Vec<f64> {
    let mut total = 0.0;
    for &part in parts {
        total += f64::from(part);
    }
    parts.iter().map(|&part| f64::from(part) / total).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::ramp(1, &[1.0, 0.0]), [4.0, 3.0 / 64.0]);
        assert_eq!(super::shares(&[1.0, 3.0, 4.0]), [0.125, 0.375, 0.5]);
        // Hidden: [1 - 2, 2 + 1] = [-1, 3], clipped [0, 3]; times the second matrix.
        let result = super::clusters(
            2,
            &[1.0, 2.0, 0.0, 0.0],
            &[1.0, 0.0, 0.0, 1.0],
            &[-2.0, 1.0],
            &[5.0, 6.0, 7.0, 8.0],
        );
        assert_eq!(result, [21.0, 24.0, 7.0, 8.0]);
    }
}
