//! What a thread knows about its part in a simulator: which pool it belongs to, and what a poll has handed it.
//!
//! While a worker polls a scheduler domain, the first free lane that the domain dispatches to is kept for that worker:
//! the *hot* lane, which it runs next without a word to anybody. The lanes beyond it are collected, and go to the queue of
//! that worker together when the poll is over. The news of the lane that the worker has just run are handed to its poll directly.

use core::cell::Cell;
use prewire_platform::{LaneId, LaneSet};

/// No lane.
const NONE: u16 = u16::MAX;

struct Local {
    /// The pool whose worker this thread is, by its address; 0 for none.
    pool: Cell<usize>,
    /// The number of the worker there, and of its stand: as the worker has them itself, for what comes to the thread from a
    /// host, which knows of no worker.
    number: Cell<u16>,
    stand: Cell<u16>,
    /// The pool whose worker this thread is, while it is in its own poll of a domain; else 0.
    polling: Cell<usize>,
    /// The lane that it ran before the poll, until the poll has taken its news.
    told: Cell<u16>,
    /// Whether the poll is to take the news that are left at its stand.
    left: Cell<bool>,
    /// A lane that this worker owns and will run next.
    hot: Cell<u16>,
    /// Lanes beyond it that were dispatched to during the poll and that nobody else knows of.
    free: Cell<u128>,
}

prewire_sync::thread_local! {
    static LOCAL: Local = Local {
        pool: Cell::new(0),
        number: Cell::new(0),
        stand: Cell::new(0),
        polling: Cell::new(0),
        told: Cell::new(NONE),
        left: Cell::new(false),
        hot: Cell::new(NONE),
        free: Cell::new(0),
    };
}

/// What a worker's poll has handed it. It owns all these lanes.
#[derive(Debug)]
#[must_use = "lanes that nobody runs are lost"]
pub(crate) struct Polled {
    /// A lane to run next.
    pub(crate) hot: Option<u16>,
    /// Lanes beyond it.
    pub(crate) free: LaneSet,
    /// Whether the poll has heard of the lane that it was to hear of.
    pub(crate) heard: bool,
}

/// This thread becomes the worker `number` of `pool`, with this stand.
pub(crate) fn enter(pool: usize, number: u16, stand: u16) {
    LOCAL.with(|l| {
        l.pool.set(pool);
        l.number.set(number);
        l.stand.set(stand);
    });
}

/// This thread is a worker no longer.
pub(crate) fn leave() {
    LOCAL.with(|l| l.pool.set(0));
}

/// The number of this thread, if it is a worker of `pool`.
pub(crate) fn worker_of(pool: usize) -> Option<u16> {
    LOCAL.with(|l| (l.pool.get() == pool).then(|| l.number.get()))
}

/// The stand of this thread, if it is a worker of `pool`; else one that takes what others dispatch.
#[inline]
pub(crate) fn stand_for(pool: usize) -> u16 {
    LOCAL.with(|l| if l.pool.get() == pool { l.stand.get() } else { 0 })
}

/// The stand of which the poll of this thread takes what was left: its own, if it is a worker of `pool` in the middle of its
/// poll that has left something.
#[inline]
pub(crate) fn left(pool: usize) -> Option<u16> {
    LOCAL.with(|l| (l.polling.get() == pool && l.left.get()).then(|| l.stand.get()))
}

/// Whether this thread is a worker of `pool`.
pub(crate) fn is_worker_of(pool: usize) -> bool {
    LOCAL.with(|l| l.pool.get() == pool)
}

/// Whether this thread is a worker of `pool` in the middle of its poll.
#[inline]
pub(crate) fn is_polling(pool: usize) -> bool {
    LOCAL.with(|l| l.polling.get() == pool)
}

/// Offers a lane that the calling thread owns; true if it is kept, as the hot one or beside it.
#[inline]
pub(crate) fn offer(pool: usize, lane: u16) -> bool {
    LOCAL.with(|l| {
        if l.polling.get() != pool {
            return false;
        }
        if l.hot.get() == NONE {
            l.hot.set(lane);
        } else {
            let mut free = LaneSet(l.free.get());
            free.insert(LaneId(lane));
            l.free.set(free.0);
        }
        true
    })
}

/// The lane that the calling thread has run, if it is a worker of `pool` in the middle of its poll, has not been given this
/// answer before, and `polled` says that the lane is one of those that are polled.
#[inline]
pub(crate) fn tell(pool: usize, polled: impl FnOnce(u16) -> bool) -> Option<u16> {
    LOCAL.with(|l| {
        let lane = l.told.get();
        if lane == NONE || l.polling.get() != pool || !polled(lane) {
            return None;
        }
        l.told.set(NONE);
        Some(lane)
    })
}

/// Runs `poll` as the worker's own poll. `told` is the lane that it has run, if the poll is to hear of one; `left`: whether
/// it has left news for it.
#[inline]
pub(crate) fn polling(told: Option<u16>, left: bool, poll: impl FnOnce()) -> Polled {
    LOCAL.with(|l| {
        l.told.set(told.unwrap_or(NONE));
        l.left.set(left);
        l.polling.set(l.pool.get());
        poll();
        l.polling.set(0);
        let hot = l.hot.replace(NONE);
        Polled {
            hot: (hot != NONE).then_some(hot),
            free: LaneSet(l.free.replace(0)),
            heard: l.told.replace(NONE) == NONE,
        }
    })
}
