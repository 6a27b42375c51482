//! The orchestration of a run of a worker: what the program calls to submit tasks to its children.

use std::panic::Location;
use std::time::Duration;

use prewire_abi::{DataType, ScopeMode};
use prewire_chip::{AsTensor, Element, Origin, Refusal, Refused, Span, Store, Tensor};
use prewire_orchestrator::{Arg, Args as EngineArgs, Orchestrator};
use prewire_platform::{DeviceMemory, MemoryError};
use prewire_runs::Runner;
use prewire_tensormap::Access;

use crate::callable::Callable;
use crate::devices;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::submit::Submit;
use crate::waiter::Waiter;

/// A run of a worker, from the inside: submits tasks to children, opens scopes, reads and writes elements.
///
/// As on a chip, what is submitted reads and writes tensors, and the edges between tasks follow from that. Nothing here
/// waits for a task but [`read`](Orch::read) and [`write`](Orch::write), and a submit whose ring is full.
#[derive(Debug)]
pub struct Orch<'r> {
    pub(crate) engine: &'r Engine,
    pub(crate) orchestrator: &'r mut Orchestrator,
    pub(crate) waiter: Waiter<'r>,
    pub(crate) store: &'r Store,
    /// Kept between submits, so that none allocates.
    pub(crate) scratch: &'r mut Scratch,
    pub(crate) run: u64,
}

/// The arguments of a task in the making.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) args: EngineArgs,
    /// One a member: which child, how many tensors, how many scalars.
    pub(crate) members: Vec<u64>,
    /// Of all members, one after the other.
    pub(crate) scalars: Vec<u64>,
    /// Two words a tensor: bytes from the start of its buffer to its first element, and bytes of the buffer.
    pub(crate) places: Vec<u64>,
}

impl Scratch {
    pub(crate) fn clear(&mut self) {
        self.args.clear();
        self.members.clear();
        self.scalars.clear();
        self.places.clear();
    }
}

impl<'r> Orch<'r> {
    /// Begins a task: say where it runs with [`to`](Submit::to), unless it is a host function, which any SUB worker
    /// runs; add arguments; then [`go`](Submit::go).
    #[track_caller]
    pub fn submit<'o>(&'o mut self, callable: &'o Callable) -> Submit<'o, 'r> {
        Submit::new(self, Some(callable), false, Location::caller())
    }

    /// Begins a group: one task with a member on each of several children, which start together. Begin each one with
    /// [`member`](Submit::member).
    ///
    /// The group starts when all its children are idle, and completes when all members have. If one fails, the task
    /// fails, with the first cause.
    #[track_caller]
    pub fn group<'o>(&'o mut self, callable: &'o Callable) -> Submit<'o, 'r> {
        Submit::new(self, Some(callable), true, Location::caller())
    }

    /// Begins a task that runs nothing: it completes when what it depends on has.
    #[track_caller]
    pub fn dummy<'o>(&'o mut self) -> Submit<'o, 'r> {
        Submit::new(self, None, false, Location::caller())
    }

    /// Shared memory from the heap of the open scope, good until it closes. Its content is whatever was there.
    ///
    /// # Errors
    ///
    /// Not a shape; or the heap, or the scope's window, is full for good.
    #[track_caller]
    pub fn alloc(&mut self, shape: &[u32], dtype: DataType) -> Result<Tensor> {
        let site = Location::caller();
        let refused = |why: Refusal| refused("an allocation", site, why);
        let output = Arg::output(shape, dtype).map_err(|error| refused(Refusal::Tensor { arg: 0, error }))?;
        self.scratch.clear();
        self.scratch.args.push(&output);
        self.waiter.about(site);
        let made = self
            .orchestrator
            .alloc(&mut self.waiter, &mut self.scratch.args, site)
            .map_err(|error| refused(error.into()))?;
        let origin = Origin::Scope { run: self.run, scope: made.scope };
        let inner = self.scratch.args.outputs().next().copied();
        inner
            .map(|inner| Tensor::new(inner, self.store.id(), origin))
            .ok_or_else(|| refused(Refusal::NotOneOutput { arg: 0, task: made.id, outputs: 0 }))
    }

    /// Runs `body` in a scope of its own. What is submitted in it is held until it ends, and its outputs are good until
    /// then; its ring is the one of its depth. The scope closes however `body` ends.
    ///
    /// # Errors
    ///
    /// What `body` returns; scopes nest more than 64 deep; or this is inside a manual scope.
    #[track_caller]
    pub fn scope<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scoped(ScopeMode::Auto, Location::caller(), body)
    }

    /// Runs `body` in a scope in which accesses make no edges: only [`after`](Submit::after), and the creator of an
    /// output for those who use it, do. From its first manual scope on, the tasks of a run that conflict at the same time
    /// are an error of the later one, not a race. Before the first one opens, everything submitted earlier completes.
    ///
    /// # Errors
    ///
    /// As [`scope`](Orch::scope).
    #[track_caller]
    pub fn manual_scope<T>(&mut self, body: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scoped(ScopeMode::Manual, Location::caller(), body)
    }

    fn scoped<T>(
        &mut self,
        mode: ScopeMode,
        site: &'static Location<'static>,
        body: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let depth = self.orchestrator.depth();
        self.waiter.about(site);
        self.orchestrator
            .open_scope(&mut self.waiter, mode, site)
            .map_err(|error| refused("a scope", site, error.into()))?;
        let closing = Closing { orch: self, depth };
        body(closing.orch)
    }

    /// Reads one element, after everything that writes it is complete.
    ///
    /// # Errors
    ///
    /// There is no such element, or it is not of type `T`; the tensor is not good any more; or a task that writes it
    /// failed.
    #[track_caller]
    pub fn read<T: Element>(&mut self, tensor: &impl AsTensor, index: &[u32]) -> Result<T> {
        let mut value = T::zeroed();
        self.access::<T>(tensor, index, Access::Read, Location::caller(), |memory, addr| {
            memory.read(addr, bytemuck::bytes_of_mut(&mut value))
        })?;
        Ok(value)
    }

    /// Writes one element, after everything that reads or writes it is complete. Tasks that are submitted later see it.
    ///
    /// # Errors
    ///
    /// As [`read`](Orch::read).
    #[track_caller]
    pub fn write<T: Element>(&mut self, tensor: &impl AsTensor, index: &[u32], value: T) -> Result<()> {
        self.access::<T>(tensor, index, Access::Write, Location::caller(), |memory, addr| {
            memory.write(addr, bytemuck::bytes_of(&value))
        })
    }

    /// Has `body` access the element at `index`, once the host may.
    fn access<T: Element>(
        &mut self,
        tensor: &impl AsTensor,
        index: &[u32],
        access: Access,
        site: &'static Location<'static>,
        body: impl FnOnce(&dyn DeviceMemory, u64) -> Result<(), MemoryError>,
    ) -> Result<()> {
        let write = access == Access::Write;
        let refused = |why: Refusal| refused(if write { "a host write" } else { "a host read" }, site, why);
        let tensor = *tensor.as_tensor(0).map_err(refused)?;
        self.check(0, &tensor).map_err(refused)?;
        if write && tensor.is_read_only() {
            return Err(refused(Refusal::ReadOnly { arg: 0 }));
        }
        if let Some(lane) = devices::owner(tensor.inner().buffer_addr()) {
            let path = self.engine.children().get(lane).path();
            return Err(refused(Refusal::Call(format!(
                "the element is in device memory of {path}, which an orchestration does not reach; have a task copy it, \
                 or use Worker::read and Worker::write between runs"
            ))));
        }
        if tensor.dtype() != T::DTYPE {
            return Err(refused(
                tensor.bad_element(index, "the element is not of the type that was asked for"),
            ));
        }
        let addr = tensor.element(index).map_err(refused)?;
        let ones = [1; prewire_abi::MAX_TENSOR_DIMS];
        let element = tensor.inner().view(&ones[..index.len()], index).map_err(prewire_chip::Error::View)?;
        self.waiter.about(site);
        self.orchestrator
            .wait_for(&mut self.waiter, &element, tensor.scope(), access)
            .map_err(|error| refused(error.into()))?;
        let conflict = |task| {
            refused(Refusal::Conflict(format!(
                "task {task} uses the element, and nothing orders it before this access; make it a dependency of a task \
                 in an auto scope, or read after the run"
            )))
        };
        let span = Span::dense(addr, size_of::<T>() as u64, 1);
        let _use = self.engine.children().conflicts().host(span, write).map_err(conflict)?;
        body(self.store.memory(), addr).map_err(|error| prewire_chip::Error::Memory(error).into())
    }

    /// From now on the run may take `allowed`: then it is ended and fails with [`Error::Overdue`], and children that
    /// still run tasks of it are killed and replaced. Replaces the deadline that there was.
    pub fn deadline(&mut self, allowed: Duration) {
        self.waiter.set_deadline(allowed);
    }

    /// Declares the run failed, for a reason of the program's own: what has not begun does not run, every further call is
    /// refused, and `error` is the run's root cause unless there was one before.
    pub fn fail(&mut self, error: impl std::error::Error + Send + Sync + 'static) {
        self.engine.note_cause(Error::user(error));
        self.engine.end_run();
    }

    /// The names of the children, in the order of the tree.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.engine.children().names()
    }

    /// How many tasks were submitted so far.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.orchestrator.tasks()
    }

    /// A tensor is this worker's, and its memory is there.
    pub(crate) fn check(&self, arg: usize, tensor: &Tensor) -> Result<(), Refusal> {
        match tensor.origin() {
            _ if tensor.owner() != self.store.id() => Err(Refusal::OtherChip { arg }),
            Origin::Scope { run, .. } | Origin::Passed { run, .. } if run != self.run => {
                Err(Refusal::OtherRun { arg })
            }
            Origin::Buffer { index, generation, .. } if !self.store.is_live(index, generation) => {
                Err(Refusal::Dropped { arg })
            }
            _ => Ok(()),
        }
    }
}

/// Closes scopes down to a depth when it is dropped: however a body ends, a panic that its caller catches included.
struct Closing<'c, 'r> {
    orch: &'c mut Orch<'r>,
    depth: usize,
}

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        while self.orch.orchestrator.depth() > self.depth && self.orch.orchestrator.close_scope().is_ok() {}
    }
}

pub(crate) fn refused(what: impl Into<String>, site: &'static Location<'static>, why: Refusal) -> Error {
    Error::Submit(Box::new(Refused::new(what, site, why)))
}
