//! The symbols: `comm_*`, and the streams that a simulator does not have. Each returns 0 or a handle, or says on the log what
//! is wrong and returns -1 or null; no panic leaves it.
//!
//! **Invariant:** a handle is a number that is given once. One that was destroyed is not taken for a later one.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::collections::HashMap;
use std::sync::Arc;

use prewire_os::process::OfProcess;
use prewire_sync::atomic::{AtomicUsize, Ordering};

use super::communicator::Communicator;
use super::error::CommError;
use super::global;
use super::layout::{GlobalDescriptor, MAX_RANKS};
use crate::host::entry::told;

/// The communicators of this process, by their handles: a copy that was forked has none.
static HANDLES: OfProcess<HashMap<usize, Arc<Communicator>>> = OfProcess::new();

/// The next handle. A copy goes on counting, so that none of its parent's is one of its own.
static NEXT: AtomicUsize = AtomicUsize::new(APART);

/// The distance of handles: they look like addresses that are aligned.
const APART: usize = 64;

fn find(handle: *mut c_void) -> Result<Arc<Communicator>, CommError> {
    let handle = handle.addr();
    HANDLES.lock().get(&handle).cloned().ok_or(CommError::NoSuchHandle { handle })
}

/// Whether the `bytes` bytes at `address` are all in one window that is mapped in this process now: of a communicator, a
/// domain or a global domain.
///
/// ```
/// assert!(!host_runtime::comm::holds(4096, 8));
/// ```
#[must_use]
pub fn holds(address: u64, bytes: u64) -> bool {
    all().iter().any(|communicator| communicator.holds(address, bytes)) || global::holds(address, bytes)
}

/// Whether the `bytes` bytes at `address` are all in one context that this process was given and that is alive now. They may
/// be read, and not be written.
///
/// ```
/// assert!(!host_runtime::comm::shows(4096, 8));
/// ```
#[must_use]
pub fn shows(address: u64, bytes: u64) -> bool {
    all().iter().any(|communicator| communicator.shows(address, bytes)) || global::shows(address, bytes)
}

fn all() -> Vec<Arc<Communicator>> {
    HANDLES.lock().values().cloned().collect()
}

/// Runs a call: its value, or `None` once the log has what went wrong.
fn call<T>(function: &str, run: impl FnOnce() -> Result<T, CommError>) -> Option<T> {
    told(function, None, || run().map(Some), |_| None)
}

fn status(outcome: Option<()>) -> c_int {
    if outcome.is_some() { 0 } else { -1 }
}

/// Writes `value` to where the caller wants it.
///
/// # Safety
///
/// `to` is null, or may be written.
unsafe fn give<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: it is not null, so the caller says that it may be written; it need not be aligned.
        unsafe { to.write_unaligned(value) };
    }
}

fn wanted<T>(to: *mut T, what: &'static str) -> Result<(), CommError> {
    if to.is_null() { Err(CommError::Null { what }) } else { Ok(()) }
}

/// The ranks of a domain.
///
/// # Safety
///
/// `ranks` is null, or has `count` numbers if that is no more than there can be.
unsafe fn members(ranks: *const u32, count: usize) -> Result<Vec<u32>, CommError> {
    if ranks.is_null() {
        return Err(CommError::Null { what: "rank_ids" });
    }
    if count == 0 || count > MAX_RANKS {
        return Err(CommError::NoSuchRank { rank: 0, ranks: i64::try_from(count).unwrap_or(i64::MAX) });
    }
    let read = |index: usize| {
        // SAFETY: there are `count` of them.
        let at = unsafe { ranks.add(index) };
        // SAFETY: it may be read, and need not be aligned.
        unsafe { at.read_unaligned() }
    };
    Ok((0..count).map(read).collect())
}

/// A handle for rank `rank` of `ranks`, which find each other by the text `root`. The stream is not looked at.
///
/// # Safety
///
/// `root` is null or a text that ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_init(
    rank: c_int,
    ranks: c_int,
    _stream: *mut c_void,
    root: *const c_char,
) -> *mut c_void {
    let made = call("comm_init", || {
        if root.is_null() {
            return Err(CommError::Null { what: "rootinfo_path" });
        }
        // SAFETY: it is not null, so it is a text that ends with a zero.
        let root = unsafe { CStr::from_ptr(root) };
        let made = Arc::new(Communicator::new(rank, ranks, root.to_bytes())?);
        let handle = NEXT.fetch_add(APART, Ordering::Relaxed);
        HANDLES.lock().insert(handle, made);
        Ok(handle)
    });
    core::ptr::without_provenance_mut(made.unwrap_or(0))
}

/// Makes windows of `bytes` bytes, together with all other ranks.
///
/// # Safety
///
/// `context` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_alloc_windows(handle: *mut c_void, bytes: usize, context: *mut u64) -> c_int {
    status(call("comm_alloc_windows", || {
        wanted(context, "device_ctx_out")?;
        let made = find(handle)?.allocate(bytes)?;
        // SAFETY: as the caller says.
        unsafe { give(context, made) };
        Ok(())
    }))
}

/// The address of this rank's window.
///
/// # Safety
///
/// `base` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_get_local_window_base(handle: *mut c_void, base: *mut u64) -> c_int {
    status(call("comm_get_local_window_base", || {
        wanted(base, "base_out")?;
        let (address, _) = find(handle)?.window()?;
        // SAFETY: as the caller says.
        unsafe { give(base, address) };
        Ok(())
    }))
}

/// The bytes of each window.
///
/// # Safety
///
/// `size` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_get_window_size(handle: *mut c_void, size: *mut usize) -> c_int {
    status(call("comm_get_window_size", || {
        wanted(size, "size_out")?;
        let (_, bytes) = find(handle)?.window()?;
        // SAFETY: as the caller says.
        unsafe { give(size, bytes) };
        Ok(())
    }))
}

/// A context of some ranks and of a part of their windows.
///
/// # Safety
///
/// `ranks` is null or has `count` numbers, `context` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_derive_context(
    handle: *mut c_void,
    ranks: *const u32,
    count: usize,
    own: u32,
    offset: usize,
    size: usize,
    context: *mut u64,
) -> c_int {
    status(call("comm_derive_context", || {
        wanted(context, "device_ctx_out")?;
        // SAFETY: as the caller says.
        let ranks = unsafe { members(ranks, count)? };
        let made = find(handle)?.derive(&ranks, own, offset, size)?;
        // SAFETY: as the caller says.
        unsafe { give(context, made) };
        Ok(())
    }))
}

/// Makes windows of `bytes` bytes for some ranks, together with these.
///
/// # Safety
///
/// `ranks` is null or has `count` numbers, `context` and `base` are null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_alloc_domain_windows(
    handle: *mut c_void,
    domain: u64,
    ranks: *const u32,
    count: usize,
    own: u32,
    bytes: usize,
    context: *mut u64,
    base: *mut u64,
) -> c_int {
    status(call("comm_alloc_domain_windows", || {
        wanted(context, "device_ctx_out")?;
        wanted(base, "local_window_base_out")?;
        // SAFETY: as the caller says.
        let ranks = unsafe { members(ranks, count)? };
        let (made, at) = find(handle)?.allocate_domain(domain, &ranks, own, bytes)?;
        // SAFETY: as the caller says.
        unsafe { give(context, made) };
        // SAFETY: as the caller says.
        unsafe { give(base, at) };
        Ok(())
    }))
}

/// Releases the windows of a domain, once all its ranks do.
#[unsafe(no_mangle)]
pub extern "C" fn comm_release_domain_windows(
    handle: *mut c_void,
    domain: u64,
    count: usize,
    own: u32,
) -> c_int {
    status(call("comm_release_domain_windows", || find(handle)?.release_domain(domain, count as u64, own)))
}

/// Makes this rank's window of a global domain, and the descriptor that the other ranks need of it.
///
/// # Safety
///
/// `descriptor` and `base` are null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_global_domain_prepare(
    domain: u64,
    rank: u32,
    ranks: u32,
    bytes: usize,
    profile: u32,
    descriptor: *mut GlobalDescriptor,
    base: *mut u64,
) -> c_int {
    status(call("comm_global_domain_prepare", || {
        wanted(descriptor, "descriptor_out")?;
        wanted(base, "local_window_base_out")?;
        let (made, at) = global::prepare(domain, rank, ranks, bytes, profile)?;
        // SAFETY: as the caller says.
        unsafe { give(descriptor, made) };
        // SAFETY: as the caller says.
        unsafe { give(base, at) };
        Ok(())
    }))
}

/// Maps the windows of all ranks of a global domain.
///
/// # Safety
///
/// `descriptors` is null or has `count` descriptors, `context` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn comm_global_domain_import(
    domain: u64,
    descriptors: *const GlobalDescriptor,
    count: usize,
    context: *mut u64,
) -> c_int {
    status(call("comm_global_domain_import", || {
        wanted(context, "device_ctx_out")?;
        if descriptors.is_null() {
            return Err(CommError::Null { what: "descriptors" });
        }
        if count > MAX_RANKS {
            return Err(CommError::NoSuchRank { rank: 0, ranks: i64::try_from(count).unwrap_or(i64::MAX) });
        }
        let read = |index: usize| {
            // SAFETY: there are `count` of them.
            let at = unsafe { descriptors.add(index) };
            // SAFETY: it may be read, and need not be aligned; any bytes are a descriptor.
            unsafe { at.read_unaligned() }
        };
        let descriptors: Vec<GlobalDescriptor> = (0..count).map(read).collect();
        let made = global::import(domain, &descriptors)?;
        // SAFETY: as the caller says.
        unsafe { give(context, made) };
        Ok(())
    }))
}

/// Releases what this rank has of a global domain. One that is not there is released.
#[unsafe(no_mangle)]
pub extern "C" fn comm_global_domain_release(domain: u64) -> c_int {
    status(call("comm_global_domain_release", || {
        global::release(domain);
        Ok(())
    }))
}

/// Waits until all ranks have come here as often as this one.
#[unsafe(no_mangle)]
pub extern "C" fn comm_barrier(handle: *mut c_void) -> c_int {
    status(call("comm_barrier", || find(handle)?.barrier()))
}

/// Destroys a communicator with all its windows, contexts and domains. The other ranks keep theirs; a barrier that they come
/// to later fails.
#[unsafe(no_mangle)]
pub extern "C" fn comm_destroy(handle: *mut c_void) -> c_int {
    status(call("comm_destroy", || {
        let handle = handle.addr();
        let gone = HANDLES.lock().remove(&handle);
        // What takes long is done without the lock.
        gone.map(drop).ok_or(CommError::NoSuchHandle { handle })
    }))
}

/// Nothing: a simulator has no streams that would have to be made ready.
#[unsafe(no_mangle)]
pub extern "C" fn ensure_acl_ready_ctx(_context: *mut c_void, _device: c_int) -> c_int {
    0
}

/// Null: a simulator has no streams, and `comm_init` looks at none.
#[unsafe(no_mangle)]
pub extern "C" fn create_comm_stream_ctx(_context: *mut c_void) -> *mut c_void {
    core::ptr::null_mut()
}

/// Nothing: there is no stream to destroy.
#[unsafe(no_mangle)]
pub extern "C" fn destroy_comm_stream_ctx(_context: *mut c_void, _stream: *mut c_void) -> c_int {
    0
}
