//! The golden of the all-reduce: element by element, the sum over all ranks.

/// What every rank must have; the vectors of the ranks follow one another in `data`.
pub(crate) fn sum(data: &[f32], ranks: usize) -> Vec<f64> {
    let elements = data.len() / ranks;
    let mut sums = Vec::new();
    for element in 0..elements {
        let mut sum = 0.0;
        for rank in 0..ranks {
            sum += f64::from(data[rank * elements + element]);
        }
        sums.push(sum);
    }
    sums
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        assert_eq!(super::sum(&[1.0, 2.0, 10.0, 20.0, 0.5, 0.0], 3), [11.5, 22.0]);
    }
}
