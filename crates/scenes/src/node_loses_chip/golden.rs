//! The golden of the scene: how far each chain has come.

/// What a chain that began with `x` must hold after `steps`, each of which halves it and adds one.
pub(crate) fn chain(x: &[f32], steps: u32) -> Vec<f64> {
    // Halving the distance to 2, in one go.
    let left = 0.5f64.powi(steps.cast_signed());
    x.iter().map(|&x| 2.0 + (f64::from(x) - 2.0) * left).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::chain(&[8.0, 2.0, 0.0], 2), [3.5, 2.0, 1.5]);
    }
}
