//! Task graphs on NPU chips, and on their simulators.
//!
//! A program submits tasks that read and write tensors. prewire infers which task waits for which, wires the edges before
//! a task is published, keeps intermediates in ring buffers, and runs the tasks on the cores of a chip.
//!
//! ```
//! use prewire::prelude::*;
//!
//! let chip = Chip::sim(a2a3()).build()?;
//! let scale = chip.kernel("scale", Core::Aiv, |k| {
//!     let by = k.scalar::<f32>(0)?;
//!     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= by);
//!     Ok(())
//! })?;
//! let x = chip.tensor(&[1.0f32, 2.0], &[2])?;
//! chip.run(|orch| {
//!     orch.submit(&scale).inout(&x).scalar(10.0f32).go()?;
//!     orch.submit(&scale).inout(&x).scalar(0.5f32).go()?; // waits for the first: it writes what that one wrote
//!     Ok(())
//! })?;
//! assert_eq!(chip.read::<f32>(&x)?, [5.0, 10.0]);
//! # Ok::<(), prewire::Error>(())
//! ```
//!
//! This crate re-exports: what runs a chip is in [`chip`], the types that cross boundaries in [`abi`], the descriptions
//! of chips in [`a2a3`](fn@a2a3) and [`a5`](fn@a5). Who builds a runtime of their own depends on the single crates.
#![forbid(unsafe_code)]

pub use prewire_a2a3::a2a3;
pub use prewire_a5::a5;
pub use prewire_abi as abi;
pub use prewire_chip as chip;
pub use prewire_chip::{Chip, ChipBuilder, Error, Result};

mod platform;

pub use platform::{PLATFORMS, platform};

/// What a program needs.
pub mod prelude {
    pub use crate::{a2a3, a5};
    pub use prewire_chip::{
        AsTensor, Buffer, Check, Chip, ChipBuilder, ChipSpec, Core, DataType, EdgeKind, Element, Error,
        Hazards, Kernel, KernelCtx, KernelError, Mix, Orch, Param, Place, PredicateOp, RingSizes, Run,
        RunReport, RunUsage, Scalar, StallReport, Submit, Task, Tensor, View, ViewMut, bf16, f16,
    };
}
