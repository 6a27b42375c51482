//! Small kernels whose results decide what is submitted next.

use prewire::prelude::{Core, Kernel, KernelCtx, KernelError};

use crate::machine::Machine;

/// The kernels of the scene.
#[derive(Debug)]
pub(crate) struct Kernels {
    /// `x = cos x` for each element of 0, many times: slow, and it goes to the one fixed point.
    pub(crate) grind: Kernel,
    /// How many elements of 0 are positive, to 1 (`i32`).
    pub(crate) count: Kernel,
    /// `0 = 0 / 2 + scalar 0`.
    pub(crate) step: Kernel,
    /// One step of Newton's method for the root of 0 on 2, and how far it went, relative, to 1.
    pub(crate) newton: Kernel,
    /// Element 0 to 2. Reads 1 only to be held up by it.
    pub(crate) copy: Kernel,
    /// Scalar 0 to 1. Reads 0 only to be held up by it.
    pub(crate) fill: Kernel,
    /// `0, -1, 2, -3, ...` to 1 (`i32`). Reads 0 only to be held up by it.
    pub(crate) flags: Kernel,
    /// Adds one to 1 (`i32`).
    pub(crate) mark: Kernel,
}

impl Kernels {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        Ok(Self {
            grind: machine.kernel("grind", Core::Aiv, grind)?,
            count: machine.kernel("count", Core::Aiv, count)?,
            step: machine.kernel("step", Core::Aiv, step)?,
            newton: machine.kernel("newton", Core::Aiv, newton)?,
            copy: machine.kernel("copy", Core::Aiv, copy)?,
            fill: machine.kernel("fill", Core::Aiv, fill)?,
            flags: machine.kernel("flags", Core::Aiv, flags)?,
            mark: machine.kernel("mark", Core::Aiv, mark)?,
        })
    }
}

fn grind(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut x = k.output::<f32>(0)?;
    for x in x.as_mut_slice()? {
        for _ in 0..60 {
            *x = x.cos();
        }
    }
    Ok(())
}

fn count(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let positive = k.input::<f32>(0)?.iter().filter(|x| *x > 0.0).count();
    k.output::<i32>(1)?.fill(positive as i32);
    Ok(())
}

fn step(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let more: i32 = k.scalar(0)?;
    let mut sum = k.output::<f32>(0)?;
    for sum in sum.as_mut_slice()? {
        *sum = *sum / 2.0 + more as f32;
    }
    Ok(())
}

fn newton(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let target = first(k, 0)?;
    let mut root = k.output::<f32>(2)?;
    let root = &mut root.as_mut_slice()?[0];
    let next = (*root + target / *root) / 2.0;
    k.output::<f32>(1)?.fill(((next - *root) / next).abs());
    *root = next;
    Ok(())
}

fn copy(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let element = first(k, 0)?;
    k.output::<f32>(2)?.fill(element);
    Ok(())
}

fn fill(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let value: f32 = k.scalar(0)?;
    k.output::<f32>(1)?.fill(value);
    Ok(())
}

fn flags(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut flags = k.output::<i32>(1)?;
    for (at, flag) in (0..).zip(flags.as_mut_slice()?) {
        *flag = if at % 2 == 0 { at } else { -at };
    }
    Ok(())
}

fn mark(k: &mut KernelCtx<'_>) -> Result<(), KernelError> {
    let mut mark = k.output::<i32>(1)?;
    let marks = mark.as_mut_slice()?;
    marks[0] += 1;
    Ok(())
}

/// The first element of a tensor.
fn first(k: &KernelCtx<'_>, tensor: usize) -> Result<f32, KernelError> {
    k.input::<f32>(tensor)?.get(&[0]).ok_or_else(|| KernelError::new("the tensor is empty"))
}
