//! The arguments of a task as its submitter gives them.

use alloc::vec::Vec;

use prewire_abi::{ChipTensor, DataType, EdgeKind, PredicateOp, TaskId, TensorArgType, TensorCreateInfo};

use crate::scope::ScopeKey;

/// One tensor argument.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// Memory that exists.
    Existing {
        /// Which.
        tensor: ChipTensor,
        /// What the task does with it: any tag but `Output`.
        tag: TensorArgType,
        /// The scope that it was made in.
        scope: ScopeKey,
    },
    /// Memory that the task is to get from the heap of its ring.
    Create(TensorCreateInfo),
}

/// A condition on one element, looked at when the task is ready: if it does not hold, the task completes without
/// running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// The address of the element.
    pub addr: u64,
    /// What it is.
    pub dtype: DataType,
    /// How it is compared.
    pub op: PredicateOp,
    /// With what.
    pub target: i64,
}

/// The arguments of one task. Kept by the submitter and filled anew for each task, so that no submit allocates.
#[derive(Debug, Default)]
pub struct Args {
    /// The tensors, numbered as kernels number them.
    pub tensors: Vec<Arg>,
    /// The scalars, as bits.
    pub scalars: Vec<u64>,
    /// Explicit producers.
    pub after: Vec<(TaskId, EdgeKind)>,
    /// A condition for running. The tensor it looks at is one of `reads`.
    pub predicate: Option<Predicate>,
    /// Memory that is read for the task by somebody else than its kernel, such as a predicate's tensor.
    pub reads: Vec<(ChipTensor, ScopeKey)>,
}

impl Args {
    /// Makes them empty again.
    pub fn clear(&mut self) {
        self.tensors.clear();
        self.scalars.clear();
        self.after.clear();
        self.predicate = None;
        self.reads.clear();
    }
}
