//! Inference: from what a task accesses to the tasks that it waits for, and to what later ones wait for.

use alloc::vec::Vec;

use prewire_abi::{EdgeKind, ScopeMode, TaskId, TensorArgType, ValidTensor};
use prewire_ring::{Allocator, Placed, RING_COUNT};
use prewire_tensormap::{Access, Hazards, Life, Place, TensorMap};

use crate::args::Args;
use crate::error::SubmitError;
use crate::orchestrator::{Orchestrator, is_submitted};
use crate::scope::ScopeKey;

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
pub const fn asks(tag: TensorArgType, hazards: Hazards) -> Option<Access> {
    if matches!(tag, TensorArgType::InOut) && matches!(hazards, Hazards::Raw) {
        Some(Access::Read)
    } else {
        tells(tag)
    }
}

/// What finds the producers of a task.
struct Look<'a> {
    edges: &'a mut Vec<(TaskId, EdgeKind)>,
    /// The numbers of the edges below 64, as bits: where one is not set its edge is a new one.
    seen: u64,
    map: &'a mut TensorMap,
    allocator: &'a Allocator,
    first: &'a [u32; RING_COUNT],
}

impl Look<'_> {
    /// What the task names itself.
    #[inline]
    fn at_producers(&mut self, args: &Args) -> Result<(), SubmitError> {
        for &(id, kind) in args.producers() {
            if self.allocator.is_live(id) {
                self.add(id, kind);
            } else if !is_submitted(self.allocator, self.first, id) {
                return Err(SubmitError::UnknownProducer { id });
            } else if self.is_failed(id) {
                self.add(id, kind);
            }
        }
        Ok(())
    }

    /// What the task waits for because of who made `tensor`; whether there is such a task. Memory may outlive the run of its
    /// creator: then there is nobody to wait for.
    #[inline(always)]
    fn at_owner(&mut self, tensor: &ValidTensor) -> bool {
        let owner = tensor.owner_task_id();
        let counts = self.allocator.is_live(owner) || self.is_failed(owner);
        if counts {
            self.add(owner, EdgeKind::BOTH);
        }
        counts
    }

    #[inline(always)]
    fn find(&mut self, tensor: &ValidTensor, access: Access) -> Place {
        let Self { edges, seen, map, allocator, .. } = self;
        map.find(tensor, access, &|id| life(allocator, id), &mut |id| add(edges, seen, id, EdgeKind::WAIT))
    }

    #[inline(always)]
    fn add(&mut self, id: TaskId, kind: EdgeKind) {
        add(self.edges, &mut self.seen, id, kind);
    }

    /// Whether `id`, of whatever run or of none, is a task of this run that is retired and failed: it still poisons.
    #[inline(always)]
    fn is_failed(&self, id: TaskId) -> bool {
        #[cold]
        fn among_failed(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
            is_submitted(allocator, first, id) && allocator.retired(id) == Some(true)
        }
        self.allocator.rings().has_failed() && among_failed(self.allocator, self.first, id)
    }
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and where the tensor map came across what the task
    /// accesses, for [`record_accesses`](Orchestrator::record_accesses).
    ///
    /// # Errors
    ///
    /// A producer is no task of this run, or the scope of a tensor is closed. Nothing was taken.
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        self.edges.clear();
        let count = args.tensors().len() + args.reads().len();
        if self.places.len() < count {
            self.places.resize(count, None);
        }
        let (infer, foreign) = (self.scopes.mode() == ScopeMode::Auto, self.is_foreign(args));
        let Self { edges, map, allocator, first, scopes, places, hazards, .. } = self;
        let mut look = Look { edges, seen: 0, map, allocator, first };
        look.at_producers(args)?;
        if foreign {
            let seen = look.seen;
            self.collect_foreign(args, infer, seen);
            return Ok(());
        }
        let mut accesses = 0;
        // Most are of one scope.
        let mut open = ScopeKey::NONE;
        for ((number, arg), place) in args.tensors().iter().enumerate().zip(places.iter_mut()) {
            *place = None;
            let tensor = arg.tensor();
            if arg.creates() {
                continue;
            }
            if !arg.scope().is(&open) {
                open = *arg.scope();
                if !args.foreign {
                    scopes.check(number, tensor, &open)?;
                }
            }
            look.at_owner(tensor);
            let Some(access) = asks(arg.tag(), *hazards) else { continue };
            if infer && !tensor.is_manual_dep() {
                accesses += 1;
                *place = Some(look.find(tensor, access));
            }
        }
        self.accesses = accesses;
        if args.reads().is_empty() {
            make_distinct(edges);
            return Ok(());
        }
        let seen = look.seen;
        self.collect_reads(args, infer, seen)
    }

    /// As `collect`, for what is read beside the arguments.
    #[inline(never)]
    fn collect_reads(&mut self, args: &Args, infer: bool, seen: u64) -> Result<(), SubmitError> {
        let Self { edges, map, allocator, first, scopes, places, accesses, .. } = self;
        let mut look = Look { edges, seen, map, allocator, first };
        let number = args.tensors().len();
        for ((tensor, scope), place) in args.reads().iter().zip(&mut places[number..]) {
            if !args.foreign {
                scopes.check(number, tensor, scope)?;
            }
            look.at_owner(tensor);
            *place = None;
            if infer && !tensor.is_manual_dep() {
                *accesses += 1;
                *place = Some(look.find(tensor, Access::Read));
            }
        }
        make_distinct(edges);
        Ok(())
    }

    /// As `collect`, by the rules of programs that answer for their memory themselves: what is read or read and written waits
    /// for writes, and what is only written is remembered and waits for nothing. No read is remembered. What such a program
    /// says creates an edge to its creator; of one that is retired the memory may be another one's. In a manual scope nothing
    /// is inferred at all.
    #[inline(never)]
    fn collect_foreign(&mut self, args: &Args, infer: bool, seen: u64) {
        let Self { edges, map, allocator, first, places, .. } = self;
        let mut look = Look { edges, seen, map, allocator, first };
        // What is read beside is not theirs.
        places.fill(None);
        let mut accesses = 0;
        for ((number, arg), place) in args.tensors().iter().enumerate().zip(places) {
            if !infer || arg.creates() {
                continue;
            }
            let tensor = arg.tensor();
            let owner = tensor.owner_task_id();
            if !look.at_owner(tensor) && owner.is_valid() && is_submitted(allocator, first, owner) {
                self.stale = Some((number, owner));
            }
            if tensor.is_manual_dep() {
                continue;
            }
            let found = match arg.tag() {
                TensorArgType::Input => {
                    look.find(tensor, Access::Read);
                    continue;
                }
                TensorArgType::InOut => look.find(tensor, Access::Write),
                TensorArgType::OutputExisting => Place::default(),
                TensorArgType::Output | TensorArgType::NoDep => continue,
            };
            accesses += 1;
            *place = Some(found);
        }
        self.accesses = accesses;
        make_distinct(edges);
    }

    /// Whether the rules are those of programs that answer for their memory themselves.
    #[inline]
    fn is_foreign(&self, args: &Args) -> bool {
        args.foreign && self.hazards == Hazards::RawWaw
    }

    /// What the task reads and writes, for those that come after it.
    #[inline]
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        if self.is_foreign(args) {
            return self.record_foreign(placed, args);
        }
        let Self { map, allocator, places, .. } = self;
        let life = &|id| life(allocator, id);
        for (arg, place) in args.tensors().iter().zip(places.iter()) {
            let Some(place) = *place else { continue };
            let reads = matches!(arg.tag(), TensorArgType::Input);
            let access = if reads { Access::Read } else { Access::Write };
            let recorded = map.record_at(place, arg.tensor(), access, placed.id, life);
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
        if !args.reads().is_empty() {
            self.record_reads(placed, args);
        }
    }

    /// As `record_accesses`, for what is read beside the arguments.
    #[inline(never)]
    fn record_reads(&mut self, placed: &Placed, args: &Args) {
        let Self { map, allocator, places, .. } = self;
        for ((tensor, _), place) in args.reads().iter().zip(places.iter().skip(args.tensors().len())) {
            let Some(place) = *place else { continue };
            let recorded = map.record_at(place, tensor, Access::Read, placed.id, &|id| life(allocator, id));
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }

    /// As `record_accesses`, by the rules of programs that answer for their memory themselves.
    #[inline(never)]
    fn record_foreign(&mut self, placed: &Placed, args: &Args) {
        let Self { map, allocator, places, .. } = self;
        let life = &|id| life(allocator, id);
        for (arg, place) in args.tensors().iter().zip(places.iter()) {
            let Some(place) = *place else { continue };
            let recorded = if matches!(arg.tag(), TensorArgType::OutputExisting) {
                map.record_beside(arg.tensor(), placed.id, life)
            } else {
                map.record_at(place, arg.tensor(), Access::Write, placed.id, life)
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

/// Adds an edge. Few are compared in place, where their bit says that they may be there; many are sorted at the end.
#[inline(always)]
fn add(edges: &mut Vec<(TaskId, EdgeKind)>, seen: &mut u64, id: TaskId, kind: EdgeKind) {
    let bit = 1 << (id.local() & 63);
    if *seen & bit != 0 && add_again(edges, id, kind) {
        return;
    }
    *seen |= bit;
    edges.push((id, kind));
}

/// Adds to an edge that is there already, unless there are many.
fn add_again(edges: &mut [(TaskId, EdgeKind)], id: TaskId, kind: EdgeKind) -> bool {
    if edges.len() >= FEW {
        return false;
    }
    let before = edges.iter_mut().find(|edge| edge.0 == id);
    if let Some(edge) = before {
        edge.1 |= kind;
        return true;
    }
    false
}
