//! Task graphs on NPU chips, on their simulators, and on trees of processes that each have some.
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
//! Several chips are a [`Worker`]: a tree of processes with memory that they share, described first and started before
//! any thread is. Here its children are threads, as this is a test:
//!
//! ```
//! use prewire::prelude::*;
//! use prewire::worker::Orch as NodeOrch;
//!
//! let scale = Callable::chip_program("scale", |chip| {
//!     let scale = chip.kernel("scale", Core::Aiv, |k| {
//!         let by = k.scalar::<f32>(0)?;
//!         k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= by);
//!         Ok(())
//!     })?;
//!     Ok(move |orch: &mut Orch<'_>, args: &Args<'_>| {
//!         orch.submit(&scale).inout(&args.tensor(0)?).scalar(args.scalar::<f32>(0)?).go().map(drop)
//!     })
//! });
//! let node = Worker::node().chips(2, Chip::sim(a2a3())).callable(&scale).threads().start()?;
//! let x = node.tensor(&[1.0f32, 2.0], &[2])?;
//! node.run(|orch: &mut NodeOrch<'_>| {
//!     orch.submit(&scale).to("chip0").inout(&x).scalar(10.0f32).go()?;
//!     orch.submit(&scale).to("chip1").inout(&x).scalar(0.5f32).go()?; // waits for the other chip
//!     Ok(())
//! })?;
//! assert_eq!(node.read::<f32>(&x)?, [5.0, 10.0]);
//! # Ok::<(), prewire::worker::Error>(())
//! ```
//!
//! This crate re-exports: what runs a chip is in [`chip`], what runs a tree of them in [`worker`], the types that cross
//! boundaries in [`abi`], the descriptions of chips in [`a2a3`](fn@a2a3) and [`a5`](fn@a5). Where [`chip`] and [`worker`]
//! have the same name, such as `Orch` and `Error`, the prelude has that of the chip. Who builds a runtime of their own
//! depends on the single crates.
#![forbid(unsafe_code)]

pub use prewire_a2a3::a2a3;
pub use prewire_a5::a5;
pub use prewire_abi as abi;
pub use prewire_chip as chip;
pub use prewire_chip::{Chip, ChipBuilder, Error, Result};
pub use prewire_worker as worker;
pub use prewire_worker::{Worker, entry};

mod platform;

/// What `docs/processes.md` shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/processes.md")]
mod processes {}

pub use platform::{PLATFORMS, platform};

/// What a program needs.
pub mod prelude {
    pub use crate::{a2a3, a5};
    pub use prewire_chip::{
        AsTensor, Buffer, Check, Chip, ChipBuilder, ChipSpec, Core, DataType, EdgeKind, Element, Error,
        Hazards, Kernel, KernelCtx, KernelError, Mix, Orch, Param, Place, PredicateOp, RingSizes, Run,
        RunReport, RunUsage, Scalar, StallReport, Submit, Task, Tensor, View, ViewMut, bf16, f16,
    };
    pub use prewire_worker::{Args, Callable, HostArgs, Worker};
}
