//! The records that compiled orchestration libraries touch. Invariant: size, alignment and every offset are asserted when
//! this is compiled; nothing here runs.
//!
//! An orchestration library is compiled against headers whose inline functions build and read these records in place, so
//! they are fixed to the byte. What a record holds that was not written yet (the arrays of arguments beyond their counts)
//! is `MaybeUninit` here, so that a reference to a record claims no more than its writer wrote.
//!
//! # The two forms of task arguments
//!
//! A library is compiled with or without a member that selects arguments to be dumped; it lies at byte 600 of the
//! arguments of a task, before the list of explicit dependencies. So the first 600 bytes ([`ArgsHead`]) are the same in
//! both forms, and the list is at 760 ([`FullTail`]) or at 600 ([`ExplicitDeps`] alone). Nothing in a library says which
//! form it has; [`crate::orchestration`] says how they are told apart.

mod args;
mod ops;
mod task;

pub use args::{
    ArgsHead, CORE_SCALARS, CORE_TENSORS, ChipArgs, CoreArgs, DumpSelection, ExplicitDeps, FullTail,
    LaunchSpec, PredicateRecord,
};
pub use ops::{Config, LogFn, MakeFn, Runtime, RuntimeOps, SubmitFn};
pub use task::{Kernels, Outputs};
