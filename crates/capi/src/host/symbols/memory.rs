//! Device memory. Invariant: as of all symbols.

use std::ffi::{c_int, c_void};

use crate::comm;
use crate::host::chips::Kept;
use crate::host::contexts;
use crate::host::entry::{entry, status, told};
use crate::host::error::HostError;

/// Allocates device memory, aligned to 1024 bytes; null if it cannot be had.
#[unsafe(no_mangle)]
pub extern "C" fn device_malloc_ctx(ctx: *mut c_void, size: usize) -> *mut c_void {
    let null = core::ptr::null_mut();
    told(
        "device_malloc_ctx",
        null,
        || Ok(core::ptr::with_exposed_provenance_mut(contexts::find(ctx)?.memory.allocate(size)?)),
        |_: &HostError| null,
    )
}

/// Frees what [`device_malloc_ctx`] returned. Null is nothing to free; anything else is left alone, and the log says so.
#[unsafe(no_mangle)]
pub extern "C" fn device_free_ctx(ctx: *mut c_void, dev_ptr: *mut c_void) {
    if !dev_ptr.is_null() {
        status("device_free_ctx", || contexts::find(ctx)?.free(dev_ptr.addr()));
    }
}

/// How many bytes of device memory are committed: what was allocated, what runs stage through, and the heaps of the chip.
#[unsafe(no_mangle)]
pub extern "C" fn committed_device_memory_ctx(ctx: *mut c_void) -> usize {
    entry("committed_device_memory_ctx", 0, || {
        contexts::find(ctx).map_or(0, |context| {
            let heaps = context.look(0, |device| device.chip().map_or(0, Kept::heaps));
            usize::try_from(context.memory.committed() + heaps).unwrap_or(usize::MAX)
        })
    })
}

/// Copies `size` bytes of the host to device memory.
///
/// # Safety
///
/// `host_ptr` is valid for reads of so many bytes, and no run that goes on works on the device memory meant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_to_device_ctx(
    ctx: *mut c_void,
    dev_ptr: *mut c_void,
    host_ptr: *const c_void,
    size: usize,
) -> c_int {
    status("copy_to_device_ctx", || {
        check(ctx, dev_ptr, host_ptr, size, comm::holds)?;
        // SAFETY: the device memory was found to be so long, and the host's is, says the caller; they may overlap.
        unsafe { core::ptr::copy(host_ptr.cast::<u8>(), dev_ptr.cast::<u8>(), size) };
        Ok(())
    })
}

/// Copies `size` bytes of device memory to the host.
///
/// # Safety
///
/// `host_ptr` is valid for writes of so many bytes, and no run that goes on writes the device memory meant.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn copy_from_device_ctx(
    ctx: *mut c_void,
    host_ptr: *mut c_void,
    dev_ptr: *const c_void,
    size: usize,
) -> c_int {
    status("copy_from_device_ctx", || {
        // A context of a communicator may be read too.
        check(ctx, dev_ptr, host_ptr, size, |at, bytes| comm::holds(at, bytes) || comm::shows(at, bytes))?;
        // SAFETY: as above, the other way round.
        unsafe { core::ptr::copy(dev_ptr.cast::<u8>(), host_ptr.cast::<u8>(), size) };
        Ok(())
    })
}

/// What can be checked of a copy: that there is a context, that nothing is null, and that the range is device memory of the
/// context, or is that of a communicator, as `shared` says.
fn check(
    ctx: *mut c_void,
    device: *const c_void,
    host: *const c_void,
    size: usize,
    shared: impl Fn(u64, u64) -> bool,
) -> Result<(), HostError> {
    let context = contexts::find(ctx)?;
    for (at, what) in [(device, "the device pointer"), (host, "the host pointer")] {
        if at.is_null() {
            return Err(HostError::Null { what });
        }
    }
    match context.memory.check(device.addr(), size) {
        Err(_) if shared(device.addr() as u64, size as u64) => Ok(()),
        checked => checked,
    }
}
