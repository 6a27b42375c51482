//! What a worker is made of, from before the first fork on: the same in the worker, in its zygote and in its children.

use std::sync::{Arc, Mutex};

use prewire_chip::{Segments, SharedMemory};
use prewire_mailbox::Area;
use prewire_os::{Bell, Segment};
use prewire_platform::LaneId;

use crate::callable::Catalog;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use crate::start::Prepared;
use crate::tree::{Child, Role};

/// A worker, described to itself and its children.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where it is in the tree: `node`, `network1/worker0`.
    pub(crate) path: String,
    /// Its children, as the scheduler numbers lanes: first those that tasks name, then the SUB workers.
    pub(crate) children: Vec<Child>,
    /// What was registered before the start; in the worker itself, what was registered since, too.
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) settings: Settings,
    pub(crate) output: Output,
    pub(crate) faults: Vec<Fault>,
    /// The shared memory that it and its children see: its ancestors' and its own.
    pub(crate) segments: Segments,
    /// Which of these are its own.
    pub(crate) own: Own,
    /// The mailboxes of its children, and the block that these share.
    pub(crate) area: Arc<Area<Segment>>,
    /// What wakes its progress thread.
    pub(crate) bell: Bell,
    /// By what name an executed zygote finds the description again.
    pub(crate) exec: Option<String>,
    /// By child: what was prepared of a worker that is to run in a thread, until it starts.
    pub(crate) nested: Vec<Mutex<Option<Prepared>>>,
}

/// The memory of one worker.
#[derive(Debug)]
pub(crate) struct Own {
    /// For buffers.
    pub(crate) arena: SharedMemory,
    /// For what tasks are given, a heap a ring.
    pub(crate) heaps: Vec<SharedMemory>,
}

impl Plan {
    /// Whether it is a worker below another one: it sees memory of those above.
    pub(crate) fn is_below(&self) -> bool {
        self.segments.iter().count() > 1 + self.own.heaps.len()
    }

    /// How many children tasks name; the rest are SUB workers.
    pub(crate) fn workers(&self) -> usize {
        self.children.iter().take_while(|child| !matches!(child.role, Role::Sub)).count()
    }

    pub(crate) fn is_chip(&self, lane: LaneId) -> bool {
        self.children.get(usize::from(lane.0)).is_some_and(|child| matches!(child.role, Role::Chip(_)))
    }

    /// Where a child is in the tree.
    pub(crate) fn child_path(&self, child: usize) -> String {
        format!("{}/{}", self.path, self.children[child].name)
    }
}
