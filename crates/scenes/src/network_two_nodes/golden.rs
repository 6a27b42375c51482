//! The golden of the scene: `A B B` as one product after the other, and the sums of its rows.

/// `a` times `b`, both of `side` rows.
fn product(side: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut c = vec![0.0; side * side];
    for row in 0..side {
        for i in 0..side {
            for column in 0..side {
                c[row * side + column] += a[row * side + i] * b[i * side + column];
            }
        }
    }
    c
}

/// What `A B B` and the sums of its rows must be.
pub(crate) fn twice(side: usize, a: &[f32], b: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let b = wide(b);
    let c = product(side, &product(side, &wide(a), &b), &b);
    let sums = c.chunks(side).map(|row| row.iter().sum()).collect();
    (c, sums)
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        // A B = [2 1; 4 3], times B.
        let (c, sums) = super::twice(2, &[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0, 1.0, 0.0]);
        assert_eq!((c, sums), (vec![1.0, 2.0, 3.0, 4.0], vec![3.0, 7.0]));
        let (c, _) = super::twice(2, &[1.0, 0.0, 0.0, 1.0], &[1.0, 1.0, 0.0, 2.0]);
        assert_eq!(c, [1.0, 3.0, 0.0, 4.0]);
    }
}
