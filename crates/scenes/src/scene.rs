//! What a scene is, what it is given and what it hands back. A scene never judges itself: the harness compares.

use core::fmt;
use core::time::Duration;

use prewire::chip::RunUsage;
use prewire::prelude::{Check, ChipBuilder, Hazards};
use serde::Serialize;

/// A program with a golden.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// Its name, as users spell it: lower case and underscores.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What it runs on: 2 is a chip, 3 a node, and so on.
    pub level: u8,
    /// The largest [`Outcome::max_error`] that passes.
    pub tolerance: f64,
    /// The names of its kernels, each of which [`Setup::spoil`] can make wrong.
    pub kernels: &'static [&'static str],
    /// Runs it and measures how far its results are from the golden. Fails where the program itself does.
    pub run: fn(&Setup) -> anyhow::Result<Outcome>,
}

/// Where and how a scene runs.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Setup {
    /// The platform.
    pub platform: Platform,
    /// How much work.
    pub size: Size,
    /// Runs the simulator in one thread, in the order that this seed draws; `None`: on all its threads.
    pub seed: Option<u64>,
    /// Records what happens in each run: see [`Row::trace`](crate::Row::trace). Of chips that are children of a node, none
    /// is collected.
    pub trace: bool,
    /// Which accesses are ordered. Scenes are right with [`Hazards::All`] only.
    pub hazards: Hazards,
    /// The kernel that adds one to the first element of its last result, so that the golden has something to find.
    pub spoil: Option<&'static str>,
    /// What is checked while it runs.
    pub check: Option<Check>,
    /// Scenes that name edges leave one out, so that [`check`](Setup::check) has something to find.
    pub frayed: bool,
}

impl Setup {
    /// A run of the usual size on `platform`, on all threads, with no kernel spoilt.
    #[must_use]
    pub const fn new(platform: Platform) -> Self {
        let (hazards, spoil) = (Hazards::All, None);
        Self {
            platform,
            size: Size::Usual,
            seed: None,
            trace: false,
            hazards,
            spoil,
            check: None,
            frayed: false,
        }
    }

    /// The same with another size.
    #[must_use]
    pub const fn with_size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// The same with a seed.
    #[must_use]
    pub const fn with_seed(mut self, seed: Option<u64>) -> Self {
        self.seed = seed;
        self
    }

    /// The same with traces, or without.
    #[must_use]
    pub const fn with_trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// The same with other hazards.
    #[must_use]
    pub const fn with_hazards(mut self, hazards: Hazards) -> Self {
        self.hazards = hazards;
        self
    }

    /// The same with one kernel made wrong.
    #[must_use]
    pub const fn with_spoilt(mut self, kernel: &'static str) -> Self {
        self.spoil = Some(kernel);
        self
    }

    /// The same under a check, which runs the simulator in one thread.
    #[must_use]
    pub const fn with_check(mut self, check: Option<Check>) -> Self {
        self.check = check;
        self
    }

    /// The same with an explicit edge left out.
    #[must_use]
    pub const fn with_frayed_edges(mut self) -> Self {
        self.frayed = true;
        self
    }

    /// The chip to build, before a scene sets sizes of its own.
    ///
    /// # Errors
    ///
    /// The platform cannot be had on this machine.
    pub(crate) fn builder(&self) -> prewire::Result<ChipBuilder> {
        let builder = prewire::platform(self.platform.name)?.hazards(self.hazards).trace(self.trace);
        let builder = match self.seed {
            Some(seed) => builder.seed(seed),
            None => builder,
        };
        Ok(match self.check {
            Some(check) => builder.check(check),
            None => builder,
        })
    }
}

/// How much work a scene does. The program is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For a debug build: milliseconds.
    Small,
    /// For a release build: mostly below a second.
    Usual,
    /// As wide as the real thing: seconds, and some GiB.
    Full,
}

impl Size {
    /// The one of three values that belongs to this size.
    pub(crate) fn pick<T>(self, small: T, usual: T, full: T) -> T {
        match self {
            Self::Small => small,
            Self::Usual => usual,
            Self::Full => full,
        }
    }
}

/// A platform that scenes run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform {
    /// Its name, as users spell it, like `a2a3sim`.
    pub name: &'static str,
}

/// Where the children of a node run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Inside {
    /// In processes of their own.
    Processes,
    /// In threads of this process, as it had others when the node was started.
    Threads,
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processes => "processes",
            Self::Threads => "threads",
        })
    }
}

/// What came out of a run of a scene.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Tasks submitted, over all its runs.
    pub tasks: u64,
    /// How long its runs took, without making the inputs and the golden.
    pub wall: Duration,
    /// The most threads that the simulator had; 0 if its chips were children of a node.
    pub threads: usize,
    /// Where the children of its node were, if it has one.
    pub inside: Option<Inside>,
    /// The worst of `|got - want| / (1 + |want|)` over all its results, or what its doc says. Infinite where a result
    /// is not a number.
    pub max_error: f64,
    /// The most that its runs took of the rings.
    pub usage: RunUsage,
}

impl Outcome {
    /// This and another part of the same scene: the totals, and the worst of both.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.tasks += other.tasks;
        self.wall += other.wall;
        self.threads = self.threads.max(other.threads);
        self.max_error = self.max_error.max(other.max_error);
        self.usage.merge(&other.usage);
        self
    }
}
