//! What this crate tells through `tracing`.
//!
//! Invariant: who tells of something goes on. The subscriber is the program's, and may panic: one that prints does so where
//! nobody reads its stream any more.

/// An event of this level, as `tracing` takes it.
macro_rules! event {
    ($level:ident, $($event:tt)+) => {
        prewire_runs::contained(|| tracing::$level!($($event)+))
    };
}
pub(crate) use event;
