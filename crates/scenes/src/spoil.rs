//! A kernel or host function made wrong on request: it adds one to the first element of its last result.

use prewire::prelude::{Callable, Chip, Core, Element, HostArgs, Kernel, KernelCtx, KernelError, bf16};

use crate::scene::Setup;

/// Which kernel is wrong, if any. A copy goes to each process that registers kernels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoil(Option<&'static str>);

impl Spoil {
    /// What the setup says.
    pub(crate) const fn of(setup: &Setup) -> Self {
        Self(setup.spoil)
    }

    /// Whether it is this one.
    pub(crate) fn hits(self, name: &str) -> bool {
        self.0 == Some(name)
    }

    /// Registers a kernel with a chip.
    pub(crate) fn kernel(
        self,
        chip: &Chip,
        name: &str,
        core: Core,
        body: impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> prewire::Result<Kernel> {
        if self.hits(name) {
            chip.kernel(name, core, move |k| {
                body(k)?;
                spoil(k)
            })
        } else {
            chip.kernel(name, core, body)
        }
    }

    /// Makes a host function.
    pub(crate) fn function(
        self,
        name: &'static str,
        body: impl Fn(&HostArgs<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> Callable {
        Callable::host_function(name, move |args| {
            body(args)?;
            if self.hits(name) { spoil_function(args) } else { Ok(()) }
        })
    }
}

/// Adds one to the first element of the last tensor that the task may write, in its first block.
fn spoil(k: &KernelCtx<'_>) -> Result<(), KernelError> {
    if k.block() != 0 {
        return Ok(());
    }
    for tensor in (0..k.tensors()).rev() {
        if bump(k, tensor, |x: f32| x + 1.0)
            || bump(k, tensor, |x: bf16| x + bf16::ONE)
            || bump(k, tensor, |x: i32| x + 1)
            || bump(k, tensor, |x: u64| x.wrapping_add(1))
        {
            return Ok(());
        }
    }
    Err(KernelError::new("no result to spoil"))
}

/// Whether `tensor` holds elements of this type that may be written; if so, the first was changed.
fn bump<T: Element>(k: &KernelCtx<'_>, tensor: usize, change: impl Fn(T) -> T) -> bool {
    let Ok(shape) = k.shape(tensor) else { return false };
    let (first, at) = (vec![0u32; shape.len()], vec![0usize; shape.len()]);
    let Ok(mut view) = k.output_at::<T>(tensor, &first, &vec![1; shape.len()]) else { return false };
    view.get(&at).is_some_and(|x| view.set(&at, change(x)).is_ok())
}

/// The same for a host function, whose results are of `f32`.
fn spoil_function(args: &HostArgs<'_>) -> Result<(), KernelError> {
    for tensor in (0..args.tensors()).rev() {
        let Ok(mut view) = args.output::<f32>(tensor) else { continue };
        let first = vec![0; view.shape().len()];
        if let Some(x) = view.get(&first) {
            return view.set(&first, x + 1.0);
        }
    }
    Err(KernelError::new("no result to spoil"))
}
