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
    /// It is a write that waited for nothing: it is remembered beside those before it.
    beside: bool,
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and what the task accesses, for
    /// [`record_accesses`](Orchestrator::record_accesses).
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        if args.foreign && self.hazards == Hazards::RawWaw {
            self.collect_foreign(args);
            return Ok(());
        }
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
                found.push(Found { place, number: number as u32, access, beside: false });
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
        make_distinct(edges);
        Ok(())
    }

    /// As `collect`, by the rules of programs that answer for their memory themselves: what they say creates an edge to its
    /// creator, what is read or read and written waits for writes, and what is only written is remembered and waits for
    /// nothing. In a manual scope nothing is inferred at all.
    fn collect_foreign(&mut self, args: &Args) {
        let (edges, allocator, map) = (&mut self.edges, &self.allocator, &mut self.map);
        for &(id, kind) in args.producers() {
            add_live(edges, allocator, id, kind);
        }
        if self.scopes.mode() == ScopeMode::Auto {
            for (number, arg) in args.tensors().iter().enumerate() {
                if arg.creates() {
                    continue;
                }
                let tensor = arg.tensor();
                let owner = tensor.owner_task_id();
                if owner.is_valid() && is_submitted(allocator, &self.first, owner) {
                    if allocator.retired(owner) == Some(false) {
                        self.stale = Some((number, owner));
                    } else {
                        add(edges, owner, EdgeKind::BOTH);
                    }
                }
                if tensor.is_manual_dep() {
                    continue;
                }
                let number = number as u32;
                let mut find = |access| {
                    let known = tensor.get();
                    map.find(known, access, &|id| life(allocator, id), &mut |id| {
                        add(edges, id, EdgeKind::WAIT)
                    })
                };
                match arg.tag() {
                    TensorArgType::Input => drop(find(Access::Read)),
                    TensorArgType::InOut => {
                        let place = find(Access::Write);
                        self.found.push(Found { place, number, access: Access::Write, beside: false });
                    }
                    TensorArgType::OutputExisting => {
                        let place = Place::default();
                        self.found.push(Found { place, number, access: Access::Write, beside: true });
                    }
                    TensorArgType::Output | TensorArgType::NoDep => {}
                }
            }
        }
        make_distinct(edges);
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
        for &Found { place, number, access, beside } in &self.found {
            let number = number as usize;
            let tensor = match tensors.get(number) {
                Some(arg) => arg.tensor(),
                None => &reads[number - tensors.len()].0,
            };
            let life = &|id| life(allocator, id);
            let recorded = if beside {
                self.map.record_beside(tensor.get(), placed.id, life)
            } else {
                self.map.record_at(place, tensor.get(), access, placed.id, life)
            };
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }
}

/// Makes many edges distinct; few are from the start.
#[inline]
fn make_distinct(edges: &mut Vec<(TaskId, EdgeKind)>) {
    if edges.len() < FEW {
        return;
    }
    edges.sort_unstable_by_key(|edge| edge.0.raw());
    edges.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 |= later.1;
        }
        same
    });
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
