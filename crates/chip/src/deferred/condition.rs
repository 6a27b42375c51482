//! What a task waits for after its kernels have returned: a counter that somebody raises, in this process or in another.

use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::ptr;

use crate::deferred::error::DeferredError;
use crate::library::abi::Entry;

/// Kinds of entries.
const COUNTER: i32 = 0;
const RECORD: i32 = 1;

/// Holds once a counter has reached a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Of 32 bits.
    Counter { addr: usize, expected: u32 },
    /// Of 64 bits: the number of the last event that is over.
    Record { addr: usize, expected: u64 },
}

impl Condition {
    /// What entry number `at` of a kernel says.
    pub(crate) fn of(at: usize, entry: &Entry) -> Result<Self, DeferredError> {
        let &Entry { addr, cookie, expected, kind, .. } = entry;
        let counter = |size: usize| match usize::try_from(addr) {
            Ok(addr) if addr != 0 && addr % size == 0 => Ok(addr),
            _ => Err(DeferredError::Counter { entry: at, addr, size }),
        };
        match kind {
            COUNTER => Ok(Self::Counter { addr: counter(size_of::<u32>())?, expected }),
            RECORD if cookie == 0 => Err(DeferredError::Event { entry: at }),
            RECORD => Ok(Self::Record { addr: counter(size_of::<u64>())?, expected: cookie }),
            _ => Err(DeferredError::Kind { entry: at, kind }),
        }
    }

    /// Whether it holds. What was written before the counter was raised is visible then.
    ///
    /// # Safety
    ///
    /// The counter is there, and whoever else uses it now does so atomically, or does not write.
    pub(crate) unsafe fn holds(self) -> bool {
        // The two are one claim: whoever raises such a counter has released what it wrote before, whatever program it is.
        match self {
            Self::Counter { addr, expected } => {
                let counter = ptr::with_exposed_provenance_mut::<u32>(addr);
                // SAFETY: it is aligned, as `of` has checked, and the rest is what the caller answers for.
                let counter = unsafe { AtomicU32::from_ptr(counter) };
                // ORDERING: Acquire, "outside-counter"; pairs with whoever raises it, as the other load in `holds` does.
                counter.load(Ordering::Acquire) >= expected
            }
            Self::Record { addr, expected } => {
                let counter = ptr::with_exposed_provenance_mut::<u64>(addr);
                // SAFETY: as above.
                let counter = unsafe { AtomicU64::from_ptr(counter) };
                // ORDERING: Acquire, "outside-counter"; pairs with whoever raises it, as the other load in `holds` does.
                counter.load(Ordering::Acquire) >= expected
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_counter_is_refused() {
        let entry = Entry { addr: 0x1000, cookie: 3, expected: 1, ..Entry::default() };
        assert_eq!(Condition::of(0, &entry), Ok(Condition::Counter { addr: 0x1000, expected: 1 }));
        let record = Entry { kind: RECORD, ..entry };
        assert_eq!(Condition::of(0, &record), Ok(Condition::Record { addr: 0x1000, expected: 3 }));
        for (at, entry) in [
            Entry { addr: 0, ..entry },
            Entry { addr: 0x1002, ..entry },
            Entry { addr: 0x1004, ..record },
            Entry { cookie: 0, ..record },
            Entry { kind: 2, ..entry },
            Entry { kind: -1, ..entry },
        ]
        .iter()
        .enumerate()
        {
            let error = Condition::of(at, entry).unwrap_err();
            assert_eq!(error.code(), prewire_abi::ErrorCode::AsyncCompletionInvalid, "{entry:?}");
            assert!(error.to_string().contains(&format!("entry {at}")), "{error}");
        }
    }

    #[test]
    fn a_counter_is_compared_as_it_is() {
        let (small, large) = (AtomicU32::new(u32::MAX), AtomicU64::new(1 << 40));
        let counter = Condition::Counter { addr: small.as_ptr().expose_provenance(), expected: u32::MAX };
        let record = Condition::Record { addr: large.as_ptr().expose_provenance(), expected: (1 << 40) + 1 };
        // SAFETY: both are there, and atomic.
        assert!(unsafe { counter.holds() });
        // SAFETY: as above.
        assert!(!unsafe { record.holds() });
        large.store((1 << 40) + 2, Ordering::Relaxed);
        small.store(u32::MAX - 1, Ordering::Relaxed);
        // SAFETY: as above.
        assert!(!unsafe { counter.holds() });
        // SAFETY: as above.
        assert!(unsafe { record.holds() });
    }
}
