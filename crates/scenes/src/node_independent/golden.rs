//! The golden of the independent tasks: the polynomial `a x² + b x + 1`, power by power.

/// What `y` must be.
pub(crate) fn polynomial(x: &[f32], a: f32, b: f32) -> Vec<f64> {
    let (a, b) = (f64::from(a), f64::from(b));
    let mut y = Vec::new();
    for x in x {
        let x = f64::from(*x);
        y.push(1.0 + b * x + a * x * x);
    }
    y
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::polynomial(&[2.0, 0.0, -1.0], 3.0, 0.5), [14.0, 1.0, 3.5]);
    }
}
