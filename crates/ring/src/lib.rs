//! Task slots, the edges between them, and the rings that hold them.
//!
//! This crate is the state of a task graph while it runs: what the orchestrator writes before it publishes a task,
//! and what the scheduler domains change until the task is consumed. It owns no thread, no clock and no memory but
//! its own tables.
//!
//! # Who writes what
//!
//! 1. The **orchestrator** is one thread. It alone allocates ([`Allocator`]), fills and wires slots, and moves the
//!    scope floor of a ring. A slot is reset by it on reuse, by nobody else; but for the words beside it, of 5 and 6.
//! 2. **Completers** have numbers, as many as [`Rings::new`] is told of; for each of them one thread at a time completes. A completer
//!    gives back the holds that a task has on others, closes its fanout list with one addition, and takes one wait from each
//!    consumer on it ([`Rings::complete`]).
//! 3. A producer's fanout list is a stack that only the orchestrator pushes to and that is closed once. A push onto
//!    a closed list fails, which tells the orchestrator that this wait is over: no wake-up is lost, none is doubled.
//! 4. `pending` counts the waits of a task, and its edges that are still to be wired: the last of them keeps it back until
//!    all is wired. It reaches zero once; whoever brings it there routes the task. Ready-once is the
//!    counter's doing, not a flag's. It is counted down by subtractions; and by a load and a store, where there is one completer,
//!    once the slot says that the orchestrator, which takes waits while it wires, takes none any more.
//! 5. Whether a task is complete, its list, and how many consumers have retained its output are one word; how many of them have given
//!    that back each completer counts in another, of its own. A slot may be reclaimed once it is closed and the counts are
//!    the same. An open scope holds by position: nothing at or above the ring's *scope floor* is reclaimed, so that closing
//!    a scope is one store however many tasks it has.
//! 6. The **watermark** of a ring is the oldest live task. It moves in order over consumed slots, and between two runs over numbers
//!    that no task has, under a [`CombiningLock`]: the winner walks, and forgets what was given back of those; a loser leaves a note
//!    that the winner reads before it leaves. The orchestrator waits for its turn, spinning, in four cases: it takes a hold on what is complete and
//!    in no scope; it asks whether what is complete is retained; it has to know that there is no more to come; and it leaves numbers out. So does whoever asks how many hold a task, for a report.
//!
//! ```
//! use prewire_abi::{Shape, TaskId};
//! use prewire_ring::{Cold, Need, RingSizes, Rings};
//!
//! let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(4), 1).unwrap();
//! // One task without producers, published and completed.
//! allocator.try_reserve(0, &Need::default()).unwrap();
//! let placed = allocator.commit(0, &Need::default(), Cold::default());
//! assert_eq!(placed.id, TaskId::new(0, 0));
//! rings.publish_unwired(placed.slot);
//! let mut stack = vec![placed.slot];
//! let routed = rings.complete(0, &mut stack, &mut |_ready| {});
//! assert_eq!((routed.completed, routed.failed), (1, 0));
//! rings.retire(&routed);
//! assert_eq!(rings.watermark(0), 1);
//! ```
#![no_std]

extern crate alloc;

mod ahead;
mod allocator;
mod args;
mod claim;
mod cold;
mod complete;
mod cursor;
mod deps;
mod failures;
mod fanout;
mod fate;
mod fit;
mod heap;
mod lock;
mod need;
mod ready;
mod ring;
mod rings;
mod route;
mod sizes;
mod slot;
mod slots;
mod table;
mod usage;
mod wire;

pub use ahead::Populate;
pub use allocator::{Allocator, Placed};
pub use args::{ArgTable, ArgWords};
pub use claim::{Bytes, Claim};
pub use cold::{Attrs, Cold, Kind, Packed};
pub use complete::{Closed, Routed};
pub use deps::{Dep, DepRef};
pub use fate::Alive;
pub use lock::CombiningLock;
pub use need::{Blocked, Need, Shortage};
pub use ready::{Queued, ReadyQueue};
pub use ring::RING_COUNT;
pub use rings::{Rings, Usage};
pub use route::{Class, Ready, Tally};
pub use sizes::{RingSizes, SizeError};
pub use slot::{Slot, SlotRef, Verdict};
pub use table::{Pages, Words};
pub use usage::{InUse, Mark, RingMarks, RunUsage};
