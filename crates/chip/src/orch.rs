//! The orchestration of a run: what the program calls to submit tasks.

use std::panic::Location;
use std::time::Duration;

use prewire_abi::{DataType, ScopeMode};
use prewire_orchestrator::{Arg, Args, Orchestrator, ScopeKey, SubmitError};
use prewire_platform::DeviceMemory;
use prewire_runs::Runner;
use prewire_tensormap::Access;

use crate::described::Described;
use crate::element::Element;
use crate::engine::Engine;
use crate::error::{Error, Refusal, Refused, Result};
use crate::kernel::Kernel;
use crate::lease::Holder;
use crate::span::Span;
use crate::store::Store;
use crate::submit::{Draft, Submit};
use crate::tensor::{AsTensor, Origin, Tensor};
use crate::trace::What;
use crate::waiter::Waiter;

/// A run, from the inside: submits tasks, opens scopes, reads and writes elements.
///
/// What is submitted reads and writes tensors; the edges between tasks follow from that. Nothing here waits for a task
/// but [`read`](Orch::read) and [`write`](Orch::write), and a submit whose ring is full.
#[derive(Debug)]
pub struct Orch<'r> {
    pub(crate) engine: &'r Engine,
    pub(crate) orchestrator: &'r mut Orchestrator,
    pub(crate) waiter: Waiter<'r>,
    pub(crate) store: &'r Store,
    /// Kept between submits, so that none allocates.
    pub(crate) args: &'r mut Args,
    /// The task in the making.
    pub(crate) draft: Draft,
    /// Where the outputs of foreign submits are described.
    pub(crate) described: &'r mut Described,
    /// Buffers that were seen alive in this run, by index: their generation.
    pub(crate) seen: Vec<u32>,
    pub(crate) chip: u64,
    pub(crate) run: u64,
}

impl<'r> Orch<'r> {
    /// Begins a task that runs `kernel`: add arguments, then [`go`](Submit::go).
    #[track_caller]
    #[inline]
    pub fn submit<'o>(&'o mut self, kernel: &'o Kernel) -> Submit<'o, 'r> {
        Submit::new(self, Some(kernel), Location::caller())
    }

    /// Begins a task that runs nothing: it completes when what it depends on has.
    #[track_caller]
    #[inline]
    pub fn dummy<'o>(&'o mut self) -> Submit<'o, 'r> {
        Submit::new(self, None, Location::caller())
    }

    /// Memory from the heap of the open scope, good until it closes. Its content is whatever was there.
    ///
    /// # Errors
    ///
    /// Not a shape; or the heap, or the scope's window, is full for good.
    #[track_caller]
    pub fn alloc(&mut self, shape: &[u32], dtype: DataType) -> Result<Tensor> {
        let site = Location::caller();
        let refused = |why: Refusal| refused("an allocation", site, why);
        let output = Arg::output(shape, dtype).map_err(|error| refused(Refusal::Tensor { arg: 0, error }))?;
        self.args.clear();
        self.args.push(&output);
        self.waiter.about(site);
        let (chip, run) = (self.chip, self.run);
        let made = self
            .orchestrator
            .alloc(&mut self.waiter, self.args, site)
            .map_err(|error| refused(error.into()))?;
        self.engine.races().inspect(|races| races.fresh(self.args));
        self.engine.record(|| What::Allocated { task: made.id, site });
        let origin = Origin::Scope { run, scope: made.scope };
        let inner = self.args.outputs().next().copied();
        inner
            .map(|inner| Tensor { inner, chip, origin })
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
    /// output for those who use it, do. From its first manual scope on, a run checks the accesses of its tasks while
    /// they run: two that conflict at the same time are an error of the later one, not a race. Before the first one
    /// opens, everything submitted earlier completes.
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
        let drains = mode == ScopeMode::Manual && !self.orchestrator.is_unordered();
        self.waiter.about(site);
        self.orchestrator
            .open_scope(&mut self.waiter, mode, site)
            .map_err(|error| refused("a scope", site, error.into()))?;
        if let Some(races) = self.engine.races()
            && drains
        {
            races.fence();
        }
        let manual = mode == ScopeMode::Manual;
        self.engine.record(|| What::ScopeOpened { depth: depth + 1, manual, site });
        let around = self.waiter.scope.replace(site);
        let closing = Closing { orch: self, depth, around };
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
            memory.read(addr, bytemuck::bytes_of_mut(&mut value)).map_err(Error::Memory)
        })?;
        Ok(value)
    }

    /// Writes one element, after everything that writes or reads it is complete.
    ///
    /// # Errors
    ///
    /// As [`read`](Orch::read).
    #[track_caller]
    pub fn write<T: Element>(&mut self, tensor: &impl AsTensor, index: &[u32], value: T) -> Result<()> {
        self.access::<T>(tensor, index, Access::Write, Location::caller(), |memory, addr| {
            memory.write(addr, bytemuck::bytes_of(&value)).map_err(Error::Memory)
        })
    }

    fn access<T: Element>(
        &mut self,
        tensor: &impl AsTensor,
        index: &[u32],
        access: Access,
        site: &'static Location<'static>,
        body: impl FnOnce(&dyn DeviceMemory, u64) -> Result<()>,
    ) -> Result<()> {
        let write = access == Access::Write;
        let refused = |why: Refusal| refused(if write { "a host write" } else { "a host read" }, site, why);
        let tensor = *tensor.as_tensor(0).map_err(refused)?;
        let scope = self.check(0, &tensor).map_err(refused)?;
        if write && tensor.is_read_only() {
            return Err(refused(Refusal::ReadOnly { arg: 0 }));
        }
        if tensor.dtype() != T::DTYPE {
            return Err(refused(
                tensor.bad_element(index, "the element is not of the type that was asked for"),
            ));
        }
        let addr = tensor.element(index).map_err(refused)?;
        let ones = [1; prewire_abi::MAX_TENSOR_DIMS];
        let element = tensor.inner.view(&ones[..index.len()], index).map_err(Error::View)?;
        self.waiter.about(site);
        let span = Span::dense(addr, size_of::<T>() as u64, 1);
        let waited = self.orchestrator.wait_for(&mut self.waiter, &element, scope, access);
        if let Some(races) = self.engine.races()
            && matches!(waited, Ok(()) | Err(SubmitError::ProducerFailed { .. }))
        {
            races.host(site, &element, access, waited.is_ok().then_some(&span));
        }
        waited.map_err(|error| refused(error.into()))?;
        let lease = self.engine.keep_away(&span, write, Holder::host()).map_err(|other| {
            refused(Refusal::Conflict(format!(
                "{other} holds a view of the element, and nothing orders it before this access; make it a dependency \
                 of a task in an auto scope, or read after the run"
            )))
        })?;
        self.engine.record(|| What::Host { write, site });
        let result = body(self.engine.sim(), addr);
        drop(lease);
        result
    }

    /// From now on the run may take `allowed`: then it is ended and fails with [`Error::Stalled`]. Replaces the deadline
    /// that there was.
    pub fn deadline(&mut self, allowed: Duration) {
        self.waiter.set_deadline(allowed);
    }

    /// Declares the run failed, for a reason of the program's own: what has not begun does not run, every further call is
    /// refused, and `error` is the run's root cause unless there was one before.
    pub fn fail(&mut self, error: impl std::error::Error + Send + Sync + 'static) {
        self.engine.note_cause(Error::user(error));
        self.engine.end_run();
    }

    /// How many clusters the chip has.
    #[must_use]
    pub fn clusters(&self) -> u32 {
        u32::from(self.engine.spec().clusters)
    }

    /// How many vector cores the chip has.
    #[must_use]
    pub fn aiv_cores(&self) -> u32 {
        u32::from(self.engine.spec().aiv_cores())
    }

    /// How many tasks were submitted so far.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.orchestrator.tasks()
    }

    /// The scope that a tensor lives in, if it is this chip's and its memory is known to be there.
    #[inline]
    pub(crate) fn known(&self, tensor: &Tensor) -> Option<ScopeKey> {
        let (known, scope) = match tensor.origin {
            Origin::Buffer { index, generation, .. } => {
                (self.seen.get(index as usize) == Some(&generation), ScopeKey::NONE)
            }
            Origin::Scope { run, scope } => (run == self.run, scope),
            Origin::Passed { run, .. } => (run == self.run, ScopeKey::NONE),
        };
        (known && tensor.chip == self.chip).then_some(scope)
    }

    /// A tensor is this chip's, and its memory is there: the scope that it lives in.
    pub(crate) fn check(&mut self, arg: usize, tensor: &Tensor) -> Result<ScopeKey, Refusal> {
        if let Some(scope) = self.known(tensor) {
            return Ok(scope);
        }
        match tensor.origin {
            _ if tensor.chip != self.chip => Err(Refusal::OtherChip { arg }),
            Origin::Scope { .. } | Origin::Passed { .. } => Err(Refusal::OtherRun { arg }),
            Origin::Buffer { index, generation, .. } => {
                self.see(arg, index, generation).map(|()| ScopeKey::NONE)
            }
        }
    }

    /// The buffer `index` is alive, and it is the one that is meant. What is alive now stays until the run has ended,
    /// dropped or not.
    #[cold]
    fn see(&mut self, arg: usize, index: u32, generation: u32) -> Result<(), Refusal> {
        if !self.store.is_live(index, generation) {
            return Err(Refusal::Dropped { arg });
        }
        let at = index as usize;
        if self.seen.len() <= at {
            self.seen.resize(at + 1, 0);
        }
        self.seen[at] = generation;
        Ok(())
    }
}

/// Closes scopes down to a depth when it is dropped: however a body ends, a panic that its caller catches included.
struct Closing<'c, 'r> {
    orch: &'c mut Orch<'r>,
    depth: usize,
    /// Where the scope around was opened.
    around: Option<&'static Location<'static>>,
}

impl Drop for Closing<'_, '_> {
    fn drop(&mut self) {
        self.orch.waiter.scope = self.around;
        let orchestrator = &mut self.orch.orchestrator;
        let mut depth = orchestrator.depth();
        while depth > self.depth && orchestrator.close_scope().is_ok() {
            self.orch.engine.record(|| What::ScopeClosed { depth });
            depth -= 1;
        }
    }
}

pub(crate) fn refused(what: impl Into<String>, site: &'static Location<'static>, why: Refusal) -> Error {
    Error::Submit(Box::new(Refused { what: what.into(), site, why }))
}
