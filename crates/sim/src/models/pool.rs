//! Models of the pool: work that is made while threads stop looking for it is found by somebody.

use super::host::{Kernels, activate, dispatch, end, join, open, open_on, spawn, worker};
use super::model;
use crate::census::Plan;
use crate::watchman;
use alloc::sync::Arc;
use loom::thread;

/// A lane is queued while the last thread that searches parks: that thread sees it, or is woken.
///
/// Catches `wake-fence`, `look-again-fence`, `no-look-when-parked`, `ticket-kept`.
#[test]
fn a_lane_queued_while_the_last_searcher_parks_is_run() {
    model(|| {
        let (pool, host) = open(1, 1, 1, Kernels::Return);
        let thread = worker(&pool, &host, 0, true);
        dispatch(&pool, 0);
        pool.wake();
        end(&pool, &host, [thread]);
    });
}

/// A domain gets something ready while the last thread that searches parks: that thread polls it, or is woken.
///
/// Catches `wake-fence`, `look-again-fence`, `no-poll-when-parked`.
#[test]
fn a_domain_ready_while_the_last_searcher_parks_is_polled() {
    model(|| {
        let (pool, host) = open(1, 1, 1, Kernels::Return);
        let thread = worker(&pool, &host, 0, true);
        host.make_ready(0);
        pool.wake();
        end(&pool, &host, [thread]);
    });
}

/// Work is made while the last thread that searches takes up something else, which does not return before that work is
/// done: the thread wakes another one.
///
/// Catches `no-look-after-search`, `wake-fence`, `look-again-fence`.
#[test]
fn work_made_while_the_last_searcher_finds_other_work_is_run() {
    model(|| {
        let (pool, host) = open(2, 2, 2, Kernels::WaitInForeignCode);
        dispatch(&pool, 0);
        let threads = [worker(&pool, &host, 0, true), worker(&pool, &host, 1, false)];
        dispatch(&pool, 1);
        pool.wake();
        end(&pool, &host, threads);
    });
}

/// A guest makes work while the only thread that may be active beside it runs a kernel that waits for that work. When the
/// guest goes, another thread takes its place.
///
/// Catches `no-look-when-guest-goes`, `look-again-fence`.
#[test]
fn work_left_by_a_guest_that_goes_is_run() {
    model(|| {
        let (pool, host) = open(2, 2, 2, Kernels::WaitInForeignCode);
        pool.guest_comes();
        dispatch(&pool, 0);
        let threads = [worker(&pool, &host, 0, true), worker(&pool, &host, 1, false)];
        dispatch(&pool, 1);
        pool.wake();
        pool.guest_goes();
        end(&pool, &host, threads);
    });
}

/// The only thread beside a guest falls back behind it after a poll that has given it a lane: that lane is run, by it or by who
/// takes the place of the guest, which goes meanwhile.
///
/// Catches `hot-when-back`.
#[test]
fn a_lane_given_to_who_falls_back_is_run() {
    model(|| {
        let (pool, host) = open_on(super::spec(), 2, 2, Kernels::Return, Some(1));
        pool.guest_comes();
        dispatch(&pool, 0);
        let threads = [worker(&pool, &host, 0, true), worker(&pool, &host, 1, false)];
        pool.guest_goes();
        // One of them may have been granted to go on as the pool ends.
        join(&host, threads);
    });
}

/// Work is made while the only thread that may be active runs a kernel that begins to wait for that work: the thread
/// makes room for another one and wakes it.
///
/// Catches `no-look-when-blocked`, `wake-fence`, `look-again-fence`.
#[test]
fn work_made_while_a_kernel_blocks_is_run() {
    model(|| {
        let (pool, host) = open(2, 1, 2, Kernels::WaitForPeer);
        dispatch(&pool, 0);
        let threads = [worker(&pool, &host, 0, true), worker(&pool, &host, 1, false)];
        dispatch(&pool, 1);
        pool.wake();
        end(&pool, &host, threads);
    });
}

/// Two threads are active where one may be, and there is work: one of them parks, the other does the work.
///
/// Catches `retire-in-two-steps`.
#[test]
fn of_two_threads_one_of_which_is_too_many_one_parks() {
    model(|| {
        let (pool, host) = open(2, 2, 3, Kernels::Return);
        (0..3).for_each(|task| dispatch(&pool, task));
        (0..2).for_each(|_| activate(&pool, Plan::Grant));
        pool.census.shrink(1);
        let threads = [0, 1].map(|number| spawn(&pool, &host, number, true));
        end(&pool, &host, threads);
    });
}

/// Two threads make work at the same time, and both see that somebody must be woken: one thread is granted to go on for
/// both, and no thread is counted that is not there.
///
/// Catches `stale-plan`.
#[test]
fn two_wakers_wake_one() {
    model(|| {
        let (pool, host) = open(1, 1, 2, Kernels::Return);
        let thread = worker(&pool, &host, 0, false);
        let other = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                dispatch(&pool, 0);
                pool.wake();
            })
        };
        dispatch(&pool, 1);
        pool.wake();
        other.join().unwrap();
        end(&pool, &host, [thread]);
    });
}

/// Work is made while the only thread that may be active is stuck in foreign code and the watchman leaves his post: he
/// stays, or is called back, and lets another thread run.
///
/// Catches `no-look-when-off-watch`.
#[test]
fn work_made_while_the_watchman_leaves_is_run() {
    model(|| {
        let (pool, host) = open(2, 1, 1, Kernels::Return);
        // The stuck thread is in the census only: nothing of it moves.
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket() && pool.census.end_search());
        assert!(pool.census.carry_out(Plan::Watch));
        let watchman = {
            let (pool, host) = (Arc::clone(&pool), Arc::clone(&host));
            thread::spawn(move || watchman::main(&pool, &*host))
        };
        let threads = [worker(&pool, &host, 0, false), watchman];
        // He lets the others go first when he waits for time to pass; so does this thread, for once.
        thread::yield_now();
        dispatch(&pool, 0);
        pool.wake();
        end(&pool, &host, threads);
    });
}
