//! What the map promises: by example, against counting bytes, against a list of all accesses, and at what cost.

mod behaviour;
mod cost;
mod left;
mod oracle;
mod overlap;
mod views;
