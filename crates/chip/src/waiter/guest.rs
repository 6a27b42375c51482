//! The thread of the orchestration, as one of those that use a processor for a chip.

use crate::engine::Engine;

/// Counts the thread of the orchestration among those that use a processor for the chip, but for the times that it is
/// parked, while this lives.
#[derive(Debug)]
pub(crate) struct Guest<'e>(&'e Engine);

impl<'e> Guest<'e> {
    pub(crate) fn come(engine: &'e Engine) -> Self {
        engine.sim().guest_comes();
        Self(engine)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.0.sim().guest_goes();
    }
}
