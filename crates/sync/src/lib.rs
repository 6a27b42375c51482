//! Atomics, cells and hints: the one crate of prewire that names them.
//!
//! Every other crate says `prewire_sync::atomic::AtomicU32` where it would say `core::sync::atomic::AtomicU32`.
//! Built as usual these are the standard ones; built with `--cfg prewire_loom` they are loom's, so the code that a
//! model explores is the code that ships. The switch is the cfg alone, never `test`: a crate below the one under
//! test is built without `test`, and would stay on the standard atomics without a word.
//!
//! With `--cfg prewire_shuttle` they are shuttle's, for programs that are too large for loom: it draws schedules from a
//! seed instead of trying them all. Shuttle executes every operation as if it were sequentially consistent, and a fence
//! does nothing. So it finds lost and doubled steps, deadlocks, and two threads in one cell; an ordering that is too weak
//! it cannot see. That is loom's to find.
//!
//! The names are aliases, not re-exports: the `disallowed_types` lint follows a re-export to its origin, and would
//! fire in every crate that uses this one. [`Ordering`](atomic::Ordering) must be a re-export, because variants
//! cannot be named through an alias.
//!
//! [`mutant`] is how the models are shown to be able to fail.
//!
//! ```
//! use prewire_sync::atomic::{AtomicU32, Ordering};
//!
//! let word = AtomicU32::new(1);
//! assert_eq!(word.fetch_add(1, Ordering::Relaxed), 1);
//! ```
#![cfg_attr(not(any(prewire_loom, prewire_shuttle)), no_std)]

#[cfg(all(prewire_loom, prewire_shuttle))]
compile_error!("one explorer at a time: give either `--cfg prewire_loom` or `--cfg prewire_shuttle`");

pub mod atomic;
pub mod cell;
pub mod hint;
pub mod mutant;

mod backoff;
mod gathering;
mod local;
mod padded;
mod spinning;

pub use backoff::Backoff;
pub use gathering::Gathering;
#[cfg(prewire_loom)]
#[doc(hidden)]
pub use local::loom_thread_local;
pub use padded::Padded;
pub use spinning::Spinning;
