//! The golden of the scene: the product of a matrix with itself, row by row.

/// What the square of `a`, of `side` rows, must be.
pub(crate) fn square(side: usize, a: &[f32]) -> Vec<f64> {
    let at = |row: usize, column: usize| f64::from(a[row * side + column]);
    let mut square = Vec::new();
    for row in 0..side {
        for column in 0..side {
            square.push((0..side).map(|i| at(row, i) * at(i, column)).sum());
        }
    }
    square
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::square(2, &[1.0, 2.0, 3.0, 4.0]), [7.0, 10.0, 15.0, 22.0]);
    }
}
