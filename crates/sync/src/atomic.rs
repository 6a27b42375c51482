//! Atomic words and fences.
#![allow(clippy::disallowed_types, reason = "this is the crate that may name them")]

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
use core::sync::atomic as imp;
#[cfg(prewire_loom)]
use loom::sync::atomic as imp;
#[cfg(prewire_shuttle)]
use shuttle::sync::atomic as imp;

pub use core::sync::atomic::Ordering;

/// A `bool` that threads share.
pub type AtomicBool = imp::AtomicBool;
/// A `u8` that threads share.
pub type AtomicU8 = imp::AtomicU8;
/// A `u16` that threads share.
pub type AtomicU16 = imp::AtomicU16;
/// A `u32` that threads share.
pub type AtomicU32 = imp::AtomicU32;
/// A `u64` that threads share.
pub type AtomicU64 = imp::AtomicU64;
/// A `usize` that threads share.
pub type AtomicUsize = imp::AtomicUsize;
/// A pointer that threads share.
pub type AtomicPtr<T> = imp::AtomicPtr<T>;

/// A fence between threads, as [`core::sync::atomic::fence`].
///
/// # Panics
///
/// On `Relaxed`, as the one it stands for.
#[inline(always)]
#[track_caller]
pub fn fence(order: Ordering) {
    imp::fence(order);
}
