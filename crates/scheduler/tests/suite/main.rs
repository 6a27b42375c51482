//! Tests of the scheduler on a chip, and on children of a node, that are driven by hand.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod children;
mod cohorts;
mod held;
mod idle;
mod inline;
mod node_end;
mod node_groups;
mod node_model;
mod node_queues;
mod node_standing;
mod node_subs;
mod order;
mod places;
mod rig;
