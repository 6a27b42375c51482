//! Tests of the scheduler on a chip that is driven by hand.
#![cfg(not(prewire_loom))]

mod cohorts;
mod inline;
mod order;
mod places;
mod rig;
