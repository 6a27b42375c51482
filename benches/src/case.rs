//! A case: a workload with its name, its size, and what its figure is counted in.

use core::fmt;
use core::time::Duration;

use crate::clock::Clock;

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds an item.
    Nanoseconds,
    /// Microseconds an item.
    Microseconds,
    /// Millions of items a second: the only one of which more is better.
    Millions,
    /// KiB of resident memory that is held afterwards and was not before.
    Kibibytes,
}

impl Unit {
    /// What the tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "us",
            Self::Millions => "M/s",
            Self::Kibibytes => "KiB",
        }
    }

    /// The figure of `items` in `spent`. What is memory is not made from times.
    #[must_use]
    pub fn of(self, spent: Duration, items: u64) -> f64 {
        let each = spent.as_secs_f64() / items as f64;
        match self {
            Self::Nanoseconds => each * 1e9,
            Self::Microseconds => each * 1e6,
            Self::Millions => 1e-6 / each,
            Self::Kibibytes => 0.0,
        }
    }
}

/// One round of a workload that has been set up. A workload of memory returns what it holds, in KiB; all others nothing.
pub type Round = Box<dyn FnMut(&mut Clock) -> Option<f64>>;

/// A workload.
pub struct Case {
    /// The suite that it belongs to.
    pub suite: &'static str,
    /// Its name within the suite.
    pub name: String,
    /// What its figure is.
    pub unit: Unit,
    /// How many items a round measures.
    pub items: u64,
    /// How many rounds are enough where one takes long; none says that the time decides.
    pub rounds: Option<u32>,
    /// Left out of a quick run.
    pub slow: bool,
    make: Box<dyn Fn() -> Round>,
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case").field("suite", &self.suite).field("name", &self.name).finish_non_exhaustive()
    }
}

impl Case {
    /// A case in nanoseconds an item. `make` sets it up and hands out its rounds.
    pub fn new<R: FnMut(&mut Clock) + 'static>(
        suite: &'static str,
        name: impl Into<String>,
        items: u64,
        make: impl Fn() -> R + 'static,
    ) -> Self {
        let make = move || -> Round {
            let mut round = make();
            Box::new(move |clock| {
                round(clock);
                None
            })
        };
        let (unit, name) = (Unit::Nanoseconds, name.into());
        Self { suite, name, unit, items, rounds: None, slow: false, make: Box::new(make) }
    }

    /// A case whose rounds say how much memory they hold, in KiB.
    pub fn memory<R: FnMut() -> f64 + 'static>(
        suite: &'static str,
        name: impl Into<String>,
        make: impl Fn() -> R + 'static,
    ) -> Self {
        let make = move || -> Round {
            let mut round = make();
            Box::new(move |_| Some(round()))
        };
        let (unit, name) = (Unit::Kibibytes, name.into());
        Self { suite, name, unit, items: 1, rounds: Some(1), slow: false, make: Box::new(make) }
    }

    /// With its figure counted in something else.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    /// With this many rounds and no more.
    #[must_use]
    pub fn rounds(mut self, rounds: u32) -> Self {
        self.rounds = Some(rounds);
        self
    }

    /// Left out of a quick run.
    #[must_use]
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// Sets it up.
    #[must_use]
    pub fn set_up(&self) -> Round {
        (self.make)()
    }

    /// Suite and name, as tables and command lines have it.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.suite, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_an_item_or_a_second() {
        let spent = Duration::from_micros(10);
        assert_eq!(Unit::Nanoseconds.of(spent, 100).round(), 100.0);
        assert_eq!(Unit::Microseconds.of(spent, 2).round(), 5.0);
        assert_eq!(Unit::Millions.of(spent, 100).round(), 10.0);
    }
}
