//! Simulated cores for any chip description, on a small pool of threads or on one thread under a seed.
//!
//! A [`Sim`] has the cores of a chip: each is a state machine with the chip's registers and two payload places. The
//! cores of a whole chip run on a few threads. A thread that has run a sub-task polls the core's scheduler domain itself
//! and goes on with what that poll dispatched, so the next task of a chain needs no other thread. Kernels may block: one
//! that waits in [`Sim::wait_for_peer`] makes room for another thread at once, and one that waits in foreign code is
//! noticed after a while. Idle threads are parked and use no processor time.
//!
//! With [`Mode::Seeded`] nothing runs by itself: [`Sim::step`] does one thing at a time in an order drawn from a seed.
//!
//! The module `pool` has the argument why no wake-up is lost, `registers` the one why no dispatch is; both are explored
//! by the crate's models.

extern crate alloc;

mod backlog;
mod baton;
mod bits;
mod census;
mod config;
mod cores;
mod error;
mod local;
mod memory;
#[cfg(all(test, prewire_loom))]
mod models;
mod peers;
mod pool;
mod registers;
mod seats;
mod seeded;
mod sim;
mod stats;
mod watchman;
mod worker;

pub use config::{Mode, SimConfig};
pub use error::{Fault, SimError};
pub use peers::PeerWait;
pub use sim::Sim;
pub use stats::SimStats;
