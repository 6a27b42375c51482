//! What was set for a thread: which device it works for, and which core of that it is.

use core::cell::Cell;

/// A thread, as it was told who it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Thread {
    pub(crate) device: Option<i32>,
    pub(crate) cluster: u32,
    pub(crate) subblock: u32,
}

thread_local! {
    static HERE: Cell<Thread> = const { Cell::new(Thread { device: None, cluster: 0, subblock: 0 }) };
}

pub(crate) fn get() -> Thread {
    HERE.get()
}

pub(crate) fn set(change: impl FnOnce(&mut Thread)) {
    let mut thread = HERE.get();
    change(&mut thread);
    HERE.set(thread);
}
