//! How what a child was asked to run has failed: a code and a text for the parent.

use std::error::Error;
use std::num::NonZeroI32;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::callable::{Callable, Digest, Kind};

/// A task or a request that failed, as its parent is told.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: NonZeroI32,
    pub(super) text: String,
}

const fn code(number: i32) -> NonZeroI32 {
    NonZeroI32::new(number).expect("codes are not 0")
}

/// What it runs said so.
pub(super) const SAID: NonZeroI32 = code(1);
/// What it runs panicked.
const PANICKED: NonZeroI32 = code(2);
/// The child does not know what to run, or cannot run it.
pub(super) const UNKNOWN: NonZeroI32 = code(3);
/// The message is none.
pub(super) const BROKEN: NonZeroI32 = code(4);
/// What the child is cannot be used any more.
pub(super) const LOST: NonZeroI32 = code(5);

/// What an error says, and what those behind it say that it leaves out.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        behind = error.source();
    }
    text
}

/// It failed, with what the error says.
pub(super) fn refuse(code: NonZeroI32, error: &dyn Error) -> Refused {
    Refused { code, text: chain(error) }
}

/// Nobody here knows the callable.
pub(super) fn unknown(digest: &Digest) -> Refused {
    let text = format!(
        "the child does not know callable {digest}; register it before the start, or as one that is portable"
    );
    Refused { code: UNKNOWN, text }
}

/// The callable is of a kind that this child does not run.
pub(super) fn misplaced(callable: &Callable, runs: Kind) -> Refused {
    let text = format!(
        "{:?} is a {}, and this child runs callables of the kind {runs}",
        callable.name(),
        callable.kind()
    );
    Refused { code: UNKNOWN, text }
}

/// Calls `body`, whose panics are failures, too.
pub(super) fn contained<T>(body: impl FnOnce() -> Result<T, Refused>) -> Result<T, Refused> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = format!("it panicked: {}", prewire_runs::message(&*panic));
        prewire_runs::contained(|| drop(panic));
        Err(Refused { code: PANICKED, text })
    })
}
