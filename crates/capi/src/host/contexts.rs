//! The contexts that are alive, by their handles. Invariant: a handle is a number that is given once in a process; it is
//! looked up and never followed, so one that was destroyed or never made is an error and no fault.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prewire_os::process::Pid;

use super::context::Context;
use super::error::HostError;

/// Every context of this copy of the library.
static ALL: Mutex<Contexts> = Mutex::new(Contexts { next: FIRST, alive: BTreeMap::new() });

/// The first handle. Handles are far from what is mapped, so that one that is followed faults where it is followed.
const FIRST: usize = 0x100;
/// From one handle to the next.
const STEP: usize = 0x10;

#[derive(Debug)]
struct Contexts {
    next: usize,
    alive: BTreeMap<usize, Arc<Context>>,
}

fn lock() -> MutexGuard<'static, Contexts> {
    // Nothing that can panic is done under it.
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a context and returns its handle.
pub(crate) fn create() -> *mut c_void {
    let made = Arc::new(Context::new());
    let mut all = lock();
    let handle = all.next;
    all.next += STEP;
    all.alive.insert(handle, made);
    core::ptr::without_provenance_mut(handle)
}

/// The context of a handle.
///
/// # Errors
///
/// There is none, or it was made by another process.
pub(crate) fn find(handle: *mut c_void) -> Result<Arc<Context>, HostError> {
    if handle.is_null() {
        return Err(HostError::Null { what: "the device context" });
    }
    let handle = handle.addr();
    let found = lock().alive.get(&handle).map(Arc::clone);
    let context = found.ok_or(HostError::NoContext { handle })?;
    let (made, here) = (context.made_by(), Pid::current().raw());
    if made == here { Ok(context) } else { Err(HostError::OtherProcess { made, here }) }
}

/// Takes a context out, so that its handle is no more, if `over` says that it may be.
pub(crate) fn remove(
    handle: *mut c_void,
    over: impl FnOnce(&Context) -> Result<(), HostError>,
) -> Result<(), HostError> {
    let context = find(handle)?;
    over(&context)?;
    lock().alive.remove(&handle.addr());
    Ok(())
}
