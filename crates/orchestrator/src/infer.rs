//! Inference: from what a task accesses to the tasks that it waits for, and to what later ones wait for.

use alloc::vec::Vec;

use prewire_abi::{ChipTensor, EdgeKind, ScopeMode, TaskId, TensorArgType};
use prewire_ring::{Allocator, Placed};
use prewire_tensormap::{Access, Hazards, Life, Place};

use crate::args::Args;
use crate::error::SubmitError;
use crate::orchestrator::{Orchestrator, is_submitted};

/// From how many edges on they are sorted.
const FEW: usize = 16;

/// What the tensor map wants to know of a task.
#[inline]
pub(crate) fn life(allocator: &Allocator, id: TaskId) -> Life {
    match allocator.retired(id) {
        None => Life::Live,
        Some(false) => Life::Retired,
        Some(true) => Life::Failed,
    }
}

/// What a tag tells the tensor map of memory that exists: nothing for what makes no edges.
#[must_use]
#[inline]
pub const fn tells(tag: TensorArgType) -> Option<Access> {
    if matches!(tag, TensorArgType::Input) {
        Some(Access::Read)
    } else if tag.writes() {
        Some(Access::Write)
    } else {
        None
    }
}

/// What a tag asks the tensor map for. Where a write waits for nothing, what is read and written is asked for as a read.
#[must_use]
#[inline]
pub fn asks(tag: TensorArgType, hazards: Hazards) -> Option<Access> {
    if hazards == Hazards::Raw && tag == TensorArgType::InOut { Some(Access::Read) } else { tells(tag) }
}

/// An access of the task that is being submitted, which the tensor map is to remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// Where the map came across what is accessed.
    place: Place,
    /// The number of the tensor; those that are read beside come after the arguments.
    number: u32,
    access: Access,
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and what the task accesses, for
    /// [`record_accesses`](Orchestrator::record_accesses).
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        let (edges, allocator, map) = (&mut self.edges, &self.allocator, &mut self.map);
        for &(id, kind) in args.producers() {
            add_live(edges, allocator, id, kind);
        }
        let (infer, hazards, first) = (self.scopes.mode() == ScopeMode::Auto, self.hazards, &self.first);
        let found = &mut self.found;
        let mut look = |number: usize, tensor: &ChipTensor, asks: Option<Access>, tells: Option<Access>| {
            let owner = tensor.owner_task_id();
            // Memory may outlive the run of its creator: then there is nobody to wait for.
            if owner.is_valid() && is_submitted(allocator, first, owner) {
                add_live(edges, allocator, owner, EdgeKind::BOTH);
            }
            if let (Some(asks), Some(access)) = (asks, tells)
                && infer
                && !tensor.is_manual_dep()
            {
                let place = map.find(tensor, asks, &|id| life(allocator, id), &mut |id| {
                    add(edges, id, EdgeKind::WAIT);
                });
                found.push(Found { place, number: number as u32, access });
            }
        };
        for (number, arg) in args.tensors().iter().enumerate() {
            if !arg.creates() {
                look(number, arg.tensor(), asks(arg.tag(), hazards), tells(arg.tag()));
            }
        }
        for (number, (tensor, _)) in (args.tensors().len()..).zip(args.reads()) {
            look(number, tensor, Some(Access::Read), Some(Access::Read));
        }
        if edges.len() >= FEW {
            edges.sort_unstable_by_key(|edge| edge.0.raw());
            edges.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    kept.1 |= later.1;
                }
                same
            });
        }
        Ok(())
    }

    /// How many accesses the tensor map is to remember.
    #[inline]
    pub(crate) fn entries(&self) -> u32 {
        self.found.len() as u32
    }

    /// What the task reads and writes, for those that come after it.
    #[inline]
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        let allocator = &self.allocator;
        let (tensors, reads) = (args.tensors(), args.reads());
        for &Found { place, number, access } in &self.found {
            let number = number as usize;
            let tensor = match tensors.get(number) {
                Some(arg) => arg.tensor(),
                None => &reads[number - tensors.len()].0,
            };
            let life = &|id| life(allocator, id);
            let recorded = self.map.record_at(place, tensor.get(), access, placed.id, life);
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }
}

/// As `add`, unless the producer is retired and so is done. One that failed still poisons, and so stays an edge.
#[inline]
fn add_live(edges: &mut Vec<(TaskId, EdgeKind)>, allocator: &Allocator, id: TaskId, kind: EdgeKind) {
    if allocator.retired(id) != Some(false) {
        add(edges, id, kind);
    }
}

/// Adds an edge. Few are compared in place; many are sorted at the end.
#[inline]
fn add(edges: &mut Vec<(TaskId, EdgeKind)>, id: TaskId, kind: EdgeKind) {
    if edges.len() < FEW
        && let Some(edge) = edges.iter_mut().find(|edge| edge.0 == id)
    {
        edge.1 |= kind;
        return;
    }
    edges.push((id, kind));
}
