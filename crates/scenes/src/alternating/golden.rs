//! The golden of the two streams: dot products of rows and columns, and sums of elements.

/// What the products of square matrices of `side` must be, all of them in a row.
pub(crate) fn products(side: usize, a: &[f32], b: &[f32]) -> Vec<f64> {
    let mut c = Vec::with_capacity(a.len());
    for at in 0..a.len() {
        let (matrix, row, column) = (at / (side * side) * side * side, at / side % side, at % side);
        let mut sum = 0.0;
        for i in 0..side {
            sum += f64::from(a[matrix + row * side + i]) * f64::from(b[matrix + i * side + column]);
        }
        c.push(sum);
    }
    c
}

/// What the sums must be.
pub(crate) fn sums(a: &[f32], b: &[f32]) -> Vec<f64> {
    let mut c = Vec::with_capacity(a.len());
    for at in 0..a.len() {
        c.push(f64::from(a[at]) + f64::from(b[at]));
    }
    c
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        let a = [1.0, 2.0, 3.0, 4.0, 0.0, 1.0, 1.0, 0.0];
        let b = [5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0, 4.0];
        assert_eq!(super::products(2, &a, &b), [19.0, 22.0, 43.0, 50.0, 3.0, 4.0, 1.0, 2.0]);
        assert_eq!(super::sums(&[1.0, 2.0], &[0.5, -2.0]), [1.5, 0.0]);
    }
}
