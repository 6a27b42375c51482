//! Ready routing, placement, dispatch, completion and reclaim.
//!
//! A [`Scheduler`] drives the lanes of a chip, in one or more *domains*: the clusters of the chip are dealt to them,
//! and each is guarded by a lock whose losers leave their errand to the winner. [`poll`](Scheduler::poll) is passive:
//! it reaps the lanes that have news, completes what finished, dispatches what is ready, and returns. Whoever has
//! something to report may call it: a scheduler thread, or a core that has just finished. It owns no thread and no
//! clock.
//!
//! Order of service: tasks without a lane, cohorts that start together, tasks that take a cluster, single cores. Every
//! lane has a running and a pending place; the pending one is filled only where nothing idle is left, so that work is
//! there when a core finishes.
//!
//! **Invariant: a task is in one ready queue, or in the hands of one domain, or on lanes.** A domain takes a task from
//! a queue only when it has a lane for it, so nothing is taken and put back in a loop.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod cohort;
mod domain;
mod lane;
mod places;
mod scheduler;

pub use scheduler::{Env, Progress, Scheduler};
