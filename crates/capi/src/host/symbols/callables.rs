//! Callables, and what is counted of them. Invariant: as of all symbols.

use std::ffi::{c_int, c_void};

use crate::host::contexts;
use crate::host::entry::{entry, status};
use crate::host::error::HostError;

/// Gives the callable whose buffer begins at `callable` the number `callable_id`, 0 to 63, and loads it. The buffer is
/// copied, and may be anything: what cannot be read or is no callable is refused.
///
/// # Safety
///
/// The libraries in the callable are loaded: their constructors run, and what they do in a run is theirs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_register_callable(
    ctx: *mut c_void,
    callable_id: i32,
    callable: *const c_void,
) -> c_int {
    status("simpler_register_callable", || {
        let context = contexts::find(ctx)?;
        if callable.is_null() {
            return Err(HostError::Null { what: "the callable" });
        }
        context.with(|device| {
            let callables = device.callables()?;
            // SAFETY: the caller's word.
            unsafe { callables.register(callable_id, callable.addr() as u64) }
        })
    })
}

/// Takes a number back. One that no callable has is nothing to do.
#[unsafe(no_mangle)]
pub extern "C" fn simpler_unregister_callable(ctx: *mut c_void, callable_id: i32) -> c_int {
    status("simpler_unregister_callable", || {
        contexts::find(ctx)?.with(|device| device.callables()?.unregister(callable_id))
    })
}

/// How often the device was given a callable: once for each registration, however often it runs. It only grows, until the
/// device is finalized.
#[unsafe(no_mangle)]
pub extern "C" fn get_aicpu_dlopen_count(ctx: *mut c_void) -> usize {
    entry("get_aicpu_dlopen_count", 0, || {
        contexts::find(ctx).map_or(0, |context| context.look(0, |device| device.registered()))
    })
}

/// How often the host was given an orchestration: never, they are the device's.
#[unsafe(no_mangle)]
pub extern "C" fn get_host_dlopen_count(_ctx: *mut c_void) -> usize {
    0
}
