//! Which chip this thread is inside of, with an orchestration or a kernel.

use std::cell::Cell;

use crate::engine::Engine;

thread_local! {
    /// The engine whose orchestration or kernel this thread is inside of, by its address: then it must not wait for a
    /// chip. 0 is none.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Marks this thread as inside of a run or kernel while it lives.
#[derive(Debug)]
pub(crate) struct Inside(usize);

impl Inside {
    #[inline]
    pub(crate) fn enter(engine: &Engine) -> Self {
        Self(INSIDE.replace(std::ptr::from_ref(engine).addr()))
    }

    pub(crate) fn is_here() -> bool {
        INSIDE.get() != 0
    }

    /// Whether this thread is inside of this chip.
    pub(crate) fn is_of(engine: &Engine) -> bool {
        INSIDE.get() == std::ptr::from_ref(engine).addr()
    }
}

impl Drop for Inside {
    #[inline]
    fn drop(&mut self) {
        INSIDE.set(self.0);
    }
}
