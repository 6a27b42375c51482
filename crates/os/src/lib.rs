//! The system calls of prewire: memory, futex events, clocks, processes and what they hold. Nothing above makes one.
//!
//! [`Event`] parks and wakes threads, [`Mapping`] is zeroed memory that costs nothing until it is touched,
//! [`machine`] says what there is. Between processes there are [`Segment`] for memory ([`Pages`] is what that and a mapping
//! are to those who build views on them), [`Event`]s of scope [`Shared`] in
//! it, a [`Meeting`] of them, [`Channel`] for messages, a [`Door`] to find each other, and [`Pipe`] for output; [`process`]
//! makes them, ends them and says what they hold, and
//! one thread waits for any number of them with a [`WaitSet`]. All of it is safe to call; none of it sleeps for a fixed
//! time.

#[cfg(not(target_os = "linux"))]
compile_error!("prewire parks its threads on futexes and reads /proc: it runs on Linux");

pub mod clock;
pub mod machine;
pub mod process;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod beacon;
mod channel;
mod door;
mod event;
mod meeting;
mod memory;
mod pages;
mod parking;
mod peek;
mod pipe;
mod populate;
mod scope;
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod scratch;
mod segment;
mod waitset;
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod words;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub use beacon::{Beacon, Beacons};
pub use channel::Channel;
pub use door::Door;
pub use event::{Event, Key};
pub use meeting::{Absence, Meeting};
pub use memory::Mapping;
pub use pages::Pages;
pub use peek::Peek;
pub use pipe::Pipe;
pub use populate::populate;
pub use scope::{Private, Scope, Shared};
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub use scratch::Scratch;
pub use segment::Segment;
pub use waitset::{Bell, WaitSet};
#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub use words::Words;
