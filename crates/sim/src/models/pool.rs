//! Models of the pool: work that is made while threads stop looking for it is found by somebody.

use super::{model, spec};
use crate::census::Plan;
use crate::peers::{self, PeerWait};
use crate::pool::Pool;
use crate::watchman;
use crate::worker::Worker;
use alloc::sync::{Arc, Weak};
use core::time::Duration;
use loom::thread::{self, JoinHandle};
use prewire_os::Event;
use prewire_platform::{Host, LaneId, Token, Work};
use prewire_sync::atomic::{AtomicU32, Ordering};

/// What kernels do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kernels {
    /// They return.
    Return,
    /// The first waits in foreign code until the second has run.
    WaitInForeignCode,
    /// The first waits for the second, and says so to the simulator.
    WaitForPeer,
    /// The second waits in foreign code until the third has run, which is dispatched when the first is seen finished.
    WaitForSuccessor,
    /// The second waits in foreign code until the third has run.
    WaitForThird,
}

/// A host whose tasks are the numbers in the slots of work. When all have run, the pool ends.
struct Tasks {
    pool: Weak<Pool>,
    kernels: Kernels,
    /// One bit a task that has run. Written by the workers.
    ran: AtomicU32,
    /// The bits of all tasks.
    all: u32,
    /// Notified by each task.
    news: Event,
    /// A task that the domain has ready and not dispatched, or 0. Written by the model, taken by a poll.
    ready: AtomicU32,
}

impl Tasks {
    fn has_run(&self, task: u32) -> bool {
        self.ran.load(Ordering::Relaxed) >> task & 1 != 0
    }
}

impl Host for Tasks {
    fn execute(&self, _: LaneId, work: Work) {
        let pool = self.pool.upgrade().expect("the model keeps the pool");
        let mut second_has_run = || self.has_run(1);
        match (self.kernels, work.slot) {
            (Kernels::WaitInForeignCode, 0) => {
                let _ = self.news.wait_until(None, || second_has_run().then_some(()));
            }
            (Kernels::WaitForSuccessor | Kernels::WaitForThird, 1) => {
                let _ = self.news.wait_until(None, || self.has_run(2).then_some(()));
            }
            (Kernels::WaitForPeer, 0) => {
                assert_eq!(peers::wait(&pool, &mut second_has_run), PeerWait::Ready);
            }
            _ => {}
        }
        let ran = self.ran.fetch_or(1 << work.slot, Ordering::Relaxed) | 1 << work.slot;
        if !matches!(self.kernels, Kernels::Return | Kernels::WaitForPeer) {
            self.news.notify_all();
        }
        pool.peers.notify_all();
        if ran == self.all {
            pool.census.stop();
            pool.idle.notify_all();
            pool.watch.notify_all();
        }
    }

    fn poll(&self, _: u16) {
        let pool = self.pool.upgrade().expect("the model keeps the pool");
        let news = pool.take_news(0);
        if self.kernels == Kernels::WaitForSuccessor && news.0 & 1 != 0 {
            dispatch(&pool, 2);
        }
        let ready = self.ready.swap(0, Ordering::Relaxed);
        if ready != 0 {
            dispatch(&pool, ready - 1);
        }
    }

    fn has_ready(&self, _: u16) -> bool {
        self.ready.load(Ordering::Relaxed) != 0
    }

    fn quiescent(&self) {}
}

/// Dispatches a task to the core of its number, as `Sim::dispatch` does.
fn dispatch(pool: &Pool, task: u32) {
    let lane = LaneId(task as u16);
    if pool.cores.put(lane, Token(2), Work { slot: task, block: 0, place: 0 })
        && !crate::local::offer(pool.id(), lane.0)
    {
        pool.cores.enqueue(crate::local::stand_for(pool.id()), lane.0);
    }
}

/// A pool of `threads` parked workers of which one may be active for each of `limit`, and its host.
fn open(threads: u16, limit: u16, tasks: u32, kernels: Kernels) -> (Arc<Pool>, Arc<Tasks>) {
    let pool = Pool::new(spec(), threads, 3, Duration::from_millis(1));
    let host = Arc::new(Tasks {
        pool: Arc::downgrade(&pool),
        kernels,
        ran: AtomicU32::new(0),
        all: (1 << tasks) - 1,
        news: Event::new(),
        ready: AtomicU32::new(0),
    });
    pool.open_for_model(host.clone());
    (limit..threads).for_each(|_| pool.census.shrink(limit));
    (pool, host)
}

/// A worker in a thread of its own. It begins parked, or active and searching.
fn worker(pool: &Arc<Pool>, host: &Arc<Tasks>, number: u16, searching: bool) -> JoinHandle<()> {
    if searching {
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
    }
    let (pool, host) = (Arc::clone(pool), Arc::clone(host));
    thread::spawn(move || Worker::main(&pool, &*host, number, searching))
}

/// Sees the pool end with every task run, and with as many threads counted as there are.
fn end(pool: &Pool, host: &Tasks, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(host.ran.load(Ordering::Relaxed), host.all, "a thread ended before its work was done");
    let view = pool.census.view();
    assert_eq!(
        (view.searching(), view.tickets()),
        (0, 0),
        "{view:?}: threads are counted that are not there"
    );
}

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
        host.ready.store(1, Ordering::Relaxed);
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

/// A worker leaves the news of the first task and takes up the second, which waits for what follows from them, while the
/// other thread parks: that one polls for the news.
///
/// Catches `no-look-at-news`.
#[test]
fn news_left_by_a_worker_whose_next_kernel_waits_are_polled_for() {
    model(|| {
        let (pool, host) = open(2, 2, 3, Kernels::WaitForSuccessor);
        (0..2).for_each(|task| dispatch(&pool, task));
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.end_search();
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.begin_search();
        let threads = [0, 1].map(|number| {
            let (pool, host) = (Arc::clone(&pool), Arc::clone(&host));
            thread::spawn(move || Worker::main(&pool, &*host, number, true))
        });
        // The pool may end with a thread granted to go on that does not need to any more.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(host.ran.load(Ordering::Relaxed), host.all, "a thread ended before its work was done");
    });
}

/// A worker takes two lanes from the queue of another, runs the one, which waits for the other, and queues that, while another
/// thread finds nothing more and parks: that one runs it.
///
/// Catches `no-wake-for-taken`.
#[test]
fn a_lane_that_was_taken_with_another_is_run_while_that_one_waits() {
    model(|| {
        let (pool, host) = open(3, 2, 3, Kernels::WaitForThird);
        (0..3).for_each(|task| dispatch(&pool, task));
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.end_search();
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.begin_search();
        // What was dispatched is in the queue of the worker 0, which is not there.
        let threads = [1, 2].map(|number| {
            let (pool, host) = (Arc::clone(&pool), Arc::clone(&host));
            thread::spawn(move || Worker::main(&pool, &*host, number, true))
        });
        // The pool may end with a thread granted to go on that does not need to any more.
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(host.ran.load(Ordering::Relaxed), host.all, "a thread ended before its work was done");
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
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.end_search();
        assert!(pool.census.carry_out(Plan::Grant) && pool.census.take_ticket());
        pool.census.begin_search();
        pool.census.shrink(1);
        let threads = [0, 1].map(|number| {
            let (pool, host) = (Arc::clone(&pool), Arc::clone(&host));
            thread::spawn(move || Worker::main(&pool, &*host, number, true))
        });
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
