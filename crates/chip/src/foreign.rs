//! Submits of programs that answer for their memory themselves, as those compiled for another runtime do.
//!
//! Tensors are raw records, scopes open and close by call, and nothing is leased or looked up: what a task touches is
//! what its submitter says. What stays as for every run: rings, edges, waits, codes, and that the first error counts.
//!
//! Invariant: a call that is refused leaves nothing of its task, and scopes that a caller leaves open close with it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use prewire_abi::{
    ChipTensor, EdgeKind, LaneMask, PredicateOp, ScopeMode, Shape, TaskId, TensorArgType, TensorCreateInfo,
    ValidTensor,
};
use prewire_orchestrator::{Predicate, SubmitError, Submitted};
use prewire_ring::{Attrs, Cold};
use prewire_tensormap::Access;

use crate::error::{Error, Refusal, Result};
use crate::foreign_element::{self, element};
use crate::kernel::Kernel;
use crate::kernels::word_of;
use crate::orch::{Orch, refused};
use crate::trace::What;

/// What a foreign task runs, and how.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ForeignTask<'k> {
    /// By place in a cluster: the cube core, the first and the second vector core. One for a vector core alone may be at
    /// either; none at all is a dummy, which has one block.
    pub places: [Option<&'k Kernel>; 3],
    /// How many blocks; each runs in every place.
    pub blocks: u32,
    /// Whether all blocks start together.
    pub sync_start: bool,
}

impl<'k> ForeignTask<'k> {
    /// One block of `places`.
    #[must_use]
    pub const fn new(places: [Option<&'k Kernel>; 3]) -> Self {
        Self { places, blocks: 1, sync_start: false }
    }

    /// With that many blocks.
    #[must_use]
    pub const fn blocks(mut self, blocks: u32, sync_start: bool) -> Self {
        self.blocks = blocks;
        self.sync_start = sync_start;
        self
    }
}

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

/// A tensor that was used when its memory may have been another task's: the output of a task whose scope was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StaleTensor {
    /// The task that used it.
    pub task: TaskId,
    /// As which argument, from 0.
    pub arg: usize,
    /// The task whose output it was.
    pub owner: TaskId,
}

impl fmt::Display for StaleTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, arg, owner } = self;
        write!(
            f,
            "argument {arg} of task {task} is the output of task {owner}, whose scope is closed: its memory may be another \
             task's by now; use it inside its scope (further ones of this run are not told)"
        )
    }
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
        self.orch.args.clear();
        self.orch.args.foreign();
        self.orch.args.keep_whole();
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

    /// Adds a condition on one element, looked at when the task is ready. It makes no edge.
    ///
    /// # Errors
    ///
    /// There is no such element.
    pub fn predicate(
        &mut self,
        tensor: &ChipTensor,
        index: &[u32],
        op: PredicateOp,
        target: i64,
    ) -> Result<()> {
        let tensor = &self.mended("a predicate", tensor)?;
        let (addr, _) = self.element("a predicate", tensor, index)?;
        let Ok(dtype) = tensor.dtype() else { return Ok(()) };
        self.orch.args.predicate(Predicate { addr, dtype, op, target });
        Ok(())
    }

    /// Submits a task with the arguments that were added. `output` hears of each tensor that it creates, in order: where
    /// it is described. A description is valid as long as the scope is open, and readable as long as the chip lives.
    ///
    /// # Errors
    ///
    /// As [`Submit::go`](crate::Submit::go), but for what only tensors with an origin can be refused for; nothing of the
    /// task exists then.
    #[inline]
    pub fn submit(
        &mut self,
        task: &ForeignTask<'_>,
        output: &mut impl FnMut(*const ChipTensor),
    ) -> Result<TaskId> {
        let result = self.try_submit(task, output);
        self.begin();
        result
    }

    fn try_submit(
        &mut self,
        task: &ForeignTask<'_>,
        output: &mut impl FnMut(*const ChipTensor),
    ) -> Result<TaskId> {
        let [aic, aiv0, aiv1] = task.places;
        let mut lanes = LaneMask::NONE;
        for (kernel, lane) in [(aic, LaneMask::AIC), (aiv0, LaneMask::AIV0), (aiv1, LaneMask::AIV1)] {
            if let Some(kernel) = kernel {
                if kernel.chip != self.orch.chip {
                    return Err(self.refused("a task", Refusal::OtherChipKernel));
                }
                lanes = lanes | lane;
            }
        }
        // Either vector core of a cluster runs what is for one alone.
        let (lanes, places) = match lanes {
            LaneMask::AIV0 => (lanes, [None, aiv0, aiv0]),
            LaneMask::AIV1 => (LaneMask::AIV0, [None, aiv1, aiv1]),
            _ => (lanes, task.places),
        };
        // A dummy runs nothing, and that once.
        let blocks = if lanes == LaneMask::NONE { 1 } else { task.blocks };
        let Ok(blocks) = u16::try_from(blocks) else {
            let allowed = u32::from(self.orch.engine.spec().limits.blocks);
            return Err(self.refused("a task", SubmitError::Blocks { observed: task.blocks, allowed }.into()));
        };
        let cold = Cold {
            shape: if lanes == LaneMask::NONE { Shape::Dummy } else { lanes.shape() },
            lanes,
            blocks,
            attrs: Attrs { sync_start: task.sync_start && blocks > 1, ..Attrs::default() },
            callable: word_of(places),
        };
        self.prepare()?;
        let orch = &mut *self.orch;
        orch.waiter.about(self.site);
        match orch.orchestrator.submit(&mut orch.waiter, cold, orch.args, self.site) {
            Ok(submitted) => Ok(self.describe(submitted, output)),
            Err(error) => Err(self.refused("a task", error.into())),
        }
    }

    /// Memory for the outputs that were added, without a task. `output` as in [`submit`](Foreign::submit).
    ///
    /// # Errors
    ///
    /// No output was added, or something else was; or the heap, or the scope's window, is full for good.
    pub fn alloc(&mut self, output: &mut impl FnMut(*const ChipTensor)) -> Result<TaskId> {
        let result = self.try_alloc(output);
        self.begin();
        result
    }

    fn try_alloc(&mut self, output: &mut impl FnMut(*const ChipTensor)) -> Result<TaskId> {
        self.prepare()?;
        let orch = &mut *self.orch;
        if orch.args.tensors().is_empty() || !orch.args.scalars().is_empty() {
            let why = "an allocation has outputs to be created, and nothing else";
            return Err(self.refused("an allocation", Refusal::Call(why.into())));
        }
        let site = self.site;
        orch.waiter.about(site);
        match orch.orchestrator.alloc(&mut orch.waiter, orch.args, site) {
            Ok(made) => {
                orch.engine.record(|| What::Allocated { task: made.id, site });
                Ok(self.describe(made, output))
            }
            Err(error) => Err(self.refused("an allocation", error.into())),
        }
    }

    /// Sees to it that outputs can be described, while nothing of their task exists.
    #[inline]
    fn prepare(&mut self) -> Result<()> {
        let Orch { orchestrator, described, args, .. } = &mut *self.orch;
        if args.outputs().len() == 0 {
            return Ok(());
        }
        let site = self.site;
        described.prepare(|ring| orchestrator.heap(ring).1).map_err(|error| no_table(site, &error))
    }

    /// Describes the outputs of what was submitted, and says what looks wrong with it.
    #[inline]
    fn describe(&mut self, submitted: Submitted, output: &mut impl FnMut(*const ChipTensor)) -> TaskId {
        let orch = &mut *self.orch;
        let ring = submitted.id.ring() as usize;
        let (heap, _) = orch.orchestrator.heap(ring);
        for tensor in orch.args.outputs() {
            output(orch.described.put(ring, heap, tensor.get()));
        }
        if let Some((arg, owner)) = orch.orchestrator.take_stale() {
            self.stale.get_or_insert(StaleTensor { task: submitted.id, arg, owner });
        }
        submitted.id
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

    /// The bits of one element, once everything that writes its tensor is complete. Waits no longer than `allowed`.
    ///
    /// # Errors
    ///
    /// There is no such element; a task that writes it failed; or it has not ended in time.
    pub fn read_element(&mut self, tensor: &ChipTensor, index: &[u32], allowed: Duration) -> Result<u64> {
        let (addr, size) = self.settle("a host read", tensor, index, Access::Read, allowed)?;
        // SAFETY: whoever made this answers for the tensors.
        Ok(unsafe { foreign_element::read(addr, size) })
    }

    /// Writes one element, once everything that writes its tensor is complete, and what keeps that is. Waits no longer than
    /// `allowed`.
    ///
    /// # Errors
    ///
    /// As [`read_element`](Foreign::read_element).
    pub fn write_element(
        &mut self,
        tensor: &ChipTensor,
        index: &[u32],
        bits: u64,
        allowed: Duration,
    ) -> Result<()> {
        let (addr, size) = self.settle("a host write", tensor, index, Access::Write, allowed)?;
        // SAFETY: whoever made this answers for the tensors.
        unsafe { foreign_element::write(addr, size, bits) };
        Ok(())
    }

    /// The record as it was meant: as [`tensor`](Foreign::tensor) takes it.
    fn mended(&self, what: &'static str, tensor: &ChipTensor) -> Result<ValidTensor> {
        ValidTensor::mended(tensor).map_err(|error| self.refused(what, Refusal::Tensor { arg: 0, error }))
    }

    fn element(&self, what: &'static str, tensor: &ValidTensor, index: &[u32]) -> Result<(u64, u32)> {
        element(tensor, index).map_err(|why| {
            let dtype = tensor.dtype().map_or_else(|_| "of no type".into(), |dtype| dtype.to_string());
            let (index, shape) = (index.to_vec(), tensor.shape().to_vec());
            self.refused(what, Refusal::Element { index, shape, dtype, why })
        })
    }

    /// Waits until an element may be accessed: where it is.
    fn settle(
        &mut self,
        what: &'static str,
        tensor: &ChipTensor,
        index: &[u32],
        access: Access,
        allowed: Duration,
    ) -> Result<(u64, u32)> {
        let tensor = &self.mended(what, tensor)?;
        let place = self.element(what, tensor, index)?;
        let (site, orch) = (self.site, &mut *self.orch);
        orch.waiter.about(site);
        let orchestrator = &mut *orch.orchestrator;
        let (waited, overdue) =
            orch.waiter.limited(allowed, |waiter| orchestrator.wait_for_foreign(waiter, tensor, access));
        match waited {
            Ok(()) => {
                orch.engine.record(|| What::Host { write: access == Access::Write, site });
                Ok(place)
            }
            Err(_) if overdue => Err(self.refused(what, Refusal::WaitedTooLong { allowed })),
            Err(error) => Err(self.refused(what, error.into())),
        }
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

#[cold]
fn no_table(site: &'static Location<'static>, error: &std::io::Error) -> Error {
    refused("a task", site, Refusal::Call(format!("there is no memory to describe its outputs in: {error}")))
}
