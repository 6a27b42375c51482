//! The symbols, as C sees them. Invariant: each does nothing but look its context up and hand its arguments on; what it is
//! given is checked where it is used.

mod contexts;
mod memory;

pub use contexts::{
    create_device_context, destroy_device_context, finalize_device, get_pipeline_contract,
    simpler_host_log_bind_state, simpler_init, simpler_provision_dma_workspace,
};
pub use memory::{
    committed_device_memory_ctx, copy_from_device_ctx, copy_to_device_ctx, device_free_ctx, device_malloc_ctx,
};
