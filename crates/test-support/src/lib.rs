//! What the tests of prewire share: watchdogs, counts of what a process holds, cases that have a process each, and a subscriber that
//! panics.
//!
//! ```
//! use core::time::Duration;
//! use prewire_test_support::{Held, Watchdog};
//!
//! let _dog = Watchdog::new(Duration::from_secs(60));
//! let before = Held::now();
//! drop(std::fs::read("/proc/self/status")?);
//! before.assert_same();
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

extern crate alloc;

mod cases;
mod child;
mod cpu;
mod held;
mod throws;
mod watchdog;

pub use cases::Cases;
pub use child::child;
pub use cpu::{CpuUse, cpu_time_of, idle_for};
pub use held::Held;
pub use throws::Throws;
pub use watchdog::Watchdog;
