//! METG(50 %), the minimum effective task granularity: how long a task must at least be for the runtime to reach half of
//! the machine's rate. As in the paper that defines it, kernels are shrunk step by step, and the crossing is interpolated.

/// One size of the kernel, on one runtime.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    /// Iterations of the kernel in a task.
    pub(super) iterations: u64,
    pub(super) tasks: u64,
    pub(super) seconds: f64,
}

impl Point {
    /// Iterations a second, of all workers together.
    pub(super) fn rate(&self) -> f64 {
        self.iterations as f64 * self.tasks as f64 / self.seconds
    }

    /// How long a task holds a worker, in microseconds.
    fn granularity(&self, workers: usize) -> f64 {
        self.seconds * workers as f64 / self.tasks as f64 * 1e6
    }
}

/// METG(50 %) in microseconds; `None` if half of the `peak` rate is not reached, or is still reached with the smallest kernel.
/// `points` may come in any order.
pub(super) fn metg(points: &[Point], peak: f64, workers: usize) -> Option<f64> {
    let mut points = points.to_vec();
    points.sort_by_key(|point| point.iterations);
    let efficiency = |point: &Point| point.rate() / peak;
    // The smallest that reaches half: a dip among larger ones is noise of the machine.
    let reached = points.iter().position(|point| efficiency(point) >= 0.5)?;
    let (large, small) = (&points[reached], &points[reached.checked_sub(1)?]);
    let (e_large, e_small) = (efficiency(large), efficiency(small));
    let (g_large, g_small) = (large.granularity(workers), small.granularity(workers));
    // Linear in the logarithm of the granularity, along which the sizes are evenly spaced.
    let part = (0.5 - e_small) / (e_large - e_small);
    Some((g_small.ln() + part * (g_large.ln() - g_small.ln())).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A runtime that adds `overhead` seconds to each task, on one worker of a machine that does 1e9 iterations a second.
    fn sweep(overhead: f64, sizes: impl Iterator<Item = u32>) -> Vec<Point> {
        sizes
            .map(|size| {
                let iterations = 1u64 << size;
                let seconds = 1000.0 * (iterations as f64 * 1e-9 + overhead);
                Point { iterations, tasks: 1000, seconds }
            })
            .collect()
    }

    #[test]
    fn it_is_twice_the_overhead_of_a_runtime_that_adds_a_constant() {
        for overhead in [1e-7, 3e-7, 1e-6] {
            let metg = metg(&sweep(overhead, 0..20), 1e9, 1).unwrap();
            let exact = 2.0 * overhead * 1e6;
            assert!((metg / exact - 1.0).abs() < 0.05, "{metg} us, not {exact}");
        }
    }

    #[test]
    fn the_order_of_the_sizes_does_not_matter() {
        let points = sweep(1e-6, 0..20);
        let back: Vec<Point> = points.iter().rev().copied().collect();
        assert_eq!(metg(&points, 1e9, 1), metg(&back, 1e9, 1));
    }

    #[test]
    fn a_dip_among_larger_sizes_does_not_count() {
        let smooth = sweep(1e-6, 0..20);
        let mut dipped = smooth.clone();
        dipped[15].seconds *= 4.0;
        assert_eq!(metg(&dipped, 1e9, 1), metg(&smooth, 1e9, 1));
    }

    #[test]
    fn there_is_none_where_half_is_never_reached_or_never_left() {
        assert_eq!(metg(&sweep(1e-6, 0..9), 1e9, 1), None);
        assert_eq!(metg(&sweep(1e-6, 12..20), 1e9, 1), None);
        assert_eq!(metg(&[], 1e9, 1), None);
    }

    #[test]
    fn more_workers_make_a_task_of_the_same_rate_longer() {
        let points = sweep(1e-6, 0..20);
        let (one, two) = (metg(&points, 1e9, 1).unwrap(), metg(&points, 1e9, 2).unwrap());
        assert!((two / one - 2.0).abs() < 1e-9);
    }
}
