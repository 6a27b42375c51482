//! The library as a front end sees it: loaded by its file, and its symbols by their names. Invariant: nothing of this
//! process is shared with it but memory.

use host_runtime::host::{NativeRunDescriptor, PipelineContract, SimplerHostLogState};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use prewire_abi::{CallConfig, ChipStorageTaskArgs};
use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};

pub(crate) type Handle = *mut c_void;
type Run = unsafe extern "C" fn(
    Handle,
    Handle,
    i32,
    *const ChipStorageTaskArgs,
    *const CallConfig,
    *const NativeRunDescriptor,
) -> c_int;
type Step = unsafe extern "C" fn(Handle, Handle) -> c_int;
type Count = unsafe extern "C" fn(Handle) -> usize;
type Telemetry = unsafe extern "C" fn(Handle, u32) -> u64;

macro_rules! api {
    ($($name:ident: $signature:ty),+ $(,)?) => {
        /// The symbols that a front end resolves, and calls through pointers.
        pub(crate) struct Api {
            _library: Library,
            $(pub(crate) $name: $signature,)+
        }

        impl Api {
            /// Loads the library in `file`, as a front end does: at once, and for itself.
            pub(crate) fn load(file: &Path) -> Self {
                // SAFETY: the library of this package, whose constructors are those of Rust's.
                let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_LOCAL) };
                let library = library.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                $(
                    // SAFETY: the type is that of the symbol, as the interface says.
                    let $name = unsafe { library.get::<$signature>(stringify!($name).as_bytes()) };
                    let $name = *$name.unwrap();
                )+
                Self { _library: library, $($name),+ }
            }

            /// The symbols.
            pub(crate) const NAMES: &[&str] = &[$(stringify!($name)),+];
        }
    };
}

api! {
    get_pipeline_contract: unsafe extern "C" fn() -> *const PipelineContract,
    create_device_context: unsafe extern "C" fn() -> Handle,
    destroy_device_context: unsafe extern "C" fn(Handle),
    get_runtime_size: unsafe extern "C" fn() -> usize,
    get_runtime_alignment: unsafe extern "C" fn() -> usize,
    simpler_init: unsafe extern "C" fn(
        Handle, c_int, *const u8, usize, *const u8, usize, *const u8, usize, *const CallConfig,
    ) -> c_int,
    finalize_device: unsafe extern "C" fn(Handle) -> c_int,
    device_malloc_ctx: unsafe extern "C" fn(Handle, usize) -> Handle,
    device_free_ctx: unsafe extern "C" fn(Handle, Handle),
    committed_device_memory_ctx: Count,
    copy_to_device_ctx: unsafe extern "C" fn(Handle, Handle, *const c_void, usize) -> c_int,
    copy_from_device_ctx: unsafe extern "C" fn(Handle, Handle, *const c_void, usize) -> c_int,
    simpler_register_callable: unsafe extern "C" fn(Handle, i32, *const c_void) -> c_int,
    simpler_unregister_callable: unsafe extern "C" fn(Handle, i32) -> c_int,
    simpler_run: Run,
    simpler_prepare_run: Run,
    simpler_launch_run: Step,
    simpler_poll_run: Step,
    simpler_wait_run: Step,
    simpler_finalize_run: Step,
    supports_concurrent_native_prepare_ctx: unsafe extern "C" fn(Handle) -> c_int,
    get_arena_bank_gm_heap_base_ctx: Telemetry,
    get_retained_temp_addr_ctx: Telemetry,
    get_aicpu_dlopen_count: Count,
    get_host_dlopen_count: Count,
    get_run_stream_set_create_count: Count,
    simpler_provision_dma_workspace: unsafe extern "C" fn(Handle, u32, *const c_void, u64) -> c_int,
    simpler_host_log_bind_state: unsafe extern "C" fn(*mut SimplerHostLogState) -> c_int,
}

/// The library that was built with this test.
pub(crate) fn built() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // Cargo puts it beside the tests, and a copy one folder up.
    exe.with_file_name("libhost_runtime.so")
}
