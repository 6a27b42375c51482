//! What happened in a run, event by event. Invariant: the trace of a seeded run holds nothing that differs between two
//! processes, so the same program, chip and seed give the same text, byte for byte.

use std::fmt;
use std::io::{self, Write};
use std::panic::Location;
use std::sync::Arc;

use crate::place::Place;
use prewire_abi::{EdgeKind, Shape, TaskId};
use prewire_platform::Awaited;

mod recorder;
mod text;

pub(crate) use recorder::Recorder;

/// The events of one run, in the order in which they happened.
///
/// Recorded by chips that were built with [`ChipBuilder::trace`](crate::ChipBuilder::trace), handed out by
/// [`Chip::take_trace`](crate::Chip::take_trace) after the run, whether it failed or not. Tasks are numbered from the
/// start of the run, as `ring:number`; no address, no number that counts chips or runs, and no path but `file!()` is in
/// it.
///
/// Displayed, it has a line that says what chip it is of, and a line an event: its time, what it is, and what to, as in
/// `14 begin 0:3 block 0 aiv0 core 7`.
///
/// ```
/// use prewire_chip::{Chip, Core, What};
///
/// let trace = |seed| -> prewire_chip::Result<String> {
///     let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(2).seed(seed).trace(true).build()?;
///     let add = chip.kernel("add", Core::Aiv, |k| {
///         k.output::<i32>(0)?.as_mut_slice()?[0] += 1;
///         Ok(())
///     })?;
///     let cells = [chip.zeros::<i32>(&[1])?, chip.zeros::<i32>(&[1])?];
///     chip.run(|orch| (0..8).try_for_each(|i| orch.submit(&add).inout(&cells[i % 2]).go().map(drop)))?;
///     let trace = chip.take_trace().expect("the chip records");
///     assert!(chip.take_trace().is_none(), "it is handed out once");
///     let begun = trace.events().iter().filter(|event| matches!(event.what, What::Began { .. }));
///     assert_eq!(begun.count(), 8);
///     Ok(trace.to_string())
/// };
/// assert_eq!(trace(7)?, trace(7)?);
/// assert_ne!(trace(7)?, trace(8)?);
/// # Ok::<(), prewire_chip::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    head: Head,
    events: Vec<Event>,
}

/// What chip a trace is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    chip: &'static str,
    clusters: u16,
    domains: u16,
    seed: Option<u64>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// When, since the run began: of a seeded chip steps of the simulation, of any other nanoseconds. Never less than that
    /// of the event before.
    pub time: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The run began.
    RunBegan {
        /// Where it was asked for.
        site: &'static Location<'static>,
    },
    /// A task was submitted, and is about to be published.
    Submitted {
        /// Its number.
        task: TaskId,
        /// The name of its kernel; none of a dummy.
        kernel: Option<Arc<str>>,
        /// The kind of cores that it takes.
        shape: Shape,
        /// How many blocks it has.
        blocks: u16,
        /// Whether they start together.
        sync_start: bool,
        /// The earlier tasks that it was linked to. One that was retired by then is not among them.
        producers: Vec<(TaskId, EdgeKind)>,
        /// Where.
        site: Option<&'static Location<'static>>,
    },
    /// Memory was allocated: a task that is complete from birth.
    Allocated {
        /// Its number.
        task: TaskId,
        /// Where.
        site: &'static Location<'static>,
    },
    /// A scope of the program opened; that of the run itself is not told.
    ScopeOpened {
        /// How many are open with it, that of the run included.
        depth: usize,
        /// Whether only named edges count in it.
        manual: bool,
        /// Where.
        site: &'static Location<'static>,
    },
    /// A scope closed.
    ScopeClosed {
        /// How many were open with it.
        depth: usize,
    },
    /// A core took up a sub-task.
    Began(SubTask),
    /// The kernel of a sub-task returned.
    Ended(SubTask),
    /// A task failed: in this sub-task, or, without one, before it was dispatched.
    Failed {
        /// The task.
        task: TaskId,
        /// Which block.
        block: u32,
        /// The core; none if the task was not dispatched.
        core: Option<u16>,
    },
    /// A predicate did not hold: the task completes without running.
    Off {
        /// The task.
        task: TaskId,
    },
    /// A task is complete.
    Completed {
        /// Its number.
        task: TaskId,
        /// How it ended.
        how: Ending,
    },
    /// The program is about to read or write an element; what it waited for is complete.
    Host {
        /// Whether it writes.
        write: bool,
        /// Where.
        site: &'static Location<'static>,
    },
    /// The orchestration has to wait.
    WaitBegan {
        /// What for.
        what: Awaited,
    },
    /// It goes on.
    WaitEnded {
        /// Whether what it waited for came about; if not, nothing could bring it about.
        met: bool,
    },
    /// Every task is complete.
    RunEnded {
        /// Whether nothing failed.
        ok: bool,
        /// Tasks that were submitted.
        tasks: u64,
    },
}

/// A sub-task on its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubTask {
    /// The task.
    pub task: TaskId,
    /// Which block, from 0.
    pub block: u32,
    /// The place of the cluster.
    pub place: Place,
    /// The core, by its number on the chip.
    pub core: u16,
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Well, whether it had something to run or not.
    Ok,
    /// It failed itself.
    Failed,
    /// It did not run, because something that it depends on failed or the run was ended.
    Skipped,
}

impl Trace {
    /// The events.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The seed of the chip, if it has one: then times are steps, otherwise nanoseconds.
    #[must_use]
    pub const fn seed(&self) -> Option<u64> {
        self.head.seed
    }

    /// Writes the text that [`Display`](fmt::Display) gives.
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(to, "{}", self.head)?;
        self.events.iter().try_for_each(|event| writeln!(to, "{event}"))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.head)?;
        self.events.iter().try_for_each(|event| writeln!(f, "{event}"))
    }
}
