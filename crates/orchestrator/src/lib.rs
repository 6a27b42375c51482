//! Submit: from a task and its arguments to a published slot.
//!
//! The [`Orchestrator`] is the one thread that submits. For each task it
//!
//! 1. validates the arguments: an invalid task takes nothing;
//! 2. collects the producers to wait for: explicit ones, the creators of the tensors, and the hazards that the tensor
//!    map knows;
//! 3. makes sure that slot, heap, dep entries, argument words and tensor-map entries are there, waiting if they are
//!    not: here and nowhere else, and before anything is taken;
//! 4. takes them, records what the task reads and writes, and stores its arguments: where these say it all, what is read is not
//!    recorded before somebody writes there;
//! 5. wires it, and routes it if it is ready.
//!
//! **Invariant: when `submit` returns, the task is queued ready, or linked to every producer it waits for.** No other
//! thread ever finishes wiring. If `submit` returns an error, nothing of the task exists.
//!
//! The crate owns no thread and no clock: waiting is handed in as a [`Wait`](prewire_platform::Wait).
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
mod arg;
mod args;
mod check;
mod collect;
mod edges;
mod error;
mod infer;
mod left;
mod orchestrator;
mod record;
mod recorded;
mod room;
mod scope;
mod submit;
mod sums;
mod write;

pub use arg::Arg;
pub use args::{Args, Predicate};
pub use error::{Oldest, SubmitError};
pub use infer::{asks, tells};
pub use orchestrator::{Capacity, Orchestrator, Setup};
pub use record::{ArgTensor, PackedArg, Record, packed_strides};
pub use scope::ScopeKey;
pub use submit::Submitted;
