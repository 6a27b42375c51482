//! What the models of the pool have in common: a host that is driven by one thread at a time, whose tasks are numbers, and
//! the threads that run them. When all tasks have run the pool ends.

use crate::census::Plan;
use crate::local::{self, Polled};
use crate::peers::{self, PeerWait};
use crate::pool::Pool;
use crate::worker::Worker;
use alloc::sync::{Arc, Weak};
use core::time::Duration;
use loom::thread::{self, JoinHandle};
use prewire_os::Event;
use prewire_platform::{ChipSpec, Host, LaneId, Token, Work};
use prewire_sync::atomic::{AtomicU32, Ordering};

/// What kernels do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kernels {
    /// They return.
    Return,
    /// The first waits in foreign code until the second has run.
    WaitInForeignCode,
    /// The first waits for the second, and says so to the simulator.
    WaitForPeer,
    /// The last but one waits in foreign code until the last has run.
    WaitForLast,
}

/// A host whose tasks are the numbers in the slots of work.
pub(super) struct Tasks {
    pool: Weak<Pool>,
    kernels: Kernels,
    /// One bit a task that has run. Written by the workers.
    ran: AtomicU32,
    /// How many tasks there are.
    tasks: u32,
    /// A task that is dispatched once the first is seen finished.
    successor: Option<u32>,
    /// Notified by each task.
    news: Event,
    /// A task that the domain has ready and not dispatched, or 0. Written by the model, taken by a poll.
    ready: AtomicU32,
    /// Polls of each domain since nobody was inside. Raised by who polls, lowered by who is inside.
    calls: [AtomicU32; 2],
}

impl Tasks {
    fn has_run(&self, task: u32) -> bool {
        self.ran.load(Ordering::Relaxed) >> task & 1 != 0
    }

    /// Whether all tasks have run.
    pub(super) fn is_over(&self) -> bool {
        self.ran.load(Ordering::Relaxed) == (1 << self.tasks) - 1
    }

    /// Has the domain dispatch `task` when it is polled.
    pub(super) fn make_ready(&self, task: u32) {
        // Not stored: loom puts a store in no order with an exchange that found nothing.
        self.ready.swap(task + 1, Ordering::Relaxed);
    }

    fn wait_until_run(&self, task: u32) {
        let _ = self.news.wait_until(None, || self.has_run(task).then_some(()));
    }

    /// What one thread at a time does in a domain: without a `look` at what is ready, what the news bring about.
    fn drive(&self, pool: &Pool, domain: u16, look: bool) {
        let news = pool.take_news(domain);
        if let Some(task) = self.successor.filter(|_| news.0 & 1 != 0) {
            dispatch(pool, task);
        }
        if domain == 0 && look {
            let ready = self.ready.swap(0, Ordering::Relaxed);
            if ready != 0 {
                dispatch(pool, ready - 1);
            }
        }
    }
}

impl Host for Tasks {
    fn execute(&self, _: LaneId, work: Work) {
        let pool = self.pool.upgrade().expect("the model keeps the pool");
        match self.kernels {
            Kernels::WaitInForeignCode if work.slot == 0 => self.wait_until_run(1),
            Kernels::WaitForLast if work.slot + 2 == self.tasks => self.wait_until_run(self.tasks - 1),
            Kernels::WaitForPeer if work.slot == 0 => {
                assert_eq!(peers::wait(&pool, &mut || self.has_run(1)), PeerWait::Ready);
            }
            _ => {}
        }
        self.ran.fetch_or(1 << work.slot, Ordering::Relaxed);
        if matches!(self.kernels, Kernels::WaitInForeignCode | Kernels::WaitForLast) {
            self.news.notify_all();
        }
        pool.peers.notify_all();
        if self.is_over() {
            pool.census.stop();
            pool.idle.notify_all();
            pool.watch.notify_all();
        }
    }

    fn poll(&self, domain: u16) {
        self.poll_looking(domain, true);
    }

    fn poll_news(&self, domain: u16) {
        self.poll_looking(domain, false);
    }

    /// So few that who polls falls back behind a guest.
    fn unfinished(&self) -> Option<u32> {
        Some(0)
    }

    fn has_ready(&self, domain: u16) -> bool {
        domain == 0 && self.ready.load(Ordering::Relaxed) != 0
    }

    fn quiescent(&self) {}
}

impl Tasks {
    /// As a scheduler does: who asks while another one is inside gets a poll that looks.
    fn poll_looking(&self, domain: u16, mut look: bool) {
        let pool = self.pool.upgrade().expect("the model keeps the pool");
        let calls = &self.calls[usize::from(domain)];
        // ORDERING: AcqRel, "model-inside"; pairs with the exchange below: who is inside sees what the callers did before.
        let mut served = calls.fetch_add(1, Ordering::AcqRel) + 1;
        if served != 1 {
            return;
        }
        loop {
            self.drive(&pool, domain, look);
            look = true;
            // ORDERING: AcqRel and Acquire, "model-inside"; pairs with the fetch_add above.
            match calls.compare_exchange(served, 0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => served = now,
            }
        }
    }
}

/// The core of a task: of a chip of two domains the first three are of the domain 0.
const LANES: [[u16; 4]; 2] = [[0, 1, 2, 3], [0, 2, 3, 1]];

/// Dispatches a task to its core, as `Sim::dispatch` does.
pub(super) fn dispatch(pool: &Pool, task: u32) {
    let lanes = LANES[usize::from(pool.cores.spec.domains > 1)];
    let lane = LaneId(lanes[task as usize]);
    if pool.cores.put(lane, Token(2), Work { slot: task, block: 0, place: 0 })
        && !local::offer(pool.id(), lane.0)
    {
        pool.cores.enqueue(local::stand_for(pool.id()), lane.0);
    }
}

/// A pool of `threads` parked workers of which one may be active for each of `limit`, and its host.
pub(super) fn open(threads: u16, limit: u16, tasks: u32, kernels: Kernels) -> (Arc<Pool>, Arc<Tasks>) {
    let (pool, host) = open_on(super::spec(), threads, tasks, kernels, None);
    (limit..threads).for_each(|_| pool.census.shrink(limit));
    (pool, host)
}

/// A pool of `threads` parked workers on a chip, and its host, which dispatches `successor` once the first task is seen
/// finished.
pub(super) fn open_on(
    spec: ChipSpec,
    threads: u16,
    tasks: u32,
    kernels: Kernels,
    successor: Option<u32>,
) -> (Arc<Pool>, Arc<Tasks>) {
    let pool = Pool::new(spec, threads, 3, Duration::from_millis(1));
    let host = Arc::new(Tasks {
        pool: Arc::downgrade(&pool),
        kernels,
        ran: AtomicU32::new(0),
        tasks,
        successor,
        news: Event::new(),
        ready: AtomicU32::new(0),
        calls: core::array::from_fn(|_| AtomicU32::new(0)),
    });
    pool.open_for_model(host.clone());
    (pool, host)
}

/// One more worker is active and searching, beside those that are so already: parked before, or started.
pub(super) fn activate(pool: &Pool, plan: Plan) {
    let beside = pool.census.view().searching() > 0;
    if beside {
        pool.census.end_search();
    }
    assert!(pool.census.carry_out(plan) && (plan != Plan::Grant || pool.census.take_ticket()));
    if beside {
        pool.census.begin_search();
    }
}

/// A worker in a thread of its own.
pub(super) fn spawn(pool: &Arc<Pool>, host: &Arc<Tasks>, number: u16, searching: bool) -> JoinHandle<()> {
    let (pool, host) = (Arc::clone(pool), Arc::clone(host));
    thread::spawn(move || Worker::main(&pool, &*host, number, searching))
}

/// As [`spawn`]. It begins parked, or active and searching.
pub(super) fn worker(pool: &Arc<Pool>, host: &Arc<Tasks>, number: u16, searching: bool) -> JoinHandle<()> {
    if searching {
        activate(pool, Plan::Grant);
    }
    spawn(pool, host, number, searching)
}

/// The calling thread polls the domain 0 once as worker `number` does that has left nothing, and runs what it is given.
pub(super) fn poll_as(pool: &Pool, host: &Tasks, number: u16) {
    local::enter(pool.id(), number, pool.cores.stand_of(number));
    let Polled { hot, free, .. } = local::polling(None, false, || host.poll(0));
    assert!(free.is_empty());
    if let Some(lane) = hot {
        assert!(!run(pool, host, lane), "one task a core");
    }
    local::leave();
}

/// Runs what a core has, as its owner, and tells nobody: whether there is more.
pub(super) fn run(pool: &Pool, host: &Tasks, lane: u16) -> bool {
    let core = pool.cores.core(lane);
    let (token, work) = core.take();
    host.execute(LaneId(lane), work);
    core.finish(&pool.cores.spec, token);
    core.release()
}

/// Sees the pool end with every task run.
pub(super) fn join(host: &Tasks, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(host.is_over(), "a thread ended before its work was done");
}

/// As [`join`], with as many threads counted as there are.
pub(super) fn end(pool: &Pool, host: &Tasks, threads: impl IntoIterator<Item = JoinHandle<()>>) {
    join(host, threads);
    let view = pool.census.view();
    assert_eq!(
        (view.searching(), view.tickets()),
        (0, 0),
        "{view:?}: threads are counted that are not there"
    );
}
