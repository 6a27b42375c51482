//! Tests of the scheduler on a chip that is driven by hand.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod cohorts;
mod inline;
mod order;
mod places;
mod rig;
