//! What the race checker tells: who races with whom, over which bytes, and what is missing between them.

use std::fmt;
use std::ops::Range;
use std::panic::Location;

use prewire_abi::TaskId;

/// Through what a task, or the program itself, accesses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Through {
    /// A tensor argument.
    Argument {
        /// Which, from 0.
        arg: usize,
        /// The call that it was passed by.
        passed: &'static str,
    },
    /// The element that the predicate of the task looks at.
    Predicate,
    /// An element that the program itself reads or writes.
    Host,
}

/// One of the two that race.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Party {
    /// The task; none for an access of the program itself.
    pub task: Option<TaskId>,
    /// Its kernel; none for an access of the program itself.
    pub kernel: Option<String>,
    /// Where it was submitted, or where the access is.
    pub site: &'static Location<'static>,
    /// Through what it accesses the memory.
    pub through: Through,
    /// Whether it writes.
    pub writes: bool,
}

impl Party {
    fn name(&self) -> String {
        match (self.task, &self.kernel) {
            (Some(task), Some(kernel)) => {
                format!("kernel {kernel:?} (task {task}, submitted at {})", self.site)
            }
            (Some(task), None) => format!("task {task} (submitted at {})", self.site),
            (None, _) => format!("the program itself (at {})", self.site),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.writes { "writes" } else { "reads" };
        write!(f, "{} {verb} ", self.name())?;
        match self.through {
            Through::Argument { arg, passed } => write!(f, "argument {arg}, passed as {passed}"),
            Through::Predicate => f.write_str("the element of its predicate"),
            Through::Host => f.write_str("an element"),
        }
    }
}

/// What would order the two.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// A kernel writes what was passed as an input: with a true declaration the edge would be inferred.
    Declaration {
        /// The kernel that writes.
        kernel: String,
        /// The argument that it writes.
        arg: usize,
    },
    /// An argument opted out of edges: passed as what it is, it would have one.
    OptedOut {
        /// The task whose argument it is.
        task: TaskId,
        /// Which argument.
        arg: usize,
        /// The call to pass it by.
        pass: &'static str,
    },
    /// The two are joined by an edge that keeps memory alive, and does not wait.
    Wait,
    /// An explicit edge, as accesses make none where one of them was submitted.
    After,
    /// An explicit edge, as the chip does not infer this hazard; or [`Hazards::All`](crate::Hazards::All).
    Hazard,
    /// The program accesses an element that a task touches, and does not wait for that task.
    HostWait,
}

/// Two accesses of the same bytes, one of them a write, that no path of edges orders.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Race {
    /// The one that was submitted first.
    pub first: Party,
    /// The one that was submitted second.
    pub second: Party,
    /// From the first to the last byte that both can touch, counted from the start of the buffer.
    pub bytes: Range<u64>,
    /// What would order them.
    pub missing: Missing,
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, second, bytes, missing } = self;
        write!(
            f,
            "{first}, and {second}: both touch bytes {}..{} of the same buffer, and nothing orders them; ",
            bytes.start, bytes.end
        )?;
        let submit = match (first.task, second.task) {
            (Some(first), Some(second)) => format!("submit task {second} with `.after(&{first})`"),
            _ => "access the element after the run".into(),
        };
        match missing {
            Missing::Declaration { kernel, arg } => {
                write!(f, "declare argument {arg} of kernel {kernel:?} as inout")
            }
            Missing::OptedOut { task, arg, pass } => {
                write!(f, "pass argument {arg} of task {task} as `{pass}` instead of `no_dep`, or {submit}")
            }
            Missing::Wait => write!(f, "the edge between them only keeps memory alive: {submit}"),
            Missing::After => write!(f, "{submit}: in a manual scope accesses make no edges"),
            Missing::Hazard => write!(f, "{submit}, or build the chip with `Hazards::All`"),
            Missing::HostWait => f.write_str(
                "access the element after the run, or make what touches it an argument of a task in an auto scope",
            ),
        }
    }
}

/// A kernel wrote what its task was given to read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undeclared {
    /// Who wrote, and through what.
    pub writer: Party,
    /// From the first to the last byte that changed, counted from the start of the buffer.
    pub bytes: Range<u64>,
}

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { writer, bytes } = self;
        write!(f, "{writer}: bytes {}..{} of the buffer changed while it ran; ", bytes.start, bytes.end)?;
        match (&writer.through, &writer.kernel) {
            (Through::Argument { arg, .. }, Some(kernel)) => {
                write!(f, "declare argument {arg} of kernel {kernel:?} as inout")
            }
            _ => f.write_str("declare it as inout"),
        }
    }
}

/// What the race checker found in a run: see [`Check::Races`](crate::Check::Races).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaceReport {
    pub(crate) races: Vec<Race>,
    pub(crate) undeclared: Vec<Undeclared>,
    pub(crate) total: usize,
}

impl RaceReport {
    /// Races that are kept with all that is known of them.
    pub(crate) const KEPT: usize = 64;

    /// The pairs that race, each once, in the order in which they were found: those that an edge for another one would
    /// not order too, and of those the first 64.
    #[must_use]
    pub fn races(&self) -> &[Race] {
        &self.races
    }

    /// The kernels that wrote what they were given to read, each task and argument once. A race that comes of it is
    /// one of [`races`](Self::races) too.
    #[must_use]
    pub fn undeclared(&self) -> &[Undeclared] {
        &self.undeclared
    }

    /// How many pairs were found to race, those included that an edge for one of [`races`](Self::races) would order.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.total
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.total == 0 && self.undeclared.is_empty()
    }
}

impl fmt::Display for RaceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let (races, writes) = (self.races.len(), self.undeclared.len());
        write!(
            f,
            "{races} race{} and {writes} undeclared write{} were found, whatever the numbers that came out:",
            plural(races),
            plural(writes)
        )?;
        let all = self.undeclared.iter().map(ToString::to_string);
        let all = all.chain(self.races.iter().map(ToString::to_string));
        for (number, text) in all.enumerate() {
            write!(f, "\n{}. {text}", number + 1)?;
        }
        match self.total - self.races.len() {
            0 => Ok(()),
            more => write!(f, "\nand {more} more pair{} of tasks; mend these first", plural(more)),
        }
    }
}
