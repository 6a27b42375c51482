//! The contexts that are alive, by their handles. Invariant: a handle is a number that is given once in a process; it is
//! looked up and never followed, so one that was destroyed or never made is an error and no fault.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::Arc;

use prewire_os::process::OfProcess;
use prewire_sync::atomic::{AtomicUsize, Ordering};

use super::context::Context;
use super::error::HostError;

/// Every context of this copy of the library that this process made: a fork may come while another thread has the lock.
static ALL: OfProcess<BTreeMap<usize, Arc<Context>>> = OfProcess::new();

/// The next handle. Raised by whoever makes a context; a forked copy goes on from there, so that none of its handles is one
/// of its parent's.
static NEXT: AtomicUsize = AtomicUsize::new(FIRST);

/// The first handle. Handles are far from what is mapped, so that one that is followed faults where it is followed.
const FIRST: usize = 0x100;
/// From one handle to the next.
const STEP: usize = 0x10;

/// Makes a context and returns its handle.
pub(crate) fn create() -> *mut c_void {
    let made = Arc::new(Context::new());
    let handle = NEXT.fetch_add(STEP, Ordering::Relaxed);
    ALL.lock().insert(handle, made);
    core::ptr::without_provenance_mut(handle)
}

/// The context of a handle.
///
/// # Errors
///
/// There is none, also if it was made before a fork: its threads are in the other process.
pub(crate) fn find(handle: *mut c_void) -> Result<Arc<Context>, HostError> {
    if handle.is_null() {
        return Err(HostError::Null { what: "the device context" });
    }
    let handle = handle.addr();
    let found = ALL.lock().get(&handle).map(Arc::clone);
    found.ok_or(HostError::NoContext { handle })
}

/// Takes a context out, so that its handle is no more, if `over` says that it may be.
pub(crate) fn remove(
    handle: *mut c_void,
    over: impl FnOnce(&Context) -> Result<(), HostError>,
) -> Result<(), HostError> {
    let context = find(handle)?;
    over(&context)?;
    ALL.lock().remove(&handle.addr());
    Ok(())
}
