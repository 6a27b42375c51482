//! Who may wait on an event: the threads of one process, or of every process that maps it.

use core::fmt::Debug;

/// Who may wait on an [`Event`](crate::Event): [`Private`] or [`Shared`].
pub trait Scope: Debug {
    /// Whether they may be threads of several processes.
    const SHARED: bool;
}

/// The threads of one process. The kernel finds such an event by its address alone, which is quicker.
#[derive(Debug)]
pub enum Private {}

/// The threads of all processes that map the memory in which the event is, wherever each of them maps it.
#[derive(Debug)]
pub enum Shared {}

impl Scope for Private {
    const SHARED: bool = false;
}

impl Scope for Shared {
    const SHARED: bool = true;
}
