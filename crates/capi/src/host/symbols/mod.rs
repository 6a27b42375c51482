//! The symbols, as C sees them. Invariant: each does nothing but look its context up and hand its arguments on; what it is
//! given is checked where it is used.

mod callables;
mod contexts;
mod memory;
mod runs;

pub use callables::{
    get_aicpu_dlopen_count, get_host_dlopen_count, simpler_register_callable, simpler_unregister_callable,
};
pub use contexts::{
    create_device_context, destroy_device_context, finalize_device, get_pipeline_contract,
    simpler_host_log_bind_state, simpler_init, simpler_provision_dma_workspace,
};
pub use memory::{
    committed_device_memory_ctx, copy_from_device_ctx, copy_to_device_ctx, device_free_ctx, device_malloc_ctx,
};
pub use runs::{
    get_arena_bank_gm_heap_base_ctx, get_retained_temp_addr_ctx, get_run_stream_set_create_count,
    get_runtime_alignment, get_runtime_size, simpler_finalize_run, simpler_launch_run, simpler_poll_run,
    simpler_prepare_run, simpler_run, simpler_wait_run, supports_concurrent_native_prepare_ctx,
};
