//! Models of the rings: two or three threads on the product's own code, one claim each.
//!
//! What a task computes is a relaxed atomic word: whoever is told that the task is over must read what it wrote there.
//! A missing acquire or release anywhere on the way shows as a word that is still the old one.
#![cfg(prewire_loom)]

#[cfg(not(debug_assertions))]
compile_error!("the models rely on debug assertions: run them with the profile `loom`");

mod fanout;
mod graph;
mod holds;
mod lock;
mod queue;
mod reclaim;
mod watermark;

/// Explores every interleaving of `body` within the bound on preemptions that the environment sets.
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    loom::model(body);
}
