//! Where a run tells that it was launched. Invariant: who sees it told sees what was prepared.

use prewire_sync::atomic::{AtomicU32, Ordering};

/// Where a run tells that it was launched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acceptance {
    /// The address of the word, or 0.
    pub(crate) word: u64,
    /// What is written there.
    pub(crate) value: i32,
}

impl Acceptance {
    /// The run was launched.
    pub(super) fn tell(self) {
        if let Ok(at) = usize::try_from(self.word)
            && at != 0
            && at % 4 == 0
        {
            // SAFETY: the descriptor names an aligned word that stays until the launch has returned, and that both sides
            // reach as one word.
            let word = unsafe { AtomicU32::from_ptr(core::ptr::with_exposed_provenance_mut(at)) };
            // ORDERING: Release, "run-accepted"; pairs with Acquire of the front end: what was prepared is seen.
            word.store(self.value.cast_unsigned(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_the_launch_is_seen_by_who_sees_it_accepted() {
        let (word, before) = (AtomicU32::new(0), AtomicU32::new(0));
        let at = (&raw const word).expose_provenance() as u64;
        std::thread::scope(|threads| {
            threads.spawn(|| {
                before.store(7, Ordering::Relaxed);
                Acceptance { word: at, value: -3 }.tell();
            });
            // ORDERING: Acquire, "run-accepted"; pairs with Release in Acceptance::tell.
            while word.load(Ordering::Acquire) == 0 {
                std::thread::yield_now();
            }
            assert_eq!((word.load(Ordering::Relaxed).cast_signed(), before.load(Ordering::Relaxed)), (-3, 7));
        });
        for nowhere in [0, 2] {
            Acceptance { word: nowhere, value: 1 }.tell();
        }
    }
}
