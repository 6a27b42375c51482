//! A small program: tasks and what surrounds them, and what each task must wait for, written down without the engine.

use prewire_abi::{EdgeKind, LaneMask, ScopeMode};

/// Elements of a buffer.
pub(crate) const ELEMENTS: u32 = 8;
/// Buffers that are there before the program; each that a task makes has a number after these.
pub(crate) const GIVEN: usize = 3;

/// A part of a buffer that a task touches.
#[derive(Clone, Debug)]
pub(crate) struct Touch {
    pub(crate) buffer: usize,
    pub(crate) first: u32,
    pub(crate) len: u32,
    pub(crate) reads: bool,
    pub(crate) writes: bool,
    /// Who wrote each element last, in the order of the program, where that is a task of the same run.
    pub(crate) expected: Vec<Option<usize>>,
}

impl Touch {
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && (self.writes || other.writes)
            && self.first < other.first + other.len
            && other.first < self.first + self.len
    }
}

/// How a task ends, if the run is not ended before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Every sub-task runs.
    Runs,
    /// It completes without running, and its consumers run: a dummy, or one whose predicate does not hold.
    Passes,
    /// It runs, one of its sub-tasks fails, and those that have not started then do not run.
    Fails,
    /// It completes without running, as something that it waits for did not end well.
    Skipped,
}

/// A task.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The places of a cluster that each block takes; none for a dummy.
    pub(crate) lanes: LaneMask,
    pub(crate) blocks: u16,
    pub(crate) sync_start: bool,
    /// A predicate, and whether it holds.
    pub(crate) predicate: Option<bool>,
    pub(crate) touches: Vec<Touch>,
    /// The buffer that it makes.
    pub(crate) makes: Option<usize>,
    pub(crate) after: Vec<(usize, EdgeKind)>,
    /// The sub-task, block and place, that fails.
    pub(crate) fault: Option<(u32, u32)>,
    /// Its first sub-task ends the run.
    pub(crate) ends: bool,
    /// If it runs well, it is held back after its last sub-task, until the look-out lets it go.
    pub(crate) held: bool,
    /// What must be complete before it starts.
    pub(crate) waits: Vec<usize>,
    pub(crate) fate: Fate,
}

impl Task {
    pub(crate) fn is_dummy(&self) -> bool {
        self.lanes == LaneMask::NONE
    }

    /// The sub-tasks, block and place.
    pub(crate) fn subtasks(&self) -> impl Iterator<Item = (u32, u32)> {
        let lanes = self.lanes.bits();
        let places =
            move |block| (0..3).filter(move |place| lanes >> place & 1 != 0).map(move |p| (block, p));
        (0..u32::from(self.blocks)).flat_map(places)
    }

    /// The sub-task that runs at `place` of a cluster: a task of one vector core takes either.
    pub(crate) fn subtask_at(&self, block: u32, place: u32) -> (u32, u32) {
        (block, if self.lanes == LaneMask::AIV0 && place == 2 { 1 } else { place })
    }

    /// The sub-tasks that meet at their start: those of a cohort, or those of a block that takes several lanes.
    pub(crate) fn meets(&self, block: u32) -> Vec<(u32, u32)> {
        let together = self.sync_start && self.blocks > 1;
        self.subtasks().filter(|sub| together || sub.0 == block).collect()
    }
}

/// What the orchestrator does.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Open(ScopeMode),
    Close,
    Submit(usize),
    /// Waits, as the host, for the writers of an element.
    Read(Touch, Vec<usize>),
    /// Ends the run.
    End,
}

/// What is run between a start and an end.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) ops: Vec<Op>,
    /// Its tasks, by number.
    pub(crate) tasks: core::ops::Range<usize>,
}

/// A program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Nothing goes behind what a lane runs.
    pub(crate) idle_only: bool,
    pub(crate) clusters: u16,
    /// Outputs that fit into the heap of each ring.
    pub(crate) slabs: u32,
    /// Edges that a task has at most: three such tasks fit into the dep-list pool of each ring.
    pub(crate) edges: u32,
    pub(crate) tasks: Vec<Task>,
    pub(crate) runs: Vec<Run>,
}
