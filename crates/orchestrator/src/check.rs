//! The checks of a submit: the arguments make sense on their own. Nothing is taken for a task that fails one.

use prewire_abi::Shape;
use prewire_ring::{Cold, Packed};
use prewire_tensormap::{Overlap, Region, buffer_hash};

use crate::arg::Arg;
use crate::args::Args;
use crate::error::SubmitError;
use crate::orchestrator::Orchestrator;
use crate::sums::INITIAL;

impl Orchestrator {
    /// Step 1: the arguments make sense on their own.
    #[inline]
    pub(crate) fn check(&self, task: Packed, args: &Args, can_fill: bool) -> Result<(), SubmitError> {
        let limits = &self.limits;
        let fits = args.sums().count() <= usize::from(limits.task_tensors)
            && args.scalars().len() <= usize::from(limits.task_scalars)
            // 0 is too many.
            && task.kind.blocks().wrapping_sub(1) < self.blocks[task.kind.shape()];
        if !fits {
            self.check_size(&task.cold(), args)?;
        }
        if args.sums().has(INITIAL) { check_fills(args, can_fill) } else { Ok(()) }
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

/// Outputs that are to hold something can be made so.
#[cold]
fn check_fills(args: &Args, can_fill: bool) -> Result<(), SubmitError> {
    match args.fills.first() {
        Some(&(arg, _)) if !(args.is_foreign() && can_fill) => {
            Err(SubmitError::InitialValue { arg: arg as usize })
        }
        _ => Ok(()),
    }
}

/// No two arguments touch the same bytes if one of them is written: a kernel could not tell them apart. Of tensors of open
/// scopes, as the memory of a stale one may be another one's by now.
///
/// Few buffers are told apart by a bit of 64 each, which nearly always is one that no other has; many one by one.
#[inline]
pub(crate) fn check_overlaps(args: &[Arg]) -> Result<(), SubmitError> {
    let (mut seen, mut again) = (0u64, 0);
    for arg in args {
        if arg.creates() {
            continue;
        }
        let bit = 1 << (buffer_hash(arg.tensor().buffer_addr()) >> 58);
        again |= seen & bit;
        seen |= bit;
    }
    if again != 0 && shares(args) { find_overlap(args) } else { Ok(()) }
}

/// Whether an argument that is written is of the same buffer as another one.
#[inline(never)]
fn shares(args: &[Arg]) -> bool {
    let written = |arg: &Arg| arg.tag().writes() && !arg.creates();
    args.iter().enumerate().filter(|(_, arg)| written(arg)).any(|(at, arg)| {
        let buffer = arg.tensor().buffer_addr();
        let (before, others) = args.split_at(at);
        before.iter().chain(others.iter().skip(1)).any(|other| other.tensor().buffer_addr() == buffer)
    })
}

/// As `check_overlaps`, where arguments may be of one buffer.
#[inline(never)]
fn find_overlap(args: &[Arg]) -> Result<(), SubmitError> {
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
