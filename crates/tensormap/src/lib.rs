//! Regions of memory to the tasks that last wrote and since read them.
//!
//! An orchestrator that submits tasks in program order asks the [`TensorMap`], for each tensor that a task touches,
//! which earlier tasks it must wait for ([`find`](TensorMap::find)), and then tells it what the task does
//! ([`record`](TensorMap::record)). A read waits for the writes that overlap it; a write waits for the writes and
//! for the reads since. Readers never wait for readers.
//!
//! | an argument that is | asks | tells |
//! |---|---|---|
//! | only read | `find(Read)` | `record(Read)` |
//! | written, whether read before or not | `find(Write)` | `record(Write)` |
//! | fresh memory | | [`forget`](TensorMap::forget), where the address has had a life before |
//!
//! All finds of a task come before its first record, or it would be told to wait for itself. A task's records need
//! as many free entries as it has arguments at most: [`reserve`](TensorMap::reserve) them first. Under
//! [`Hazards::All`] reads may be [found and recorded in one](TensorMap::read), or left to the caller until somebody writes;
//! then the task is live to its own finds, and leaves out itself.
//!
//! The invariant: after `record(Write)` of a region, every task that an access of that region must come after is either
//! in the map, or an ancestor of a task in the map, or has only read what was [left](Read::Left) to the caller. That is
//! why a write may remove the entries that it covers; why a read may remove the reads of its region that came before a
//! write of a part of it, which it waits for; and why each recorded read is visited about once however many there are.
//!
//! What is accessed is a [`Region`], a rectangular view of a buffer, or any [`Memory`] that has one. Regions of the same strides and element size are compared
//! exactly, as boxes; the rest by the bytes between their first and last element. Where one buffer is cut into
//! tiles, a grid of tile-sized cells finds the tiles that a region meets, so the cost of an access does not depend
//! on how many tiles there are.
//!
//! The map is owned by one thread; it has no lock, no clock and no thread. What has become of a task it asks its
//! caller ([`Life`]), and unlinks what retired on the way.
//!
//! ```
//! use prewire_abi::TaskId;
//! use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};
//!
//! let mut map = TensorMap::new(1024, Hazards::All);
//! let alive = |_: TaskId| Life::Live;
//! // Two tiles side by side of a 128 x 128 matrix of f32.
//! let left = Region::new(0x1000, 4, 0, &[64, 64], &[128, 1]);
//! let right = Region::new(0x1000, 4, 64, &[64, 64], &[128, 1]);
//! map.record(&left, Access::Write, TaskId::new(0, 1), &alive)?;
//! map.record(&right, Access::Write, TaskId::new(0, 2), &alive)?;
//!
//! let mut waits = Vec::new();
//! map.find(&right, Access::Read, &alive, |task| waits.push(task));
//! assert_eq!(waits, [TaskId::new(0, 2)]);
//! # Ok::<(), prewire_tensormap::Full>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffers;
mod footprint;
mod grid;
mod left;
mod map;
mod place;
mod plane;
mod readers;
mod reciprocal;
mod region;

pub use buffers::buffer_hash;
pub use map::{Access, Full, Hazards, Life, Read, TensorMap};
pub use place::Place;
pub use region::{Memory, Overlap, Region};
