//! The runtime as a library sees it: a table of operations, and the mode of the scope that it opens next.

use core::ffi::{c_char, c_int};
use core::mem::{align_of, offset_of, size_of};

use prewire_abi::ChipTensor;

use super::{CoreArgs, Kernels, Outputs};

/// Declares the type of an operation that gives back [`Outputs`]. They go through memory of the caller's, whose address is
/// the first argument and the result where that is the rule for such records: then they are written where they are to be,
/// and not copied.
macro_rules! gives_outputs {
    ($(#[$doc:meta])* $name:ident: ($($arg:ty),+)) => {
        $(#[$doc])*
        #[cfg(target_arch = "x86_64")]
        pub type $name = unsafe extern "C" fn(*mut Outputs, $($arg),+) -> *mut Outputs;
        $(#[$doc])*
        #[cfg(not(target_arch = "x86_64"))]
        pub type $name = unsafe extern "C" fn($($arg),+) -> Outputs;
    };
}

gives_outputs! {
    /// Submits a task of kernels.
    SubmitFn: (*mut Runtime, *const Kernels, *const CoreArgs)
}
gives_outputs! {
    /// Makes what has no kernel.
    MakeFn: (*mut Runtime, *const CoreArgs)
}

/// A log entry: the function that it comes from, a format, and what belongs to it.
pub type LogFn = unsafe extern "C" fn(func: *const c_char, format: *const c_char, ...);

/// What a library calls, in this order.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RuntimeOps {
    /// Submits a task that runs kernels.
    pub submit_task: SubmitFn,
    /// Opens a scope, of the mode that is pending.
    pub scope_begin: unsafe extern "C" fn(*mut Runtime),
    /// Closes the innermost scope.
    pub scope_end: unsafe extern "C" fn(*mut Runtime),
    /// The library has submitted all that it will.
    pub orchestration_done: unsafe extern "C" fn(*mut Runtime),
    /// Whether the run has failed: then everything else does nothing.
    pub is_fatal: unsafe extern "C" fn(*mut Runtime) -> bool,
    /// Declares the run failed, with a code.
    pub report_fatal: unsafe extern "C" fn(*mut Runtime, i32, *const c_char, *const c_char, ...),
    /// Says what went wrong.
    pub log_error: LogFn,
    /// Says what looks wrong.
    pub log_warn: LogFn,
    /// Says what took how long.
    pub log_timing: LogFn,
    /// Says what happens.
    pub log_info: LogFn,
    /// Says what happens, at length.
    pub log_debug: LogFn,
    /// Reads one element once what writes it is complete.
    pub get_tensor_data: unsafe extern "C" fn(*mut Runtime, *const ChipTensor, u32, *const u32) -> u64,
    /// Writes one element once what writes and what keeps it is complete.
    pub set_tensor_data: unsafe extern "C" fn(*mut Runtime, *const ChipTensor, u32, *const u32, u64),
    /// Makes memory without a task.
    pub alloc_tensors: MakeFn,
    /// Submits a task that runs nothing.
    pub submit_dummy_task: MakeFn,
    /// How many clusters there are.
    pub available_cluster_count: unsafe extern "C" fn(*mut Runtime) -> i32,
    /// How many vector cores there are.
    pub available_aiv_count: unsafe extern "C" fn(*mut Runtime) -> i32,
    /// Where the scope that is opened next stands in the source.
    pub scope_set_site: Option<unsafe extern "C" fn(file: *const c_char, line: c_int)>,
}

/// The runtime. What follows these two members is the runtime's own.
#[derive(Debug)]
#[repr(C)]
pub struct Runtime {
    /// The operations.
    pub ops: *const RuntimeOps,
    /// The mode of the scope that is opened next: 0 inferred edges, 1 explicit ones only. Written by the library.
    pub pending_scope_mode: u8,
}

/// What an orchestration says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Config {
    /// How many arguments it takes at least.
    pub expected_arg_count: i32,
}

const _: () = assert!(size_of::<RuntimeOps>() == 144 && align_of::<RuntimeOps>() == 8);
const _: () = assert!(offset_of!(RuntimeOps, submit_task) == 0);
const _: () = assert!(offset_of!(RuntimeOps, is_fatal) == 32 && offset_of!(RuntimeOps, report_fatal) == 40);
const _: () = assert!(offset_of!(RuntimeOps, log_error) == 48 && offset_of!(RuntimeOps, log_debug) == 80);
const _: () = assert!(offset_of!(RuntimeOps, get_tensor_data) == 88);
const _: () = assert!(offset_of!(RuntimeOps, set_tensor_data) == 96);
const _: () = assert!(offset_of!(RuntimeOps, alloc_tensors) == 104);
const _: () = assert!(offset_of!(RuntimeOps, submit_dummy_task) == 112);
const _: () = assert!(offset_of!(RuntimeOps, available_cluster_count) == 120);
const _: () = assert!(offset_of!(RuntimeOps, available_aiv_count) == 128);
const _: () = assert!(offset_of!(RuntimeOps, scope_set_site) == 136);
const _: () = assert!(offset_of!(Runtime, ops) == 0 && offset_of!(Runtime, pending_scope_mode) == 8);
const _: () = assert!(size_of::<Runtime>() == 16 && size_of::<Config>() == 4);
