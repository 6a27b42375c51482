//! The golden of the vector scene: the polynomial multiplied out, `s² + 4s + 2` of the sum `s`.

/// What `f` must be.
pub(crate) fn vector(a: &[f32], b: &[f32]) -> Vec<f64> {
    let mut f = Vec::new();
    for i in 0..a.len() {
        let sum = f64::from(a[i]) + f64::from(b[i]);
        f.push(sum * sum + 4.0 * sum + 2.0);
    }
    f
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::vector(&[2.0, 0.0, -1.0], &[3.0, 0.0, -1.0]), [47.0, 2.0, -2.0]);
    }
}
