//! The golden of the groups: every rank has its row, and all of them the shared one, round by round.

/// The rows after `rounds`, in each of which one rank is left out; and the shared row before the first and after each.
pub(crate) fn rounds(rows: &[f32], shared: &[f32], rounds: usize) -> (Vec<f64>, Vec<f64>) {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
    let (mut rows, mut shared) = (wide(rows), wide(shared));
    let mut history = shared.clone();
    let columns = shared.len();
    let ranks = rows.len() / columns;
    for round in 0..rounds {
        for rank in 0..ranks {
            if rank == round % ranks {
                continue;
            }
            for column in 0..columns {
                let row = &mut rows[rank * columns + column];
                *row = *row / 2.0 + shared[column] * (rank + 1) as f64 / 8.0;
            }
        }
        for column in 0..columns {
            let mut sum = 0.0;
            for rank in 0..ranks {
                sum += rows[rank * columns + column];
            }
            shared[column] = 1.0 + 0.75 * shared[column] - sum / 16.0;
        }
        history.extend_from_slice(&shared);
    }
    (rows, history)
}

#[cfg(test)]
mod tests {
    #[test]
    fn by_hand() {
        // Rank 0 is left out: 2 / 2 + 8 * 2 / 8 = 3; 1 + 0.75 * 8 - (16 + 3) / 16.
        assert_eq!(super::rounds(&[16.0, 2.0], &[8.0], 1), (vec![16.0, 3.0], vec![8.0, 5.8125]));
    }
}
