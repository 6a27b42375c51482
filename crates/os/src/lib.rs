//! The system calls of prewire: anonymous memory, futex events, clocks, process statistics. Nothing above makes one.
//!
//! [`Event`] parks and wakes threads, [`Mapping`] is zeroed memory that costs nothing until it is touched,
//! [`process`] says what this process holds, [`machine`] what there is. All of it
//! is safe to call; none of it sleeps for a fixed time.

#[cfg(not(target_os = "linux"))]
compile_error!("prewire parks its threads on futexes and reads /proc: it runs on Linux");

pub mod clock;
pub mod machine;
pub mod process;

mod event;
mod memory;
mod parking;
mod scope;

pub use event::{Event, Key};
pub use memory::Mapping;
pub use scope::{Private, Scope, Shared};
