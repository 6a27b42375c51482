//! Who a core is, for kernels that ask from inside a library, and the memory that the cores of a cluster share.
//!
//! Invariant: a thread has an identity exactly while it runs a kernel of a library.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

/// What a library is given its hooks by: the addresses of `subblock` and `pipe`.
pub(crate) type Register = unsafe extern "C" fn(*mut c_void, *mut c_void);

/// Which core of its chip a thread is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreIdentity {
    /// Which cluster, from 0.
    pub cluster: u32,
    /// Which vector core of the cluster: 0 or 1. 0 on a cube core.
    pub subblock: u32,
}

#[derive(Clone, Copy)]
struct Here {
    identity: CoreIdentity,
    pipes: NonNull<Pipes>,
}

thread_local! {
    static HERE: Cell<Option<Here>> = const { Cell::new(None) };
}

/// A cluster, and what its cores call the memory.
type Key = (u32, u64);

/// The memory that the cores of each cluster share by key, of one chip.
#[derive(Default)]
pub(crate) struct Pipes {
    by_key: Mutex<HashMap<Key, Box<[u128]>>>,
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").finish_non_exhaustive()
    }
}

impl Pipes {
    /// The memory of `key` in `cluster`: zeroed when it is first asked for. Null for no bytes, and for more than were
    /// asked for first.
    fn memory(&self, cluster: u32, key: u64, bytes: usize) -> *mut c_void {
        if bytes == 0 {
            return ptr::null_mut();
        }
        let units = bytes.div_ceil(size_of::<u128>());
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = by_key.entry((cluster, key)).or_insert_with(|| vec![0; units].into_boxed_slice());
        if memory.len() < units { ptr::null_mut() } else { memory.as_mut_ptr().cast() }
    }

    /// Gives all of it back. Between runs: no kernel has a pointer to it.
    pub(crate) fn clear(&self) {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        if !by_key.is_empty() {
            by_key.clear();
        }
    }
}

/// Gives this thread an identity while it lives.
#[derive(Debug)]
pub(crate) struct Identified<'p>(PhantomData<&'p Pipes>);

impl<'p> Identified<'p> {
    pub(crate) fn as_core(identity: CoreIdentity, pipes: &'p Pipes) -> Self {
        let before = HERE.replace(Some(Here { identity, pipes: NonNull::from(pipes) })).is_some();
        debug_assert!(!before, "a kernel does not run inside of a kernel");
        Self(PhantomData)
    }
}

impl Drop for Identified<'_> {
    fn drop(&mut self) {
        HERE.set(None);
    }
}

/// Which core the calling thread is: none where it runs no kernel of a library.
///
/// ```
/// assert_eq!(prewire_chip::core_identity(), None);
/// ```
#[must_use]
pub fn core_identity() -> Option<CoreIdentity> {
    HERE.get().map(|here| here.identity)
}

/// Memory that the cores of a cluster share, by a key that they agree on: for the kernel of a library that the calling
/// thread runs. Zeroed when the first of them asks in a run, aligned to 16 bytes, and given back before the next run.
/// Null where no such kernel runs, for no bytes, and for more bytes than the first one asked for.
///
/// ```
/// assert!(prewire_chip::pipe_shared_state(7, 64).is_null());
/// ```
#[must_use]
pub fn pipe_shared_state(key: u64, bytes: usize) -> *mut c_void {
    let Some(here) = HERE.get() else { return ptr::null_mut() };
    // SAFETY: it was made of a reference that lives as long as the guard that set it, and dropping the guard takes it away.
    let pipes = unsafe { here.pipes.as_ref() };
    pipes.memory(here.identity.cluster, key, bytes)
}

extern "C" fn subblock() -> u32 {
    core_identity().map_or(0, |identity| identity.subblock)
}

extern "C" fn pipe(key: u64, bytes: usize) -> *mut c_void {
    pipe_shared_state(key, bytes)
}

/// The addresses of both hooks.
pub(crate) fn addresses() -> [*mut c_void; 2] {
    [
        subblock as extern "C" fn() -> u32 as *mut c_void,
        pipe as extern "C" fn(u64, usize) -> *mut c_void as *mut c_void,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_shared_by_cluster_and_key_and_gone_with_the_run() {
        let pipes = Pipes::default();
        let core = |cluster, subblock| CoreIdentity { cluster, subblock };
        let ask = |who, key, bytes| {
            let _identified = Identified::as_core(who, &pipes);
            pipe_shared_state(key, bytes)
        };
        let first = ask(core(1, 0), 7, 100);
        assert!(!first.is_null() && first.addr() % 16 == 0);
        assert_eq!(ask(core(1, 1), 7, 100), first);
        assert_ne!(ask(core(2, 1), 7, 100), first);
        assert_ne!(ask(core(1, 1), 8, 100), first);
        assert!(ask(core(1, 1), 7, 113).is_null() && ask(core(1, 1), 9, 0).is_null());
        assert!(pipe_shared_state(7, 100).is_null());
        pipes.clear();
        assert!(pipes.by_key.lock().unwrap().is_empty());
    }

    #[test]
    fn an_identity_ends_with_its_kernel() {
        let (pipes, identity) = (Pipes::default(), CoreIdentity { cluster: 3, subblock: 1 });
        let identified = Identified::as_core(identity, &pipes);
        assert_eq!((core_identity(), subblock()), (Some(identity), 1));
        drop(identified);
        assert_eq!((core_identity(), subblock()), (None, 0));
    }
}
