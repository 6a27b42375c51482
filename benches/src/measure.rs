//! Measuring a case: as many rounds a sample as the time wants, as many samples as the spread wants.

use core::time::Duration;
use std::time::Instant;

use crate::case::{Case, Round};
use crate::clock::Clock;
use crate::report::Row;

/// How much trouble is taken.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many samples.
    pub samples: u32,
    /// How long one sample takes at least.
    pub sample: Duration,
}

impl Effort {
    /// Enough to see a change of some per cent on a quiet machine.
    pub const FULL: Self = Self { samples: 31, sample: Duration::from_millis(10) };
    /// Enough to see a factor.
    pub const QUICK: Self = Self { samples: 15, sample: Duration::from_millis(8) };
}

/// Measures a case: a row of the median, the least and the most of its samples.
#[must_use]
pub fn measure(case: &Case, effort: Effort) -> Row {
    let mut round = case.set_up();
    let rounds = case.rounds.unwrap_or_else(|| rounds(&mut round, effort.sample));
    let samples = match case.rounds {
        Some(_) => effort.samples.min(3),
        None => effort.samples,
    };
    let samples = (0..samples).map(|_| sample(case, &mut round, rounds)).collect();
    Row::of(case.full_name(), case.unit.name(), samples)
}

/// What is prepared and cleared away may take this many times as long as what is measured; from there on fewer rounds do.
const OUTSIDE: u32 = 4;

/// How many rounds a sample needs; what it takes to find out warms the caches.
fn rounds(round: &mut Round, sample: Duration) -> u32 {
    let mut rounds = 1u32;
    loop {
        let (mut clock, start) = (Clock::new(), Instant::now());
        for _ in 0..rounds {
            let _ = round(&mut clock);
        }
        let all = start.elapsed() / OUTSIDE;
        let spent = clock.spent().max(all);
        if spent >= sample || rounds >= 1 << 20 {
            return rounds;
        }
        let more = sample.as_secs_f64() * 1.2 / spent.as_secs_f64().max(1e-9);
        rounds = (f64::from(rounds) * more.min(16.0)).ceil() as u32;
    }
}

fn sample(case: &Case, round: &mut Round, rounds: u32) -> f64 {
    let mut clock = Clock::new();
    let mut held = None;
    for _ in 0..rounds {
        held = round(&mut clock).or(held);
    }
    held.unwrap_or_else(|| case.unit.of(clock.spent(), case.items * u64::from(rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use std::rc::Rc;

    #[test]
    fn a_case_is_run_until_a_sample_is_long_enough_and_then_as_often_again() {
        let runs = Rc::new(Cell::new(0u32));
        let seen = Rc::clone(&runs);
        let case = Case::new("test", "adds", 4, move || {
            let runs = Rc::clone(&seen);
            move |clock: &mut Clock| {
                runs.set(runs.get() + 1);
                clock.add(Duration::from_micros(400));
            }
        });
        let effort = Effort { samples: 5, sample: Duration::from_millis(2) };
        let row = measure(&case, effort);
        assert_eq!((row.name.as_str(), row.unit.as_str(), row.n), ("test/adds", "ns", 5));
        assert_eq!((row.median.round(), row.min.round(), row.max.round()), (100_000.0, 100_000.0, 100_000.0));
        // One round to look, six that were found to be enough, and five samples of them.
        assert_eq!(runs.get(), 1 + 6 + 5 * 6);
    }
}
