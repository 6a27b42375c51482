//! One chip's runtime: what a program uses.
//!
//! A [`Chip`] is built on a simulator, kernels are registered with it, buffers are made, and runs submit tasks:
//!
//! ```
//! use prewire_chip::{Chip, Core, DataType};
//!
//! let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
//! let add = chip.kernel("add", Core::Aiv, |k| {
//!     let (a, b) = (k.input::<f32>(0)?, k.input::<f32>(1)?);
//!     let mut c = k.output::<f32>(2)?;
//!     for (c, (a, b)) in c.as_mut_slice()?.iter_mut().zip(a.iter().zip(b.iter())) {
//!         *c = a + b;
//!     }
//!     Ok(())
//! })?;
//! let x = chip.tensor(&[1.0f32; 64], &[8, 8])?;
//! let out = chip.zeros::<f32>(&[8, 8])?;
//! chip.run(|orch| {
//!     let twice = orch.submit(&add).input(&x).input(&x).output(&[8, 8], DataType::F32).go()?;
//!     orch.submit(&add).input(&twice).input(&x).output_into(&out).go()?;
//!     Ok(())
//! })?;
//! assert_eq!(chip.read::<f32>(&out)?, [3.0; 64]);
//! # Ok::<(), prewire_chip::Error>(())
//! ```
//!
//! # What keeps kernels apart
//!
//! **Invariant: no two threads hold conflicting references to the same bytes.** A kernel reaches memory only through
//! its task's arguments, and only as they were passed. In an auto scope edges order whatever conflicts, and arguments of
//! one task that overlap are refused, so a view is exclusive by structure. Where that is not so (sub-tasks that share
//! arguments, manual scopes, `no_dep`, weaker hazards), every view takes a lease, and one that conflicts is an error.
//! A buffer lives at least as long as the run that it is used in, and an output as long as its scope and its consumers.
//! Memory that others work on too ([`SharedMemory`]) has leases of its own, which every view of it takes.
//! A kernel that goes around this with pointers answers for it in its own `unsafe`.

mod adopted;
mod alarm;
mod barrier;
mod buffer;
mod builder;
mod busy;
mod chip;
mod claims;
mod context;
mod deferred;
mod described;
mod device;
mod element;
mod engine;
mod error;
mod extent;
mod foreign;
mod foreign_element;
mod guard;
mod host_args;
mod inside;
mod kernel;
mod kernel_error;
mod kernels;
mod lease;
pub mod library;
mod limits;
mod orch;
mod place;
mod races;
mod refusal;
mod run;
mod run_report;
mod segments;
mod shared;
mod shared_error;
mod shared_memory;
mod span;
mod stall;
mod store;
mod submit;
mod task;
mod tensor;
mod tight;
mod trace;
mod view;
mod waiter;

pub use adopted::Adopted;
pub use buffer::{Buffer, Kept as KeptMemory};
pub use builder::ChipBuilder;
pub use chip::{Chip, Registrar};
pub use claims::TooMuchMemory;
pub use context::KernelCtx;
pub use deferred::DeferredError;
pub use device::DeviceAddr;
pub use element::{Element, Scalar};
pub use error::{Error, Failure, KernelError, Refusal, Refused, Result};
pub use foreign::{Foreign, ForeignTask, StaleTensor};
pub use host_args::HostArgs;
pub use kernel::{Kernel, Mix, Param};
pub use library::{
    CoreIdentity, ElfFault, KernelLibrary, LibraryError, LibrarySource, check_shared_object, core_identity,
    pipe_shared_state,
};
pub use orch::Orch;
pub use place::Place;
pub use races::{Check, Missing, Party, Race, RaceReport, Through, Undeclared};
pub use run::Run;
pub use run_report::RunReport;
pub use segments::Segments;
pub use shared_error::SharedError;
pub use shared_memory::SharedMemory;
pub use span::Span;
pub use stall::{
    AliveTask, BusyRing, Kept, OrchestratorWait, RunningKernel, StallClass, StallReason, StallReport,
};
pub use store::{Store, rows};
pub use submit::Submit;
pub use task::Task;
pub use tensor::{AsTensor, Origin, Tensor};
pub use trace::{Ending, Event, SubTask, Trace, What};
pub use view::{View, ViewMut};

pub use half::{bf16, f16};
pub use prewire_abi::{DataType, EdgeKind, ErrorCode, PredicateOp, Shape, TaskId};
pub use prewire_orchestrator::SubmitError;
pub use prewire_platform::{Awaited, ChipSpec, Core};
pub use prewire_ring::{Bytes, Claim, Mark, RingMarks, RingSizes, RunUsage};
pub use prewire_tensormap::Hazards;
