//! Foreign submits and allocations: from what was added to a task, or to memory.
//!
//! Invariant: whatever comes of a call, what was added is forgotten; and a call that is refused leaves nothing of its task.

use std::panic::Location;

use prewire_abi::{ChipTensor, TaskId};
use prewire_orchestrator::{SubmitError, Submitted};

use crate::error::{Error, Refusal, Result};
use crate::foreign::task::Unfit;
use crate::foreign::{Foreign, ForeignTask, StaleTensor};
use crate::orch::{Orch, refused};
use crate::trace::What;

impl Foreign<'_, '_> {
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
        let packed = match task.packed(self.orch.chip) {
            Ok(packed) => packed,
            Err(why) => return Err(self.unfit(task, why)),
        };
        self.prepare()?;
        let orch = &mut *self.orch;
        orch.waiter.about(self.site);
        match orch.orchestrator.submit(&mut orch.waiter, packed, orch.args, self.site) {
            Ok(submitted) => Ok(self.describe(submitted, output)),
            Err(error) => {
                // Or it would be told of the next task.
                let _ = orch.orchestrator.take_stale();
                Err(self.refused("a task", error.into()))
            }
        }
    }

    #[cold]
    fn unfit(&self, task: &ForeignTask<'_>, why: Unfit) -> Error {
        let allowed = u32::from(self.orch.engine.spec().limits.blocks);
        self.refused(
            "a task",
            match why {
                Unfit::OtherChip => Refusal::OtherChipKernel,
                Unfit::Blocks => SubmitError::Blocks { observed: task.blocks, allowed }.into(),
            },
        )
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
        if !args.create_any() {
            return Ok(());
        }
        let site = self.site;
        described.prepare(|ring| orchestrator.heap(ring).1).map_err(|error| no_table(site, &error))
    }

    /// Describes the outputs of what was submitted, and says what looks wrong with it.
    #[inline]
    fn describe(&mut self, submitted: Submitted, output: &mut impl FnMut(*const ChipTensor)) -> TaskId {
        let orch = &mut *self.orch;
        if orch.args.create_any() {
            let ring = submitted.id.ring() as usize;
            let (heap, _) = orch.orchestrator.heap(ring);
            for tensor in orch.args.outputs() {
                output(orch.described.put(ring, heap, tensor.get()));
            }
        }
        if let Some((arg, owner)) = orch.orchestrator.take_stale() {
            self.stale.get_or_insert(StaleTensor { task: submitted.id, arg, owner });
        }
        submitted.id
    }
}

#[cold]
fn no_table(site: &'static Location<'static>, error: &std::io::Error) -> Error {
    refused("a task", site, Refusal::Call(format!("there is no memory to describe its outputs in: {error}")))
}
