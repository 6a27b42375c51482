//! Children as lanes: a task is posted into a frame of the child's mailbox, and its outcome is reaped from there.
//!
//! **Invariant: what was handed to a child is in its seat until its outcome is known, and its outcome is told once.** A
//! child that dies loses what it was running; what it had not taken yet stays in the seat and is posted to its
//! replacement.

mod groups;
mod lanes;
mod life;
mod seat;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prewire_abi::ChipTensor;
use prewire_mailbox::{Block, ParentEnd, TaskStatus};
use prewire_platform::{LaneId, Standing};
use prewire_ring::{Rings, SlotRef};
use prewire_runs::Cause;
use prewire_sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::callable::Kind;
use crate::conflicts::Conflicts;
use crate::devices::Devices;
use crate::error::Error;
use crate::plan::Plan;
use crate::tree::Role;
use crate::wire::{self, Wire};

use seat::{Seat, Stage, State};

/// The children of a worker.
pub(crate) struct Children {
    pub(super) plan: Arc<Plan>,
    pub(super) wire: Wire,
    pub(super) seats: Vec<Seat>,
    pub(super) rings: Arc<Rings>,
    pub(super) cause: Arc<Cause<Error>>,
    pub(super) conflicts: Conflicts,
    /// The run that goes on. Written by its orchestrator.
    pub(super) run: AtomicU64,
    /// When that is overdue, in nanoseconds of the monotonic clock; 0 for never. Written by its orchestrator.
    pub(super) due: AtomicU64,
    /// Members of tasks that were completed. Raised by the poller.
    pub(super) completed: AtomicU64,
    /// A child that was parked has been given something. Set by the poller, cleared by the thread that attends.
    pub(super) woke: AtomicBool,
    /// A group has failed whose other members may still run. Set by whoever fails a member, cleared by the progress thread
    /// before it looks.
    pub(super) broken: AtomicBool,
}

impl fmt::Debug for Children {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Children {
    pub(crate) fn new(
        plan: &Arc<Plan>,
        rings: &Arc<Rings>,
        cause: &Arc<Cause<Error>>,
        devices: &Arc<Devices>,
    ) -> Self {
        let seat = |(index, child): (usize, &crate::tree::Child)| Seat {
            path: plan.child_path(index),
            name: child.name.clone(),
            runs: match child.role {
                Role::Chip(_) => Kind::ChipProgram,
                Role::Sub => Kind::HostFunction,
                Role::Worker(_) => Kind::Orchestration,
            },
            state: Mutex::new(State {
                standing: Standing::Down,
                handed: [None; 2],
                dead: None,
                overdue: None,
                pid: None,
                given_up: String::new(),
                useful: false,
            }),
            wild: AtomicBool::new(false),
        };
        Self {
            plan: Arc::clone(plan),
            wire: Wire::new(&plan.segments, devices),
            seats: plan.children.iter().enumerate().map(seat).collect(),
            rings: Arc::clone(rings),
            cause: Arc::clone(cause),
            conflicts: Conflicts::default(),
            run: AtomicU64::new(0),
            due: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            woke: AtomicBool::new(false),
            broken: AtomicBool::new(false),
        }
    }

    pub(super) fn block(&self) -> &Block {
        self.plan.area.block()
    }

    pub(super) fn end(&self, lane: LaneId) -> ParentEnd<'_> {
        self.plan.area.parent(lane.0.into()).expect("a lane is a child, and each has a mailbox")
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.seats.iter().map(|seat| seat.name.as_str())
    }

    /// How many children tasks name, and how many SUB workers there are.
    pub(crate) fn counts(&self) -> (u16, u16) {
        let workers = self.plan.workers();
        (workers as u16, (self.seats.len() - workers) as u16)
    }

    pub(crate) fn subs(&self) -> u16 {
        self.counts().1
    }

    pub(crate) fn get(&self, lane: LaneId) -> &Seat {
        &self.seats[usize::from(lane.0)]
    }

    /// The processes of the children.
    pub(crate) fn pids(&self) -> Vec<Option<u32>> {
        self.seats.iter().map(|seat| seat.state().pid).collect()
    }

    /// The child of that name.
    pub(crate) fn lane(&self, name: &str) -> Option<LaneId> {
        self.seats.iter().position(|seat| seat.name == name).map(|at| LaneId(at as u16))
    }

    pub(crate) fn unknown(&self, name: &str) -> Error {
        let known: Vec<_> = self.names().collect();
        Error::UnknownWorker { path: self.plan.path.clone(), name: name.to_owned(), known: known.join(", ") }
    }

    /// Whether so many arguments fit into a message.
    pub(crate) fn fits(&self, tensors: usize, scalars: usize) -> Result<(), String> {
        wire::fits(tensors, scalars)
    }

    /// Whether the child can reach a tensor.
    pub(crate) fn reaches(&self, lane: Option<LaneId>, tensor: &ChipTensor) -> Result<(), String> {
        let name = |lane: LaneId| self.seats.get(usize::from(lane.0)).map_or("?", |seat| seat.name.as_str());
        self.wire.reaches(lane, tensor, &name)
    }

    pub(crate) const fn conflicts(&self) -> &Conflicts {
        &self.conflicts
    }

    pub(crate) fn begin(&self, run: u64) {
        self.run.store(run, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
    }

    /// The run that goes on is overdue then: children that are handed a task from here on know it.
    pub(crate) fn set_due(&self, when: Option<Duration>) {
        let nanos = when.map_or(0, |when| u64::try_from(when.as_nanos()).unwrap_or(u64::MAX));
        self.due.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn completed(&self) -> u64 {
        self.completed.load(Ordering::Relaxed)
    }

    pub(crate) fn given_up(&self, lane: LaneId) -> String {
        self.seats.get(usize::from(lane.0)).map_or_else(String::new, |seat| seat.state().given_up.clone())
    }

    /// What the children are doing, in words.
    pub(crate) fn doing(&self) -> String {
        let mut texts = Vec::new();
        for (child, seat) in self.seats.iter().enumerate() {
            let state = seat.state();
            let end = self.end(LaneId(child as u16));
            for handed in state.handed.iter().flatten() {
                let slot = SlotRef::from_raw(handed.work.slot);
                let task = self.rings.slot(slot);
                let callable = self.plan.catalog.get(task.cold().callable);
                let name = callable.map_or_else(|| "?".into(), |callable| callable.name().to_owned());
                let does = match end.status(handed.token.0) {
                    _ if handed.stage == Stage::Waits => "waits for its replacement with",
                    TaskStatus::Running => "runs",
                    TaskStatus::Ended => "has ended",
                    _ => "has not begun",
                };
                let pid = state.pid.map(|pid| format!(" (process {pid})")).unwrap_or_default();
                let site =
                    self.rings.site(slot).map(|site| format!(", submitted at {site}")).unwrap_or_default();
                texts.push(format!("{}{pid} {does} task {} ({name:?}{site})", seat.path, task.id()));
            }
        }
        if texts.is_empty() { "no child had a task".into() } else { texts.join("; ") }
    }
}
