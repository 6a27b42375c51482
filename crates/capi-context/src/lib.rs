//! Who a simulated core is: `libcpu_sim_context.so`, which a front end loads for the whole process, once, and which kernels
//! ask by name for the vector core that they run on and for memory that the cores of their cluster share.
//!
//! It knows no runtime. A host runtime of prewire gives it a [`CoreProvider`](prewire_abi::CoreProvider), which answers for the threads that run kernels of
//! that copy of the library; several copies may be loaded. For any other thread the answer is what was set for it, by
//! [`pto_cpu_sim_bind_device`] and by the three functions that runtimes other than prewire's link against.
//!
//! | module | what it is |
//! |---|---|
//! | `provider` | the host runtimes that answer for their threads |
//! | `device` | devices, and the memory that the cores of their clusters share |
//! | `thread` | what was set for a thread |
//! | `log` | the state of the program's log, which is accepted and not used |
//!
//! **Invariant:** nothing is believed of a pointer or a number that comes in before it was checked, as far as it can be, and no
//! panic goes out.

mod device;
mod log;
mod provider;
mod thread;

use core::ffi::{c_int, c_void};
use core::panic::AssertUnwindSafe;
use core::ptr;
use std::panic::catch_unwind;

pub use log::{LogState, simpler_host_log_bind_state};
pub use provider::{prewire_sim_context_provide, prewire_sim_context_withdraw};

/// Runs a call that nothing must come out of.
fn quietly<T>(otherwise: T, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(otherwise)
}

/// Says which device the calling thread works for; a negative number: none.
#[unsafe(no_mangle)]
pub extern "C" fn pto_cpu_sim_bind_device(device: c_int) {
    thread::set(|thread| thread.device = (device >= 0).then_some(device));
}

/// Which device the calling thread works for, or -1.
#[unsafe(no_mangle)]
pub extern "C" fn pto_cpu_sim_get_bound_device() -> c_int {
    thread::get().device.unwrap_or(-1)
}

/// Makes sure that the device is known.
#[unsafe(no_mangle)]
pub extern "C" fn pto_cpu_sim_acquire_device(device: c_int) {
    quietly((), || device::acquire(device));
}

/// Forgets the device, and gives back what its clusters shared. No kernel of it may run any more.
#[unsafe(no_mangle)]
pub extern "C" fn pto_cpu_sim_release_device(device: c_int) {
    quietly((), || device::release(device));
}

/// Which vector core of its cluster runs the calling thread's kernel: 0 or 1, and 0 on a cube core.
#[unsafe(no_mangle)]
pub extern "C" fn pto_sim_get_subblock_id() -> u32 {
    quietly(0, || provider::subblock().unwrap_or(thread::get().subblock))
}

/// Memory that the cores of the calling thread's cluster share, by a key that their kernels agree on: zeroed when the first of
/// them asks in a run. Null on a thread that belongs to no device, for no bytes, and for more than the first asked for.
#[unsafe(no_mangle)]
pub extern "C" fn pto_sim_get_pipe_shared_state(key: u64, bytes: usize) -> *mut c_void {
    quietly(ptr::null_mut(), || {
        if let Some(memory) = provider::pipe(key, bytes) {
            return memory;
        }
        let thread = thread::get();
        thread.device.map_or(ptr::null_mut(), |device| device::pipe(device, thread.cluster, key, bytes))
    })
}

/// Sets the vector core of the calling thread, for runtimes that do not [provide](prewire_sim_context_provide).
#[unsafe(export_name = "_Z27sim_context_set_subblock_idj")]
pub extern "C" fn sim_context_set_subblock_id(subblock: u32) {
    thread::set(|thread| thread.subblock = subblock);
}

/// Sets the cluster of the calling thread, for runtimes that do not [provide](prewire_sim_context_provide).
#[unsafe(export_name = "_Z26sim_context_set_cluster_idj")]
pub extern "C" fn sim_context_set_cluster_id(cluster: u32) {
    thread::set(|thread| thread.cluster = cluster);
}

/// Gives back what the clusters of the calling thread's device shared, for runtimes that do not
/// [provide](prewire_sim_context_provide).
#[unsafe(export_name = "_Z28clear_cpu_sim_shared_storagev")]
pub extern "C" fn clear_cpu_sim_shared_storage() {
    if let Some(device) = thread::get().device {
        quietly((), || device::clear(device));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_what_was_set_for_it() {
        assert_eq!((pto_cpu_sim_get_bound_device(), pto_sim_get_subblock_id()), (-1, 0));
        pto_cpu_sim_acquire_device(1000);
        pto_cpu_sim_bind_device(1000);
        sim_context_set_subblock_id(1);
        assert_eq!((pto_cpu_sim_get_bound_device(), pto_sim_get_subblock_id()), (1000, 1));
        std::thread::spawn(|| {
            assert_eq!((pto_cpu_sim_get_bound_device(), pto_sim_get_subblock_id()), (-1, 0))
        })
        .join()
        .unwrap();
        pto_cpu_sim_bind_device(-1);
        assert_eq!(pto_cpu_sim_get_bound_device(), -1);
        pto_cpu_sim_release_device(1000);
    }

    #[test]
    fn cores_of_a_cluster_share_what_has_the_same_key() {
        let ask = |device, cluster, key, bytes| {
            pto_cpu_sim_bind_device(device);
            sim_context_set_cluster_id(cluster);
            pto_sim_get_pipe_shared_state(key, bytes)
        };
        assert!(ask(1001, 0, 5, 64).is_null(), "nobody has acquired it");
        pto_cpu_sim_acquire_device(1001);
        pto_cpu_sim_acquire_device(1002);
        let first = ask(1001, 0, 5, 100);
        assert!(!first.is_null() && first.addr().is_multiple_of(16));
        assert_eq!(std::thread::spawn(move || ask(1001, 0, 5, 100).addr()).join().unwrap(), first.addr());
        assert!(ask(1001, 0, 5, 113).is_null() && ask(1001, 0, 5, 0).is_null() && ask(-1, 0, 5, 8).is_null());
        let all = [first, ask(1001, 1, 5, 100), ask(1001, 0, 6, 100), ask(1002, 0, 5, 100)];
        for (index, one) in all.iter().enumerate() {
            assert!(!all[..index].contains(one) && !one.is_null());
        }
        // SAFETY: the memory is there for 100 bytes, and no other thread has it any more.
        unsafe { first.cast::<u64>().write(7) };
        pto_cpu_sim_bind_device(1001);
        clear_cpu_sim_shared_storage();
        // SAFETY: as above.
        assert_eq!(unsafe { ask(1001, 0, 5, 8).cast::<u64>().read() }, 0, "it is new");
        pto_cpu_sim_release_device(1001);
        pto_cpu_sim_release_device(1001);
        assert!(ask(1001, 0, 5, 64).is_null());
        pto_cpu_sim_release_device(1002);
    }
}
