//! What a kernel is given: its arguments, and its place among the sub-tasks of its task.

use std::cell::{Cell, RefCell};
use std::fmt;

use prewire_abi::{ChipTensor, TaskId, TensorArgType, ViewError};
use prewire_orchestrator::{ArgTensor, PackedArg, Record};
use prewire_platform::{Core, LaneId, Work};
use prewire_ring::{Kind, Slot, SlotRef};

use crate::barrier::Meeting;
use crate::element::{Element, Scalar};
use crate::engine::Engine;
use crate::error::KernelError;
use crate::extent::Extent;
use crate::guard::{Guard, Mark, Marks};
use crate::lease::Holder;
use crate::library::abi::Slab;
use crate::library::{CoreIdentity, Pipes};
use crate::races::{Eye, Watch};
use crate::shared_memory::SharedMemory;
use crate::span::Span;
use crate::view::{View, ViewMut};

/// The place of a cluster that a sub-task runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The cube core.
    Aic,
    /// The first vector core.
    Aiv0,
    /// The second vector core.
    Aiv1,
}

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

/// What a view is made of, where it takes more than a mark.
struct Slow<'k> {
    extent: Extent,
    guard: Guard<'k>,
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
            // Word by word, as it was written just now.
            work: Work { slot: work.slot, block: work.block, place: work.place },
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
        self.engine.holder(self.task, self.work.block, self.work.place)
    }

    /// The task that this is a part of.
    #[must_use]
    pub const fn task(&self) -> TaskId {
        self.task
    }

    /// Which block this is, from 0.
    #[must_use]
    pub const fn block(&self) -> u32 {
        self.work.block
    }

    /// How many blocks the task has.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.kind.blocks()
    }

    /// The place of the cluster that this runs in. A task for single vector cores runs in either.
    #[must_use]
    pub const fn place(&self) -> Place {
        match self.work.place {
            0 => Place::Aic,
            1 => Place::Aiv0,
            _ => Place::Aiv1,
        }
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

    /// Argument `arg` and its mark, if that is all that a view of it takes and a kernel may access it so as elements of `T`.
    /// In line, and nothing but words: what goes through memory in pieces costs more than all the checks.
    #[inline(always)]
    fn quick<T: Element>(&self, arg: usize, write: bool) -> Option<(PackedArg, Mark<'_>)> {
        if !self.alone {
            return None;
        }
        let tensor = self.record.packed(arg, T::DTYPE)?;
        let aligned = tensor.addr().is_multiple_of(align_of::<T>() as u64);
        if !aligned || (write && tensor.is_input()) {
            return None;
        }
        Some((tensor, self.marks.get(arg)?.take(write)?))
    }

    /// What a view of argument `arg` is made of.
    #[inline(always)]
    fn view_of<T: Element>(&self, arg: usize, write: bool) -> Result<(Extent, Guard<'_>), KernelError> {
        match self.quick::<T>(arg, write) {
            Some((tensor, mark)) => Ok((Extent::of(&tensor), Guard::Mark(mark))),
            None => {
                // Not handed on as it is: what is returned would lie in memory, whichever way it was made.
                let Slow { extent, guard } = self.view_slowly::<T>(arg, write)?;
                Ok((extent, guard))
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn view_slowly<T: Element>(&self, arg: usize, write: bool) -> Result<Slow<'_>, KernelError> {
        let span = self.span::<T>(arg, write)?;
        Ok(Slow { extent: span.into(), guard: self.guard(arg, &span, write)? })
    }

    /// The span of argument `arg`, if a kernel may access it so as elements of `T`.
    fn span<T: Element>(&self, arg: usize, write: bool) -> Result<Span, KernelError> {
        let Some(tensor) = self.record.tensor(arg) else { return Err(self.no_tensor(arg)) };
        let allowed = !(write && tensor.tag == TensorArgType::Input);
        let aligned = tensor.addr.is_multiple_of(align_of::<T>() as u64);
        if allowed && aligned && tensor.dtype == T::DTYPE {
            Ok(Span::of(&tensor))
        } else {
            Err(unfit::<T>(arg, &tensor, write))
        }
    }

    /// Tells the race checker of a view, if there is one.
    fn tell(&self, arg: usize, span: &Span, write: bool) {
        if self.watch.is_some() {
            self.tell_checker(arg, span, write);
        }
    }

    #[cold]
    fn tell_checker(&self, arg: usize, span: &Span, write: bool) {
        if let (Some(races), Some(watch)) = (self.engine.races(), &self.watch)
            && let Some(tensor) = self.record.tensor(arg)
        {
            if write {
                watch.borrow_mut().writes(arg);
            }
            races.view(self.task, arg, tensor.tag, span, write);
        }
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

    /// Runs code that waits for peers in a way of its own, if they may have to be waited for: then others run meanwhile.
    pub(crate) fn while_it_may_wait(&self, run: impl FnOnce()) {
        if may_meet(self.kind) { self.engine.sim().while_waiting(run) } else { run() }
    }

    /// Enters what a kernel has left for the task to wait for.
    pub(crate) fn defer(&self, slab: &Slab) -> Result<(), KernelError> {
        if slab.count == 0 && slab.error == 0 {
            return Ok(());
        }
        self.engine.deferred().enter(self.slot(), slab).map_err(KernelError::Deferred)
    }

    fn eye(&self) -> Eye<'_> {
        Eye { engine: self.engine, holder: self.holder() }
    }

    /// Tells the race checker what this kernel has written without a view.
    fn confess(&self) {
        if let (Some(races), Some(watch)) = (self.engine.races(), &self.watch) {
            let told = |arg, tag, pieces: &[Span]| races.changed(self.task, arg, tag, pieces);
            watch.borrow_mut().look(&self.eye(), told);
        }
    }

    /// Waits for peers. Others run meanwhile, and what they write is not of this kernel.
    fn meet(&self, meeting: Meeting, members: u32) -> Result<(), KernelError> {
        self.confess();
        self.engine.busy().at_barrier(self.lane, true);
        let both = self.kind.is_sync_start() && self.kind.lanes().count() > 1;
        let cohort = both.then(|| (Meeting::of_cohort(self.slot()), self.kind.total()));
        let met = self.engine.barriers().meet(self.engine.sim(), meeting, members, cohort);
        self.engine.busy().at_barrier(self.lane, false);
        if let Some(watch) = &self.watch {
            watch.borrow_mut().renew(&self.eye());
        }
        met
    }

    /// Keeps others away from `span` for as long as the guard lives.
    fn guard(&self, arg: usize, span: &Span, write: bool) -> Result<Guard<'_>, KernelError> {
        if let Some(memory) = self.engine.adoptions().at(span.addr) {
            return self.guard_shared(memory, arg, span, write);
        }
        let guard = if self.is_exclusive() {
            let mark = self.marks.get(arg).and_then(|marks| marks.take(write));
            Guard::Mark(mark.ok_or(KernelError::Borrowed { arg })?)
        } else {
            let leases = self.engine.leases();
            let taken = leases.take(span, write, self.holder());
            let conflict = |other: Holder| KernelError::Conflict { arg, other: other.to_string() };
            self.leased.set(true);
            Guard::lease(leases, taken.map_err(conflict)?)
        };
        self.tell(arg, span, write);
        Ok(guard)
    }

    /// As `guard`, in memory that others share.
    fn guard_shared(
        &self,
        memory: SharedMemory,
        arg: usize,
        span: &Span,
        write: bool,
    ) -> Result<Guard<'_>, KernelError> {
        let holder = self.holder();
        match memory.leases().take(span, write, holder) {
            Ok(id) => {
                self.shares.set(true);
                self.tell(arg, span, write);
                Ok(Guard::shared(memory, id))
            }
            Err(other) if self.is_exclusive() && other == holder => Err(KernelError::Borrowed { arg }),
            Err(other) => Err(KernelError::Conflict { arg, other: other.beside(&holder) }),
        }
    }

    /// Argument `arg`, to read. Tensors are counted in the order in which they were passed, from 0.
    ///
    /// # Errors
    ///
    /// There is no such argument; its elements are not of type `T`; or somebody holds a view of it to write.
    #[inline]
    pub fn input<T: Element>(&self, arg: usize) -> Result<View<'_, T>, KernelError> {
        let (extent, guard) = self.view_of::<T>(arg, false)?;
        Ok(View::new(extent, guard))
    }

    /// Argument `arg`, to write. In a task of several sub-tasks all of them share it: take parts with
    /// [`output_at`](KernelCtx::output_at).
    ///
    /// # Errors
    ///
    /// There is no such argument; it is an input; its elements are not of type `T`; or somebody holds a view of it.
    #[inline]
    pub fn output<T: Element>(&self, arg: usize) -> Result<ViewMut<'_, T>, KernelError> {
        let (extent, guard) = self.view_of::<T>(arg, true)?;
        Ok(ViewMut::new(extent, guard))
    }

    /// The part of argument `arg` that starts at `offsets` and has `shape`, to read.
    ///
    /// # Errors
    ///
    /// As [`input`](KernelCtx::input); and a part that is not inside the argument.
    pub fn input_at<T: Element>(
        &self,
        arg: usize,
        offsets: &[u32],
        shape: &[u32],
    ) -> Result<View<'_, T>, KernelError> {
        let span = part(arg, self.span::<T>(arg, false)?, offsets, shape)?;
        Ok(View::new(span, self.guard(arg, &span, false)?))
    }

    /// The part of argument `arg` that starts at `offsets` and has `shape`, to write.
    ///
    /// # Errors
    ///
    /// As [`output`](KernelCtx::output); and a part that is not inside the argument.
    pub fn output_at<T: Element>(
        &self,
        arg: usize,
        offsets: &[u32],
        shape: &[u32],
    ) -> Result<ViewMut<'_, T>, KernelError> {
        let span = part(arg, self.span::<T>(arg, true)?, offsets, shape)?;
        Ok(ViewMut::new(span, self.guard(arg, &span, true)?))
    }

    /// Waits until all places of this block have come here. What they wrote before is visible after. Drop views that a
    /// peer needs first.
    ///
    /// # Errors
    ///
    /// The block has one place only; or a peer ended without coming here.
    pub fn cluster_barrier(&self) -> Result<(), KernelError> {
        let members = self.kind.lanes().count();
        if members < 2 {
            return Err(KernelError::NoBarrier("a task with one place a block has no cluster barrier"));
        }
        self.meet(Meeting::of_block(self.slot(), self.work.block), members)
    }

    /// Waits until all sub-tasks of the task have come here: they run at the same time, as it starts them together.
    ///
    /// # Errors
    ///
    /// The task was not submitted with `sync_start`; or a peer ended without coming here.
    pub fn cohort_barrier(&self) -> Result<(), KernelError> {
        if !self.kind.is_sync_start() {
            return Err(KernelError::NoBarrier(
                "blocks that do not start together have no cohort barrier: submit the task with sync_start",
            ));
        }
        self.meet(Meeting::of_cohort(self.slot()), self.kind.total())
    }

    /// This sub-task has ended: its peers must not wait for it.
    #[inline]
    pub(crate) fn leave(&self) {
        if !self.alone {
            self.leave_others();
        }
    }

    #[inline(never)]
    fn leave_others(&self) {
        self.confess();
        let (members, total) = (self.kind.lanes().count(), self.kind.total());
        let (barriers, sim) = (self.engine.barriers(), self.engine.sim());
        if members > 1 {
            barriers.leave(sim, Meeting::of_block(self.slot(), self.work.block), members);
        }
        if self.kind.is_sync_start() && total > 1 {
            barriers.leave(sim, Meeting::of_cohort(self.slot()), total);
        }
        if self.leased.get() {
            self.engine.leases().give_back_all(self.holder());
        }
        if self.shares.get() {
            self.engine.adoptions().give_back_all(self.holder());
        }
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
    let eye = Eye { engine, holder: engine.holder(state.id(), work.block, work.place) };
    let watch = Watch::of(&eye, &Record::of(engine.rings(), slot), state.kind().is_unordered());
    Box::new(RefCell::new(watch))
}

/// Why a kernel may not access a tensor so as elements of `T`.
#[cold]
fn unfit<T: Element>(arg: usize, tensor: &ArgTensor, write: bool) -> KernelError {
    if write && tensor.tag == TensorArgType::Input {
        KernelError::Access { arg, tag: tensor.tag, access: "write" }
    } else if tensor.dtype != T::DTYPE {
        KernelError::Dtype { arg, tensor: tensor.dtype, wanted: T::DTYPE }
    } else {
        KernelError::Misaligned { arg, addr: tensor.addr, size: size_of::<T>() }
    }
}

/// Whether sub-tasks of such a task may wait for each other.
#[inline]
pub(crate) fn may_meet(kind: Kind) -> bool {
    kind.lanes().count() > 1 || (kind.is_sync_start() && kind.total() > 1)
}

/// A part of a span.
fn part(arg: usize, mut span: Span, offsets: &[u32], shape: &[u32]) -> Result<Span, KernelError> {
    let refuse = |error| Err(KernelError::View { arg, error });
    for (what, list) in [("offsets", offsets), ("shape", shape)] {
        if list.len() != span.ndims {
            return refuse(ViewError::Rank { what, got: list.len(), ndims: span.ndims });
        }
    }
    let mut at = 0;
    for dim in 0..span.ndims {
        let (start, length, size) = (offsets[dim], shape[dim], span.shape[dim]);
        let end = u64::from(start) + u64::from(length);
        if end > u64::from(size) {
            return refuse(ViewError::OutOfBounds { dim, start, end, size });
        }
        at += u64::from(start) * u64::from(span.strides[dim]);
        span.shape[dim] = length;
    }
    span.addr += at * span.size;
    span.packed = false;
    Ok(span)
}
