//! A lock whose losers leave their errand to the winner.

use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::cell::UnsafeCell;
use prewire_sync::{hint, mutant};

/// Guards work that one thread does for all. A thread that has news calls [`combine`](CombiningLock::combine); if
/// another is inside, it returns at once, and the one inside does the work once more before it leaves. No news is
/// lost and nobody waits, but who [enters](CombiningLock::enter) to do something that no other can do for it.
///
/// The word counts the calls since the lock was last free. The caller that raises it from 0 is inside; it leaves by
/// exchanging the count it has served for 0, which fails if anybody called meanwhile.
#[derive(Debug)]
pub struct CombiningLock<T> {
    /// Calls since the lock was free. Raised by every caller, lowered to 0 by the one inside.
    calls: AtomicU32,
    /// Touched only by the caller that raised `calls` from 0, until it has lowered it.
    value: UnsafeCell<T>,
}

// SAFETY: `value` is reached by one thread at a time: the one that raised `calls` from 0. That raise acquires what the
// thread inside before released when it lowered it, so the content moves from thread to thread as a `T: Send` may.
unsafe impl<T: Send> Sync for CombiningLock<T> {}
// SAFETY: it owns its content, as a `T` does.
unsafe impl<T: Send> Send for CombiningLock<T> {}

impl<T> CombiningLock<T> {
    /// A free lock around `value`.
    #[cfg(not(any(prewire_loom, prewire_shuttle)))]
    pub const fn new(value: T) -> Self {
        Self { calls: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// A free lock around `value`.
    #[cfg(any(prewire_loom, prewire_shuttle))]
    pub fn new(value: T) -> Self {
        Self { calls: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Does `work` now, again for as long as others ask meanwhile, or leaves it to the thread that is inside. True if
    /// this thread did it. `work` must not panic, and must not call into the same lock.
    pub fn combine(&self, work: impl FnMut(&mut T)) -> bool {
        // ORDERING: AcqRel, "combine"; pairs with the exchange in `serve`: what the thread inside before did is visible
        // here, and what this caller did before is visible to whoever serves its call.
        let calls = self.calls.fetch_add(1, mutant::order("combine-call", Ordering::AcqRel)) + 1;
        if calls != 1 {
            return false;
        }
        self.serve(work);
        true
    }

    /// As [`combine`](CombiningLock::combine), but leaves it to nobody: spins until the thread that is inside has left.
    pub fn enter(&self, work: impl FnMut(&mut T)) {
        // ORDERING: Acquire, "combine"; pairs with the exchange in `serve`, as above.
        let order = mutant::order("combine-enter", Ordering::Acquire);
        while self.calls.compare_exchange_weak(0, 1, order, Ordering::Relaxed).is_err() {
            hint::spin_loop();
        }
        self.serve(work);
    }

    /// Does `work` for the calling thread, which has raised the calls from 0, and for all that call meanwhile.
    #[inline(always)]
    fn serve(&self, mut work: impl FnMut(&mut T)) {
        let mut served = 1;
        loop {
            self.value.with_mut(|value| {
                // SAFETY: this thread raised `calls` from 0 and has not lowered it, so no other is here, and `work`
                // cannot come back in: a nested call would find the count raised.
                work(unsafe { &mut *value });
            });
            // ORDERING: Release and Acquire, "combine"; pairs with the accesses above: leaving publishes the content,
            // staying sees what the new callers did.
            let leave = mutant::order("combine-leave", Ordering::Release);
            let stay = mutant::order("combine-stay", Ordering::Acquire);
            match self.calls.compare_exchange(served, 0, leave, stay) {
                Ok(_) => return,
                // MUTANT "combine-leaves": the one inside leaves although others have called.
                Err(_) if mutant::skips("combine-leaves") => {
                    self.calls.store(0, Ordering::Relaxed);
                    return;
                }
                Err(now) => served = now,
            }
        }
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn every_call_is_served() {
        let lock = CombiningLock::new(0u64);
        let asked = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        asked.fetch_add(1, Ordering::Relaxed);
                        lock.combine(|seen| *seen = u64::from(asked.load(Ordering::Relaxed)));
                    }
                });
            }
        });
        let mut last = 0;
        assert!(lock.combine(|seen| last = *seen));
        assert_eq!(last, 40_000, "the last call's news was not seen by whoever was inside");
    }
}
