//! How kernels that ask by name, through the library that a front end loads for the whole process, learn which core they are
//! on: this copy of the runtime answers for the threads that run its kernels.
//!
//! **Invariant:** the answer is given exactly while a device of this copy is there.

use core::ffi::{c_int, c_void};
use std::collections::HashMap;

use libloading::os::unix::Library;
use prewire_abi::CoreProvider;
use prewire_os::process::OfProcess;

use crate::host::log;

/// A function of the library that takes or forgets a provider.
type Register = unsafe extern "C" fn(*const CoreProvider) -> c_int;

/// What this copy answers.
static PROVIDER: CoreProvider = CoreProvider { size: CoreProvider::SIZE, subblock, pipe };

/// How often each device was acquired, by this process.
static DEVICES: OfProcess<HashMap<i32, usize>> = OfProcess::new();

extern "C" fn subblock() -> i64 {
    prewire_chip::core_identity().map_or(-1, |identity| identity.subblock.into())
}

extern "C" fn pipe(key: u64, bytes: usize) -> *mut c_void {
    prewire_chip::pipe_shared_state(key, bytes)
}

/// A device of this copy, for which it answers. Dropped with the last of them, nothing is answered any more.
#[derive(Debug)]
#[must_use = "it answers for as long as it lives"]
pub struct Answering {
    device: i32,
}

impl Answering {
    /// Answers for the threads that run kernels of `device`, if the library that kernels ask is there; and does nothing if it
    /// is not.
    ///
    /// ```
    /// let answering = host_runtime::context::Answering::for_device(0);
    /// drop(answering);
    /// ```
    pub fn for_device(device: i32) -> Self {
        let mut all = DEVICES.lock();
        let first = all.is_empty();
        *all.entry(device).or_default() += 1;
        if first {
            // SAFETY: it takes a provider, which is a static, and whose functions are there as long as this library; that
            // withdraws it with the last device.
            let taken = unsafe { call(c"prewire_sim_context_provide") };
            let other = taken.is_none() && find(c"pto_sim_get_subblock_id").is_some();
            if other || taken.is_some_and(|status| status != 0) {
                let what = "libcpu_sim_context.so is not prewire's of this version: kernels that ask it for their core \
                            learn nothing; write both libraries with the same `cargo xtask dist`";
                log::warn("simpler_init", format_args!("{what}"));
            }
        }
        Self { device }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut all = DEVICES.lock();
        let Some(count) = all.get_mut(&self.device) else { return };
        *count -= 1;
        if *count == 0 {
            all.remove(&self.device);
        }
        if all.is_empty() {
            // SAFETY: it forgets a provider; the kernels of this copy have ended with their devices.
            let _ = unsafe { call(c"prewire_sim_context_withdraw") };
        }
    }
}

/// The address of `name` in what is loaded for the whole process.
fn find(name: &core::ffi::CStr) -> Option<Register> {
    // SAFETY: nothing is called by looking; what it is, is for who calls it to know.
    let found = unsafe { Library::this().get::<Register>(name.to_bytes_with_nul()) };
    found.ok().map(|symbol| *symbol)
}

/// Calls `name` with the provider, if it is there.
///
/// # Safety
///
/// It is a function that takes or forgets providers.
unsafe fn call(name: &core::ffi::CStr) -> Option<c_int> {
    let function = find(name)?;
    // SAFETY: as the caller says.
    Some(unsafe { function(&raw const PROVIDER) })
}
