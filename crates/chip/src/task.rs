//! A submitted task, as its submitter holds it.

use prewire_abi::{TaskId, ValidTensor};
use prewire_orchestrator::ScopeKey;

use crate::error::{Error, Refusal, Refused, Result};
use crate::tensor::{Origin, Tensor};

/// The outputs of a task: most have none or one, which takes no memory.
#[derive(Clone, Debug)]
enum Outputs {
    None,
    One(Tensor),
    Many(Box<[Tensor]>),
}

/// A submitted task: a handle for its outputs and for explicit edges. Passed where a tensor is wanted, it stands for its
/// only output.
#[derive(Clone, Debug)]
pub struct Task {
    id: TaskId,
    run: u64,
    outputs: Outputs,
}

impl Task {
    /// A task of a run, and its outputs: for those who submit tasks of their own, as a worker does.
    #[must_use]
    #[inline]
    pub fn new(id: TaskId, run: u64, outputs: impl ExactSizeIterator<Item = Tensor>) -> Self {
        let mut outputs = outputs;
        let outputs = match outputs.len() {
            0 => Outputs::None,
            1 => outputs.next().map_or(Outputs::None, Outputs::One),
            _ => Outputs::Many(outputs.collect()),
        };
        Self { id, run, outputs }
    }

    /// As `new`, without any.
    #[inline]
    pub(crate) const fn bare(id: TaskId, run: u64) -> Self {
        Self { id, run, outputs: Outputs::None }
    }

    /// As `new`, with one: `inner`, of `chip`, from a scope. Each word is stored where it is to be, and none on the way
    /// there: what is copied right after it was stored in pieces waits for them.
    #[inline]
    pub(crate) const fn with_output(
        id: TaskId,
        run: u64,
        inner: &ValidTensor,
        chip: u64,
        scope: ScopeKey,
    ) -> Self {
        let output = Tensor { inner: *inner, chip, origin: Origin::Scope { run, scope } };
        Self { id, run, outputs: Outputs::One(output) }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> TaskId {
        self.id
    }

    /// The run that it was submitted in.
    #[must_use]
    pub const fn run(&self) -> u64 {
        self.run
    }

    /// The tensors that it was asked to create, in order.
    #[must_use]
    #[inline]
    pub fn outputs(&self) -> &[Tensor] {
        match &self.outputs {
            Outputs::None => &[],
            Outputs::One(tensor) => std::slice::from_ref(tensor),
            Outputs::Many(tensors) => tensors,
        }
    }

    /// Its only output.
    ///
    /// # Errors
    ///
    /// It has none, or several.
    #[track_caller]
    pub fn tensor(&self) -> Result<Tensor> {
        match self.outputs() {
            [one] => Ok(*one),
            outputs => Err(self.refused(outputs.len())),
        }
    }

    /// Its output `i`, counted from 0 among its outputs.
    ///
    /// # Errors
    ///
    /// It has fewer.
    #[track_caller]
    pub fn output(&self, i: usize) -> Result<Tensor> {
        let outputs = self.outputs();
        outputs.get(i).copied().ok_or_else(|| self.refused(outputs.len()))
    }

    #[track_caller]
    fn refused(&self, outputs: usize) -> Error {
        Error::Submit(Box::new(Refused {
            what: format!("an output of task {}", self.id),
            site: std::panic::Location::caller(),
            why: Refusal::NotOneOutput { arg: 0, task: self.id, outputs },
        }))
    }
}
