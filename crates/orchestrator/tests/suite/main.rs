//! Tests of the orchestrator, with a waiter that counts and runs tasks one at a time.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod deadlock;
mod draw;
mod drawn;
mod edges;
mod left;
mod left_drawn;
mod lines;
mod overlaps;
mod reclaim;
mod record;
mod refused;
mod rig;
mod routes;
mod scopes;
mod shapes;
