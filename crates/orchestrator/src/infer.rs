//! Inference: from what a task accesses to the tasks that it waits for, and to what later ones wait for.

use prewire_abi::{EdgeKind, ScopeMode, TaskId, TensorArgType, ValidTensor};
use prewire_ring::{Allocator, Placed, RING_COUNT};
use prewire_tensormap::{Access, Hazards, Life, Place};

use crate::args::{Arg, Args};
use crate::edges::Edges;
use crate::error::SubmitError;
use crate::orchestrator::{Orchestrator, is_submitted};
use crate::scope::{ScopeKey, Scopes};

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
    match tag {
        TensorArgType::NoDep => None,
        tag if tag.writes() => Some(Access::Write),
        _ => Some(Access::Read),
    }
}

/// What a tag asks the tensor map for. Where a write waits for nothing, what is read and written is asked for as a read.
#[must_use]
#[inline]
pub const fn asks(tag: TensorArgType, hazards: Hazards) -> Option<Access> {
    if matches!(hazards, Hazards::Raw) && matches!(tag, TensorArgType::InOut) {
        Some(Access::Read)
    } else {
        tells(tag)
    }
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and where the tensor map came across what the task
    /// accesses, for [`record_accesses`](Orchestrator::record_accesses). Reads are recorded at once if they can be.
    ///
    /// # Errors
    ///
    /// A producer is no task of this run, or the scope of a tensor is closed. Nothing was taken.
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        self.add_producers(args)?;
        let count = args.tensors().len() + args.reads().len();
        if self.places.len() < count {
            self.places.resize(count, None);
        }
        let infer = self.scopes.mode() == ScopeMode::Auto;
        let collected = if self.is_foreign(args) {
            self.collect_foreign(args, infer);
            Ok(())
        } else {
            self.collect_accesses(args, infer, count as u32)
        };
        if collected.is_err() {
            self.take_back(args);
        }
        self.edges.make_distinct();
        collected
    }

    #[inline]
    fn collect_accesses(&mut self, args: &Args, infer: bool, count: u32) -> Result<(), SubmitError> {
        let own = self.next_id();
        let Self { edges, map, allocator, first, scopes, places, hazards, accesses, late, .. } = self;
        let early = infer && map.prepare(count, |id| life(allocator, id));
        self.early = early.then_some(own);
        // Most are of one scope.
        let mut open = ScopeKey::NONE;
        let mut places = places.iter_mut();
        for arg in args.tensors() {
            let Some(place) = places.next() else { break };
            *place = None;
            let (tensor, tag) = (arg.tensor(), arg.tag());
            if arg.creates() {
                continue;
            }
            if !arg.scope().is(&open) {
                open = *arg.scope();
                if !scopes.is_open(&open) {
                    check_open(scopes, args)?;
                }
            }
            add_owner(edges, allocator, first, tensor);
            if !infer || tensor.is_manual_dep() {
                continue;
            }
            if early && matches!(tag, TensorArgType::Input) {
                *accesses += 1;
                *place = map.read(tensor, own, |id| life(allocator, id), |id| edges.add(id, EdgeKind::WAIT));
                if place.is_none() {
                    continue;
                }
            } else if let Some(access) = asks(tag, *hazards) {
                *accesses += 1;
                // What the task itself reads is on record already.
                let wait = |id| {
                    if id != own {
                        edges.add(id, EdgeKind::WAIT);
                    }
                };
                *place = Some(map.find(tensor, access, |id| life(allocator, id), wait));
            } else {
                continue;
            }
            *late += 1;
        }
        if args.reads().is_empty() { Ok(()) } else { self.collect_reads(args, infer) }
    }

    /// The id that the task will have.
    #[inline]
    fn next_id(&self) -> TaskId {
        let ring = self.scopes.ring();
        TaskId::new(ring as u32, self.allocator.next(ring))
    }

    /// Takes back what is on record of a task that is not there yet: it is recorded once it is. The id that it is to have
    /// counts as one that lives, so nothing would make room by dropping it, and is another task's if this one is refused.
    #[cold]
    pub(crate) fn take_back(&mut self, args: &Args) {
        let Some(own) = self.early.take() else { return };
        for (arg, place) in args.tensors().iter().zip(&mut self.places) {
            if matches!(arg.tag(), TensorArgType::Input) && self.map.unread(arg.tensor(), own) {
                *place = Some(Place::default());
                self.late += 1;
            }
        }
    }

    /// As [`collect`](Orchestrator::collect), of a task that uses no memory.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline(never)]
    pub(crate) fn collect_producers(&mut self, args: &Args) -> Result<(), SubmitError> {
        self.add_producers(args)?;
        self.edges.make_distinct();
        Ok(())
    }

    /// The producers that the task names, and nothing else.
    #[inline(always)]
    fn add_producers(&mut self, args: &Args) -> Result<(), SubmitError> {
        self.edges.clear();
        (self.accesses, self.late, self.early) = (0, 0, None);
        for &(id, kind) in args.producers() {
            if self.allocator.is_live(id) || self.is_failed_producer(id)? {
                self.edges.add(id, kind);
            }
        }
        Ok(())
    }

    /// Whether `id`, a producer that the task names and that does not live, has failed.
    fn is_failed_producer(&self, id: TaskId) -> Result<bool, SubmitError> {
        if !self.is_of_this_run(id) {
            return Err(SubmitError::UnknownProducer { id });
        }
        Ok(self.allocator.retired(id) == Some(true))
    }

    /// As `collect`, for what is read beside the arguments.
    #[inline(never)]
    fn collect_reads(&mut self, args: &Args, infer: bool) -> Result<(), SubmitError> {
        check_reads_open(&self.scopes, args)?;
        for ((tensor, _), place) in args.reads().iter().zip(args.tensors().len()..) {
            add_owner(&mut self.edges, &self.allocator, &self.first, tensor);
            let infer = infer && !tensor.is_manual_dep();
            let found = infer.then(|| self.find(tensor, Access::Read));
            self.record_later(place, found);
        }
        Ok(())
    }

    /// As `collect`, by the rules of programs that answer for their memory themselves: what is read or read and written waits
    /// for writes, and what is only written is remembered and waits for nothing. No read is remembered. What such a program
    /// says creates an edge to its creator; of one that is retired the memory may be another one's. In a manual scope nothing
    /// is inferred at all.
    #[inline(never)]
    fn collect_foreign(&mut self, args: &Args, infer: bool) {
        // What is read beside is not theirs.
        self.places.fill(None);
        for (number, arg) in args.tensors().iter().enumerate() {
            if !infer || arg.creates() {
                continue;
            }
            let tensor = arg.tensor();
            let owner = tensor.owner_task_id();
            let waits = add_owner(&mut self.edges, &self.allocator, &self.first, tensor);
            if !waits && owner.is_valid() && self.is_of_this_run(owner) {
                self.stale = Some((number, owner));
            }
            if tensor.is_manual_dep() {
                continue;
            }
            let found = match arg.tag() {
                TensorArgType::Input => {
                    self.find(tensor, Access::Read);
                    None
                }
                TensorArgType::InOut => Some(self.find(tensor, Access::Write)),
                TensorArgType::OutputExisting => Some(Place::default()),
                TensorArgType::Output | TensorArgType::NoDep => None,
            };
            self.record_later(number, found);
        }
    }

    /// What is accessed as number `number` was `found` there, if it is to be recorded once the task is there.
    fn record_later(&mut self, number: usize, found: Option<Place>) {
        self.places[number] = found;
        self.accesses += u32::from(found.is_some());
        self.late += u32::from(found.is_some());
    }

    /// Waits for those that an access of `tensor` must come after.
    #[inline(never)]
    fn find(&mut self, tensor: &ValidTensor, access: Access) -> Place {
        let Self { edges, map, allocator, .. } = self;
        map.find(tensor, access, |id| life(allocator, id), |id| edges.add(id, EdgeKind::WAIT))
    }

    /// Whether the rules are those of programs that answer for their memory themselves.
    #[inline]
    fn is_foreign(&self, args: &Args) -> bool {
        args.is_foreign() && self.hazards == Hazards::RawWaw
    }

    /// What the task reads and writes, for those that come after it.
    #[inline]
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        debug_assert_eq!(
            self.early.unwrap_or(placed.id),
            placed.id,
            "what is on record early is this task's"
        );
        if self.is_foreign(args) {
            return self.record_foreign(placed, args);
        }
        let Self { map, allocator, places, .. } = self;
        let life = |id| life(allocator, id);
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
            let recorded = map.record_at(place, tensor, Access::Read, placed.id, |id| life(allocator, id));
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }

    /// As `record_accesses`, by the rules of programs that answer for their memory themselves.
    #[inline(never)]
    fn record_foreign(&mut self, placed: &Placed, args: &Args) {
        let Self { map, allocator, places, .. } = self;
        let life = |id| life(allocator, id);
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

/// The first tensor whose scope is closed is an error, unless whoever submits answers for it.
#[cold]
pub(crate) fn check_open(scopes: &Scopes, args: &Args) -> Result<(), SubmitError> {
    let closed = |arg: &Arg| !arg.creates() && !scopes.is_open(arg.scope());
    match args.tensors().iter().position(closed) {
        Some(arg) if !args.is_foreign() => {
            let tensor = &args.tensors()[arg];
            Err(stale(arg, tensor.tensor(), tensor.scope()))
        }
        _ => Ok(()),
    }
}

/// As `check_open`, of what is read beside the arguments.
pub(crate) fn check_reads_open(scopes: &Scopes, args: &Args) -> Result<(), SubmitError> {
    match args.reads().iter().find(|(_, scope)| !scopes.is_open(scope)) {
        Some((tensor, scope)) if !args.is_foreign() => Err(stale(args.tensors().len(), tensor, scope)),
        _ => Ok(()),
    }
}

/// Argument `arg` is a tensor of a scope that is closed.
pub(crate) fn stale(arg: usize, tensor: &ValidTensor, scope: &ScopeKey) -> SubmitError {
    SubmitError::StaleTensor { arg, owner: tensor.owner_task_id(), scope: scope.site() }
}

/// Adds an edge to who made `tensor`; whether there is such a task. Memory may outlive the run of its creator: then there is
/// nobody to wait for.
#[inline(always)]
fn add_owner(
    edges: &mut Edges,
    allocator: &Allocator,
    first: &[u32; RING_COUNT],
    tensor: &ValidTensor,
) -> bool {
    let owner = tensor.owner_task_id();
    let waits = allocator.is_live(owner) || is_failed(allocator, first, owner);
    if waits {
        edges.add(owner, EdgeKind::BOTH);
    }
    waits
}

/// Whether `id`, of whatever run or of none, is a task of this run that is retired and failed: it still poisons.
#[inline(always)]
fn is_failed(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
    #[cold]
    fn among_failed(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
        is_submitted(allocator, first, id) && allocator.retired(id) == Some(true)
    }
    allocator.rings().has_failed() && among_failed(allocator, first, id)
}
