//! Ready routing, placement, dispatch, completion and reclaim.
//!
//! A [`Scheduler`] drives lanes, in one or more *domains*, each guarded by a lock whose losers leave their errand to the
//! winner. [`poll`](Scheduler::poll) is passive: it reaps the lanes that have news, completes what finished, dispatches
//! what is ready, and returns. Whoever has something to report may call it: a scheduler thread, or a core that has just
//! finished. It owns no thread and no clock.
//!
//! What the lanes are is the [`Placement`](placement::Placement): [`ChipPlacement`], the cores of a chip, whose clusters
//! are dealt to the domains, or [`NodePlacement`], the children of a node, one domain.
//!
//! Order of service: tasks without a lane; what starts together, cohorts or groups; tasks that take a cluster; single
//! cores, or workers. What has just become ready may go straight to an idle lane of the domain, before what was published
//! and before a cohort that does not yet gather. Every lane has a running and a pending place; the pending one of a lane that others could stand in
//! for is filled only where nothing idle is left, so that work is there when a lane finishes.
//!
//! **Invariant: a task is in one queue, or in the hands of one domain, or on lanes, or, once those are done with it, with
//! the environment, which waits for something that the task has set going.** A task that any of several
//! lanes could take stays in its ready queue until one of them has a place; one that names its worker is moved into that
//! worker's queue, once. Nothing is taken and put back in a loop.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod children;
mod chip;
mod cohort;
mod desk;
mod domain;
mod lane;
mod node;
pub mod placement;
mod places;
mod scheduler;

pub use chip::ChipPlacement;
pub use node::{NodeError, NodePlacement, NodeSpec};
pub use scheduler::{Env, Progress, Scheduler};
