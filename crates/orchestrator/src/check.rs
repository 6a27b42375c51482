//! The checks of a submit: the arguments make sense on their own. Nothing is taken for a task that fails one.

use prewire_abi::{ChipTensor, Shape};
use prewire_ring::Cold;
use prewire_tensormap::{Overlap, Region};

use crate::args::{Arg, Args};
use crate::error::SubmitError;
use crate::orchestrator::{Orchestrator, is_submitted};
use crate::scope::ScopeKey;

impl Orchestrator {
    /// Step 1: the arguments make sense on their own.
    #[inline]
    pub(crate) fn check(&self, cold: &Cold, args: &Args, can_fill: bool) -> Result<(), SubmitError> {
        let limits = &self.limits;
        let fits = args.tensors().len() <= usize::from(limits.task_tensors)
            && args.scalars().len() <= usize::from(limits.task_scalars)
            && cold.blocks != 0
            && cold.blocks <= limits.blocks
            && u32::from(cold.blocks) <= self.lanes[cold.shape as usize];
        if !fits {
            self.check_size(cold, args)?;
        }
        if !args.sums().is_plain() {
            self.check_tensors(args, can_fill)?;
        }
        match args.producers().iter().find(|(id, _)| !is_submitted(&self.allocator, &self.first, *id)) {
            Some(&(id, _)) => Err(SubmitError::UnknownProducer { id }),
            None => Ok(()),
        }
    }

    /// It is no larger than a task may be, and there are lanes for it.
    #[cold]
    fn check_size(&self, cold: &Cold, args: &Args) -> Result<(), SubmitError> {
        let (tensors, scalars) =
            (usize::from(self.limits.task_tensors), usize::from(self.limits.task_scalars));
        if args.tensors().len() > tensors {
            return Err(SubmitError::TooManyTensors { observed: args.tensors().len(), allowed: tensors });
        }
        if args.scalars().len() > scalars {
            return Err(SubmitError::TooManyScalars { observed: args.scalars().len(), allowed: scalars });
        }
        if cold.blocks == 0 || cold.blocks > self.limits.blocks {
            let (observed, allowed) = (u32::from(cold.blocks), u32::from(self.limits.blocks));
            return Err(SubmitError::Blocks { observed, allowed });
        }
        let allowed = self.lanes[cold.shape as usize];
        if u32::from(cold.blocks) > allowed { self.check_width(cold, allowed) } else { Ok(()) }
    }

    /// What tensors are used as is legal: those of scopes are not stale, and none is written that is another one too.
    fn check_tensors(&self, args: &Args, can_fill: bool) -> Result<(), SubmitError> {
        let sums = args.sums();
        if sums.initial > 0
            && !(args.foreign && can_fill)
            && let Some(arg) = args.tensors().iter().position(Arg::has_initial_value)
        {
            return Err(SubmitError::InitialValue { arg });
        }
        if args.foreign {
            return Ok(());
        }
        if sums.scoped > 0 {
            // Most are of the same one.
            let mut open = ScopeKey::NONE;
            for (arg, existing) in args.tensors().iter().enumerate() {
                if !existing.scope().is(&open) {
                    self.check_open(arg, existing.tensor(), existing.scope())?;
                    open = *existing.scope();
                }
            }
        }
        for (tensor, scope) in args.reads() {
            self.check_open(args.tensors().len(), tensor, scope)?;
        }
        if sums.writes > 0 { check_overlaps(args.tensors()) } else { Ok(()) }
    }

    /// The scope that a tensor was made in is open.
    #[inline]
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
}

/// No two arguments touch the same bytes if one of them is written: a kernel could not tell them apart.
fn check_overlaps(args: &[Arg]) -> Result<(), SubmitError> {
    for (second, b) in args.iter().enumerate() {
        if b.creates() {
            continue;
        }
        for (first, a) in args[..second].iter().enumerate() {
            if a.tensor().buffer_addr() == b.tensor().buffer_addr()
                && !a.creates()
                && (a.tag().writes() || b.tag().writes())
                && Region::from(a.tensor().get()).overlap(&Region::from(b.tensor().get())) != Overlap::None
            {
                return Err(SubmitError::ArgsOverlap { first, second });
            }
        }
    }
    Ok(())
}
