//! Levels 3 and up: a tree of workers, each with children in processes of their own, or in threads.
//!
//! A worker is described by a [`Builder`], started once and closed once. Its children are chips (level 2), SUB workers
//! that run functions of the host, and workers of the levels below. Its runs submit tasks that name a child, groups of
//! them, and host functions for any SUB worker; the edges between them follow from the tensors they read and write, as on
//! a chip, by the same engine:
//!
//! ```
//! use prewire_worker::{Callable, Worker};
//!
//! let square = Callable::host_function("square", |args| {
//!     args.inout::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= *x);
//!     Ok(())
//! });
//! let node = Worker::node().subs(2).callable(&square).threads().start()?;
//! let x = node.tensor(&[1.0f32, 2.0, 3.0], &[3])?;
//! node.run(|orch| orch.submit(&square).inout(&x).go().map(drop))?;
//! assert_eq!(node.read::<f32>(&x)?, [1.0, 4.0, 9.0]);
//! # Ok::<(), prewire_worker::Error>(())
//! ```
//!
//! # What holds
//!
//! - **Memory is shared, not sent.** Tensors of a worker are in segments that every child has mapped since before it was
//!   forked. A message names segment, offset and view; results are where the parent reads them.
//! - **Who waits drives.** A thread that waits for a run looks at its children itself; one more thread, the progress
//!   thread, sees to everything else, for any number of children: deaths, deadlines, what children write. All of them
//!   sleep when there is nothing to do.
//! - **What dies is contained.** A child that ends fails the tasks that it was running, within milliseconds, with its
//!   process, its end and the last that it wrote; what depends on them is skipped; all else goes on, and the child is
//!   replaced.
//! - **Nothing is left behind.** Children die with their parents, however those end. A worker that is closed has left no
//!   process, mapping or file.
#![forbid(unsafe_code)]

mod args;
mod callable;
mod children;
mod conflicts;
mod device;
mod devices;
mod engine;
mod entry;
mod error;
mod family;
mod fault;
mod inner;
mod memory;
mod orch;
mod output;
mod plan;
mod portable;
mod run;
mod serve;
mod settings;
mod start;
mod submit;
mod tree;
mod waiter;
mod wire;
mod worker;

pub use args::Args;
pub use callable::{Callable, Digest, Kind};
pub use device::Device;
pub use entry::entry;
pub use error::{Death, Error, Failure, Reason, Result};
pub use fault::{Act, Fault, Point};
pub use orch::Orch;
pub use output::{Line, Output, Stream};
pub use portable::Portable;
#[doc(hidden)]
pub use portable::inventory;
pub use run::{Run, RunReport};
pub use submit::Submit;
pub use tree::Builder;
pub use worker::Worker;

pub use tracing::Level;

pub use prewire_chip::{Buffer, HostArgs, KernelError, Task, Tensor};
