//! What a front end calls: contexts, device memory, callables and runs.
//!
//! Invariant: whatever a front end hands over, no call panics, and one that fails says why in the log.

mod acceptance;
mod callables;
mod chips;
mod context;
mod contexts;
mod device;
pub(crate) mod entry;
mod error;
mod events;
pub mod log;
mod memory;
mod place;
mod raw_callable;
mod records;
mod request;
mod runs;
mod sizes;
mod staging;
mod storage;
pub mod symbols;
mod verdict;

pub use error::HostError;
pub use raw_callable::{Reader, bytes_of, content_hash};
pub use records::{
    MAX_RESOURCES, NativeRunDescriptor, PIPELINE_DEPTH, PipelineContract, PipelineResource,
    SimplerHostLogState,
};
