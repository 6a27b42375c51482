//! A chip: kernels, buffers and runs.

use std::panic::{Location, resume_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;

use prewire_orchestrator::Orchestrator;
use prewire_platform::{ChipSpec, Core};
use prewire_ring::RunUsage;
use prewire_runs::{contained, message};
use prewire_sim::{Mode, Sim};

use crate::buffer::Buffer;
use crate::context::KernelCtx;
use crate::element::Element;
use crate::engine::Engine;
use crate::error::{Error, KernelError, Result};
use crate::guard::Guard;
use crate::inside::Inside;
use crate::kernel::{Kernel, Mix};
use crate::lease::Holder;
use crate::library::{KernelLibrary, LibrarySource};
use crate::limits::Limits;
use crate::orch::Orch;
use crate::run::{Launched, Run};
use crate::shared::Shared;
use crate::shared_error::SharedError;
use crate::span::Span;
use crate::stall::{StallReason, StallReport};
use crate::store::Store;
use crate::tensor::Tensor;
use crate::trace::Trace;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RunReport {
    /// Tasks that were submitted; allocations are none.
    pub tasks: u64,
    /// Sub-tasks that kernels ran for: a task has one for each block and place.
    pub executed: u64,
    /// From the first submit to the last completion.
    pub wall: Duration,
    /// What it took of the rings and the tensor map, of what there is. A size of which more than 80 % is
    /// [`needed`](prewire_ring::Mark::needed) is also told as a warning, once a chip.
    ///
    /// ```
    /// use prewire_chip::{Chip, DataType, RingSizes};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let program = |orch: &mut prewire_chip::Orch<'_>| {
    ///     for _ in 0..3 {
    ///         orch.alloc(&[1024], DataType::F32)?;
    ///     }
    ///     Ok(())
    /// };
    /// let report = chip.run(program)?;
    /// assert_eq!(report.usage.rings[0].window.needed, 3);
    /// let sizes = RingSizes::fit(&report.usage);
    /// assert_eq!((sizes.window[0], sizes.window[1]), (8, 4));
    /// Chip::sim(prewire_a2a3::a2a3()).rings(sizes).build()?.run(program)?;
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    pub usage: RunUsage,
}

/// A chip and its runtime.
///
/// Kernels are registered once; buffers are made and dropped at will; runs follow one another. Dropping the chip
/// cancels the runs that were launched, waits for the kernels that run and leaves no thread and no memory behind. A
/// kernel that does not return within the chip's [patience](crate::ChipBuilder::patience) is left behind with a message,
/// so that a program can always end.
///
/// ```
/// use prewire_chip::{Chip, Core};
///
/// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
/// let double = chip.kernel("double", Core::Aiv, |k| {
///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
///     Ok(())
/// })?;
/// let x = chip.tensor(&[1.0f32, 2.0, 3.0], &[3])?;
/// let report = chip.run(|orch| {
///     for _ in 0..4 {
///         orch.submit(&double).inout(&x).go()?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(report.tasks, 4);
/// assert_eq!(chip.read::<f32>(&x)?, [16.0, 32.0, 48.0]);
/// # Ok::<(), prewire_chip::Error>(())
/// ```
#[derive(Debug)]
pub struct Chip {
    shared: Arc<Shared>,
    /// The address of the heap of the first ring.
    heap: u64,
}

impl Chip {
    pub(crate) fn new(
        engine: Arc<Engine>,
        sim: Arc<Sim>,
        orchestrator: Orchestrator,
        mode: Mode,
        limits: Limits,
        heap: u64,
    ) -> Self {
        let store = Store::new(Arc::clone(&sim) as Arc<_>);
        let shared = Shared::new(engine, sim, store, orchestrator, mode, limits);
        Self { shared: Arc::new(shared), heap }
    }

    /// What chip it is.
    #[must_use]
    pub fn spec(&self) -> &ChipSpec {
        self.shared.engine.spec()
    }

    /// The address at which the heap of the outermost scope begins: what tells the memory of two chips apart.
    #[must_use]
    pub fn heap_base(&self) -> u64 {
        self.heap
    }

    /// How many threads the simulator has now, parked ones included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.sim.stats().threads.into()
    }

    /// The most threads that the simulator had at one time.
    #[must_use]
    pub fn peak_threads(&self) -> usize {
        self.shared.sim.stats().peak_threads.into()
    }

    /// Registers a kernel for one kind of core. `body` may run on several cores at the same time. It is kept as long as
    /// the chip, or until it is [given up](Chip::unregister): a body that owns the chip (an `Arc` of it) keeps both for
    /// ever; give it a `Weak`.
    ///
    /// # Errors
    ///
    /// The name is empty or taken, or 1024 kernels are registered.
    pub fn kernel(
        &self,
        name: &str,
        core: Core,
        body: impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> Result<Kernel> {
        self.shared.engine.kernels().single(self.shared.store.id(), name, core, Arc::new(body))
    }

    /// Registers kernels that run together, in the places of a cluster.
    ///
    /// # Errors
    ///
    /// As [`kernel`](Chip::kernel); fewer than two parts; or a part for another kind of core or of another chip.
    pub fn mix(&self, name: &str, mix: Mix<'_>) -> Result<Kernel> {
        self.shared.engine.kernels().mix(self.shared.store.id(), name, &mix)
    }

    /// Loads a [kernel library](crate::library) and registers its kernel for one kind of core.
    ///
    /// ```no_run
    /// use prewire_chip::{Chip, Core, LibrarySource};
    /// use std::path::Path;
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// // SAFETY: I compiled it, and it keeps to its arguments.
    /// let scale = unsafe { chip.kernel_library("scale", LibrarySource::Path(Path::new("scale.so")), Core::Aiv)? };
    /// let x = chip.tensor(&[1.0f32, 2.0], &[2])?;
    /// chip.run(|orch| orch.submit(&scale).inout(&x).scalar(3.0f32).go().map(drop))?;
    /// chip.unregister(scale)?;
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The library cannot be loaded ([`Error::Library`]); or as [`kernel`](Chip::kernel).
    ///
    /// # Safety
    ///
    /// As [`KernelLibrary::load`].
    pub unsafe fn kernel_library(&self, name: &str, from: LibrarySource<'_>, core: Core) -> Result<Kernel> {
        // SAFETY: the caller's promise.
        let library = unsafe { KernelLibrary::load(name, from)? };
        self.kernel_of(&library, name, Some(core))
    }

    /// Registers the kernel of a library that is loaded, for one kind of core or, with none, for all: such a kernel is
    /// submitted to vector cores, and is a part for any place of a [mix](Chip::mix).
    ///
    /// # Errors
    ///
    /// As [`kernel`](Chip::kernel).
    pub fn kernel_of(&self, library: &KernelLibrary, name: &str, core: Option<Core>) -> Result<Kernel> {
        self.shared.engine.expect_waits();
        let kernels = self.shared.engine.kernels();
        kernels.library(self.shared.store.id(), name, core, library.clone())
    }

    /// Gives a kernel up: its name is free for another one. What it is made of, a library too, goes with the last handle
    /// of it and the last task that names it: at once, or when the run that goes on is over. A mix keeps its parts.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build()?;
    /// for _ in 0..2000 {
    ///     let nop = chip.kernel("nop", Core::Aiv, |_| Ok(()))?;
    ///     chip.unregister(nop)?;
    /// }
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// It is another chip's, or was given up before.
    pub fn unregister(&self, kernel: Kernel) -> Result<()> {
        self.shared.engine.kernels().give_up(self.shared.store.id(), kernel)
    }

    /// What gives kernels of this chip up for somebody who may outlive it.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let (kernel, registrar) = (chip.kernel("k", Core::Aiv, |_| Ok(()))?, chip.registrar());
    /// assert!(registrar.unregister(kernel));
    /// let kernel = chip.kernel("k", Core::Aiv, |_| Ok(()))?;
    /// drop(chip);
    /// assert!(!registrar.unregister(kernel));
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    #[must_use]
    pub fn registrar(&self) -> Registrar {
        Registrar { shared: Arc::downgrade(&self.shared) }
    }

    /// A buffer with `data` in it, row after row.
    ///
    /// # Errors
    ///
    /// The shape has not as many elements, or is not one; or device memory is exhausted.
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        self.shared.store.tensor(data, shape)
    }

    /// A buffer of zeros.
    ///
    /// # Errors
    ///
    /// The shape is not one, or device memory is exhausted.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        self.shared.store.zeros::<T>(shape)
    }

    /// The elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// The elements are of another type; the tensor's buffer was dropped, or it is an output of a run; this is inside of
    /// a run or kernel; or the tensor is in shared memory, and somebody else in this process writes it.
    #[track_caller]
    pub fn read<T: Element>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        let _idle = self.shared.idle("Chip::read", "; inside a run, Orch::read reads an element")?;
        self.shared.store.check::<T>(tensor, Location::caller(), false)?;
        let _lease = self.keep_away(tensor, false)?;
        self.shared.store.read(tensor, Location::caller())
    }

    /// Overwrites the elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// As [`read`](Chip::read); `data` has not as many elements; or the tensor was handed out to be read.
    #[track_caller]
    pub fn write<T: Element>(&self, tensor: &Tensor, data: &[T]) -> Result<()> {
        let _idle = self.shared.idle("Chip::write", "; inside a run, Orch::write writes an element")?;
        self.shared.store.check::<T>(tensor, Location::caller(), true)?;
        let _lease = self.keep_away(tensor, true)?;
        self.shared.store.write(tensor, data, Location::caller())
    }

    /// What keeps others away from a tensor while it is copied, if it is not this chip's alone.
    fn keep_away(&self, tensor: &Tensor, write: bool) -> Result<Option<Guard<'_>>> {
        let (engine, span) = (&self.shared.engine, Span::over(&tensor.inner));
        if engine.adoptions().at(span.addr).is_none() {
            return Ok(None);
        }
        let busy = |other: Holder| SharedError::Busy { other: other.to_string() };
        Ok(Some(engine.keep_away(&span, write, Holder::host()).map_err(busy)?))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Why the chip cannot be used any more, if so: a kernel or an orchestration did not return in time.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.shared.turn.lost()
    }

    /// What happened in the last run, if the chip was built with [`trace`](crate::ChipBuilder::trace): of a run that
    /// failed or panicked too. It is handed out once; the next run begins a new one.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core, KernelError};
    ///
    /// let chip = Chip::sim(prewire_a5::a5()).seed(3).trace(true).build()?;
    /// let bad = chip.kernel("bad", Core::Aic, |_| Err(KernelError::new("no")))?;
    /// let failed = chip.run(|orch| {
    ///     let first = orch.submit(&bad).go()?;
    ///     orch.submit(&bad).after(&first).go().map(drop)
    /// });
    /// assert!(failed.is_err());
    /// let text = chip.take_trace().expect("the chip records").to_string();
    /// assert!(text.contains("complete 0:0 failed") && text.contains("complete 0:1 skipped"), "{text}");
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    #[must_use]
    pub fn take_trace(&self) -> Option<Trace> {
        self.shared.engine.recorder()?.take()
    }

    /// What the race checker found in the last run, also if that failed for another reason; see
    /// [`Check::Races`](crate::Check::Races). None without the checker, and where nothing was found.
    #[must_use]
    pub fn races(&self) -> Option<crate::RaceReport> {
        self.shared.engine.races()?.report()
    }

    /// Runs an orchestration, and waits until every task that it submitted is complete. Runs of one chip follow one
    /// another, from whatever threads they are asked for.
    ///
    /// The orchestration runs on the calling thread, in a scope of its own: it may submit from the first line, and
    /// tasks run while it goes on. It, and kernels, must not wait for another thread that calls `run`, `read` or
    /// `write` of the same chip: that one waits for this run.
    ///
    /// # Errors
    ///
    /// The first error of the run: a task that failed, what `orchestration` returns, or a limit of time that was
    /// exceeded. Tasks that depend on a failed one did not run; all others did, unless the orchestration returned an
    /// error or the run was ended: then those that had not begun did not. The chip can be used for further runs, unless
    /// it is [lost](Chip::lost).
    ///
    /// # Panics
    ///
    /// If `orchestration` panics, after the run was ended in order.
    #[track_caller]
    pub fn run(&self, orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>) -> Result<RunReport> {
        let site = Location::caller();
        match self.shared.run(&Launched::new(site, &self.shared.news), orchestration) {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Begins a run that goes on by itself, on a thread of the chip, and returns a handle to wait for it, watch it, or
    /// end it. Launched runs follow one another in the order of their launches, and count as any other run.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    /// use std::time::Duration;
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let double = chip.kernel("double", Core::Aiv, |k| {
    ///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
    ///     Ok(())
    /// })?;
    /// let x = chip.tensor(&[1.0f32], &[1])?;
    /// let tensor = x.tensor();
    /// let run = chip.launch(move |orch| orch.submit(&double).inout(&tensor).go().map(drop))?;
    /// if let Err(stall) = run.wait_for(Duration::from_secs(60)) {
    ///     eprintln!("{stall}");
    ///     run.cancel();
    /// }
    /// assert_eq!(run.wait()?.tasks, 1);
    /// assert_eq!(chip.read::<f32>(&x)?, [2.0]);
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The chip is lost; or no thread could be started.
    #[track_caller]
    pub fn launch(
        &self,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Run> {
        let site = Location::caller();
        if let Some(why) = self.lost() {
            return Err(Error::Lost { why });
        }
        let shared = &self.shared;
        let launched = Launched::new(site, &shared.news);
        shared.engine.busy().watch();
        let (runs, told) = (Arc::clone(shared), Arc::clone(&launched));
        let job = move || {
            let result = runs.run(&told, orchestration).unwrap_or_else(|panic| {
                let message = message(&*panic);
                contained(|| drop(panic));
                Err(Error::Panicked { site, message })
            });
            told.finish(result);
        };
        shared.launcher.launch(Arc::clone(&launched), Box::new(job)).map_err(Error::Thread)?;
        if let Some(why) = self.lost() {
            // It was lost meanwhile, and whoever lost it may have looked at the queue before.
            shared.launcher.drain(|| Error::Lost { why: why.clone() });
        }
        Ok(Run::new(Arc::clone(shared), launched))
    }
}

/// Gives kernels of a chip up as long as there is one; made by [`Chip::registrar`].
#[derive(Clone, Debug)]
pub struct Registrar {
    shared: Weak<Shared>,
}

impl Registrar {
    /// As [`Chip::unregister`]: whether it was given up. Not if the chip is gone, and the kernel with it.
    pub fn unregister(&self, kernel: Kernel) -> bool {
        let Some(shared) = self.shared.upgrade() else { return false };
        shared.engine.kernels().give_up(shared.store.id(), kernel).is_ok()
    }
}

/// How long threads that have nothing to do are given to end.
const LEAVE: Duration = Duration::from_millis(20);

impl Drop for Chip {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.close();
        if shared.launcher.is_here() || Inside::is_of(&shared.engine) {
            // Inside of the last run, which needs the cores until it is over; then what it shares is dropped.
            return;
        }
        // The run that goes on gives kernels up by itself; an orchestration that does not return is given up here.
        let ended = loop {
            let next = shared.watch();
            let lost = shared.turn.is_lost();
            if shared.launcher.wait_for_end(if lost { Some(LEAVE) } else { next }) {
                break true;
            }
            if lost {
                break false;
            }
        };
        if ended && !shared.turn.is_lost() {
            return shared.sim.stop();
        }
        let left = shared.sim.abandon(LEAVE) + usize::from(!ended);
        if left > 0 {
            let stall = StallReport::of(&shared.engine, StallReason::Asked);
            tracing::error!("a chip was dropped and left {left} threads behind: {stall}");
        }
    }
}
