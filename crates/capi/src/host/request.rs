//! What a front end asks for when it prepares a run. Invariant: no pointer is followed that cannot be one.

use std::ffi::c_void;

use prewire_abi::{CallConfig, ChipStorageTaskArgs};

use super::error::HostError;
use super::records::NativeRunDescriptor;
use super::storage::Storage;

/// What a run is asked to be.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) id: i32,
    pub(crate) args: &'a ChipStorageTaskArgs,
    pub(crate) config: &'a CallConfig,
    pub(crate) descriptor: NativeRunDescriptor,
}

/// The storage at `at` and the run that is asked for.
///
/// # Errors
///
/// A pointer that is null or not aligned.
///
/// # Safety
///
/// What is not null is what its type says, and stays for the call.
pub(crate) unsafe fn request<'a>(
    at: *mut c_void,
    id: i32,
    args: *const ChipStorageTaskArgs,
    config: *const CallConfig,
    descriptor: *const NativeRunDescriptor,
) -> Result<(Storage, Request<'a>), HostError> {
    // SAFETY: the caller's promise.
    let storage = unsafe { Storage::new(at) }?;
    // SAFETY: as above.
    let args = unsafe { borrowed(args, "the arguments") }?;
    // SAFETY: as above.
    let config = unsafe { borrowed(config, "the configuration") }?;
    // SAFETY: as above.
    let descriptor = *unsafe { borrowed(descriptor, "the descriptor") }?;
    Ok((storage, Request { id, args, config, descriptor }))
}

/// # Safety
///
/// If it is not null it is a record that stays.
unsafe fn borrowed<'a, T>(at: *const T, what: &'static str) -> Result<&'a T, HostError> {
    if at.is_null() {
        return Err(HostError::Null { what });
    }
    if !at.is_aligned() {
        return Err(HostError::Unaligned { what, addr: at.addr(), align: align_of::<T>() });
    }
    // SAFETY: it is not null, it is aligned, and the caller says that the record is there.
    Ok(unsafe { &*at })
}
