//! Submits of programs that answer for their memory themselves, as those compiled for another runtime do.
//!
//! Tensors are raw records, scopes open and close by call, and nothing is leased or looked up: what a task touches is
//! what its submitter says. What stays as for every run: rings, edges, waits, codes, and that the first error counts.
//!
//! Invariant: a call that is refused leaves nothing of its task, and scopes that a caller leaves open close with it.

mod access;
mod stale;
mod submit;
mod task;

use std::fmt;
use std::panic::Location;

use prewire_abi::{ChipTensor, EdgeKind, ScopeMode, TaskId, TensorArgType, TensorCreateInfo};
use prewire_orchestrator::SubmitError;

pub use self::stale::StaleTensor;
pub use self::task::ForeignTask;
use crate::error::{Error, Refusal, Result};
use crate::orch::{Orch, refused};
use crate::trace::What;

/// Submits without leases, origins or scope keys; made by [`Orch::foreign`].
///
/// Arguments are added first, tensors before scalars; [`submit`](Foreign::submit) and [`alloc`](Foreign::alloc) take what
/// was added, and begin anew. Under [`Hazards::RawWaw`](crate::Hazards::RawWaw) edges are those of a program that was
/// written for such a runtime:
///
/// | argument | waits for | is remembered as |
/// |---|---|---|
/// | input | its creator, and writes that it overlaps | nothing |
/// | inout | the same | a write, in the place of those it covers |
/// | output_existing | its creator | a write, beside those before it |
/// | no_dep, or a tensor of manual dependencies | its creator | nothing |
///
/// In a manual scope only named producers are waited for. A producer that is named or found and has retired is skipped. A
/// tensor whose creator has retired may have lost its memory to another task; that is no failure, and told by
/// [`stale`](Foreign::stale).
pub struct Foreign<'o, 'r> {
    orch: &'o mut Orch<'r>,
    /// How many scopes are not its own.
    depth: usize,
    around: Option<&'static Location<'static>>,
    site: &'static Location<'static>,
    stale: Option<StaleTensor>,
}

impl fmt::Debug for Foreign<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("orch", &self.orch).finish_non_exhaustive()
    }
}

impl<'r> Orch<'r> {
    /// Submits for a program that answers for its memory itself. What it leaves open closes when this is dropped.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core, ForeignTask, Hazards};
    /// # use prewire_abi::{ChipTensor, DataType, TensorArgType};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).hazards(Hazards::RawWaw).build()?;
    /// let double = chip.kernel("double", Core::Aiv, |k| {
    ///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
    ///     Ok(())
    /// })?;
    /// let mut memory = vec![1.0_f32; 16];
    /// let x = ChipTensor::contiguous(memory.as_mut_ptr() as u64, &[16], DataType::F32)?;
    /// chip.run(|orch| {
    ///     // SAFETY: `memory` stays until the run has ended, and nobody else uses it meanwhile.
    ///     let mut foreign = unsafe { orch.foreign() }?;
    ///     for _ in 0..3 {
    ///         foreign.tensor(&x, TensorArgType::InOut)?;
    ///         foreign.submit(&ForeignTask::new([None, Some(&double), None]), &mut |_| ())?;
    ///     }
    ///     Ok(())
    /// })?;
    /// assert_eq!(memory, [8.0; 16]);
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The chip checks for races, of which it can say nothing here.
    ///
    /// # Safety
    ///
    /// Until the run has ended, each tensor that is handed over, the elements of predicates included, is memory of this
    /// process that the kernels of its task may use as they were told to, and nobody else uses it against the order that
    /// the edges between tasks make.
    #[track_caller]
    pub unsafe fn foreign(&mut self) -> Result<Foreign<'_, 'r>> {
        let site = Location::caller();
        if self.engine.races().is_some() {
            let why =
                "the chip checks for races, and knows nothing of raw memory: build it without the check";
            return Err(refused("a foreign submit", site, Refusal::Call(why.into())));
        }
        let (depth, around) = (self.orchestrator.depth(), self.waiter.scope);
        let mut foreign = Foreign { orch: self, depth, around, site, stale: None };
        foreign.begin();
        Ok(foreign)
    }
}

impl Foreign<'_, '_> {
    /// Forgets the arguments that were added.
    #[inline]
    pub fn begin(&mut self) {
        let args = &mut *self.orch.args;
        args.clear();
        args.foreign();
        args.keep_whole();
    }

    #[cold]
    fn refused(&self, what: &'static str, why: Refusal) -> Error {
        refused(what, self.site, why)
    }

    /// Adds a tensor in memory that exists.
    ///
    /// # Errors
    ///
    /// The record makes no sense.
    #[inline]
    pub fn tensor(&mut self, tensor: &ChipTensor, tag: TensorArgType) -> Result<()> {
        self.orch.args.checked(tensor, tag).map_err(|error| {
            let arg = self.orch.args.count();
            self.refused("a task", Refusal::Tensor { arg, error })
        })
    }

    /// Adds memory that the task is to get; with an initial value, it is filled before the task runs.
    ///
    /// # Errors
    ///
    /// The record makes no sense.
    #[inline]
    pub fn create(&mut self, info: &TensorCreateInfo) -> Result<()> {
        self.orch.args.create(info).map_err(|error| {
            let arg = self.orch.args.count();
            self.refused("a task", Refusal::Tensor { arg, error })
        })
    }

    /// Adds a scalar.
    #[inline]
    pub fn scalar(&mut self, bits: u64) {
        self.orch.args.scalar(bits);
    }

    /// Adds a producer.
    #[inline]
    pub fn after(&mut self, producer: TaskId, kind: EdgeKind) {
        self.orch.args.after(producer, kind);
    }

    /// The first tensor so far that was used when its scope was closed.
    #[must_use]
    pub const fn stale(&self) -> Option<StaleTensor> {
        self.stale
    }

    /// Opens a scope.
    ///
    /// # Errors
    ///
    /// Scopes nest too deep; or an auto scope inside a manual one.
    pub fn open_scope(&mut self, mode: ScopeMode) -> Result<()> {
        let (site, orch) = (self.site, &mut *self.orch);
        orch.waiter.about(site);
        if let Err(error) = orch.orchestrator.open_scope(&mut orch.waiter, mode, site) {
            return Err(self.refused("a scope", error.into()));
        }
        let depth = orch.orchestrator.depth();
        orch.engine.record(|| What::ScopeOpened { depth, manual: mode == ScopeMode::Manual, site });
        orch.waiter.scope = Some(site);
        Ok(())
    }

    /// Closes the innermost scope.
    ///
    /// # Errors
    ///
    /// None that was opened here is open.
    pub fn close_scope(&mut self) -> Result<()> {
        let depth = self.orch.orchestrator.depth();
        if depth <= self.depth || self.orch.orchestrator.close_scope().is_err() {
            return Err(self.refused("the end of a scope", SubmitError::NoScope.into()));
        }
        self.orch.engine.record(|| What::ScopeClosed { depth });
        if depth - 1 == self.depth {
            self.orch.waiter.scope = self.around;
        }
        Ok(())
    }

    /// Declares the run failed with `error`, unless it has failed before: what has not begun does not run, and every
    /// further call is refused.
    pub fn fail(&mut self, error: Error) {
        self.orch.engine.note_cause(error);
        prewire_runs::Runner::end_run(self.orch.engine);
    }

    /// Whether `id` is a task that was submitted in this run.
    #[must_use]
    pub fn is_task(&self, id: TaskId) -> bool {
        self.orch.orchestrator.is_of_this_run(id)
    }

    /// Whether the run has failed, or was ended.
    #[must_use]
    #[inline]
    pub fn is_over(&self) -> bool {
        self.orch.engine.rings().is_ended()
    }

    /// How many clusters the chip has.
    #[must_use]
    pub fn clusters(&self) -> u32 {
        self.orch.clusters()
    }

    /// How many vector cores the chip has.
    #[must_use]
    pub fn aiv_cores(&self) -> u32 {
        self.orch.aiv_cores()
    }
}

impl Drop for Foreign<'_, '_> {
    fn drop(&mut self) {
        while self.close_scope().is_ok() {}
        self.orch.args.clear();
    }
}
