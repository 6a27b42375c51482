//! The arguments of a task, as a chip program or an orchestration gets them in the child.
//!
//! **Invariant: a tensor that is handed out here is good for the run that it is used in, and for no longer.**

use std::cell::RefCell;
use std::fmt;

use prewire_abi::{AccessMode, ArgsError, BackendKind, TaskArgsView, Tensor as WireTensor};
use prewire_chip::{Buffer, Chip, Error, KernelError, Origin, Scalar, Segments, SharedError, Tensor};

/// What a chip program or an orchestration of a worker below was passed: tensors and scalars, each counted from 0 in the
/// order in which they were passed.
///
/// ```
/// use prewire_worker::{Args, Callable, Orch, Worker};
///
/// let scale = Callable::host_function("scale", |args| {
///     let by = args.scalar::<f32>(0)?;
///     args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= by);
///     Ok(())
/// });
/// let (s, square) = (scale.clone(), "to the square");
/// let square = Callable::orchestration(square, move |orch: &mut Orch<'_>, args: &Args<'_>| {
///     let (x, by) = (args.tensor(0)?, args.scalar::<f32>(0)?);
///     for _ in 0..2 {
///         orch.submit(&s).inout(&x).scalar(by).go()?;
///     }
///     Ok(())
/// });
/// let below = Worker::node().subs(1).callable(&scale);
/// let top = Worker::network(4).child(below.threads()).callable(&square).threads().start()?;
/// let x = top.tensor(&[1.0f32, 2.0], &[2])?;
/// top.run(|orch| orch.submit(&square).to("worker0").inout(&x).scalar(3.0f32).go().map(drop))?;
/// assert_eq!(top.read::<f32>(&x)?, [9.0, 18.0]);
/// # Ok::<(), prewire_worker::Error>(())
/// ```
pub struct Args<'a> {
    args: TaskArgsView<'a>,
    segments: &'a Segments,
    here: Here<'a>,
}

/// Whose tensors they become.
enum Here<'a> {
    /// The chip's; those that were asked for stay imported until the run has ended.
    Chip { chip: &'a Chip, life: u32, imported: RefCell<Vec<Option<Buffer>>> },
    /// Those of the run of a worker.
    Run { owner: u64, run: u64 },
}

impl fmt::Debug for Args<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Args")
            .field("tensors", &self.tensors())
            .field("scalars", &self.scalars())
            .finish_non_exhaustive()
    }
}

impl<'a> Args<'a> {
    /// For a run of a chip, in that of its lives.
    pub(crate) fn on_chip(
        args: TaskArgsView<'a>,
        segments: &'a Segments,
        (chip, life): (&'a Chip, u32),
    ) -> Self {
        Self { args, segments, here: Here::Chip { chip, life, imported: RefCell::default() } }
    }

    /// For run `run` of the worker whose tensors are `owner`'s.
    pub(crate) const fn in_run(args: TaskArgsView<'a>, segments: &'a Segments, owner: u64, run: u64) -> Self {
        Self { args, segments, here: Here::Run { owner, run } }
    }

    /// How many tensors there are.
    #[must_use]
    pub fn tensors(&self) -> usize {
        self.args.tensor_count()
    }

    /// How many scalars there are.
    #[must_use]
    pub fn scalars(&self) -> usize {
        self.args.scalar_count()
    }

    fn wire(&self, arg: usize) -> Result<WireTensor, Error> {
        self.args.tensor(arg).map_err(|error| match error {
            ArgsError::Tensor { error, .. } => error.into(),
            _ => Error::user(KernelError::NoTensor { arg, tensors: self.tensors() }),
        })
    }

    /// Tensor `arg`, to pass on to tasks. It can be written only if it was passed to be written.
    ///
    /// # Errors
    ///
    /// There is no such argument; or it is in memory that is not there any more, such as that of a chip that was
    /// replaced.
    pub fn tensor(&self, arg: usize) -> Result<Tensor, Error> {
        match &self.here {
            Here::Run { owner, run } => {
                let (here, writable) = self.segments.locate(&self.wire(arg)?)?;
                Ok(Tensor::new(here, *owner, Origin::Passed { run: *run, writable }))
            }
            Here::Chip { chip, life, imported } => {
                let mut imported = imported.borrow_mut();
                if let Some(Some(buffer)) = imported.get(arg) {
                    return Ok(**buffer);
                }
                let wire = self.wire(arg)?;
                same_life(&wire, *life)?;
                let buffer = chip.import(&wire, self.segments)?;
                if imported.len() <= arg {
                    imported.resize_with(arg + 1, || None);
                }
                Ok(**imported[arg].insert(buffer))
            }
        }
    }

    /// How tensor `arg` was passed: to be read, written, or both.
    ///
    /// # Errors
    ///
    /// There is no such argument.
    pub fn access(&self, arg: usize) -> Result<AccessMode, Error> {
        Ok(self.wire(arg)?.buffer().access().map_err(prewire_abi::TensorError::from)?)
    }

    /// Scalar `i`. It must have been passed as the same type, or one as wide.
    ///
    /// # Errors
    ///
    /// There is no such scalar.
    pub fn scalar<T: Scalar>(&self, i: usize) -> Result<T, Error> {
        let bits = self.args.scalar(i);
        bits.map(T::from_bits)
            .map_err(|_| Error::user(KernelError::NoScalar { scalar: i, scalars: self.scalars() }))
    }
}

/// That a tensor in device memory is in that of the chip in this life, in which serial numbers begin anew.
fn same_life(wire: &WireTensor, life: u32) -> Result<(), Error> {
    let buffer = wire.buffer();
    let on_device = buffer.backend().map_err(prewire_abi::TensorError::from)? == BackendKind::DeviceMalloc;
    if on_device && buffer.identity().generation() != life {
        let addr = buffer.address().unwrap_or(0);
        return Err(SharedError::NotAllocated { addr, serial: buffer.identity().buffer_id() }.into());
    }
    Ok(())
}
