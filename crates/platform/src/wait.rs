//! How a thread that drives the engine waits.

/// What a look at the awaited condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Poll {
    /// It holds: go on.
    Ready,
    /// Not yet, and somebody else may bring it about.
    Pending,
    /// It cannot come about: nobody but the caller could bring it about, and the caller is waiting; or the run is over.
    Impossible,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum WaitEnd {
    /// The condition holds.
    Ready,
    /// The condition cannot come about.
    Impossible,
}

/// Waiting, handed to the engine from above: it parks a thread, or steps a simulation.
pub trait Wait {
    /// Waits until `look` says something else than [`Poll::Pending`]. `look` is called at once and again after every
    /// progress of the engine, and when the run is ended: it sees to that itself.
    fn wait(&mut self, look: &mut dyn FnMut() -> Poll) -> WaitEnd;

    /// Something became ready: whoever dispatches should look. Called by the orchestrator after each publication;
    /// cheap where nobody sleeps.
    fn published(&mut self);
}
