//! Traces of a scene that was asked for them. A scene has chips and runs of its own and may end anywhere, so each run
//! hands its trace in as it ends, on the thread that the scene runs on.

use std::cell::RefCell;

use prewire::prelude::Chip;

thread_local! {
    static HANDED_IN: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Takes the trace of the chip's last run, if it has one.
pub(crate) fn hand_in(chip: &Chip) {
    if let Some(trace) = chip.take_trace() {
        HANDED_IN.with_borrow_mut(|all| all.push_str(&trace.to_string()));
    }
}

/// What was handed in on this thread since the last call, run after run.
pub(crate) fn collect() -> String {
    HANDED_IN.take()
}
