//! The checks of a submit: the arguments make sense on their own. Nothing is taken for a task that fails one.

use prewire_abi::{ChipTensor, Shape, TaskId, TensorArgType};
use prewire_ring::Cold;
use prewire_tensormap::{Overlap, Region};

use crate::args::{Arg, Args};
use crate::error::SubmitError;
use crate::orchestrator::Orchestrator;
use crate::scope::ScopeKey;

const fn writes(arg: &Arg) -> bool {
    !matches!(arg, Arg::Existing { tag: TensorArgType::Input | TensorArgType::NoDep, .. })
}

impl Orchestrator {
    /// Step 1: the arguments make sense on their own.
    pub(crate) fn check(&mut self, cold: &Cold, args: &Args) -> Result<(), SubmitError> {
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
                    && Region::from(ta).overlap(&Region::from(tb)) != Overlap::None
                {
                    return Err(SubmitError::ArgsOverlap { first, second });
                }
            }
        }
        Ok(())
    }
}
