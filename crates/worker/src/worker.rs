//! A worker that was started: buffers, runs, callables, and the end.

use std::panic::{Location, resume_unwind};
use std::sync::Arc;

use prewire_chip::{Buffer, Element, Tensor};
use prewire_runs::event;

use crate::callable::Callable;
use crate::error::{Error, Result};
use crate::family::Family;
use crate::inner::{Inner, Inside};
use crate::orch::Orch;
use crate::run::{Run, RunReport};

/// A worker of level 3 or above, with its children, at work.
///
/// Runs follow one another. Closing the worker, or dropping it, ends the run that goes on, has the children leave, kills
/// those that do not, and leaves no process and no thread behind. Its shared memory goes with the worker itself and the last
/// of its buffers; it was never a file.
///
/// ```
/// use prewire_worker::{Callable, Worker};
///
/// let add = Callable::host_function("add", |args| {
///     let (x, mut y) = (args.input::<f32>(0)?, args.inout::<f32>(1)?);
///     y.as_mut_slice()?.iter_mut().zip(x.iter()).for_each(|(y, x)| *y += x);
///     Ok(())
/// });
/// let node = Worker::node().subs(2).callable(&add).threads().start()?;
/// let (x, y) = (node.tensor(&[1.0f32, 2.0], &[2])?, node.zeros::<f32>(&[2])?);
/// let report = node.run(|orch| {
///     for _ in 0..3 {
///         orch.submit(&add).input(&x).inout(&y).go()?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(report.tasks, 3);
/// assert_eq!(node.read::<f32>(&y)?, [3.0, 6.0]);
/// node.close()?;
/// # Ok::<(), prewire_worker::Error>(())
/// ```
#[derive(Debug)]
pub struct Worker {
    pub(crate) inner: Arc<Inner>,
    pub(crate) family: Arc<Family>,
}

impl Worker {
    pub(crate) const fn new(inner: Arc<Inner>, family: Arc<Family>) -> Self {
        Self { inner, family }
    }

    /// Where it is in its tree: what its messages begin with.
    #[must_use]
    pub fn path(&self) -> &str {
        self.inner.engine.path()
    }

    /// The names of its children: those that tasks name, then the SUB workers.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.inner.engine.children().names()
    }

    /// The processes of its children, in the order of [`children`](Worker::children); none where a child is a thread, or
    /// is being replaced.
    #[must_use]
    pub fn processes(&self) -> Vec<Option<u32>> {
        self.inner.engine.children().pids()
    }

    /// Registers a callable after the start. Children know the code of what was registered before the start; of what is
    /// registered later they know what is [portable](crate::portable), which every instance of the program has.
    ///
    /// # Errors
    ///
    /// The name is empty or taken; or a child does not know the code.
    pub fn register(&self, callable: &Callable) -> Result<()> {
        self.family.register(callable)
    }

    /// Forgets a callable: it cannot be submitted any more. Between runs.
    ///
    /// # Errors
    ///
    /// It is not registered; a run goes on in this thread.
    pub fn unregister(&self, callable: &Callable) -> Result<()> {
        let _idle = self.inner.idle("Worker::unregister")?;
        self.family.unregister(callable)
    }

    /// A buffer in shared memory with `data` in it, row after row. Every child can use it.
    ///
    /// # Errors
    ///
    /// The shape has not as many elements, or is not one; or shared memory is used up.
    pub fn tensor<T: Element>(&self, data: &[T], shape: &[u32]) -> Result<Buffer> {
        self.inner.store.tensor(data, shape).map_err(|error| self.inner.memory_error(error))
    }

    /// A buffer of zeros in shared memory.
    ///
    /// # Errors
    ///
    /// The shape is not one, or shared memory is used up.
    pub fn zeros<T: Element>(&self, shape: &[u32]) -> Result<Buffer> {
        self.inner.store.zeros::<T>(shape).map_err(|error| self.inner.memory_error(error))
    }

    /// The elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// The elements are of another type; the tensor's buffer was dropped, or it is an output of a run; or this is
    /// inside of a run.
    #[track_caller]
    pub fn read<T: Element>(&self, tensor: &Tensor) -> Result<Vec<T>> {
        let _idle = self.inner.idle("Worker::read")?;
        if let Some(device) = self.device_of(tensor) {
            return device.read(tensor, Location::caller());
        }
        Ok(self.inner.store.read(tensor, Location::caller())?)
    }

    /// Overwrites the elements of a tensor, row after row. Between runs.
    ///
    /// # Errors
    ///
    /// As [`read`](Worker::read); or `data` has not as many elements.
    #[track_caller]
    pub fn write<T: Element>(&self, tensor: &Tensor, data: &[T]) -> Result<()> {
        let _idle = self.inner.idle("Worker::write")?;
        if let Some(device) = self.device_of(tensor) {
            return device.write(tensor, data, Location::caller());
        }
        Ok(self.inner.store.write(tensor, data, Location::caller())?)
    }

    /// Runs an orchestration, and waits until every task that it submitted is complete. Runs of one worker follow one
    /// another, from whatever threads they are asked for. The orchestration runs on the calling thread, in a scope of its
    /// own.
    ///
    /// # Errors
    ///
    /// The first error of the run: a task that failed, what `orchestration` returns, or a deadline that passed. Tasks that
    /// depend on a failed one did not run; all others did, unless the orchestration returned an error or the run was
    /// ended. The worker can be used for further runs.
    ///
    /// # Panics
    ///
    /// If `orchestration` panics, after the run was ended in order.
    #[track_caller]
    pub fn run(&self, orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>) -> Result<RunReport> {
        match self.inner.run_here(Location::caller(), orchestration) {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Begins a run that goes on by itself, on a thread of the worker, and returns a handle to wait for it or end it.
    /// Launched runs follow one another in the order of their launches, and count as any other run.
    ///
    /// # Errors
    ///
    /// The worker is lost; or no thread could be started.
    #[track_caller]
    pub fn launch(
        &self,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Run> {
        let launched = self.inner.launch(Location::caller(), orchestration)?;
        Ok(Run::new(Arc::clone(&self.inner), launched))
    }

    /// Ends the run that goes on and those that wait, has the children leave, and waits until they have; those that do
    /// not leave in time are killed. A second call does nothing. Also done when the worker is dropped.
    ///
    /// # Errors
    ///
    /// A child had to be killed, or a thread did not come back: everything else was closed.
    pub fn close(&self) -> Result<()> {
        if Inside::is_here() {
            return Err(Error::InsideRun { call: "Worker::close" });
        }
        self.family.begin_closing();
        self.inner.close();
        let runs = self.inner.wait_for_runs(self.inner.settings.close_limit.saturating_mul(2));
        let closed = self.family.close();
        if !runs {
            let why = "an orchestration did not come back".to_owned();
            return Err(Error::Lost { path: self.path().to_owned(), why });
        }
        closed
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if Inside::is_here() {
            // A run of its own may have had the last of it: nobody can wait here, and nothing may stay.
            self.inner.close();
            return self.family.part();
        }
        if let Err(error) = self.close() {
            event!(error, worker = self.path(), %error, "a worker did not close as it should");
        }
    }
}
