//! What a thread knows about its part in a simulator: which pool it belongs to, and what a poll has handed it.
//!
//! While a worker polls a scheduler domain, the first free lane that the domain dispatches to is kept for that worker:
//! the *hot* lane, which it runs next without a word to anybody. Only lanes beyond it go through the queue.

use core::cell::Cell;

/// No hot lane.
const NONE: u16 = u16::MAX;

struct Local {
    /// The pool whose worker this thread is, by its address; 0 for none.
    pool: Cell<usize>,
    /// Inside the worker's own poll of a domain.
    polling: Cell<bool>,
    /// A lane that this worker owns and will run next.
    hot: Cell<u16>,
    /// Something was put in a queue during the poll.
    published: Cell<bool>,
}

prewire_sync::thread_local! {
    static LOCAL: Local = Local {
        pool: Cell::new(0),
        polling: Cell::new(false),
        hot: Cell::new(NONE),
        published: Cell::new(false),
    };
}

/// This thread becomes a worker of `pool`, or of none (0).
pub(crate) fn enter(pool: usize) {
    LOCAL.with(|l| l.pool.set(pool));
}

/// Whether this thread is a worker of `pool`.
pub(crate) fn is_worker_of(pool: usize) -> bool {
    LOCAL.with(|l| l.pool.get() == pool)
}

/// Whether this thread is a worker of `pool` in the middle of its poll.
#[inline]
pub(crate) fn is_polling(pool: usize) -> bool {
    LOCAL.with(|l| l.polling.get() && l.pool.get() == pool)
}

/// Offers a lane that the calling thread owns; true if it is kept as the hot one.
#[inline]
pub(crate) fn offer(pool: usize, lane: u16) -> bool {
    LOCAL.with(|l| {
        if !l.polling.get() || l.pool.get() != pool {
            return false;
        }
        if l.hot.get() == NONE {
            l.hot.set(lane);
            return true;
        }
        l.published.set(true);
        false
    })
}

/// Runs `poll` as the worker's own poll. Returns the hot lane, and whether something was put in a queue.
#[inline]
pub(crate) fn polling(poll: impl FnOnce()) -> (Option<u16>, bool) {
    LOCAL.with(|l| {
        l.polling.set(true);
        poll();
        l.polling.set(false);
        let hot = l.hot.replace(NONE);
        ((hot != NONE).then_some(hot), l.published.replace(false))
    })
}
