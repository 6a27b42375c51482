//! Events of a child in a process of its own: written to its stderr, unless the program has set up something else.

use std::io;

use tracing::{Level, dispatcher};

/// Has events of this level and those that are more urgent written to stderr, from where they reach the parent. A
/// subscriber that the program had set up before the fork stays: it writes there, too, or where it likes.
pub(super) fn write(level: Level) {
    if dispatcher::has_been_set() {
        return;
    }
    let events = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(io::stderr);
    // Only if another thread was faster, and there is none.
    let _ = events.try_init();
}
