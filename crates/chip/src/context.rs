//! What a kernel is given: its arguments, and its place among the sub-tasks of its task.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;

use prewire_abi::{ChipTensor, LaneMask, TaskId, TensorArgType, ViewError};
use prewire_orchestrator::{ArgTensor, Record};
use prewire_platform::{Core, LaneId, Work};
use prewire_ring::{Cold, SlotRef};

use crate::barrier::Meeting;
use crate::element::{Element, Scalar};
use crate::engine::Engine;
use crate::error::KernelError;
use crate::lease::Holder;
use crate::library::abi::Slab;
use crate::library::{CoreIdentity, Pipes};
use crate::races::{Eye, Watch};
use crate::shared_memory::SharedMemory;
use crate::span::Span;
use crate::view::{Guard, View, ViewMut};

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
    /// Its arguments, from when it first asks for one on.
    record: OnceCell<Record<'k>>,
    lane: LaneId,
    work: Work,
    cold: Cold,
    task: TaskId,
    /// Whether edges keep everybody else away from its tensors; otherwise leases do.
    exclusive: bool,
    /// By argument: above 0 readers, -1 a writer.
    marks: [Cell<i8>; MAX_TENSORS],
    /// Whether it has had a view of memory that others share.
    shares: Cell<bool>,
    /// Its arguments as they were, for the race checker.
    watch: Option<RefCell<Watch>>,
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
    /// For the sub-task `work` of a task that is `cold`. What a kernel does not ask for is not read: its arguments are on
    /// cache lines of their own.
    #[inline]
    pub(crate) fn new(engine: &'k Engine, lane: LaneId, work: Work, cold: Cold) -> Self {
        let task = engine.rings().slot(SlotRef::from_raw(work.slot)).id();
        Self {
            engine,
            record: OnceCell::new(),
            lane,
            work,
            cold,
            task,
            exclusive: cold.total() == 1 && !cold.attrs.unordered,
            marks: [const { Cell::new(0) }; MAX_TENSORS],
            shares: Cell::new(false),
            watch: engine.races().map(|_| RefCell::new(watch(engine, work, cold))),
        }
    }

    #[inline]
    fn record(&self) -> Record<'k> {
        *self.record.get_or_init(|| Record::of(self.engine.rings(), self.slot()))
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
    pub fn blocks(&self) -> u32 {
        u32::from(self.cold.blocks)
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
    pub fn tensors(&self) -> usize {
        self.record().tensors()
    }

    /// How many scalars the task has.
    #[must_use]
    pub fn scalars(&self) -> usize {
        self.record().scalars()
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
        let missing = || KernelError::NoScalar { scalar: i, scalars: self.record().scalars() };
        self.record().scalar(i).map(T::from_bits).ok_or_else(missing)
    }

    #[inline]
    fn tensor(&self, arg: usize) -> Result<ArgTensor, KernelError> {
        self.record().tensor(arg).ok_or_else(|| self.no_tensor(arg))
    }

    #[cold]
    fn no_tensor(&self, arg: usize) -> KernelError {
        KernelError::NoTensor { arg, tensors: self.record().tensors() }
    }

    /// The span of argument `arg`, if a kernel may access it so as elements of `T`. In line, so that what it finds stays in
    /// registers: a span that goes through memory in pieces costs more than all the checks.
    #[inline(always)]
    fn span<T: Element>(&self, arg: usize, write: bool) -> Result<Span, KernelError> {
        let Some(tensor) = self.record().tensor(arg) else { return Err(self.no_tensor(arg)) };
        let allowed = !(write && tensor.tag == TensorArgType::Input);
        let aligned = tensor.addr % align_of::<T>() as u64 == 0;
        if allowed && aligned && tensor.dtype == T::DTYPE {
            Ok(Span::of(&tensor))
        } else {
            Err(unfit::<T>(arg, &tensor, write))
        }
    }

    /// Tells the race checker of a view, if there is one.
    #[inline]
    fn tell(&self, arg: usize, span: &Span, write: bool) {
        if self.watch.is_some() {
            self.tell_checker(arg, span, write);
        }
    }

    #[cold]
    fn tell_checker(&self, arg: usize, span: &Span, write: bool) {
        if let (Some(races), Some(watch)) = (self.engine.races(), &self.watch)
            && let Some(tensor) = self.record().tensor(arg)
        {
            if write {
                watch.borrow_mut().writes(arg);
            }
            races.view(self.task, arg, tensor.tag, span, write);
        }
    }

    /// Tensor `arg` as the record that was submitted.
    pub(crate) fn chip_tensor(&self, arg: usize) -> Result<ChipTensor, KernelError> {
        self.record().chip_tensor(arg).ok_or_else(|| self.no_tensor(arg))
    }

    /// Scalar `i`, as bits.
    pub(crate) fn scalar_word(&self, i: usize) -> Result<u64, KernelError> {
        let missing = || KernelError::NoScalar { scalar: i, scalars: self.record().scalars() };
        self.record().scalar(i).ok_or_else(missing)
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
        if may_meet(&self.cold) { self.engine.sim().while_waiting(run) } else { run() }
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
        let both = self.cold.attrs.sync_start && self.cold.lanes.count() > 1;
        let cohort = both.then(|| (Meeting::of_cohort(self.slot()), self.cold.total()));
        let met = self.engine.barriers().meet(self.engine.sim(), meeting, members, cohort);
        self.engine.busy().at_barrier(self.lane, false);
        if let Some(watch) = &self.watch {
            watch.borrow_mut().renew(&self.eye());
        }
        met
    }

    /// Keeps others away from `span` for as long as the guard lives.
    #[inline]
    fn guard(&self, arg: usize, span: &Span, write: bool) -> Result<Guard<'_>, KernelError> {
        let shared = self.engine.adoptions().at(span.addr);
        if shared.is_some() || !self.exclusive {
            return self.guard_by_lease(shared, arg, span, write);
        }
        let mark = &self.marks[arg];
        match mark.get() {
            0 if write => mark.set(-1),
            readers @ 0..=126 if !write => mark.set(readers + 1),
            _ => return Err(KernelError::Borrowed { arg }),
        }
        self.tell(arg, span, write);
        Ok(Guard::Mark(mark))
    }

    /// As `guard`, where edges do not keep everybody else away.
    #[inline(never)]
    fn guard_by_lease(
        &self,
        shared: Option<SharedMemory>,
        arg: usize,
        span: &Span,
        write: bool,
    ) -> Result<Guard<'_>, KernelError> {
        if let Some(memory) = shared {
            return self.guard_shared(memory, arg, span, write);
        }
        match self.engine.leases().take(span, write, self.holder()) {
            Ok(id) => {
                self.tell(arg, span, write);
                Ok(Guard::Lease(self.engine.leases(), id))
            }
            Err(other) => Err(KernelError::Conflict { arg, other: other.to_string() }),
        }
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
                Ok(Guard::Shared(memory, id))
            }
            Err(other) if self.exclusive && other == holder => Err(KernelError::Borrowed { arg }),
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
        let span = self.span::<T>(arg, false)?;
        Ok(View::new(span, self.guard(arg, &span, false)?))
    }

    /// Argument `arg`, to write. In a task of several sub-tasks all of them share it: take parts with
    /// [`output_at`](KernelCtx::output_at).
    ///
    /// # Errors
    ///
    /// There is no such argument; it is an input; its elements are not of type `T`; or somebody holds a view of it.
    #[inline]
    pub fn output<T: Element>(&self, arg: usize) -> Result<ViewMut<'_, T>, KernelError> {
        let span = self.span::<T>(arg, true)?;
        Ok(ViewMut::new(span, self.guard(arg, &span, true)?))
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
        let members = self.cold.lanes.count();
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
        if !self.cold.attrs.sync_start {
            return Err(KernelError::NoBarrier(
                "blocks that do not start together have no cohort barrier: submit the task with sync_start",
            ));
        }
        self.meet(Meeting::of_cohort(self.slot()), self.cold.total())
    }

    /// This sub-task has ended: its peers must not wait for it.
    #[inline]
    pub(crate) fn leave(&self) {
        self.confess();
        let members = self.cold.lanes.count();
        let (barriers, sim) = (self.engine.barriers(), self.engine.sim());
        if members > 1 {
            barriers.leave(sim, Meeting::of_block(self.slot(), self.work.block), members);
        }
        if self.cold.attrs.sync_start && self.cold.total() > 1 {
            barriers.leave(sim, Meeting::of_cohort(self.slot()), self.cold.total());
        }
        if !self.exclusive {
            self.engine.leases().give_back_all(self.holder());
        }
        if self.shares.get() {
            self.engine.adoptions().give_back_all(self.holder());
        }
    }
}

/// The arguments of a sub-task as they are now, for the race checker.
#[cold]
fn watch(engine: &Engine, work: Work, cold: Cold) -> Watch {
    let slot = SlotRef::from_raw(work.slot);
    let task = engine.rings().slot(slot).id();
    let eye = Eye { engine, holder: engine.holder(task, work.block, work.place) };
    Watch::of(&eye, &Record::of(engine.rings(), slot), cold.attrs.unordered)
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
pub(crate) fn may_meet(cold: &Cold) -> bool {
    (cold.lanes != LaneMask::NONE && cold.lanes.count() > 1) || (cold.attrs.sync_start && cold.total() > 1)
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
