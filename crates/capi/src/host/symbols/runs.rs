//! Runs, and what is told of them. Invariant: as of all symbols.

use std::ffi::{c_int, c_void};

use prewire_abi::{CallConfig, ChipStorageTaskArgs};

use crate::host::contexts;
use crate::host::entry::{entry, told};
use crate::host::error::{HostError, INTERNAL};
use crate::host::records::NativeRunDescriptor;
use crate::host::storage::{Storage, Ticket};
use crate::host::{request, runs};

/// How many bytes of storage a run needs.
#[unsafe(no_mangle)]
pub extern "C" fn get_runtime_size() -> usize {
    size_of::<Ticket>()
}

/// What the address of the storage must be a multiple of.
#[unsafe(no_mangle)]
pub extern "C" fn get_runtime_alignment() -> usize {
    align_of::<Ticket>()
}

/// Whether a run can be prepared while another one goes on: yes, in the other place.
#[unsafe(no_mangle)]
pub extern "C" fn supports_concurrent_native_prepare_ctx(_ctx: *mut c_void) -> c_int {
    1
}

/// As the other calls of runs: the code of the run, or that of the error, which is logged.
fn code(call: &str, body: impl FnOnce() -> Result<i32, HostError>) -> c_int {
    told(call, INTERNAL, body, HostError::code)
}

/// Runs callable `callable_id` with `args`, from staging to copying back, and returns its code.
///
/// # Safety
///
/// What is not null is what its type says, for the call. The tensors of the host that `args` names are memory that can be
/// read, and written where the signature does not say IN, until the call has returned; nobody else works on them, nor on
/// the storage. The word that the descriptor names stays until then. What the callable's libraries do is theirs.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_run(
    ctx: *mut c_void,
    runtime: *mut c_void,
    callable_id: i32,
    args: *const ChipStorageTaskArgs,
    config: *const CallConfig,
    descriptor: *const NativeRunDescriptor,
) -> c_int {
    code("simpler_run", || {
        let context = contexts::find(ctx)?;
        // SAFETY: the caller's promises.
        let (storage, request) = unsafe { request::request(runtime, callable_id, args, config, descriptor) }?;
        // SAFETY: the caller's promises.
        unsafe { runs::run(&context, storage, &request) }
    })
}

/// Prepares a run: checks its arguments and makes room for them. Its tensors are not read yet. It is launched with
/// [`simpler_launch_run`], and ended with [`simpler_finalize_run`] in any case.
///
/// # Safety
///
/// As [`simpler_run`], where the tensors, the storage and the word stay until the run is finalized.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_prepare_run(
    ctx: *mut c_void,
    runtime: *mut c_void,
    callable_id: i32,
    args: *const ChipStorageTaskArgs,
    config: *const CallConfig,
    descriptor: *const NativeRunDescriptor,
) -> c_int {
    code("simpler_prepare_run", || {
        let context = contexts::find(ctx)?;
        // SAFETY: the caller's promises.
        let (storage, request) = unsafe { request::request(runtime, callable_id, args, config, descriptor) }?;
        // SAFETY: the caller's promises.
        unsafe { runs::prepare(&context, storage, &request) }.map(|()| 0)
    })
}

/// Calls `body` with the context and the storage that were checked.
///
/// # Safety
///
/// `runtime` is null or storage, which nobody else uses during the call.
unsafe fn with_run<T: Copy>(
    call: &str,
    failed: T,
    (ctx, runtime): (*mut c_void, *mut c_void),
    body: impl FnOnce(&crate::host::context::Context, Storage) -> Result<T, HostError>,
) -> T {
    told(
        call,
        failed,
        || {
            let context = contexts::find(ctx)?;
            // SAFETY: the caller's promise.
            let storage = unsafe { Storage::new(runtime) }?;
            body(&context, storage)
        },
        |_| failed,
    )
}

/// Launches a prepared run: copies its tensors in, and it goes on by itself, after those that were launched before. When this
/// returns 0 the word that the descriptor names has its value.
///
/// # Safety
///
/// `runtime` is the storage of the run, and the promises of [`simpler_prepare_run`] are kept.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_launch_run(ctx: *mut c_void, runtime: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_run("simpler_launch_run", INTERNAL, (ctx, runtime), runs::launch) }
}

/// Whether a launched run is over: 1 yes, 0 no, -1 that there is none.
///
/// # Safety
///
/// As [`simpler_launch_run`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_poll_run(ctx: *mut c_void, runtime: *mut c_void) -> c_int {
    let poll = |context: &_, storage| runs::poll(context, storage).map(c_int::from);
    // SAFETY: the caller's promise.
    unsafe { with_run("simpler_poll_run", INTERNAL, (ctx, runtime), poll) }
}

/// Waits until a launched run is over, and returns its code.
///
/// # Safety
///
/// As [`simpler_launch_run`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_wait_run(ctx: *mut c_void, runtime: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_run("simpler_wait_run", INTERNAL, (ctx, runtime), runs::wait) }
}

/// Ends a prepared run: waits if it goes on, copies results back if it ended well, and returns its code. A run that was
/// never launched ends with 0. The storage can be used again.
///
/// # Safety
///
/// As [`simpler_launch_run`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn simpler_finalize_run(ctx: *mut c_void, runtime: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { with_run("simpler_finalize_run", INTERNAL, (ctx, runtime), runs::finalize) }
}

/// Where the heap of a bank begins, or 0. There is one bank; it is there once a run was prepared.
#[unsafe(no_mangle)]
pub extern "C" fn get_arena_bank_gm_heap_base_ctx(ctx: *mut c_void, bank_id: u32) -> u64 {
    entry("get_arena_bank_gm_heap_base_ctx", 0, || {
        let heap = |context: &crate::host::context::Context| {
            context.look(0, |device| device.chip().map_or(0, |kept| kept.chip().heap_base()))
        };
        if bank_id == 0 { contexts::find(ctx).map_or(0, |context| heap(&context)) } else { 0 }
    })
}

/// Where the runs of a place stage their arguments, or 0 if none has yet.
#[unsafe(no_mangle)]
pub extern "C" fn get_retained_temp_addr_ctx(ctx: *mut c_void, slot_id: u32) -> u64 {
    entry("get_retained_temp_addr_ctx", 0, || {
        contexts::find(ctx).map_or(0, |context| {
            context.look(0, |device| {
                device.places.get(slot_id as usize).map_or(0, |place| place.buffer.addr as u64)
            })
        })
    })
}

/// How many streams of a chip runs have made: a simulated one has none.
#[unsafe(no_mangle)]
pub extern "C" fn get_run_stream_set_create_count(_ctx: *mut c_void) -> usize {
    0
}
