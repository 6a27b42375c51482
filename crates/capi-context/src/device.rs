//! Devices, and the memory that the cores of each of their clusters share by a key.

use core::ffi::c_void;
use core::ptr;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the cores of the clusters of a device share, by cluster and key. Aligned as the allocator of C aligns.
type Pipes = HashMap<(u32, u64), Box<[u128]>>;

static DEVICES: Mutex<Option<HashMap<i32, Pipes>>> = Mutex::new(None);

fn devices() -> MutexGuard<'static, Option<HashMap<i32, Pipes>>> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn acquire(device: i32) {
    devices().get_or_insert_default().entry(device).or_default();
}

pub(crate) fn release(device: i32) {
    let released = devices().as_mut().and_then(|all| all.remove(&device));
    // What takes long is done without the lock.
    drop(released);
}

pub(crate) fn clear(device: i32) {
    if let Some(pipes) = devices().as_mut().and_then(|all| all.get_mut(&device)) {
        pipes.clear();
    }
}

/// The memory of `key` in a cluster of a device that was acquired; null if it was not, and as the hook says.
pub(crate) fn pipe(device: i32, cluster: u32, key: u64, bytes: usize) -> *mut c_void {
    let mut all = devices();
    let Some(pipes) = all.as_mut().and_then(|all| all.get_mut(&device)) else { return ptr::null_mut() };
    if bytes == 0 {
        return ptr::null_mut();
    }
    let units = bytes.div_ceil(size_of::<u128>());
    if let Some(memory) = pipes.get_mut(&(cluster, key)) {
        return if memory.len() < units { ptr::null_mut() } else { memory.as_mut_ptr().cast() };
    }
    let mut memory = Vec::new();
    if memory.try_reserve_exact(units).is_err() {
        return ptr::null_mut();
    }
    memory.resize(units, 0);
    pipes.entry((cluster, key)).or_insert(memory.into_boxed_slice()).as_mut_ptr().cast()
}
