//! One submit, step by step.

use core::cell::Cell;
use core::panic::Location;

use prewire_abi::{ChipTensor, EdgeKind, Shape, TaskId, TensorArgType};
use prewire_platform::{Awaited, Poll, Wait, WaitEnd};
use prewire_ring::{Allocator, Attrs, Blocked, Cold, InUse, Need, Placed, Shortage};
use prewire_tensormap::{Life, Region};

use crate::args::{Arg, Args};
use crate::error::{Oldest, SubmitError, knob};
use crate::infer::life;
use crate::orchestrator::Orchestrator;
use crate::record::{self, Writer};
use crate::scope::ScopeKey;

/// A task that was submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'a> {
    /// Its id.
    pub id: TaskId,
    /// The tensors that it was asked to create, in order.
    pub outputs: &'a [ChipTensor],
    /// The scope that they live in.
    pub scope: ScopeKey,
}

/// What was reserved for a task.
struct Taken {
    need: Need,
    in_use: InUse,
    /// Entries of the tensor map.
    entries: u32,
}

const fn writes(arg: &Arg) -> bool {
    !matches!(arg, Arg::Existing { tag: TensorArgType::Input | TensorArgType::NoDep, .. })
}

impl Orchestrator {
    /// Submits a task: what it is, with which arguments, and where the program says so.
    ///
    /// When this returns, the task is queued ready or linked to every producer that it waits for.
    ///
    /// # Errors
    ///
    /// See [`SubmitError`]; nothing of the task exists then.
    pub fn submit(
        &mut self,
        wait: &mut impl Wait,
        mut cold: Cold,
        args: &Args,
        site: &'static Location<'static>,
    ) -> Result<Submitted<'_>, SubmitError> {
        self.check_running()?;
        self.check(&cold, args)?;
        if args.tensors.iter().any(|arg| matches!(arg, Arg::Existing { tag: TensorArgType::NoDep, .. })) {
            self.give_up_order(wait)?;
        }
        cold.attrs = Attrs { unordered: self.unordered, predicated: args.predicate.is_some(), ..cold.attrs };
        self.collect(args)?;
        let ring = self.scopes.ring();
        let taken = self.reserve(wait, ring, args)?;

        let placed = self.place(ring, &taken, &cold, site);
        self.count_task();
        self.record_accesses(&placed, args);
        self.fill(&placed, args);
        wait.wired(placed.id, &self.edges);
        let ready = if self.edges.is_empty() {
            self.rings().publish_unwired(placed.slot);
            true
        } else {
            self.allocator.wire(&placed, &self.edges)
        };
        if ready {
            self.ready.route(self.allocator.rings(), placed.slot);
            wait.published();
        }
        Ok(Submitted { id: placed.id, outputs: &self.outputs, scope: self.scope() })
    }

    /// Memory without a task: a task that is complete from birth and whose outputs live as long as the scope.
    ///
    /// # Errors
    ///
    /// As [`submit`](Orchestrator::submit); and an argument that does not create.
    pub fn alloc(
        &mut self,
        wait: &mut impl Wait,
        args: &Args,
        site: &'static Location<'static>,
    ) -> Result<Submitted<'_>, SubmitError> {
        self.check_running()?;
        let cold = Cold::default();
        if let Some(arg) = args.tensors.iter().position(|arg| matches!(arg, Arg::Existing { .. })) {
            return Err(SubmitError::AllocOfExisting { arg });
        }
        self.check(&cold, args)?;
        self.edges.clear();
        let ring = self.scopes.ring();
        let taken = self.reserve(wait, ring, args)?;
        let placed = self.place(ring, &taken, &cold, site);
        self.fill(&placed, args);
        self.allocator.complete_unwired(&placed);
        Ok(Submitted { id: placed.id, outputs: &self.outputs, scope: self.scope() })
    }

    /// Step 1: the arguments make sense on their own.
    fn check(&mut self, cold: &Cold, args: &Args) -> Result<(), SubmitError> {
        self.outputs.clear();
        let (tensors, scalars) =
            (usize::from(self.limits.task_tensors), usize::from(self.limits.task_scalars));
        if args.tensors.len() > tensors {
            return Err(SubmitError::TooManyTensors { observed: args.tensors.len(), allowed: tensors });
        }
        if args.scalars.len() > scalars {
            return Err(SubmitError::TooManyScalars { observed: args.scalars.len(), allowed: scalars });
        }
        if cold.blocks == 0 || cold.blocks > self.limits.blocks {
            let (observed, allowed) = (u32::from(cold.blocks), u32::from(self.limits.blocks));
            return Err(SubmitError::Blocks { observed, allowed });
        }
        let allowed = self.lanes[cold.shape as usize];
        if u32::from(cold.blocks) > allowed {
            self.check_width(cold, allowed)?;
        }
        for (arg, tensor) in args.tensors.iter().enumerate() {
            match tensor {
                Arg::Existing { tensor, scope, .. } => {
                    tensor.validate().map_err(|error| SubmitError::Tensor { arg, error })?;
                    self.check_open(arg, tensor, scope)?;
                }
                Arg::Create(info) => {
                    if info.initial_value().is_some() {
                        return Err(SubmitError::InitialValue { arg });
                    }
                    // Made here, where it may fail; its address and owner are filled in once it has them.
                    let made = info.materialize(0, TaskId::INVALID);
                    self.outputs.push(made.map_err(|error| SubmitError::Tensor { arg, error })?);
                }
            }
        }
        for (tensor, scope) in &args.reads {
            self.check_open(args.tensors.len(), tensor, scope)?;
        }
        self.check_overlaps(args)?;
        match args.after.iter().find(|(id, _)| !self.is_of_this_run(*id)) {
            Some(&(id, _)) => Err(SubmitError::UnknownProducer { id }),
            None => Ok(()),
        }
    }

    /// The scope that a tensor was made in is open.
    pub(crate) fn check_open(
        &self,
        arg: usize,
        tensor: &ChipTensor,
        scope: &ScopeKey,
    ) -> Result<(), SubmitError> {
        if self.scopes.is_open(scope) {
            return Ok(());
        }
        Err(SubmitError::StaleTensor { arg, owner: tensor.owner_task_id(), scope: scope.site() })
    }

    /// More blocks than lanes: those that start together never would.
    #[cold]
    fn check_width(&self, cold: &Cold, allowed: u32) -> Result<(), SubmitError> {
        let blocks = u32::from(cold.blocks);
        match cold.shape {
            shape if allowed == 0 => Err(SubmitError::NoLane { shape }),
            Shape::Worker => Err(SubmitError::GroupTooWide { members: blocks, allowed }),
            Shape::Aic | Shape::Aiv | Shape::Mix if cold.attrs.sync_start => {
                Err(SubmitError::SyncStartTooWide { blocks, allowed })
            }
            _ => Ok(()),
        }
    }

    /// No two arguments touch the same bytes if one of them is written: a kernel could not tell them apart.
    fn check_overlaps(&self, args: &Args) -> Result<(), SubmitError> {
        for (second, b) in args.tensors.iter().enumerate() {
            let Arg::Existing { tensor: tb, .. } = b else { continue };
            for (first, a) in args.tensors[..second].iter().enumerate() {
                let Arg::Existing { tensor: ta, .. } = a else { continue };
                if ta.buffer_addr() == tb.buffer_addr()
                    && (writes(a) || writes(b))
                    && Region::from(ta).overlap(&Region::from(tb)) != prewire_tensormap::Overlap::None
                {
                    return Err(SubmitError::ArgsOverlap { first, second });
                }
            }
        }
        Ok(())
    }

    fn need(&self, args: &Args) -> Need {
        let heap = self.outputs.iter().fold(0u64, |sum, made| sum.saturating_add(slab(made.buffer_size())));
        Need { heap, deps: self.edges.len() as u32, args: record::words(args) }
    }

    /// Step 3: everything that the task takes is there.
    fn reserve(&mut self, wait: &mut impl Wait, ring: usize, args: &Args) -> Result<Taken, SubmitError> {
        let entries = self.entries(args);
        if entries > self.map.capacity() {
            return Err(SubmitError::TensorMapDeadlock { wanted: entries, capacity: self.map.capacity() });
        }
        loop {
            let need = &self.need(args);
            let in_use = match self.allocator.room(ring, need) {
                Ok(in_use) => Ok(in_use),
                Err(blocked) if blocked.is_hopeless() && blocked.shortage == Shortage::Deps => {
                    self.thin_out(wait, ring, blocked)?;
                    continue;
                }
                Err(blocked) if blocked.is_hopeless() => return Err(SubmitError::TooLarge { ring, blocked }),
                Err(blocked) => {
                    self.allocator.note_wait(ring, blocked.shortage);
                    Err(blocked)
                }
            };
            let allocator = &self.allocator;
            let in_use = match in_use {
                Ok(in_use) => in_use,
                Err(blocked) => {
                    let end =
                        wait.wait(room(ring, &blocked), &mut || match allocator.try_reserve(ring, need) {
                            _ if allocator.rings().is_ended() => Poll::Impossible,
                            Ok(()) => Poll::Ready,
                            // Behind what was short first, something is short for good: the next turn says so.
                            Err(blocked) if blocked.is_hopeless() => Poll::Ready,
                            Err(_)
                                if allocator.is_stuck(ring) && allocator.try_reserve(ring, need).is_err() =>
                            {
                                Poll::Impossible
                            }
                            Err(_) => Poll::Pending,
                        });
                    match end {
                        WaitEnd::Ready => continue,
                        WaitEnd::Impossible if self.rings().is_ended() => return Err(SubmitError::RunEnded),
                        WaitEnd::Impossible => return Err(self.deadlock(ring, blocked, need)),
                    }
                }
            };
            if self.map.reserve(entries, &|id| life(allocator, id)) {
                return Ok(Taken { need: *need, in_use, entries });
            }
            self.recorded.note_wait();
            let map = &mut self.map;
            let what = Awaited::Room {
                ring: None,
                what: "tensor-map entries",
                wanted: entries.into(),
                used: map.len().into(),
                capacity: map.capacity().into(),
                knob: "RingSizes::tensor_map",
            };
            let end = wait.wait(what, &mut || {
                // A ring whose oldest task only this thread can free gives nothing back; the others may.
                let moves = core::array::from_fn::<_, { prewire_ring::RING_COUNT }, _>(|ring| {
                    allocator.rings().usage(ring).live != 0 && !allocator.is_stuck(ring)
                });
                let to_come = Cell::new(0u32);
                let is_there = map.reserve(entries, &|id| {
                    let life = life(allocator, id);
                    if life == Life::Live && moves[id.ring() as usize] {
                        to_come.set(to_come.get() + 1);
                    }
                    life
                });
                if allocator.rings().is_ended() {
                    Poll::Impossible
                } else if is_there {
                    Poll::Ready
                } else if map.capacity() - map.len().min(map.capacity()) + to_come.get() < entries {
                    // It has looked at every entry.
                    Poll::Impossible
                } else {
                    Poll::Pending
                }
            });
            match end {
                WaitEnd::Ready => {}
                WaitEnd::Impossible if self.rings().is_ended() => return Err(SubmitError::RunEnded),
                WaitEnd::Impossible => {
                    return Err(SubmitError::TensorMapDeadlock {
                        wanted: entries,
                        capacity: self.map.capacity(),
                    });
                }
            }
        }
    }

    /// The task waits for more producers than the pool has entries. Each that ends is one fewer, so this waits until they
    /// fit, unless too many of them are held by a scope that only this thread can close.
    fn thin_out(&mut self, wait: &mut impl Wait, ring: usize, blocked: Blocked) -> Result<(), SubmitError> {
        let (edges, allocator) = (&self.edges, &self.allocator);
        let end = wait.wait(room(ring, &blocked), &mut || {
            let many = |count: usize| count as u64 > blocked.capacity;
            if allocator.rings().is_ended() {
                Poll::Impossible
            } else if !many(edges.iter().filter(|edge| !is_over(allocator, edge)).count()) {
                Poll::Ready
            } else if many(edges.iter().filter(|edge| is_for_good(allocator, edge)).count()) {
                Poll::Impossible
            } else {
                Poll::Pending
            }
        });
        match end {
            WaitEnd::Ready => {
                self.edges.retain(|edge| !is_over(allocator, edge));
                Ok(())
            }
            WaitEnd::Impossible if allocator.rings().is_ended() => Err(SubmitError::RunEnded),
            WaitEnd::Impossible => Err(SubmitError::TooLarge { ring, blocked }),
        }
    }

    /// The message for a ring that only closing a scope can free.
    fn deadlock(&self, ring: usize, before: Blocked, need: &Need) -> SubmitError {
        let blocked = self.allocator.try_reserve(ring, need).err().unwrap_or(before);
        let oldest = self.rings().usage(ring).oldest;
        if let Some(scope) = self.scopes.current()
            && blocked.shortage == Shortage::Window
            && scope.pin.is_some()
            && scope.pin == oldest.map(TaskId::local)
        {
            let (window, scope) = (blocked.capacity, scope.key.site());
            return SubmitError::ScopeDeadlock { ring, window, scope };
        }
        let oldest = oldest.map(|id| Oldest { id, site: self.rings().site(self.rings().slot_of(id)) });
        SubmitError::RingDeadlock { ring, blocked, oldest }
    }

    /// Step 4: takes what was reserved. From here on nothing fails.
    fn place(&mut self, ring: usize, taken: &Taken, cold: &Cold, site: &'static Location<'static>) -> Placed {
        let Taken { need, in_use, entries } = taken;
        let next = self.allocator.next(ring);
        if need.heap > 0
            && let Some(scope) = self.scopes.current_mut()
            && scope.pin.is_none()
        {
            scope.pin = Some(next);
            if !scope.nested_in_ring {
                // Before the commit: whoever sees the slot sees the floor.
                self.allocator.set_floor(ring, Some(next));
                self.recorded.set_floor(ring, true);
            }
        }
        self.allocator.note(ring, need, in_use);
        self.recorded.note(ring, *entries, self.map.len());
        self.allocator.commit_at(ring, need, cold, site)
    }

    /// Stores the arguments, and gives the outputs their memory.
    fn fill(&mut self, placed: &Placed, args: &Args) {
        let rings = self.allocator.rings();
        let mut writer = Writer::new(rings, placed.slot, args);
        let mut addr = self.heaps[placed.slot.ring()] + placed.heap;
        let mut made = self.outputs.iter_mut();
        for arg in &args.tensors {
            match arg {
                Arg::Existing { tensor, tag, .. } => writer.tensor(tensor, *tag),
                Arg::Create(_) => {
                    let Some(made) = made.next() else { continue };
                    *made = made.with_buffer_addr(addr).with_owner(placed.id);
                    // The address may have had a life before, and what failed then is remembered until it is written.
                    if rings.has_failed() && made.buffer_size() > 0 {
                        self.map.forget(addr);
                    }
                    addr += slab(made.buffer_size());
                    writer.tensor(made, TensorArgType::Output);
                }
            }
        }
        writer.scalars(&args.scalars);
    }
}

/// What a wait for a ring that is `blocked` is for.
fn room(ring: usize, blocked: &Blocked) -> Awaited {
    let &Blocked { shortage, wanted, used, capacity } = blocked;
    let what = match shortage {
        Shortage::Window => "slots",
        Shortage::Heap => "heap bytes",
        Shortage::Deps => "dep entries",
        Shortage::Args => "argument words",
    };
    Awaited::Room { ring: Some(ring), what, wanted, used, capacity, knob: knob(shortage) }
}

/// Whether an edge needs no entry any more: its producer is retired, or complete and nothing of it is kept.
fn is_over(allocator: &Allocator, &(id, kind): &(TaskId, EdgeKind)) -> bool {
    allocator.retired(id) == Some(false) || (!kind.retains() && allocator.completed(id) == Some(false))
}

/// Whether an edge stays for as long as this thread does nothing: a scope holds the output that it keeps, whether its
/// producer still runs or not; or its producer failed.
fn is_for_good(allocator: &Allocator, edge: &(TaskId, EdgeKind)) -> bool {
    match allocator.completed(edge.0) {
        None => edge.1.retains() && allocator.is_held_by_scope(edge.0),
        Some(false) => !is_over(allocator, edge) && allocator.is_held_by_scope(edge.0),
        Some(true) => true,
    }
}

/// What an output of `bytes` takes of the heap: outputs start at multiples of 1024 bytes.
const fn slab(bytes: u64) -> u64 {
    bytes.div_ceil(1024).saturating_mul(1024)
}
