//! Windows of shared memory, barriers and domains, for chips in several processes that work together.
//!
//! ```
//! use host_runtime::comm::Communicator;
//!
//! let only = Communicator::new(0, 1, b"a path that all ranks know")?;
//! only.allocate(4096)?;
//! only.barrier()?;
//! assert_eq!(only.window()?.1, 4096);
//! # Ok::<(), host_runtime::comm::CommError>(())
//! ```

pub mod global;
pub mod hello;

mod communicator;
mod error;
mod group;
mod layout;
mod symbols;

pub use communicator::{Communicator, LIMIT};
pub use error::CommError;
pub use group::Group;
pub use layout::{CommContext, GlobalDescriptor, MAX_RANKS};
pub use symbols::{
    comm_alloc_domain_windows, comm_alloc_windows, comm_barrier, comm_derive_context, comm_destroy,
    comm_get_local_window_base, comm_get_window_size, comm_global_domain_import, comm_global_domain_prepare,
    comm_global_domain_release, comm_init, comm_release_domain_windows, create_comm_stream_ctx,
    destroy_comm_stream_ctx, ensure_acl_ready_ctx, holds, shows,
};
