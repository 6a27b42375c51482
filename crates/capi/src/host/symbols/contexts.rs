//! Contexts, from their making to their end, and what is said of them all. Invariant: as of all symbols.

use std::ffi::{c_int, c_void};

use prewire_abi::CallConfig;

use crate::host::contexts;
use crate::host::entry::{entry, status};
use crate::host::error::HostError;
use crate::host::log;
use crate::host::records::{CONTRACT, PipelineContract, SimplerHostLogState};

/// What of a run is there once, and what twice. It stays as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn get_pipeline_contract() -> *const PipelineContract {
    &raw const CONTRACT
}

/// Makes a device context. It has no device yet.
#[unsafe(no_mangle)]
pub extern "C" fn create_device_context() -> *mut c_void {
    entry("create_device_context", core::ptr::null_mut(), contexts::create)
}

/// Ends a context, and its device if it has one. A context with a run that is not finalized stays, and the log says so.
#[unsafe(no_mangle)]
pub extern "C" fn destroy_device_context(ctx: *mut c_void) {
    if !ctx.is_null() {
        status("destroy_device_context", || contexts::remove(ctx, |context| context.finalize()));
    }
}

/// Attaches device `device_id`. What the original runtime loads from the three binaries is in this library: they are not
/// looked at. With `prewarm` the chip that runs with its sizes go on is built at once.
///
/// # Safety
///
/// `prewarm` is null or a whole configuration.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_init(
    ctx: *mut c_void,
    device_id: c_int,
    _aicpu: *const u8,
    _aicpu_len: usize,
    _aicore: *const u8,
    _aicore_len: usize,
    _dispatcher: *const u8,
    _dispatcher_len: usize,
    prewarm: *const CallConfig,
) -> c_int {
    status("simpler_init", || {
        // SAFETY: it is null, or a whole configuration, says the caller; it is aligned to a byte.
        let prewarm = unsafe { prewarm.as_ref() };
        contexts::find(ctx)?.initialise(device_id, prewarm.map(CallConfig::runtime_env).as_ref())
    })
}

/// Gives back all that the device of a context holds.
#[unsafe(no_mangle)]
pub extern "C" fn finalize_device(ctx: *mut c_void) -> c_int {
    status("finalize_device", || contexts::find(ctx)?.finalize())
}

/// Workspaces for engines that move data: a simulated chip has none, so only none can be asked for.
#[unsafe(no_mangle)]
pub extern "C" fn simpler_provision_dma_workspace(
    ctx: *mut c_void,
    required_mask: u32,
    _warmup: *const c_void,
    _warmup_len: u64,
) -> c_int {
    status("simpler_provision_dma_workspace", || {
        contexts::find(ctx)?;
        if required_mask == 0 { Ok(()) } else { Err(HostError::Unsupported { what: "a DMA workspace" }) }
    })
}

/// From here on the log asks `state` what is to be written.
///
/// # Safety
///
/// As `log::bind`: a record that stays where it is as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_host_log_bind_state(state: *mut SimplerHostLogState) -> c_int {
    // SAFETY: what the caller promises is what is asked for.
    status("simpler_host_log_bind_state", || unsafe { log::bind(state) })
}
