//! What each process has of its own, although a fork copies all memory.
//!
//! **Invariant:** a process comes to what it made itself, and to nothing that its parent made: neither to its values nor to a
//! lock that a thread of the parent held when it was forked, and that nobody would open here.

use prewire_sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Pid;

/// A value behind a lock, for a static: each process begins with the default, forked ones too. What the parent had is left
/// as it is in the copy, neither used nor dropped.
///
/// ```
/// use prewire_os::process::OfProcess;
///
/// static NAMES: OfProcess<Vec<String>> = OfProcess::new();
///
/// NAMES.lock().push("first".to_owned());
/// assert_eq!(NAMES.lock().len(), 1);
/// ```
#[derive(Debug)]
pub struct OfProcess<T: 'static> {
    /// What the process has that came last. Written by each process the first time that it comes; what it points to is never
    /// freed.
    now: AtomicPtr<Made<T>>,
}

#[derive(Debug)]
struct Made<T> {
    by: Pid,
    value: Mutex<T>,
}

impl<T: Default + Send> OfProcess<T> {
    /// One where no process has been.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: AtomicPtr::new(core::ptr::null_mut()) }
    }

    /// This process's value, once no other thread has it. A value whose holder panicked is handed out as it was left.
    pub fn lock(&'static self) -> MutexGuard<'static, T> {
        let here = Pid::current();
        // ORDERING: Acquire, "own-made"; pairs with the exchange below.
        let mut now = self.now.load(Ordering::Acquire);
        loop {
            // SAFETY: it is null, or what a process made and has never freed since; it is shared behind its lock alone.
            if let Some(made) = unsafe { now.as_ref() }.filter(|made| made.by == here) {
                return made.value.lock().unwrap_or_else(PoisonError::into_inner);
            }
            let made = Box::into_raw(Box::new(Made { by: here, value: Mutex::default() }));
            // ORDERING: AcqRel, "own-made"; pairs with the load above: who sees the pointer sees what it points to.
            match self.now.compare_exchange(now, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => now = made,
                Err(found) => {
                    // SAFETY: it was made above, and nobody else has seen it.
                    drop(unsafe { Box::from_raw(made) });
                    now = found;
                }
            }
        }
    }
}

impl<T: Default + Send> Default for OfProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}
