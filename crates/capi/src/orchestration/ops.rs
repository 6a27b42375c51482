//! The operations as C calls them: each finds the run it belongs to, and lets nothing unwind.
//!
//! Invariant: there is a [`Playing`] behind every runtime that a library is bound to in a run, and one thread calls.

use core::ffi::{c_char, c_int, c_void};
#[cfg(target_arch = "x86_64")]
use core::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use prewire_abi::{ChipTensor, ErrorCode};
use prewire_sync::cell::UnsafeCell;

use super::playing::Playing;
use super::shim;
use crate::host::log::{self, Level};
use crate::layout::{CoreArgs, Kernels, Outputs, Runtime, RuntimeOps};

/// The operations of a run.
pub(super) fn live() -> &'static RuntimeOps {
    static OPS: OnceLock<RuntimeOps> = OnceLock::new();
    OPS.get_or_init(|| {
        let ([error, warn, timing, info, debug], report_fatal) = shim::format_entries(is_said, say, fail);
        RuntimeOps {
            submit_task,
            scope_begin,
            scope_end,
            orchestration_done,
            is_fatal,
            report_fatal,
            log_error: error,
            log_warn: warn,
            log_timing: timing,
            log_info: info,
            log_debug: debug,
            get_tensor_data,
            set_tensor_data,
            alloc_tensors,
            submit_dummy_task,
            available_cluster_count,
            available_aiv_count,
            scope_set_site: None,
        }
    })
}

/// Lets `body` work with what is behind `runtime`. A panic in it is a failure of the run, and the answer is the default.
///
/// # Safety
///
/// `runtime` is that of a run that goes on, handed out by this module's owner, and nobody else uses it meanwhile.
#[inline(always)]
unsafe fn with<T>(
    runtime: *mut Runtime,
    default: impl FnOnce() -> T,
    body: impl FnOnce(&mut Playing<'_, '_>) -> T,
) -> T {
    // SAFETY: a runtime is the first member of its `Playing`; the rest is the caller's word.
    let playing = unsafe { &mut *runtime.cast::<Playing<'_, '_>>() };
    match catch_unwind(AssertUnwindSafe(|| body(&mut *playing))) {
        Ok(result) => result,
        Err(panic) => {
            // Dropping what was thrown may panic again.
            std::mem::forget(panic);
            // SAFETY: as above: the body has ended.
            let playing = unsafe { &mut *runtime.cast::<Playing<'_, '_>>() };
            let failed =
                AssertUnwindSafe(|| playing.fail_with(ErrorCode::ExplicitOrchFatal, "an operation panicked"));
            let _ = catch_unwind(failed);
            default()
        }
    }
}

/// An operation that gives back [`Outputs`]: see [`SubmitFn`](crate::layout::SubmitFn).
macro_rules! gives_outputs {
    ($name:ident($($arg:ident: $ty:ty),+), $outputs:ident, $body:expr) => {
        #[cfg(target_arch = "x86_64")]
        unsafe extern "C" fn $name(to: *mut Outputs, $($arg: $ty),+) -> *mut Outputs {
            // SAFETY: it is the caller's memory for the result, and nobody else's until this returns.
            let place = unsafe { &mut *to.cast::<MaybeUninit<Outputs>>() };
            let $outputs = place.write(Outputs::none());
            $body;
            to
        }
        #[cfg(not(target_arch = "x86_64"))]
        unsafe extern "C" fn $name($($arg: $ty),+) -> Outputs {
            let mut made = Outputs::none();
            let $outputs = &mut made;
            $body;
            made
        }
    };
}

static NO_KERNELS: Kernels = Kernels { aic: -1, aiv0: -1, aiv1: -1 };

gives_outputs!(submit_task(rt: *mut Runtime, kernels: *const Kernels, args: *const CoreArgs), outputs, {
    // SAFETY: the library calls with the runtime that it is bound to, and with records that it has built.
    unsafe { with(rt, || (), |playing| playing.submit(kernels, args, outputs)) }
});
gives_outputs!(submit_dummy_task(rt: *mut Runtime, args: *const CoreArgs), outputs, {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || (), |playing| playing.submit(&raw const NO_KERNELS, args, outputs)) }
});
gives_outputs!(alloc_tensors(rt: *mut Runtime, args: *const CoreArgs), outputs, {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || (), |playing| playing.alloc(args, outputs)) }
});

unsafe extern "C" fn scope_begin(rt: *mut Runtime) {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || (), |playing| playing.open_scope()) };
}

unsafe extern "C" fn scope_end(rt: *mut Runtime) {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || (), |playing| playing.close_scope()) };
}

/// The run ends with the entry: there is nothing to do before.
unsafe extern "C" fn orchestration_done(_: *mut Runtime) {}

unsafe extern "C" fn is_fatal(rt: *mut Runtime) -> bool {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || true, |playing| playing.is_over()) }
}

unsafe extern "C" fn get_tensor_data(
    rt: *mut Runtime,
    tensor: *const ChipTensor,
    count: u32,
    indices: *const u32,
) -> u64 {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || 0, |playing| playing.read(tensor, count, indices)) }
}

unsafe extern "C" fn set_tensor_data(
    rt: *mut Runtime,
    tensor: *const ChipTensor,
    count: u32,
    indices: *const u32,
    bits: u64,
) {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || (), |playing| playing.write(tensor, count, indices, bits)) };
}

unsafe extern "C" fn available_cluster_count(rt: *mut Runtime) -> i32 {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || 0, |playing| playing.clusters()) }
}

unsafe extern "C" fn available_aiv_count(rt: *mut Runtime) -> i32 {
    // SAFETY: as in `submit_task`.
    unsafe { with(rt, || 0, |playing| playing.aiv_cores()) }
}

/// The level of a number of the table.
const fn level_of(number: c_int) -> Level {
    match number {
        0 => Level::Error,
        1 => Level::Warn,
        2 => Level::Timing,
        3 => Level::Info,
        _ => Level::Debug,
    }
}

/// Whether messages of a level are written.
unsafe extern "C" fn is_said(level: c_int) -> c_int {
    c_int::from(log::enabled(level_of(level)))
}

/// A message of a library.
unsafe extern "C" fn say(level: c_int, func: *const c_char, text: *const c_char) {
    let level = level_of(level);
    if log::enabled(level) {
        // SAFETY: a function's name or null, as every such entry takes it.
        let func = unsafe { shim::text(func) };
        // SAFETY: the shim's text, or the library's format.
        let text = unsafe { shim::text(text) };
        let _ = catch_unwind(|| log::emit(level, &func, format_args!("{text}")));
    }
}

/// A failure that a library declares.
unsafe extern "C" fn fail(rt: *mut c_void, code: i32, func: *const c_char, text: *const c_char) {
    // SAFETY: a function's name or null.
    let func = unsafe { shim::text(func) };
    // SAFETY: the shim's text, or the library's format.
    let text = unsafe { shim::text(text) };
    // SAFETY: as in `submit_task`; after the run the runtime is one whose entry for this is another.
    unsafe { with(rt.cast(), || (), |playing| playing.report(code, &func, &text)) };
}

/// A runtime in which everything has failed: what a library is bound to between runs.
pub(super) struct Dead {
    /// Written by the library: the mode of a scope that nobody opens. Nobody here reads it.
    runtime: UnsafeCell<Runtime>,
    ops: RuntimeOps,
}

// SAFETY: nothing in it is ever written but by the library, which is called by one thread at a time.
unsafe impl Send for Dead {}
// SAFETY: as above; here only its address is taken.
unsafe impl Sync for Dead {}

impl Dead {
    pub(super) fn new() -> Box<Self> {
        gives_outputs!(task(_rt: *mut Runtime, _kernels: *const Kernels, _args: *const CoreArgs), outputs, { let _ = outputs; });
        gives_outputs!(no_task(_rt: *mut Runtime, _args: *const CoreArgs), outputs, { let _ = outputs; });
        unsafe extern "C" fn nothing(_: *mut Runtime) {}
        unsafe extern "C" fn always(_: *mut Runtime) -> bool {
            true
        }
        unsafe extern "C" fn zero(_: *mut Runtime, _: *const ChipTensor, _: u32, _: *const u32) -> u64 {
            0
        }
        unsafe extern "C" fn ignore(_: *mut Runtime, _: *const ChipTensor, _: u32, _: *const u32, _: u64) {}
        unsafe extern "C" fn none(_: *mut Runtime) -> i32 {
            0
        }
        let live = live();
        let ops = RuntimeOps {
            submit_task: task,
            scope_begin: nothing,
            scope_end: nothing,
            is_fatal: always,
            report_fatal: shim::ignore_fatal(),
            get_tensor_data: zero,
            set_tensor_data: ignore,
            alloc_tensors: no_task,
            submit_dummy_task: no_task,
            available_cluster_count: none,
            available_aiv_count: none,
            ..*live
        };
        let runtime = Runtime { ops: core::ptr::null(), pending_scope_mode: 0 };
        let dead = Box::new(Self { runtime: UnsafeCell::new(runtime), ops });
        let table = &raw const dead.ops;
        // SAFETY: nobody knows the record yet.
        dead.runtime.with_mut(|runtime| unsafe { (*runtime).ops = table });
        dead
    }

    pub(super) fn runtime(&self) -> *mut Runtime {
        self.runtime.with_mut(|runtime| runtime)
    }
}
