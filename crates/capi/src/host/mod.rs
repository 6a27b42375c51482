//! What a front end calls: contexts, device memory, callables and runs.
//!
//! Invariant: whatever a front end hands over, no call panics, and one that fails says why in the log.
#![allow(dead_code, reason = "what runs need comes with them")]

mod chips;
mod context;
mod contexts;
mod device;
mod entry;
mod error;
pub mod log;
mod memory;
mod raw_callable;
mod records;
mod sizes;
pub mod symbols;

pub use error::HostError;
pub use raw_callable::{Reader, bytes_of, content_hash};
pub use records::{
    MAX_RESOURCES, NativeRunDescriptor, PIPELINE_DEPTH, PipelineContract, PipelineResource,
    SimplerHostLogState,
};
