//! The golden of the chains: the steps one after the other on one array, then the sums, as pairs.

/// One step of a chain.
fn step(x: &[f64], more: f64) -> Vec<f64> {
    let mut y = Vec::new();
    for i in 0..x.len() {
        y.push(more + x[i] / 2.0 + x[x.len() - 1 - i] / 4.0);
    }
    y
}

/// What the sum of all chains must be, each `steps` long; their inputs follow one another in `x`.
pub(crate) fn chains(x: &[f32], elements: usize, steps: u32) -> Vec<f64> {
    let mut sum = vec![0.0; elements];
    for chain in x.chunks(elements) {
        let mut y: Vec<f64> = chain.iter().map(|&x| f64::from(x)).collect();
        for more in 0..steps {
            y = step(&y, f64::from(more));
        }
        sum.iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
    }
    sum
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        // [4, 8] -> [4, 5] + 0 -> [3.25, 3.5] + 1
        assert_eq!(super::chains(&[4.0, 8.0], 2, 2), [4.25, 4.5]);
        assert_eq!(super::chains(&[4.0, 8.0, 1.0, 1.0], 2, 1), [4.75, 5.75]);
    }
}
