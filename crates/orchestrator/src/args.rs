//! The arguments of a task as its submitter gives them, each checked when it is added.
//!
//! Invariant: what a submit has to know of all of them together is counted while they are added, so that it does not go
//! over them for that; but for how many words they take, if a tensor among them is strided.

use alloc::vec::Vec;

use prewire_abi::{
    ChipTensor, DataType, EdgeKind, PredicateOp, TaskId, TensorArgType, TensorCreateInfo, TensorError,
    ValidTensor,
};

use crate::arg::Arg;
use crate::scope::ScopeKey;
use crate::sums::{FOREIGN, INITIAL, PREDICATE, READS, Sums, WHOLE};

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
///
/// ```
/// use prewire_abi::{DataType, TensorArgType, ValidTensor};
/// use prewire_orchestrator::{Arg, Args, ScopeKey};
///
/// let mut args = Args::default();
/// let x = ValidTensor::contiguous(0x1000, &[16], DataType::F32)?;
/// args.existing(&x, TensorArgType::Input, ScopeKey::NONE);
/// args.push(&Arg::output(&[16], DataType::F32)?);
/// args.scalar(7);
/// assert_eq!((args.tensors().len(), args.outputs().len()), (2, 1));
/// # Ok::<(), prewire_abi::TensorError>(())
/// ```
#[derive(Debug, Default)]
pub struct Args {
    sums: Sums,
    /// Those of this task, and behind them what is left of earlier ones.
    tensors: Vec<Arg>,
    scalars: Vec<u64>,
    after: Vec<(TaskId, EdgeKind)>,
    /// These three are empty where no flag says otherwise.
    predicate: Option<Predicate>,
    reads: Vec<(ValidTensor, ScopeKey)>,
    /// What outputs are to hold before the task runs: which argument, and the bits of each element.
    pub(crate) fills: Vec<(u32, u64)>,
}

impl Args {
    /// Makes them empty again.
    #[inline]
    pub fn clear(&mut self) {
        if self.sums.has(PREDICATE | READS | INITIAL) {
            self.clear_rare();
        }
        self.sums = Sums::default();
        self.scalars.clear();
        self.after.clear();
    }

    #[cold]
    fn clear_rare(&mut self) {
        self.predicate = None;
        self.reads.clear();
        self.fills.clear();
    }

    /// The task's kernel is to see its tensors as they are here, with their buffers and flags and not only their elements:
    /// the record keeps all of them, which takes 12 words a tensor. Until they are cleared.
    #[inline]
    pub fn keep_whole(&mut self) {
        self.sums.set(WHOLE);
    }

    /// Adds a tensor in memory that exists: as [`push`](Args::push) of [`Arg::existing`].
    #[inline]
    pub fn existing(&mut self, tensor: &ValidTensor, tag: TensorArgType, scope: ScopeKey) {
        let Some(arg) = self.tensors.get_mut(self.sums.count()) else {
            return self.grow_existing(tensor, tag, scope);
        };
        arg.set_existing(tensor, tag, scope);
        self.sums.add(arg.kind());
    }

    /// Adds a tensor in memory that exists, where no earlier task had as many.
    #[cold]
    fn grow_existing(&mut self, tensor: &ValidTensor, tag: TensorArgType, scope: ScopeKey) {
        self.grow(&Arg::existing(*tensor, tag, scope));
    }

    /// Adds a tensor, where no earlier task had as many.
    #[cold]
    fn grow(&mut self, arg: &Arg) {
        self.tensors.push(*arg);
        self.push(arg);
    }

    /// Adds a tensor. They are numbered as kernels number them, from 0 on.
    #[inline]
    pub fn push(&mut self, arg: &Arg) {
        if !arg.creates() {
            return self.existing(arg.tensor(), arg.tag(), *arg.scope());
        }
        let Some(place) = self.tensors.get_mut(self.sums.count()) else { return self.grow(arg) };
        place.copy_from(arg);
        self.sums.add_output(arg.tensor().buffer_size());
    }

    /// Adds memory that the task is to get: as [`push`](Args::push) of [`Arg::output`].
    ///
    /// # Errors
    ///
    /// As there; nothing is added then.
    #[inline]
    pub fn output(&mut self, shape: &[u32], dtype: DataType) -> Result<(), TensorError> {
        let Some(arg) = self.tensors.get_mut(self.sums.count()) else {
            return self.grow_output(shape, dtype);
        };
        arg.set_output(shape, dtype)?;
        let bytes = arg.tensor().buffer_size();
        self.sums.add_output(bytes);
        Ok(())
    }

    #[cold]
    fn grow_output(&mut self, shape: &[u32], dtype: DataType) -> Result<(), TensorError> {
        let arg = Arg::output(shape, dtype)?;
        self.push(&arg);
        Ok(())
    }

    /// Adds memory that the task is to get, as an orchestration of another runtime describes it; with an initial value, it
    /// is filled before the task runs, if the one who waits can fill.
    ///
    /// # Errors
    ///
    /// As [`TensorCreateInfo::materialize`]; nothing is added then.
    #[inline]
    pub fn create(&mut self, info: &TensorCreateInfo) -> Result<(), TensorError> {
        let number = self.sums.count();
        self.output(info.shape(), info.check()?)?;
        if info.is_manual_dep() || info.version() != 0 {
            let tensor = self.tensors[number].tensor_mut();
            *tensor = tensor.with_manual_dep(info.is_manual_dep()).with_version(info.version());
        }
        if let Some(bits) = info.initial_value() {
            self.sums.set(INITIAL);
            self.fills.push((number as u32, bits));
        }
        Ok(())
    }

    /// Adds a tensor in memory that exists and that no scope made, once it is checked.
    ///
    /// # Errors
    ///
    /// As [`ValidTensor::mended`]; nothing is added then.
    #[inline]
    pub fn checked(&mut self, tensor: &ChipTensor, tag: TensorArgType) -> Result<(), TensorError> {
        let Some(arg) = self.tensors.get_mut(self.sums.count()) else {
            let first = ValidTensor::mended(tensor)?;
            self.existing(&first, tag, ScopeKey::NONE);
            return Ok(());
        };
        arg.set_checked(tensor, tag)?;
        self.sums.add(arg.kind());
        Ok(())
    }

    /// Adds a scalar, as bits.
    #[inline]
    pub fn scalar(&mut self, bits: u64) {
        self.scalars.push(bits);
    }

    /// Adds scalars, as bits.
    pub fn extend_scalars(&mut self, bits: &[u64]) {
        self.scalars.extend_from_slice(bits);
    }

    /// Adds a producer that the task depends on, whatever either accesses.
    #[inline]
    pub fn after(&mut self, producer: TaskId, kind: EdgeKind) {
        self.after.push((producer, kind));
    }

    /// Their submitter answers for the memory itself, and has rules of its own for it: arguments may overlap, tensors are of
    /// no scope, a scope holds its tasks whether they have outputs or not, the address of a condition is taken as it is; and where hazards are [`RawWaw`](prewire_tensormap::Hazards),
    /// a tensor that is only written waits for nothing, and manual scopes have the edges that were named, no other. Until
    /// they are cleared.
    #[inline]
    pub fn foreign(&mut self) {
        self.sums.set(FOREIGN);
    }

    /// Whether they are [those](Args::foreign).
    #[inline]
    pub(crate) const fn is_foreign(&self) -> bool {
        self.sums.has(FOREIGN)
    }

    /// A condition for running. The tensor it looks at is one of those that are [read](Args::read).
    pub fn predicate(&mut self, predicate: Predicate) {
        self.sums.set(PREDICATE);
        self.predicate = Some(predicate);
    }

    /// Adds memory that is read for the task by somebody else than its kernel, such as a predicate's tensor.
    pub fn read(&mut self, tensor: &ValidTensor, scope: ScopeKey) {
        self.sums.set(READS);
        self.reads.push((*tensor, scope));
    }

    /// How many tensors there are.
    #[must_use]
    #[inline]
    pub const fn count(&self) -> usize {
        self.sums.count()
    }

    /// The tensors. Once the task is submitted, those that it creates have their addresses.
    #[must_use]
    #[inline]
    pub fn tensors(&self) -> &[Arg] {
        &self.tensors[..self.sums.count()]
    }

    /// Whether the task creates a tensor.
    #[must_use]
    #[inline]
    pub const fn create_any(&self) -> bool {
        self.sums.outputs() > 0
    }

    /// The tensors that the task creates, in order.
    #[inline]
    pub fn outputs(&self) -> impl ExactSizeIterator<Item = &ValidTensor> {
        let args = self.tensors.get(self.sums.since_first_output()).unwrap_or_default();
        Outputs { args: args.iter(), left: self.sums.outputs() }
    }

    /// The tensor that the task creates, if it creates one and no more.
    #[must_use]
    #[inline]
    pub fn only_output(&self) -> Option<&ValidTensor> {
        if self.sums.outputs() != 1 {
            return None;
        }
        self.tensors.get(self.sums.since_first_output().start).map(Arg::tensor)
    }

    /// Calls `place` with each tensor that the task creates, in order, to give it its memory.
    #[inline]
    pub(crate) fn place_outputs(&mut self, mut place: impl FnMut(&mut ValidTensor)) {
        let (mut at, mut left) = (self.sums.since_first_output().start, self.sums.outputs());
        while left > 0
            && let Some(arg) = self.tensors.get_mut(at)
        {
            if arg.creates() {
                place(arg.tensor_mut());
                left -= 1;
            }
            at += 1;
        }
    }

    /// The scalars, as bits.
    #[must_use]
    #[inline]
    pub fn scalars(&self) -> &[u64] {
        &self.scalars
    }

    /// The explicit producers.
    #[must_use]
    #[inline]
    pub fn producers(&self) -> &[(TaskId, EdgeKind)] {
        &self.after
    }

    /// The condition for running.
    #[must_use]
    #[inline]
    pub const fn condition(&self) -> Option<&Predicate> {
        self.predicate.as_ref()
    }

    /// What is read beside the tensors, and the scopes that it was made in.
    #[must_use]
    #[inline]
    pub fn reads(&self) -> &[(ValidTensor, ScopeKey)] {
        &self.reads
    }

    /// Whether memory is used that exists.
    #[inline]
    pub(crate) const fn uses_memory(&self) -> bool {
        self.sums.count() > self.sums.outputs() || self.sums.has(READS)
    }

    #[inline]
    pub(crate) const fn sums(&self) -> &Sums {
        &self.sums
    }
}

/// The tensors that a task creates.
struct Outputs<'a> {
    args: core::slice::Iter<'a, Arg>,
    left: usize,
}

impl<'a> Iterator for Outputs<'a> {
    type Item = &'a ValidTensor;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        self.args.find(|arg| arg.creates()).map(Arg::tensor)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Outputs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sums::{STRIDED, UNORDERED, WRITES};

    #[test]
    fn the_sums_are_those_of_the_arguments_and_go_with_them() {
        let mut args = Args::default();
        let packed = ValidTensor::contiguous(0x1000, &[4, 8], DataType::F32).unwrap();
        let column = packed.slice(1, 0, 1, 1).unwrap();
        for _ in 0..2 {
            args.existing(&packed, TensorArgType::Input, ScopeKey::NONE);
            args.existing(&column, TensorArgType::Output, ScopeKey::NONE);
            args.existing(&packed, TensorArgType::NoDep, ScopeKey::NONE);
            args.push(&Arg::output(&[257], DataType::F32).unwrap());
            args.output(&[1], DataType::F32).unwrap();
            let sums = args.sums();
            assert_eq!((sums.count(), sums.outputs(), sums.heap()), (5, 2, 2048 + 1024));
            assert!(
                sums.has(WRITES) && sums.has(UNORDERED) && !sums.has(INITIAL | READS) && sums.has(STRIDED)
            );
            // What exists is not created, whatever was said.
            assert_eq!(args.tensors()[1].tag(), TensorArgType::OutputExisting);
            assert_eq!(args.outputs().map(|tensor| tensor.numel()).collect::<Vec<_>>(), [257, 1]);
            assert!(args.only_output().is_none());
            args.clear();
            args.existing(&packed, TensorArgType::Input, ScopeKey::NONE);
            assert!(args.only_output().is_none());
            args.output(&[3], DataType::F32).unwrap();
            assert_eq!(args.only_output().map(|tensor| tensor.numel()), Some(3));
            args.clear();
            assert_eq!((args.tensors().len(), args.outputs().len(), args.sums().heap()), (0, 0, 0));
            assert!(!args.sums().has(WRITES | INITIAL | STRIDED));
        }
    }
}
