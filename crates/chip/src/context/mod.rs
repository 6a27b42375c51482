//! What a kernel is given: its arguments, and its place among the sub-tasks of its task.

mod peers;
mod views;

pub(crate) use peers::may_meet;

use std::cell::{Cell, RefCell};
use std::fmt;

use prewire_abi::{ChipTensor, TaskId};
use prewire_orchestrator::{ArgTensor, Record};
use prewire_platform::{Core, LaneId, Work};
use prewire_ring::{Kind, Slot, SlotRef};

use crate::element::Scalar;
use crate::engine::Engine;
use crate::error::KernelError;
use crate::guard::Marks;
use crate::lease::Holder;
use crate::library::abi::Slab;
use crate::library::{CoreIdentity, Pipes};
use crate::place::Place;
use crate::races::{Eye, Watch};

/// As many tensors as a task can have, whatever the chip says.
pub(crate) const MAX_TENSORS: usize = 64;

/// One run of a kernel on a core: its arguments, and who it is among its peers.
pub struct KernelCtx<'k> {
    engine: &'k Engine,
    /// Its arguments. What a kernel does not ask for is not read: they are on cache lines of their own.
    record: Record<'k>,
    lane: LaneId,
    work: Work,
    kind: Kind,
    task: TaskId,
    /// Whether a mark is all that a view takes: edges keep everybody else away from its tensors, this chip has no memory
    /// that others share, and nobody looks on.
    alone: bool,
    /// Whether it has had a view of memory that others share.
    shares: Cell<bool>,
    /// Whether it has had a lease of the chip's own.
    leased: Cell<bool>,
    /// By argument.
    marks: [Marks; MAX_TENSORS],
    /// Its arguments as they were, for the race checker.
    watch: Option<Box<RefCell<Watch>>>,
}

impl fmt::Debug for KernelCtx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelCtx")
            .field("task", &self.task)
            .field("block", &self.work.block)
            .field("place", &self.place())
            .finish_non_exhaustive()
    }
}

impl<'k> KernelCtx<'k> {
    /// For the sub-task `work`, of the task whose slot is `state`.
    #[inline(always)]
    pub(crate) fn new(engine: &'k Engine, lane: LaneId, work: Work, state: &Slot) -> Self {
        let (kind, task) = (state.kind(), state.id());
        let watch = if engine.races().is_some() { Some(watch(engine, work)) } else { None };
        Self {
            engine,
            record: Record::of(engine.rings(), SlotRef::from_raw(work.slot)),
            lane,
            work,
            kind,
            task,
            // Memory of others that it has a tensor in was adopted before it was submitted.
            alone: is_exclusive(kind) && watch.is_none() && !engine.adoptions().any(),
            shares: Cell::new(false),
            leased: Cell::new(false),
            marks: [const { Marks::new() }; MAX_TENSORS],
            watch,
        }
    }

    /// Whether edges keep everybody else away from its tensors; otherwise leases do.
    const fn is_exclusive(&self) -> bool {
        is_exclusive(self.kind)
    }

    fn slot(&self) -> SlotRef {
        SlotRef::from_raw(self.work.slot)
    }

    pub(crate) fn holder(&self) -> Holder {
        self.engine.holder(self.task, self.work)
    }

    /// The task that this is a part of.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// Which block this is, from 0.
    #[must_use]
    pub const fn block(&self) -> u32 {
        self.work.block as u32
    }

    /// How many blocks the task has.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.kind.blocks()
    }

    /// The place of the cluster that this runs in. A task for single vector cores runs in either.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place::of(self.work.place)
    }

    /// The kind of core that this runs on.
    #[must_use]
    pub const fn core(&self) -> Core {
        if self.work.place == 0 { Core::Aic } else { Core::Aiv }
    }

    /// How many tensors the task has.
    #[must_use]
    #[inline]
    pub fn tensors(&self) -> usize {
        self.record.tensors()
    }

    /// How many scalars the task has.
    #[must_use]
    #[inline]
    pub fn scalars(&self) -> usize {
        self.record.scalars()
    }

    /// The shape of argument `arg`.
    ///
    /// # Errors
    ///
    /// There is no such argument.
    pub fn shape(&self, arg: usize) -> Result<Vec<u32>, KernelError> {
        let tensor = self.tensor(arg)?;
        Ok(tensor.shape[..tensor.ndims].to_vec())
    }

    /// Scalar `i`, counted from 0 among the scalars. It must have been passed as the same type, or one as wide.
    ///
    /// # Errors
    ///
    /// There is no such scalar.
    #[inline]
    pub fn scalar<T: Scalar>(&self, i: usize) -> Result<T, KernelError> {
        self.scalar_word(i).map(T::from_bits)
    }

    #[inline]
    fn tensor(&self, arg: usize) -> Result<ArgTensor, KernelError> {
        self.record.tensor(arg).ok_or_else(|| self.no_tensor(arg))
    }

    #[cold]
    fn no_tensor(&self, arg: usize) -> KernelError {
        KernelError::NoTensor { arg, tensors: self.record.tensors() }
    }

    /// Tensor `arg` as the record that was submitted.
    pub(crate) fn chip_tensor(&self, arg: usize) -> Result<ChipTensor, KernelError> {
        self.record.chip_tensor(arg).ok_or_else(|| self.no_tensor(arg))
    }

    /// Scalar `i`, as bits.
    #[inline]
    pub(crate) fn scalar_word(&self, i: usize) -> Result<u64, KernelError> {
        match self.record.scalar(i) {
            Some(bits) => Ok(bits),
            None => Err(self.no_scalar(i)),
        }
    }

    #[cold]
    fn no_scalar(&self, i: usize) -> KernelError {
        KernelError::NoScalar { scalar: i, scalars: self.record.scalars() }
    }

    /// Which core of the chip this is.
    pub(crate) fn identity(&self) -> CoreIdentity {
        let (n, lane) = (self.engine.spec().clusters, self.lane.0);
        let cluster = if lane < n { lane } else { (lane - n) / 2 };
        CoreIdentity { cluster: cluster.into(), subblock: u32::from(self.place() == Place::Aiv1) }
    }

    /// What the cores of a cluster share.
    pub(crate) fn pipes(&self) -> &'k Pipes {
        self.engine.pipes()
    }

    /// Enters what a kernel has left for the task to wait for.
    pub(crate) fn defer(&self, slab: &Slab) -> Result<(), KernelError> {
        if slab.count == 0 && slab.error == 0 {
            return Ok(());
        }
        self.engine.deferred().enter(self.slot(), slab).map_err(KernelError::Deferred)
    }
}

/// Whether edges keep everybody else away from the tensors of such a task's one sub-task.
const fn is_exclusive(kind: Kind) -> bool {
    kind.is_single() & !kind.is_unordered()
}

/// The arguments of a sub-task as they are now, for the race checker.
#[cold]
fn watch(engine: &Engine, work: Work) -> Box<RefCell<Watch>> {
    let slot = SlotRef::from_raw(work.slot);
    let state = engine.rings().slot(slot);
    let eye = Eye { engine, holder: engine.holder(state.id(), work) };
    let watch = Watch::of(&eye, &Record::of(engine.rings(), slot), state.kind().is_unordered());
    Box::new(RefCell::new(watch))
}
