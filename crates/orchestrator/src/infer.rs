//! Inference: what a tag means for the tensor map, and what later tasks wait for.

use prewire_abi::{TaskId, TensorArgType, ValidTensor};
use prewire_ring::{Allocator, Placed};
use prewire_tensormap::{Access, Hazards, Life};

use crate::args::Args;
use crate::orchestrator::Orchestrator;

/// What the tensor map wants to know of a task.
#[inline]
pub(crate) fn life(allocator: &Allocator, id: TaskId) -> Life {
    match allocator.retired(id) {
        None => Life::Live,
        Some(false) => Life::Retired,
        Some(true) => Life::Failed,
    }
}

/// What a tag tells the tensor map of memory that exists: nothing for what makes no edges.
#[must_use]
#[inline]
pub const fn tells(tag: TensorArgType) -> Option<Access> {
    match tag {
        TensorArgType::NoDep => None,
        tag if tag.writes() => Some(Access::Write),
        _ => Some(Access::Read),
    }
}

/// What a tag asks the tensor map for. Where a write waits for nothing, what is read and written is asked for as a read.
#[must_use]
#[inline]
pub const fn asks(tag: TensorArgType, hazards: Hazards) -> Option<Access> {
    if matches!(hazards, Hazards::Raw) && matches!(tag, TensorArgType::InOut) {
        Some(Access::Read)
    } else {
        tells(tag)
    }
}

impl Orchestrator {
    /// What the task reads and writes, for those that come after it.
    #[inline]
    pub(crate) fn record_accesses(&mut self, placed: &Placed, args: &Args) {
        debug_assert_eq!(
            self.early.unwrap_or(placed.id),
            placed.id,
            "what is on record early is this task's"
        );
        if self.is_foreign(args) {
            return self.record_foreign(placed, args);
        }
        let Self { map, allocator, late, .. } = self;
        for &(number, place) in late.iter() {
            let (tensor, access) = match args.tensors().get(number as usize) {
                Some(arg) if matches!(arg.tag(), TensorArgType::Input) => (arg.tensor(), Access::Read),
                Some(arg) => (arg.tensor(), Access::Write),
                None => (read_beside(args, number), Access::Read),
            };
            let recorded = map.record_at(place, tensor, access, placed.id, |id| life(allocator, id));
            debug_assert!(recorded.is_ok(), "room was reserved");
        }
    }
}

/// The tensor that is read beside the arguments as number `number`, counted on from those.
#[cold]
fn read_beside(args: &Args, number: u32) -> &ValidTensor {
    &args.reads()[number as usize - args.count()].0
}
