//! The host runtimes that answer for the threads that run their kernels.
//!
//! **Invariant:** a provider is asked only between its being given and its being withdrawn; who withdraws waits for those that
//! are asking.

use core::ffi::{c_int, c_void};
use core::ptr;
use std::panic::catch_unwind;
use std::sync::{PoisonError, RwLock};

use prewire_abi::CoreProvider;

static PROVIDERS: RwLock<Vec<CoreProvider>> = RwLock::new(Vec::new());

/// The first answer of those who know the calling thread.
fn ask<T>(answer: impl Fn(&CoreProvider, u32) -> T) -> Option<T> {
    let providers = PROVIDERS.read().unwrap_or_else(PoisonError::into_inner);
    providers.iter().find_map(|provider| {
        let subblock = u32::try_from((provider.subblock)()).ok()?;
        Some(answer(provider, subblock))
    })
}

/// The vector core of the calling thread, if somebody knows it.
pub(crate) fn subblock() -> Option<u32> {
    ask(|_, subblock| subblock)
}

/// The memory that the calling thread shares, if somebody knows it.
pub(crate) fn pipe(key: u64, bytes: usize) -> Option<*mut c_void> {
    ask(|provider, _| (provider.pipe)(key, bytes))
}

fn same(one: &CoreProvider, other: &CoreProvider) -> bool {
    ptr::fn_addr_eq(one.subblock, other.subblock) && ptr::fn_addr_eq(one.pipe, other.pipe)
}

/// The provider behind a pointer, if it is one of this version.
///
/// # Safety
///
/// `provider` is null or points to a size, and to the rest if the size is that of a [`CoreProvider`].
unsafe fn read(provider: *const CoreProvider) -> Option<CoreProvider> {
    if provider.is_null() || !provider.is_aligned() {
        return None;
    }
    // SAFETY: it is not null, so there is a size.
    let size = unsafe { provider.cast::<u64>().read() };
    if size != CoreProvider::SIZE {
        return None;
    }
    // SAFETY: the size is that of a provider, so it is one.
    Some(unsafe { provider.read() })
}

/// Takes a provider, once or again: 0, or -1 if it is of another version.
///
/// # Safety
///
/// `provider` is null or points to a size, and to the rest if the size is that of a [`CoreProvider`]. Its functions can be called
/// from any thread until it is [withdrawn](prewire_sim_context_withdraw).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prewire_sim_context_provide(provider: *const CoreProvider) -> c_int {
    // SAFETY: as the caller says.
    let Some(given) = (unsafe { read(provider) }) else { return -1 };
    let taken = catch_unwind(|| {
        let mut providers = PROVIDERS.write().unwrap_or_else(PoisonError::into_inner);
        if !providers.iter().any(|known| same(known, &given)) {
            providers.push(given);
        }
    });
    if taken.is_ok() { 0 } else { -1 }
}

/// Forgets a provider: 0, or -1 if it is not known. When it returns, nobody is in its functions.
///
/// # Safety
///
/// As for [`prewire_sim_context_provide`]; and no kernel of the runtime is waiting for this call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prewire_sim_context_withdraw(provider: *const CoreProvider) -> c_int {
    // SAFETY: as the caller says.
    let Some(given) = (unsafe { read(provider) }) else { return -1 };
    let forgotten = catch_unwind(|| {
        let mut providers = PROVIDERS.write().unwrap_or_else(PoisonError::into_inner);
        let before = providers.len();
        providers.retain(|known| !same(known, &given));
        providers.len() < before
    });
    if matches!(forgotten, Ok(true)) { 0 } else { -1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pto_sim_get_pipe_shared_state, pto_sim_get_subblock_id, sim_context_set_subblock_id};
    use core::cell::Cell;

    thread_local! {
        static WHO: Cell<i64> = const { Cell::new(-1) };
    }

    extern "C" fn subblock() -> i64 {
        WHO.get()
    }

    extern "C" fn pipe(key: u64, bytes: usize) -> *mut c_void {
        ptr::without_provenance_mut(key as usize + bytes)
    }

    #[test]
    fn who_runs_the_thread_answers_for_it() {
        let provider = CoreProvider { size: CoreProvider::SIZE, subblock, pipe };
        let other = CoreProvider { size: 8, ..provider };
        for wrong in [ptr::null(), &raw const other] {
            // SAFETY: it is null, or a provider.
            assert_eq!(unsafe { prewire_sim_context_provide(wrong) }, -1);
        }
        // SAFETY: its functions are there for ever.
        assert_eq!(unsafe { prewire_sim_context_provide(&provider) }, 0);
        sim_context_set_subblock_id(1);
        assert_eq!(pto_sim_get_subblock_id(), 1, "no kernel runs on this thread");
        WHO.set(0);
        assert_eq!((pto_sim_get_subblock_id(), pto_sim_get_pipe_shared_state(3, 4).addr()), (0, 7));
        // SAFETY: as above.
        assert_eq!(unsafe { prewire_sim_context_withdraw(&provider) }, 0);
        assert_eq!(pto_sim_get_subblock_id(), 1);
        // SAFETY: as above.
        assert_eq!(unsafe { prewire_sim_context_withdraw(&provider) }, -1);
    }
}
