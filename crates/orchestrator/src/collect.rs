//! Collecting: from what a task accesses to the tasks that it waits for.
//!
//! Invariant: nothing is taken, and what is put on record early is under the id that the task will have, and taken back where
//! the task is refused or has to wait.

use prewire_abi::{EdgeKind, ScopeMode, TaskId, TensorArgType, ValidTensor};
use prewire_ring::{Alive, Allocator, RING_COUNT};
use prewire_tensormap::{Access, Life, Place, Read};

use crate::arg::Arg;
use crate::args::Args;
use crate::check::check_overlaps;
use crate::edges::Edges;
use crate::error::SubmitError;
use crate::infer::{asks, life};
use crate::orchestrator::{Orchestrator, is_submitted};
use crate::record::Record;
use crate::scope::{ScopeKey, Scopes};
use crate::sums::WRITES;

mod foreign;

/// What is written of the arguments gone over so far.
struct Written {
    /// The last one that is.
    last: Option<u32>,
    /// Whether it may be another argument too: a write comes across what the task reads where all of that is on record.
    unclear: bool,
    /// Whether it may have been read by tasks to whose records that was left.
    is_left: bool,
}

/// What is looked up once for all arguments of a task.
struct Now {
    /// The tasks of its ring: most that are asked about are.
    alive: Alive,
    /// The id that the task will have.
    own: TaskId,
    /// Whether accesses make edges.
    infer: bool,
}

impl Now {
    /// As [`life`].
    #[inline(always)]
    fn life(&self, allocator: &Allocator, id: TaskId) -> Life {
        match self.alive.has_or_next(id) {
            Some(true) => Life::Live,
            Some(false) if !allocator.rings().has_failed() => Life::Retired,
            _ => life_elsewhere(allocator, id),
        }
    }
}

/// As [`life`]: a call of its own, so that it is in line wherever most are asked about.
#[inline(never)]
fn life_elsewhere(allocator: &Allocator, id: TaskId) -> Life {
    life(allocator, id)
}

impl Orchestrator {
    /// Step 2: the distinct producers, with the kinds of their edges; and where the tensor map came across what the task
    /// accesses, for [`record_accesses`](Orchestrator::record_accesses). Reads are recorded at once if they can be, or left to the
    /// record of the task.
    ///
    /// # Errors
    ///
    /// A producer is no task of this run; the scope of a tensor is closed; or a tensor is written that is another one too.
    /// Nothing was taken.
    pub(crate) fn collect(&mut self, args: &Args) -> Result<(), SubmitError> {
        self.add_producers(args)?;
        let infer = self.scopes.mode() == ScopeMode::Auto;
        let collected = if self.is_foreign(args) {
            if infer {
                self.collect_foreign(args);
            }
            Ok(())
        } else {
            self.collect_accesses(args, infer)
        };
        if collected.is_err() {
            self.take_back(args);
        }
        self.edges.make_distinct();
        collected
    }

    #[inline(always)]
    fn now(&self, infer: bool) -> Now {
        let alive = self.allocator.alive(self.scopes.ring());
        Now { alive, own: alive.next(), infer }
    }

    #[inline]
    fn collect_accesses(&mut self, args: &Args, infer: bool) -> Result<(), SubmitError> {
        let now = self.now(infer);
        let begins_with_read =
            args.tensors().first().is_some_and(|arg| matches!(arg.tag(), TensorArgType::Input));
        let fits = args.count() <= Record::LEAVES;
        if begins_with_read && infer && fits && self.map.takes_reads(args.count() as u32) {
            self.collect_early(args, &now)?;
        } else {
            self.collect_plainly(args, &now)?;
        }
        if !args.reads().is_empty() {
            self.collect_reads(args, infer)?;
        }
        Ok(())
    }

    /// As `collect`, of a task that begins with a read: what is read goes on record at once, or is left to the task's own.
    #[inline]
    fn collect_early(&mut self, args: &Args, now: &Now) -> Result<(), SubmitError> {
        self.early = Some(now.own);
        // Most are of one scope.
        let mut open = ScopeKey::NONE;
        let mut written = Written { last: None, unclear: false, is_left: false };
        for (number, arg) in args.tensors().iter().enumerate() {
            if arg.creates() {
                continue;
            }
            self.collect_origin(arg, now, &mut open, args)?;
            if !matches!(arg.tag(), TensorArgType::Input) || arg.tensor().is_manual_dep() {
                self.collect_other(number as u32, arg, now, &mut written);
                continue;
            }
            let Self { edges, map, allocator, .. } = self;
            let wait = |id| edges.add(id, EdgeKind::WAIT);
            self.accesses += 1;
            let place = match map.read(arg.tensor(), now.own, |id| now.life(allocator, id), wait) {
                Read::Recorded => continue,
                Read::Left => {
                    self.left.add_own(number);
                    continue;
                }
                Read::Later(place) => place,
                Read::Declined => self.find_read(arg.tensor(), now),
            };
            written.unclear = true;
            self.late.push((number as u32, place));
        }
        let Some(last) = written.last else { return Ok(()) };
        if written.is_left {
            self.collect_again(args, now, &mut written);
        }
        if written.unclear || (last as usize) + 1 < args.count() {
            self.check_written(args)?;
        }
        Ok(())
    }

    /// As `collect`, of a read of `tensor` that takes a search.
    #[inline(never)]
    fn find_read(&mut self, tensor: &ValidTensor, now: &Now) -> Place {
        let Self { edges, map, allocator, .. } = self;
        let wait = |id| edges.add(id, EdgeKind::WAIT);
        map.find(tensor, Access::Read, |id| now.life(allocator, id), wait)
    }

    /// As `collect`, of one argument that is no read to go on record.
    #[inline(never)]
    fn collect_other(&mut self, number: u32, arg: &Arg, now: &Now, written: &mut Written) {
        let (tensor, tag) = (arg.tensor(), arg.tag());
        if tag.writes() {
            written.unclear |= written.last.is_some();
            written.last = Some(number);
        }
        if !tag.writes() || tensor.is_manual_dep() {
            written.unclear = true;
            return;
        }
        let Self { edges, map, allocator, .. } = self;
        written.is_left |= map.has_left(tensor.buffer_addr());
        let wait = |id| {
            if id == now.own {
                written.unclear = true;
            } else {
                edges.add(id, EdgeKind::WAIT);
            }
        };
        let place = map.find(tensor, Access::Write, |id| now.life(allocator, id), wait);
        self.record_later(number, place);
    }

    /// As `collect`, of what is written, once it is on record who has read it. It may be what the task has left itself, too.
    #[cold]
    #[inline(never)]
    fn collect_again(&mut self, args: &Args, now: &Now, written: &mut Written) {
        self.record_left_of_others(args);
        written.unclear = true;
        let Self { edges, map, allocator, late, .. } = self;
        for (number, place) in late {
            let arg = &args.tensors()[*number as usize];
            if arg.tag().writes() {
                let wait = |id| {
                    if id != now.own {
                        edges.add(id, EdgeKind::WAIT);
                    }
                };
                *place = map.find(arg.tensor(), Access::Write, |id| now.life(allocator, id), wait);
            }
        }
    }

    /// As `collect`, of any task; nothing goes on record, but what is left to the task's own.
    #[inline(never)]
    fn collect_plainly(&mut self, args: &Args, now: &Now) -> Result<(), SubmitError> {
        let mut open = ScopeKey::NONE;
        for (number, arg) in args.tensors().iter().enumerate() {
            if arg.creates() {
                continue;
            }
            self.collect_origin(arg, now, &mut open, args)?;
            let tensor = arg.tensor();
            let Some(access) = asks(arg.tag(), self.hazards) else { continue };
            if !now.infer || tensor.is_manual_dep() {
                continue;
            }
            if access == Access::Write && self.map.has_left(tensor.buffer_addr()) {
                self.record_left_of_others(args);
            }
            if access == Access::Read && number < Record::LEAVES && self.map.leaves(tensor) {
                self.accesses += 1;
                self.left.add_own(number);
                continue;
            }
            let Self { edges, map, allocator, .. } = self;
            let wait = |id| {
                debug_assert_ne!(id, now.own, "nothing of the task is on record");
                edges.add(id, EdgeKind::WAIT);
            };
            let place = map.find(tensor, access, |id| now.life(allocator, id), wait);
            self.record_later(number as u32, place);
        }
        if args.sums().has(WRITES) {
            self.check_written(args)?;
        }
        Ok(())
    }

    /// As `collect`, of who made a tensor, and whether its scope is open, which `open` is known to be.
    #[inline(always)]
    fn collect_origin(
        &mut self,
        arg: &Arg,
        now: &Now,
        open: &mut ScopeKey,
        args: &Args,
    ) -> Result<(), SubmitError> {
        if !arg.scope().is(open) {
            *open = *arg.scope();
            if !self.scopes.is_open(open) {
                check_open(&self.scopes, args)?;
            }
        }
        let owner = arg.tensor().owner_task_id();
        if now.alive.has(owner) {
            self.edges.add(owner, EdgeKind::BOTH);
        } else if owner.is_valid() {
            add_owner(&mut self.edges, &self.allocator, &self.first, owner);
        }
        Ok(())
    }

    /// Takes back what is on record of a task that is not there yet: it is recorded once it is. The id that it is to have
    /// counts as one that lives, so nothing would make room by dropping it, and is another task's if this one is refused. What is
    /// left to the task's own record is so still.
    #[cold]
    pub(crate) fn take_back(&mut self, args: &Args) {
        let Some(own) = self.early.take() else { return };
        for (number, arg) in args.tensors().iter().enumerate() {
            if matches!(arg.tag(), TensorArgType::Input) && self.map.unread(arg.tensor(), own) {
                self.late.push((number as u32, Place::default()));
            }
        }
        self.late.sort_unstable_by_key(|late| late.0);
    }

    /// None that is written is another argument too, unless who submits answers for it. Of arguments whose scopes are open: the
    /// memory of one that is stale may be another one's by now, as that of a tensor that is read beside them may.
    #[inline(never)]
    fn check_written(&self, args: &Args) -> Result<(), SubmitError> {
        if args.is_foreign() {
            return Ok(());
        }
        check_overlaps(args.tensors()).or_else(|overlap| {
            check_reads_open(&self.scopes, args)?;
            Err(overlap)
        })
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
        self.forget_accesses();
        if args.producers().is_empty() {
            return Ok(());
        }
        let alive = self.allocator.alive(self.scopes.ring());
        for &(id, kind) in args.producers() {
            if alive.has(id) || self.allocator.is_live(id) || self.is_failed_producer(id)? {
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
        for ((tensor, _), number) in args.reads().iter().zip(args.tensors().len()..) {
            add_owner(&mut self.edges, &self.allocator, &self.first, tensor.owner_task_id());
            if infer && !tensor.is_manual_dep() {
                let place = self.find(tensor, Access::Read);
                self.record_later(number as u32, place);
            }
        }
        Ok(())
    }

    /// Nothing of the task is known: it waits for nobody, and accesses nothing.
    #[inline]
    pub(crate) fn forget_accesses(&mut self) {
        self.edges.clear();
        self.late.clear();
        (self.accesses, self.early) = (0, None);
        self.left.forget_own();
    }

    /// What is accessed as number `number` was found at `place`, and is to be recorded once the task is there.
    #[inline]
    fn record_later(&mut self, number: u32, place: Place) {
        self.accesses += 1;
        self.late.push((number, place));
    }

    /// Waits for those that an access of `tensor` must come after.
    #[inline(never)]
    fn find(&mut self, tensor: &ValidTensor, access: Access) -> Place {
        let Self { edges, map, allocator, .. } = self;
        map.find(tensor, access, |id| life(allocator, id), |id| edges.add(id, EdgeKind::WAIT))
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

/// Adds an edge to `owner`, who made a tensor; whether there is such a task. Memory may outlive the run of its creator: then
/// there is nobody to wait for.
#[inline(never)]
fn add_owner(edges: &mut Edges, allocator: &Allocator, first: &[u32; RING_COUNT], owner: TaskId) -> bool {
    let waits = allocator.is_live(owner) || is_failed(allocator, first, owner);
    if waits {
        edges.add(owner, EdgeKind::BOTH);
    }
    waits
}

/// Whether `id`, of whatever run or of none, is a task of this run that is retired and failed: it still poisons.
fn is_failed(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
    allocator.rings().has_failed()
        && is_submitted(allocator, first, id)
        && allocator.retired(id) == Some(true)
}
