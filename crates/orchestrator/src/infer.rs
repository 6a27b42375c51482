//! Inference: from what a task accesses to the tasks that it waits for, and to what later ones wait for.

use prewire_abi::{EdgeKind, ScopeMode, TaskId, TensorArgType};
use prewire_ring::{Allocator, Placed};
use prewire_tensormap::{Access, Hazards, Life, Region};

use crate::args::Args;
use crate::error::SubmitError;
use crate::orchestrator::{Orchestrator, is_submitted};

/// What the tensor map wants to know of a task.
pub(crate) fn life(allocator: &Allocator, id: TaskId) -> Life {
    match allocator.retired(id) {
        None => Life::Live,
        Some(false) => Life::Retired,
        Some(true) => Life::Failed,
    }
}

/// What a tag tells the tensor map of memory that exists: nothing for what makes no edges.
#[must_use]
pub const fn tells(tag: TensorArgType) -> Option<Access> {
    match tag {
        TensorArgType::Input => Some(Access::Read),
        TensorArgType::InOut | TensorArgType::OutputExisting | TensorArgType::Output => Some(Access::Write),
        TensorArgType::NoDep => None,
    }
}

/// What a tag asks the tensor map for. Where a write waits for nothing, what is read and written is asked for as a read.
#[must_use]
pub fn asks(tag: TensorArgType, hazards: Hazards) -> Option<Access> {
    if hazards == Hazards::Raw && tag == TensorArgType::InOut { Some(Access::Read) } else { tells(tag) }
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges.
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        let (edges, allocator, map) = (&mut self.edges, &self.allocator, &mut self.map);
        let first = &self.first;
        let mut add = |id: TaskId, kind: EdgeKind| {
            // A retired producer is done; one that failed still poisons, and so stays an edge.
            if allocator.retired(id) == Some(false) {
                return;
            }
            // Few are compared in place; many are sorted at the end.
            if edges.len() < 16
                && let Some(edge) = edges.iter_mut().find(|edge| edge.0 == id)
            {
                edge.1 |= kind;
                return;
            }
            edges.push((id, kind));
        };
        for &(id, kind) in args.producers() {
            add(id, kind);
        }
        let infer = self.scopes.mode() == ScopeMode::Auto;
        let hazards = self.hazards;
        let existing = args.tensors().iter().filter(|arg| !arg.creates());
        let existing = existing.map(|arg| (arg.tensor(), asks(arg.tag(), hazards)));
        let reads = args.reads().iter().map(|(tensor, _)| (tensor, Some(Access::Read)));
        for (tensor, access) in existing.chain(reads) {
            let owner = tensor.owner_task_id();
            // Memory may outlive the run of its creator: then there is nobody to wait for.
            if owner.is_valid() && is_submitted(allocator, first, owner) {
                add(owner, EdgeKind::BOTH);
            }
            if let Some(access) = access
                && infer
                && !tensor.is_manual_dep()
            {
                let region = Region::from(tensor.get());
                map.find(&region, access, &|id| life(allocator, id), &mut |id| add(id, EdgeKind::WAIT));
            }
        }
        if self.edges.len() >= 16 {
            self.edges.sort_unstable_by_key(|edge| edge.0.raw());
            self.edges.dedup_by(|later, kept| {
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
    pub(crate) fn entries(&self, args: &Args) -> u32 {
        if self.scopes.mode() != ScopeMode::Auto {
            return 0;
        }
        args.sums().accesses + args.reads().len() as u32
    }

    /// What the task reads and writes, for those that come after it.
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        if self.scopes.mode() != ScopeMode::Auto {
            return;
        }
        let allocator = &self.allocator;
        let existing = args.tensors().iter().filter(|arg| !arg.creates());
        let existing = existing.filter_map(|arg| Some((arg.tensor(), tells(arg.tag())?)));
        let reads = args.reads().iter().map(|(tensor, _)| (tensor, Access::Read));
        for (tensor, access) in existing.chain(reads) {
            if tensor.is_manual_dep() {
                continue;
            }
            let recorded =
                self.map.record(&Region::from(tensor.get()), access, placed.id, &|id| life(allocator, id));
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }
}
