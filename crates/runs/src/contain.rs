//! Calling what the program wrote without letting out what it throws.

use std::any::Any;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `what`, and lets nothing that it throws, or that dropping that throws, get any further.
pub fn contained(what: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(what)) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
    }
}

/// An event of this level, as `tracing` takes it, that no subscriber ends its teller with. It is the program's, and may panic: one that
/// prints does so where nobody reads its stream any more.
///
/// ```
/// let left = 3;
/// prewire_runs::event!(warn, left, "threads are left behind");
/// ```
#[macro_export]
macro_rules! event {
    ($level:ident, $($event:tt)+) => {
        $crate::contained(|| $crate::tracing::$level!($($event)+))
    };
}

/// What an error says. One of the program's own may panic when it is asked.
///
/// ```
/// assert_eq!(prewire_runs::text(&"no"), "no");
/// ```
#[must_use]
pub fn text(error: &impl Display) -> String {
    let said = catch_unwind(AssertUnwindSafe(|| error.to_string()));
    said.unwrap_or_else(|panic| {
        contained(|| drop(panic));
        "(an error whose message panics)".into()
    })
}

/// What a panic said.
#[must_use]
pub fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)").into()
}
