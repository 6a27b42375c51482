//! The golden of the tiled product: three loops, no tiles.

use super::Sizes;

/// What `C` must be.
pub(crate) fn gemm(sizes: Sizes, a: &[f32], b: &[f32]) -> Vec<f64> {
    let [rows, inner, columns] = [sizes.rows, sizes.inner, sizes.columns].map(|n| n as usize);
    let mut c = vec![0.0; rows * columns];
    for row in 0..rows {
        for i in 0..inner {
            let factor = f64::from(a[row * inner + i]);
            for column in 0..columns {
                c[row * columns + column] += factor * f64::from(b[i * columns + column]);
            }
        }
    }
    c
}

#[cfg(test)]
mod tests {
    use super::super::Sizes;

    #[test]
    fn by_hand() {
        let sizes = Sizes { rows: 2, inner: 3, columns: 1 };
        assert_eq!(super::gemm(sizes, &[1.0, 2.0, 3.0, -1.0, 0.5, 2.0], &[4.0, 2.0, 1.0]), [11.0, -1.0]);
    }
}
