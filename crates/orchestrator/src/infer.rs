//! Inference: from what a task accesses to the tasks that it waits for, and to what later ones wait for.

use alloc::vec::Vec;

use prewire_abi::{EdgeKind, ScopeMode, TaskId, TensorArgType, ValidTensor};
use prewire_ring::{Allocator, Placed, RING_COUNT};
use prewire_tensormap::{Access, Hazards, Life, Place};

use crate::args::Args;
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

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and where the tensor map came across what the task
    /// accesses, for [`record_accesses`](Orchestrator::record_accesses).
    pub(crate) fn collect(&mut self, args: &Args) {
        let count = args.tensors().len() + args.reads().len();
        if self.places.len() < count {
            self.places.resize(count, None);
        }
        for &(id, kind) in args.producers() {
            add_live(&mut self.edges, &self.allocator, &self.first, id, kind);
        }
        if self.is_foreign(args) {
            self.collect_foreign(args);
        } else {
            self.collect_accesses(args);
        }
        make_distinct(&mut self.edges);
    }

    /// Whether the rules are those of programs that answer for their memory themselves.
    #[inline]
    fn is_foreign(&self, args: &Args) -> bool {
        args.foreign && self.hazards == Hazards::RawWaw
    }

    #[inline]
    fn collect_accesses(&mut self, args: &Args) {
        let (infer, hazards) = (self.scopes.mode() == ScopeMode::Auto, self.hazards);
        let tensors = args.tensors();
        for (number, arg) in tensors.iter().enumerate() {
            if arg.creates() {
                self.places[number] = None;
                continue;
            }
            let access = if infer { asks(arg.tag(), hazards) } else { None };
            self.look(number, arg.tensor(), access);
        }
        for (number, (tensor, _)) in (tensors.len()..).zip(args.reads()) {
            self.look(number, tensor, infer.then_some(Access::Read));
        }
    }

    /// What the task waits for because of tensor `number`, and what it waits for to access it, if that is inferred.
    #[inline(always)]
    fn look(&mut self, number: usize, tensor: &ValidTensor, access: Option<Access>) {
        let (edges, allocator) = (&mut self.edges, &self.allocator);
        // Memory may outlive the run of its creator: then there is nobody to wait for.
        add_live(edges, allocator, &self.first, tensor.owner_task_id(), EdgeKind::BOTH);
        self.places[number] = match access {
            Some(access) if !tensor.is_manual_dep() => {
                self.accesses += 1;
                let wait = &mut |id| add(edges, id, EdgeKind::WAIT);
                Some(self.map.find(tensor, access, &|id| life(allocator, id), wait))
            }
            _ => None,
        };
    }

    /// As `collect_accesses`, by the rules of programs that answer for their memory themselves: what they say creates an edge
    /// to its creator, what is read or read and written waits for writes, and what is only written is remembered and waits for
    /// nothing. In a manual scope nothing is inferred at all.
    fn collect_foreign(&mut self, args: &Args) {
        let (edges, allocator) = (&mut self.edges, &self.allocator);
        let infer = self.scopes.mode() == ScopeMode::Auto;
        // What is read beside is not theirs.
        self.places.fill(None);
        for (number, arg) in args.tensors().iter().enumerate() {
            if arg.creates() || !infer {
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
            let mut find = |access| {
                let wait = &mut |id| add(edges, id, EdgeKind::WAIT);
                self.map.find(tensor, access, &|id| life(allocator, id), wait)
            };
            let place = match arg.tag() {
                TensorArgType::Input => {
                    // No read is remembered.
                    find(Access::Read);
                    continue;
                }
                TensorArgType::InOut => find(Access::Write),
                TensorArgType::OutputExisting => Place::default(),
                TensorArgType::Output | TensorArgType::NoDep => continue,
            };
            self.accesses += 1;
            self.places[number] = Some(place);
        }
    }

    /// What the task reads and writes, for those that come after it.
    #[inline]
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        let tensors = args.tensors();
        for (arg, place) in tensors.iter().zip(&self.places) {
            let (Some(place), Some(access)) = (*place, tells(arg.tag())) else { continue };
            let (tensor, allocator) = (arg.tensor(), &self.allocator);
            let life = &|id| life(allocator, id);
            let beside = self.is_foreign(args) && matches!(arg.tag(), TensorArgType::OutputExisting);
            let recorded = if beside {
                self.map.record_beside(tensor, placed.id, life)
            } else {
                self.map.record_at(place, tensor, access, placed.id, life)
            };
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
        for ((tensor, _), place) in args.reads().iter().zip(self.places.iter().skip(tensors.len())) {
            let (Some(place), allocator) = (*place, &self.allocator) else { continue };
            let life = &|id| life(allocator, id);
            let recorded = self.map.record_at(place, tensor, Access::Read, placed.id, life);
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

/// As `add`, unless the producer is of no task of this run, or is retired and so is done. One that failed still poisons, and
/// so stays an edge.
#[inline(always)]
fn add_live(
    edges: &mut Vec<(TaskId, EdgeKind)>,
    allocator: &Allocator,
    first: &[u32; RING_COUNT],
    id: TaskId,
    kind: EdgeKind,
) {
    if allocator.is_live(id) || (allocator.rings().has_failed() && has_failed(allocator, first, id)) {
        add(edges, id, kind);
    }
}

#[cold]
fn has_failed(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
    is_submitted(allocator, first, id) && allocator.retired(id) == Some(true)
}

/// Adds an edge. Few are compared in place; many are sorted at the end.
#[inline(always)]
fn add(edges: &mut Vec<(TaskId, EdgeKind)>, id: TaskId, kind: EdgeKind) {
    if edges.len() < FEW {
        for edge in edges.iter_mut() {
            if edge.0 == id {
                edge.1 |= kind;
                return;
            }
        }
    }
    edges.push((id, kind));
}
