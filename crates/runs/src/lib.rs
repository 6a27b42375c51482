//! Runs, whatever runs in them: whose turn it is, what is asked of one from outside, how it came out, and why it failed.
//!
//! A chip and a worker hand the same things from one run to the next ([`Turn`]), launch runs on a thread of their own
//! ([`Launcher`]), let handles wait for them ([`Launched`]), end them from outside ([`Control`]) and keep the first
//! error of each ([`Cause`]). None of that knows what a run does.
//!
//! **Invariant: the first outcome of a run counts, and so does the first cause of its failure.** Nothing that the program's
//! own code throws on the way (a panic in a message, or in the drop of what a run captured) gets any further.
#![forbid(unsafe_code)]

mod cause;
mod contain;
mod control;
mod current;
mod launched;
mod launcher;
mod turn;

pub use cause::Cause;
pub use contain::{contained, message, text};
pub use control::{Control, News};
pub use current::{Current, Runner};
pub use launched::Launched;
pub use launcher::{Job, Launcher};
pub use turn::{Held, Turn};

// What `event!` tells with, wherever it is.
#[doc(hidden)]
pub use tracing;

/// The error that runs fail with.
pub trait RunError: std::error::Error + Send + 'static {
    /// Of a run that was cancelled before it came to anything else.
    fn cancelled() -> Self;
}
