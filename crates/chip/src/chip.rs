//! A chip: kernels, buffers and runs.

use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prewire_abi::{ChipTensor, ScopeMode};
use prewire_orchestrator::{Args, Orchestrator};
use prewire_platform::{ChipSpec, Core, DeviceMemory};
use prewire_sim::{Mode, Sim};
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::buffer::{Buffer, Buffers};
use crate::context::KernelCtx;
use crate::element::Element;
use crate::engine::{Engine, Inside, message};
use crate::error::{Error, KernelError, Refusal, Result};
use crate::kernel::{Kernel, Mix};
use crate::orch::{Orch, refused};
use crate::tensor::{Origin, Tensor};
use crate::waiter::Waiter;

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
}

#[derive(Debug)]
struct Conductor {
    orchestrator: Orchestrator,
    args: Args,
    lost: Option<String>,
}

/// A chip and its runtime.
///
/// Kernels are registered once; buffers are made and dropped at will; runs follow one another. Dropping the chip waits
/// for the kernels that run and leaves no thread and no memory behind.
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
    engine: Arc<Engine>,
    sim: Arc<Sim>,
    buffers: Arc<Buffers>,
    conductor: Mutex<Conductor>,
    mode: Mode,
    id: u64,
}

/// Tells the chips of a process apart. Raised by every build.
static CHIPS: AtomicU64 = AtomicU64::new(1);

/// Tells the runs of a process apart, of all chips: a task of another chip is one of another run. Raised by every run.
static RUNS: AtomicU64 = AtomicU64::new(1);

impl Chip {
    pub(crate) fn new(engine: Arc<Engine>, sim: Arc<Sim>, orchestrator: Orchestrator, mode: Mode) -> Self {
        let conductor = Conductor { orchestrator, args: Args::default(), lost: None };
        Self {
            engine,
            buffers: Buffers::new(Arc::clone(&sim)),
            sim,
            conductor: Mutex::new(conductor),
            mode,
            id: CHIPS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// What chip it is.
    #[must_use]
    pub fn spec(&self) -> &ChipSpec {
        self.engine.spec()
    }

    /// How many threads the simulator has now, parked ones included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.sim.stats().threads.into()
    }

    /// The most threads that the simulator had at one time.
    #[must_use]
    pub fn peak_threads(&self) -> usize {
        self.sim.stats().peak_threads.into()
    }

    /// Registers a kernel for one kind of core. `body` may run on several cores at the same time. It is kept as long as
    /// the chip: a body that owns the chip (an `Arc` of it) keeps both for ever; give it a `Weak`.
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
        self.engine.kernels().single(self.id, name, core, Arc::new(body))
    }

    /// Registers kernels that run together, in the places of a cluster.
    ///
    /// # Errors
    ///
    /// As [`kernel`](Chip::kernel); fewer than two parts; or a part for another kind of core or of another chip.
    pub fn mix(&self, name: &str, mix: Mix<'_>) -> Result<Kernel> {
        self.engine.kernels().mix(self.id, name, &mix)
    }

    /// A buffer with `data` in it, row after row.
    ///
    /// # Errors
    ///
    /// The shape has not as many elements, or is not one; or device memory is exhausted.
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        let buffer = self.zeros::<T>(shape)?;
        same_length(&buffer, data.len())?;
        self.sim.write(buffer.inner.start_addr(), bytemuck::cast_slice(data))?;
        Ok(buffer)
    }

    /// A buffer of zeros.
    ///
    /// # Errors
    ///
    /// The shape is not one, or device memory is exhausted.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        let inner = ChipTensor::contiguous(0, shape, T::DTYPE)?;
        let buffer = self.buffers.allocate(inner.buffer_size(), |addr, origin| Tensor {
            inner: inner.with_buffer_addr(addr),
            chip: self.id,
            origin,
        })?;
        Ok(buffer)
    }

    /// The elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// The elements are of another type; the tensor's buffer was dropped, or it is an output of a run; or this is
    /// inside of a run or kernel.
    #[track_caller]
    pub fn read<T: Element>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        let _idle = self.idle("Chip::read", "; inside a run, Orch::read reads an element")?;
        let _kept = self.buffers.keep();
        self.check::<T>(tensor, Location::caller())?;
        let mut data = vec![T::zeroed(); usize::try_from(tensor.len()).unwrap_or(0)];
        let mut rest = data.as_mut_slice();
        for (addr, elements) in runs(tensor) {
            let (run, others) = rest.split_at_mut(elements);
            self.sim.read(addr, bytemuck::cast_slice_mut(run))?;
            rest = others;
        }
        Ok(data)
    }

    /// Overwrites the elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// As [`read`](Chip::read); or `data` has not as many elements.
    #[track_caller]
    pub fn write<T: Element>(&self, tensor: &Tensor, data: &[T]) -> Result<()> {
        let _idle = self.idle("Chip::write", "; inside a run, Orch::write writes an element")?;
        let _kept = self.buffers.keep();
        self.check::<T>(tensor, Location::caller())?;
        same_length(tensor, data.len())?;
        let mut rest = data;
        for (addr, elements) in runs(tensor) {
            let (run, others) = rest.split_at(elements);
            self.sim.write(addr, bytemuck::cast_slice(run))?;
            rest = others;
        }
        Ok(())
    }

    fn check<T: Element>(&self, tensor: &Tensor, site: &'static Location<'static>) -> Result<()> {
        let refuse = |why| Err(refused("a copy", site, why));
        if tensor.chip != self.id {
            return refuse(Refusal::OtherChip { arg: 0 });
        }
        match tensor.origin {
            Origin::Scope { .. } => return refuse(Refusal::OtherRun { arg: 0 }),
            Origin::Buffer { index, generation } if !self.buffers.is_live(index, generation) => {
                return refuse(Refusal::Dropped { arg: 0 });
            }
            Origin::Buffer { .. } => {}
        }
        if tensor.dtype() != T::DTYPE {
            let (tensor, call) = (tensor.dtype().to_string(), T::DTYPE.to_string());
            return Err(Error::Mismatch { what: "dtype", tensor, call });
        }
        Ok(())
    }

    fn idle(&self, call: &'static str, hint: &'static str) -> Result<MutexGuard<'_, Conductor>> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call, hint });
        }
        // A panic in an orchestration is caught before it gets here, so the conductor is in order.
        let conductor = self.conductor.lock().unwrap_or_else(PoisonError::into_inner);
        match &conductor.lost {
            Some(why) => Err(Error::Lost { why: why.clone() }),
            None => Ok(conductor),
        }
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
    /// The first error of the run: a task that failed, or what `orchestration` returns. Tasks that depend on a failed
    /// one did not run; all others did, unless the orchestration returned an error: then those that had not begun did
    /// not. The chip can be used for further runs.
    ///
    /// # Panics
    ///
    /// If `orchestration` panics, after the run was ended in order.
    #[track_caller]
    pub fn run(&self, orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>) -> Result<RunReport> {
        let site = Location::caller();
        let mut conductor = self.idle("Chip::run", "")?;
        let Conductor { orchestrator, args, lost } = &mut *conductor;
        let inside = Inside::enter();
        let start = Instant::now();
        let executed = self.sim.stats().executed;
        let _ = self.engine.take_cause();
        orchestrator.start_run();
        let kept = self.buffers.keep();
        let mut orch = Orch {
            engine: &self.engine,
            orchestrator,
            waiter: Waiter::new(&self.engine, self.mode),
            buffers: &self.buffers,
            args,
            seen: Vec::new(),
            chip: self.id,
            run: RUNS.fetch_add(1, Ordering::Relaxed),
        };
        let opened = orch.orchestrator.open_scope(&mut orch.waiter, ScopeMode::Auto, site);
        debug_assert!(opened.is_ok(), "a run starts without scopes");
        let result = catch_unwind(AssertUnwindSafe(|| orchestration(&mut orch)));
        // What failed first is the root cause, and stays it.
        let result = result.map(|result| result.map_err(|error| self.engine.note_cause(error)));
        if !matches!(result, Ok(Ok(()))) {
            self.engine.end_run();
        }
        let Orch { orchestrator, mut waiter, .. } = orch;
        orchestrator.finish_run(&mut waiter);
        if waiter.is_stuck() {
            *lost = Some("its seeded simulation came to a stop with tasks that were not complete".into());
        }
        let report = RunReport {
            tasks: orchestrator.tasks(),
            executed: self.sim.stats().executed - executed,
            wall: start.elapsed(),
        };
        if lost.is_some() {
            // Kernels may be blocked with views of it.
            std::mem::forget(kept);
        } else {
            drop(kept);
        }
        drop(inside);
        let cause = self.engine.take_cause();
        drop(conductor);
        match (result, cause) {
            (Err(panic), _) => {
                tracing::error!(site = %site, "the orchestration panicked: {}", message(&*panic));
                resume_unwind(panic)
            }
            (Ok(_), Some(cause)) => Err(cause),
            (Ok(_), None) => Ok(report),
        }
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        self.sim.stop();
    }
}

fn same_length(tensor: &Tensor, len: usize) -> Result<()> {
    if tensor.len() == len as u64 {
        return Ok(());
    }
    let (tensor, call) = (format!("{} (shape {:?})", tensor.len(), tensor.shape()), format!("{len}"));
    Err(Error::Mismatch { what: "number of elements", tensor, call })
}

/// The runs of elements that lie one after the other: the address of each, and how many.
fn runs(tensor: &Tensor) -> impl Iterator<Item = (u64, usize)> {
    let (shape, strides) = (tensor.shape().to_vec(), tensor.strides().to_vec());
    let size = u64::from(tensor.dtype().size());
    let (start, packed, all) = (tensor.inner.start_addr(), tensor.inner.is_contiguous(), tensor.len());
    let inner = if strides.last() == Some(&1) || packed { shape.last().copied().unwrap_or(1) } else { 1 };
    let (count, elements) = match (all, packed) {
        (0, _) => (0, 0),
        (_, true) => (1, all),
        (_, false) => (all / u64::from(inner), u64::from(inner)),
    };
    (0..count).map(move |run| {
        let mut rest = run * elements;
        let mut at = 0;
        for (&n, &s) in shape.iter().zip(&strides).rev() {
            at += rest % u64::from(n) * u64::from(s);
            rest /= u64::from(n);
        }
        (start + at * size, elements as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_a_long_wait_tells_names_the_kernel_and_its_submit() {
        let chip = Chip::sim(prewire_a2a3::a2a3()).build().unwrap();
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let slow = chip.kernel("slow", Core::Aiv, move |_| {
            let _ = released.lock().unwrap().recv();
            Ok(())
        });
        let slow = slow.unwrap();
        chip.run(|orch| {
            let task = orch.submit(&slow).go()?;
            let behind = orch.submit(&slow).after(&task).go()?;
            let text = chip.engine.stall();
            assert!(
                text.contains(&format!("task {} (kernel \"slow\", 0 of 1 sub-tasks done)", task.id())),
                "{text}"
            );
            assert!(text.contains(file!()) && text.contains("2 tasks are alive in all"), "{text}");
            assert!(!text.contains(&format!("task {} ", behind.id())), "it waits for the other: {text}");
            drop(release);
            Ok(())
        })
        .unwrap();
    }
}
