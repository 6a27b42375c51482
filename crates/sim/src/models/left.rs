//! Models of what a worker has left or taken with it: news, and cores in a queue, are some thread's to look after at each
//! moment.

use super::host::{Kernels, activate, dispatch, end, join, open, open_on, poll_as, run, spawn, worker};
use super::{model, spec, spec_of};
use crate::census::Plan;
use alloc::sync::Arc;
use loom::thread;
use prewire_platform::ChipSpec;

/// A worker leaves the news of the first task and takes up the second, which waits for what follows from them. Another worker
/// finds nothing and parks: `base` workers have stands of their own.
fn wait_for_what_follows(spec: ChipSpec, base: u16) {
    let (pool, host) = open_on(spec, base, 3, Kernels::WaitForLast, Some(2));
    (0..2).for_each(|task| dispatch(&pool, task));
    activate(&pool, Plan::Grant);
    if base == 1 {
        assert!(pool.census.grow(2));
        activate(&pool, Plan::Start);
    } else {
        activate(&pool, Plan::Grant);
    }
    let threads = [0, 1].map(|number| spawn(&pool, &host, number, true));
    // The pool may end with a thread granted to go on that does not need to any more.
    join(&host, threads);
}

/// A worker leaves the news of the first task and takes up the second, which waits for what follows from them, while the
/// other thread parks: that one polls for the news.
///
/// Catches `left-fence`, `no-look-at-news`, `left-not-told`.
#[test]
fn news_left_by_a_worker_whose_next_kernel_waits_are_polled_for() {
    model(|| wait_for_what_follows(spec(), 2));
}

/// The same where the other thread begins in another domain.
///
/// Catches `left-fence`, `no-look-at-news`, `left-not-told`.
#[test]
fn news_left_in_a_domain_are_polled_for_by_a_worker_of_another_one() {
    model(|| wait_for_what_follows(spec_of(2, 2), 2));
}

/// The same where both threads have one stand.
///
/// Catches `left-fence`, `no-look-at-news`, `left-not-told`.
#[test]
fn news_left_at_a_stand_that_two_workers_share_are_polled_for() {
    model(|| wait_for_what_follows(spec(), 1));
}

/// A worker polls for what it has left while another thread is inside of the domain, and takes up a kernel that waits for what
/// follows: the one inside, which takes what it has left itself alone, hears of it.
///
/// Catches `left-when-taken`.
#[test]
fn news_left_to_a_poll_that_finds_the_domain_taken_are_heard_inside() {
    model(|| {
        let (pool, host) = open_on(spec_of(2, 1), 2, 4, Kernels::WaitForLast, Some(3));
        (0..3).for_each(|task| dispatch(&pool, task));
        activate(&pool, Plan::Grant);
        activate(&pool, Plan::Grant);
        // This thread is the other worker, and has just found something to do.
        pool.census.end_search();
        let thread = spawn(&pool, &host, 0, true);
        poll_as(&pool, &host, 1);
        join(&host, [thread]);
    });
}

/// A worker that has nothing to do polls for what another one has left while a third is inside of the domain, and parks: the one
/// inside hears of it.
///
/// Catches `left-not-told`.
#[test]
fn news_left_by_another_are_heard_by_who_is_inside_of_the_domain() {
    model(|| {
        let (pool, host) = open_on(spec(), 2, 2, Kernels::Return, Some(1));
        dispatch(&pool, 0);
        // A worker that is in a long kernel now has run the first task.
        let lane = pool.cores.claim(0, 0, 0).expect("nobody else takes it");
        let more = run(&pool, &host, lane);
        pool.cores.leave(0, lane);
        assert!(!more);
        let thread = worker(&pool, &host, 1, true);
        poll_as(&pool, &host, 2);
        join(&host, [thread]);
    });
}

/// A worker takes two lanes from the queue of another, runs the one, which waits for the other, and queues that, while another
/// thread finds nothing more and parks: that one runs it.
///
/// Catches `no-wake-for-taken`.
#[test]
fn a_lane_that_was_taken_with_another_is_run_while_that_one_waits() {
    model(|| {
        let (pool, host) = open(3, 2, 3, Kernels::WaitForLast);
        (0..3).for_each(|task| dispatch(&pool, task));
        (0..2).for_each(|_| activate(&pool, Plan::Grant));
        // What was dispatched is in the queue of the worker 0, which is not there.
        let threads = [1, 2].map(|number| spawn(&pool, &host, number, true));
        // The pool may end with a thread granted to go on that does not need to any more.
        join(&host, threads);
    });
}

/// A pool stops while the last thread that searches parks and a lane is in a queue, which nobody runs any more: the thread
/// ends.
///
/// Catches `no-end-of-search`.
#[test]
fn a_search_ends_when_the_pool_stops_with_a_lane_queued() {
    model(|| {
        let (pool, host) = open(1, 1, 1, Kernels::Return);
        let thread = worker(&pool, &host, 0, true);
        let stopper = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || {
                pool.census.stop();
                pool.idle.notify_all();
            })
        };
        dispatch(&pool, 0);
        [thread, stopper].into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// A worker goes on, without a look at what was published, with a task that waits for just that: another thread takes it up.
///
/// Catches `help-no-fence`.
#[test]
fn what_a_worker_did_not_look_at_is_run_while_its_next_kernel_waits() {
    model(|| {
        let (pool, host) = open_on(spec(), 2, 3, Kernels::WaitForLast, Some(1));
        dispatch(&pool, 0);
        let threads = [worker(&pool, &host, 0, true), worker(&pool, &host, 1, false)];
        host.make_ready(2);
        pool.wake();
        join(&host, threads);
    });
}

/// The only worker goes on with what comes of what it has run, and looks at what was published before it parks.
///
/// Catches `no-poll-when-parked`.
#[test]
fn what_a_worker_did_not_look_at_is_run_before_it_parks() {
    model(|| {
        let (pool, host) = open_on(spec(), 1, 3, Kernels::Return, Some(1));
        dispatch(&pool, 0);
        let thread = worker(&pool, &host, 0, true);
        host.make_ready(2);
        pool.wake();
        end(&pool, &host, [thread]);
    });
}
