//! Weak spots on purpose: a named mutant weakens one ordering or drops one step, in a model and nowhere else.
//!
//! A model that has never failed shows nothing. So the operations that the models are about are wrapped: built as
//! usual, [`order`] gives back the ordering and [`skips`] is false, both at compile time, and nothing of them or of the
//! names is left. Built with `--cfg prewire_loom`, the environment variable `PREWIRE_LOOM_BUG` names one mutant, which
//! is on for the whole process. One build serves them all.
//!
//! A name belongs to one place in the code. An ordering named `x` has the mutant `x`, which makes it `Relaxed`; if it is
//! `AcqRel`, it has two instead, one for each half: `x/acquire` and `x/release` are without that half.
//!
//! ```
//! use prewire_sync::atomic::{AtomicU32, Ordering};
//! use prewire_sync::mutant;
//!
//! let (ready, data) = (AtomicU32::new(0), AtomicU32::new(0));
//! if !mutant::skips("example-no-data") {
//!     data.store(7, Ordering::Relaxed);
//! }
//! ready.store(1, mutant::order("example-ready", Ordering::Release));
//! assert_eq!(data.load(Ordering::Relaxed), 7);
//! ```

#[cfg(not(prewire_loom))]
use crate::atomic::Ordering;

/// The ordering of the operation `name`: `order`, unless a mutant of that name is on.
#[cfg(not(prewire_loom))]
#[inline(always)]
#[must_use]
pub const fn order(_name: &'static str, order: Ordering) -> Ordering {
    order
}

/// Whether the step `name` is to be left out: never, unless the mutant of that name is on.
#[cfg(not(prewire_loom))]
#[inline(always)]
#[must_use]
pub const fn skips(_name: &'static str) -> bool {
    false
}

// Both are known when the product is compiled: a branch on them is no branch, and no name is kept.
#[cfg(not(prewire_loom))]
const _: () = {
    assert!(!skips("anything"));
    assert!(matches!(order("anything", Ordering::AcqRel), Ordering::AcqRel));
    assert!(matches!(order("anything", Ordering::Acquire), Ordering::Acquire));
};

#[cfg(prewire_loom)]
pub use chosen::{order, skips};

#[cfg(prewire_loom)]
mod chosen {
    use crate::atomic::Ordering;
    use std::sync::OnceLock;

    /// The mutant that is on. Read once: a model runs its body very often.
    fn name() -> Option<&'static str> {
        static NAME: OnceLock<Option<String>> = OnceLock::new();
        NAME.get_or_init(|| std::env::var("PREWIRE_LOOM_BUG").ok()).as_deref()
    }

    /// The ordering of the operation `name`: `order`, unless a mutant of that name is on.
    #[must_use]
    pub fn order(name: &'static str, order: Ordering) -> Ordering {
        let Some(half) = self::name().and_then(|chosen| chosen.strip_prefix(name)) else { return order };
        match (half, order) {
            ("/acquire", Ordering::AcqRel) => Ordering::Release,
            ("/release", Ordering::AcqRel) => Ordering::Acquire,
            ("", Ordering::Acquire | Ordering::Release | Ordering::SeqCst) => Ordering::Relaxed,
            _ => order,
        }
    }

    /// Whether the step `name` is to be left out: never, unless the mutant of that name is on.
    #[must_use]
    pub fn skips(name: &'static str) -> bool {
        self::name() == Some(name)
    }
}
