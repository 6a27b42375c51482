//! A graph of a pattern, its dependences looked up in a table, and the stamps by which every task checks its inputs.

use core::fmt;
use core::ops::Range;

use super::pattern::Pattern;

/// A pattern of some width and length.
#[derive(Clone, Debug)]
pub struct Graph {
    pattern: Pattern,
    width: u32,
    steps: u32,
    sets: u32,
    /// By set and point: where its dependences start in `reach`; and one past the end.
    starts: Vec<u32>,
    reach: Vec<u32>,
}

impl Graph {
    /// A graph of `steps` timesteps with up to `width` points each.
    ///
    /// # Panics
    ///
    /// If there is no point, no timestep, or more than 2^20 of either.
    #[must_use]
    pub fn new(pattern: Pattern, width: u32, steps: u32) -> Self {
        let legal = 1..=1 << 20;
        assert!(legal.contains(&width) && legal.contains(&steps), "{width} points, {steps} timesteps");
        let sets = pattern.sets(width);
        let (mut starts, mut reach) = (vec![0], Vec::new());
        for set in 0..sets {
            for point in 0..width {
                reach.extend(pattern.reach(width, set, point));
                starts.push(reach.len() as u32);
            }
        }
        Self { pattern, width, steps, sets, starts, reach }
    }

    /// The pattern.
    #[must_use]
    pub const fn pattern(&self) -> Pattern {
        self.pattern
    }

    /// The most points of a timestep.
    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// How many timesteps there are.
    #[must_use]
    pub const fn steps(&self) -> u32 {
        self.steps
    }

    /// As many timesteps as `steps`, of the same pattern and width.
    #[must_use]
    pub fn with_steps(&self, steps: u32) -> Self {
        Self::new(self.pattern, self.width, steps)
    }

    /// The points of a timestep.
    #[must_use]
    pub fn points(&self, timestep: u32) -> Range<u32> {
        self.pattern.points(self.width, self.steps, timestep)
    }

    /// The points of the timestep before that a task needs: distinct and ascending.
    #[must_use]
    pub fn dependencies(&self, timestep: u32, point: u32) -> &[u32] {
        let Some(before) = timestep.checked_sub(1) else { return &[] };
        let set = if self.sets == 1 { 0 } else { self.pattern.set(self.width, timestep) };
        let at = (set * self.width + point) as usize;
        let mut all = &self.reach[self.starts[at] as usize..self.starts[at + 1] as usize];
        if self.pattern.is_whole() {
            return all;
        }
        let there = self.points(before);
        // Those that do not exist are at the ends, as points are ascending and a timestep has a range of them.
        while let [first, rest @ ..] = all
            && *first < there.start
        {
            all = rest;
        }
        while let [rest @ .., last] = all
            && *last >= there.end
        {
            all = rest;
        }
        all
    }

    /// How many tasks there are.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        (0..self.steps).map(|t| self.points(t).len() as u64).sum()
    }

    /// How many dependences there are.
    #[must_use]
    pub fn edges(&self) -> u64 {
        let of = |t| self.points(t).map(move |p| self.dependencies(t, p).len() as u64).sum::<u64>();
        (0..self.steps).map(of).sum()
    }
}

/// What a task leaves in its output: which run, timestep and point it is. Fresh memory is nobody's stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The run, of 2^16; so that what an earlier run left is not taken for right.
    pub run: u16,
    /// The timestep.
    pub timestep: u32,
    /// The point.
    pub point: u32,
}

impl Stamp {
    /// As one word.
    #[must_use]
    pub const fn word(self) -> u64 {
        (self.run as u64) << 48 | (self.timestep as u64 + 1) << 24 | self.point as u64
    }

    /// From a word that a task was given.
    #[must_use]
    pub const fn of(word: u64) -> Self {
        let timestep = (word >> 24 & 0xff_ffff) as u32;
        Self {
            run: (word >> 48) as u16,
            timestep: timestep.wrapping_sub(1),
            point: (word & 0xff_ffff) as u32,
        }
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {}, timestep {}, point {}", self.run, self.timestep, self.point)
    }
}

/// A task has been given something else than what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wrong {
    /// An input is of another task, or of none.
    Input {
        /// The task.
        task: Stamp,
        /// Which of its inputs.
        input: usize,
        /// The word that it saw.
        seen: u64,
        /// Whose output it must see.
        wanted: Stamp,
    },
    /// It has more or fewer inputs than it needs.
    Count {
        /// The task.
        task: Stamp,
        /// How many it was given.
        inputs: usize,
        /// How many it needs.
        wanted: usize,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input { task, input, seen: 0, wanted } => {
                write!(f, "the task of {task} finds nothing in input {input}, where ({wanted}) belongs")
            }
            Self::Input { task, input, seen, wanted } => {
                let seen = Stamp::of(*seen);
                write!(f, "the task of {task} finds ({seen}) in input {input}, where ({wanted}) belongs")
            }
            Self::Count { task, inputs, wanted } => {
                write!(f, "the task of {task} has {inputs} inputs, but needs {wanted}")
            }
        }
    }
}

impl core::error::Error for Wrong {}

impl Graph {
    /// Checks one input of a task, the one that comes from point `from`.
    ///
    /// # Errors
    ///
    /// It holds something else.
    #[inline]
    pub fn check(&self, task: Stamp, input: usize, from: u32, seen: u64) -> Result<(), Wrong> {
        let wanted = Stamp { run: task.run, timestep: task.timestep.wrapping_sub(1), point: from };
        if seen == wanted.word() { Ok(()) } else { Err(Wrong::Input { task, input, seen, wanted }) }
    }
}
