//! What the engine asks of a chip, and what a chip is: traits and a description, nothing that runs.
//!
//! A scheduler domain drives its cores through [`Lanes`]; a platform (a simulator, a hardware driver) implements it
//! and calls back through [`Host`] when a core is to run its work or has news. Tensor memory is reached through
//! [`DeviceMemory`]. An orchestrator that must wait does so through [`Wait`], so that the engine itself owns no
//! thread and no clock. [`ChipSpec`] is the description of a chip, as data.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod lanes;
mod memory;
mod spec;
mod wait;

pub use lanes::{Host, LaneId, LaneSet, LaneStatus, Lanes, Standing, Work};
pub use memory::{DeviceMemory, MemoryError};
pub use spec::{ChipSpec, Core, FastPath, Limits, Registers, Token, Tokens};
pub use wait::{Awaited, Poll, Wait, WaitEnd};
