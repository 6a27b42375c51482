//! One session: every runtime runs the same graphs in turns, so that what changes on the machine changes for all.

use super::metg::{self, Point};
use super::peers::Program;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Timesteps of the graphs with empty tasks.
const STEPS: u32 = 1000;
/// How often a process runs each of these graphs; their median counts as one run.
const REPEATS: usize = 3;
/// The largest kernel has two to the power of this many iterations.
const LARGEST: u32 = 14;
/// What a graph with kernels takes, in nanoseconds.
const SWEEP_NS: f64 = 8e6;
/// What an iteration is taken to take, in nanoseconds, to choose how long these graphs are.
const ITERATION_NS: f64 = 2.5;

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan<'p> {
    pub(super) patterns: &'p [String],
    pub(super) width: u32,
    pub(super) fields: u32,
    pub(super) workers: usize,
    /// The kernel of METG.
    pub(super) kernel: &'p str,
    /// Runs of each graph with empty tasks.
    pub(super) rounds: usize,
    /// Runs of each graph with kernels.
    pub(super) sweeps: usize,
}

/// What was measured of one runtime on one pattern.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// Nanoseconds a task, by round.
    pub(super) ns: Vec<f64>,
    /// By iterations: what each sweep gave.
    pub(super) sweeps: BTreeMap<u64, Vec<Point>>,
}

/// By pattern, then by runtime, both in the order of the plan.
pub(super) type Measured = Vec<Vec<Samples>>;

/// The middle of some numbers; of an even count, the mean of the two.
pub(super) fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { f64::NAN } else { (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0 }
}

/// Reads what a program has answered: a line of iterations, tasks and seconds a size.
fn read(answer: &str) -> Result<Vec<Point>> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [iterations, tasks, seconds] = words[..] else { return None };
        Some(Point {
            iterations: iterations.parse().ok()?,
            tasks: tasks.parse().ok()?,
            seconds: seconds.parse().ok()?,
        })
    };
    answer
        .lines()
        .map(|l| line(l).with_context(|| format!("{l:?} is not iterations, tasks and seconds")))
        .collect()
}

impl Plan<'_> {
    fn ask(&self, program: &Program, pattern: &str, kernel: &str, sizes: &[String]) -> Result<Vec<Point>> {
        let asked = [
            format!("pattern={pattern}"),
            format!("width={}", self.width),
            format!("fields={}", self.fields),
            format!("workers={}", self.workers),
            format!("kernel={kernel}"),
            format!("sizes={}", sizes.join(",")),
        ];
        let points = read(&program.ask(self.workers, &asked)?)?;
        ensure!(
            points.len() == sizes.len(),
            "{} answered {} of {} sizes",
            program.name,
            points.len(),
            sizes.len()
        );
        Ok(points)
    }

    /// The sizes of a sweep of a runtime that takes so many nanoseconds for an empty task.
    fn sweep(&self, empty_ns: f64) -> Vec<String> {
        (0..=LARGEST)
            .rev()
            .map(|size| {
                let iterations = 1u64 << size;
                let task_ns = (iterations as f64 * ITERATION_NS / self.workers as f64).max(empty_ns);
                let steps = SWEEP_NS / task_ns / f64::from(self.width);
                // A diamond or a tree needs some timesteps to become as wide as it gets.
                let steps = (steps as u32).clamp(6 * self.width, STEPS);
                format!("{iterations}x{steps}")
            })
            .collect()
    }

    /// Runs everything; `said` hears of each round.
    pub(super) fn run(&self, programs: &[Program], mut said: impl FnMut(&str)) -> Result<Measured> {
        let mut all: Measured = vec![vec![Samples::default(); programs.len()]; self.patterns.len()];
        for round in 0..self.rounds {
            for (pattern, samples) in self.patterns.iter().zip(&mut all) {
                said(&format!("empty tasks, {pattern}, run {} of {}", round + 1, self.rounds));
                for (program, samples) in programs.iter().zip(samples) {
                    let sizes = vec![format!("0x{STEPS}"); REPEATS];
                    let points = self.ask(program, pattern, "empty", &sizes)?;
                    let ns: Vec<f64> = points.iter().map(|p| p.seconds * 1e9 / p.tasks as f64).collect();
                    samples.ns.push(median(&ns));
                }
            }
        }
        for round in 0..self.sweeps {
            for (pattern, samples) in self.patterns.iter().zip(&mut all) {
                said(&format!("{} kernels, {pattern}, run {} of {}", self.kernel, round + 1, self.sweeps));
                for (program, samples) in programs.iter().zip(samples) {
                    let sizes = self.sweep(median(&samples.ns));
                    for point in self.ask(program, pattern, self.kernel, &sizes)? {
                        samples.sweeps.entry(point.iterations).or_default().push(point);
                    }
                }
            }
        }
        Ok(all)
    }
}

impl Samples {
    /// The median of the sweeps, by size.
    fn points(&self) -> Vec<Point> {
        let middle = |points: &Vec<Point>| {
            let per_task: Vec<f64> = points.iter().map(|p| p.seconds / p.tasks as f64).collect();
            let tasks = points[0].tasks;
            Point { tasks, seconds: median(&per_task) * tasks as f64, ..points[0] }
        };
        self.sweeps.values().map(middle).collect()
    }

    /// METG(50 %), in microseconds.
    pub(super) fn metg(&self, peak: f64, workers: usize) -> Option<f64> {
        metg::metg(&self.points(), peak, workers)
    }
}

/// The highest rate that any runtime has reached on any pattern.
pub(super) fn peak(measured: &Measured) -> f64 {
    measured.iter().flatten().flat_map(Samples::points).map(|point| point.rate()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn answers_are_read_and_others_refused() {
        let points = read("0 160 0.5\n64 32 0.25\n").unwrap();
        assert_eq!(points[1], Point { iterations: 64, tasks: 32, seconds: 0.25 });
        assert!(read("0 160\n").unwrap_err().to_string().contains("\"0 160\" is not iterations"));
    }

    #[test]
    fn a_sweep_shrinks_the_kernel_and_has_longer_graphs_of_shorter_tasks() {
        let plan =
            Plan { patterns: &[], width: 16, fields: 2, workers: 2, kernel: "compute", rounds: 1, sweeps: 1 };
        let sizes = plan.sweep(4000.0);
        assert_eq!((sizes.len(), sizes[0].as_str()), (15, "16384x96"));
        assert_eq!(sizes.last().unwrap(), "1x125");
        assert_eq!(plan.sweep(100.0).last().unwrap(), "1x1000");
    }

    #[test]
    fn the_median_of_sweeps_counts_and_the_best_rate_is_the_peak() {
        let point = |seconds| Point { iterations: 10, tasks: 100, seconds };
        let samples = Samples {
            ns: vec![1.0],
            sweeps: BTreeMap::from([(10, vec![point(1.0), point(9.0), point(2.0)])]),
        };
        assert_eq!(samples.points(), [point(2.0)]);
        assert_eq!(peak(&vec![vec![samples, Samples::default()]]), 500.0);
    }
}
