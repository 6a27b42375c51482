//! Models of the mailbox: two or three threads on the product's own code, one claim each.
//!
//! The parent's block and the mailbox are on the heap here. Arguments are in a cell, whose every access loom watches;
//! what a task computes is a relaxed atomic word, which whoever is told of its end must read.
#![cfg(prewire_loom)]

#[cfg(not(debug_assertions))]
compile_error!("the models rely on debug assertions: run them with the profile `loom`");

mod control;
mod frame;
mod life;
mod news;
mod pair;
mod scope;

/// Explores every interleaving of `body` within the bound on preemptions that the environment sets.
pub(crate) fn model(body: impl Fn() + Sync + Send + 'static) {
    loom::model(body);
}
