//! Warns where a program comes close to what its rings can hold. Invariant: once a chip and size, however many runs there
//! are.

use prewire_ring::{Mark, RingSizes, RunUsage};
use prewire_runs::event;

/// What was warned of so far. The warnings have a target of their own, so that who listens can leave them out.
#[derive(Debug, Default)]
pub(crate) struct Tight {
    /// By the position of a mark in [`RunUsage::marks`].
    told: u32,
}

impl Tight {
    /// Looks at a run, and warns of each size of which more than 80 % is needed for the first time. A size that is full
    /// of tasks that merely have not ended is no reason: there, a submit waits, and goes on.
    pub(crate) fn look(&mut self, usage: &RunUsage) {
        for (bit, (field, ring, mark)) in usage.marks().enumerate() {
            if !mark.is_tight() || self.told >> bit & 1 != 0 {
                continue;
            }
            self.told |= 1 << bit;
            let Mark { needed, capacity, .. } = mark;
            let fit = RingSizes::fit(usage);
            let (field, grows) = match field {
                "args" => ("window", " (the argument ring grows with it)"),
                field => (field, ""),
            };
            let (knob, wanted) = match (field, ring) {
                ("window", Some(ring)) => (format!("{field}[{ring}]"), u64::from(fit.window[ring])),
                ("heap", Some(ring)) => (format!("{field}[{ring}]"), fit.heap[ring]),
                ("deps", Some(ring)) => (format!("{field}[{ring}]"), u64::from(fit.deps[ring])),
                _ => (field.to_owned(), u64::from(fit.tensor_map)),
            };
            let percent = u128::from(needed) * 100 / u128::from(capacity.max(1));
            event!(
                warn,
                target: "prewire_chip::sizes",
                needed,
                capacity,
                "RingSizes::{knob}{grows}: the program needs {needed} of {capacity} ({percent} %), as open scopes hold \
                 them; beyond the capacity a submit is refused as a deadlock; close scopes earlier, or raise it to \
                 {wanted}"
            );
        }
    }
}
