//! What of a workload is measured: the sections that it hands to its clock, by time or by instruction.

use core::time::Duration;
use std::time::Instant;

/// Adds up how long the measured sections of a workload take. Where instructions are counted instead, each section runs
/// inside of [`counted`], by whose name the counter knows it.
#[derive(Debug, Default)]
pub struct Clock {
    spent: Duration,
    marks: bool,
}

impl Clock {
    /// A clock of wall time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A clock whose sections run inside of [`counted`].
    #[must_use]
    pub fn marking() -> Self {
        Self { marks: true, ..Self::default() }
    }

    /// Runs `section` and adds what it takes. Reading the time takes some 50 ns: a section is long beside that.
    pub fn time(&mut self, mut section: impl FnMut()) {
        if self.marks {
            return counted(&mut section);
        }
        let start = Instant::now();
        section();
        self.spent += start.elapsed();
    }

    /// Adds what was measured elsewhere, on another thread say.
    pub fn add(&mut self, spent: Duration) {
        self.spent += spent;
    }

    /// What all sections took together.
    #[must_use]
    pub fn spent(&self) -> Duration {
        self.spent
    }
}

/// Runs `section`. An instruction counter that is told to count inside of this function alone counts the sections.
#[inline(never)]
pub fn counted(section: &mut dyn FnMut()) {
    section();
    // The last thing here is not the call, or it would be a jump, and this function over before its section.
    core::hint::black_box(());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_runs_once_whatever_measures_it() {
        let mut runs = 0;
        let (mut wall, mut marks) = (Clock::new(), Clock::marking());
        wall.time(|| runs += 1);
        marks.time(|| runs += 1);
        wall.add(Duration::from_secs(1));
        assert_eq!(runs, 2);
        assert!(wall.spent() >= Duration::from_secs(1) && marks.spent() == Duration::ZERO);
    }
}
