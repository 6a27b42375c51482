//! A worker: runs one core after another, polls the domain of each, and parks when there is nothing to do.
//!
//! It goes on with what is nearest: the next dispatch of the core that it has, then the hot core that its own poll
//! dispatched to, then a core from the queues, then a domain that has something ready. A lane that it owns and does not
//! run at once goes to the queue before it runs a kernel, since a kernel may wait for that very lane.

use crate::census::Plan;
use crate::local;
use crate::pool::Pool;
use crate::stats::Counters;
use prewire_platform::{Host, LaneId};
use prewire_sync::Backoff;
use prewire_sync::mutant;

/// Steps of the spin before parking: some 15 microseconds.
const SPINS: u32 = 22;

/// After so many sub-tasks a worker lets others have their turn: it polls the other domains, and takes its next core
/// from the queue.
const TURN: u32 = 256;

/// Ends the process if a host unwinds into the worker: the core that it ran would never finish, and its consumers would
/// wait in silence.
struct NoUnwind;

impl Drop for NoUnwind {
    fn drop(&mut self) {
        // A model that fails unwinds through its threads.
        if std::thread::panicking() && !cfg!(prewire_loom) {
            tracing::error!("a host unwound into the simulator: the process ends");
            std::process::abort();
        }
    }
}

/// A worker.
pub(crate) struct Worker<'a> {
    pool: &'a Pool,
    host: &'a dyn Host,
    counters: &'a Counters,
    /// The domain of the core that it ran last: where it looks first.
    domain: u16,
    /// Where it looks in a queue.
    from: u16,
    /// Sub-tasks since others had their turn.
    turn: u32,
}

impl<'a> Worker<'a> {
    /// The thread of worker `number`. It begins parked, or, if `granted`, counted as active and searching.
    pub(crate) fn main(pool: &'a Pool, host: &'a dyn Host, number: u16, granted: bool) {
        let _guard = NoUnwind;
        local::enter(pool.id());
        let counters = &pool.counters[usize::from(number)];
        let domain = number % pool.cores.spec.domains;
        let mut worker = Self { pool, host, counters, domain, from: 0, turn: 0 };
        if granted || worker.sleep() {
            worker.run();
        }
        local::enter(0);
    }

    /// Until the pool stops. The worker is counted as active and searching when this begins.
    fn run(&mut self) {
        let census = &self.pool.census;
        let mut searching = true;
        let mut hot = None;
        while !self.pool.stopping() {
            let lane = match hot.take() {
                Some(lane) => lane,
                None => {
                    if !searching && census.view().surplus() && census.retire() {
                        if !self.sleep() {
                            return;
                        }
                        searching = true;
                    }
                    match self.claim() {
                        Some(lane) => lane,
                        None => {
                            if !searching {
                                census.begin_search();
                                searching = true;
                            }
                            let Some(lane) = self.search() else { return };
                            lane
                        }
                    }
                }
            };
            if searching {
                searching = false;
                // MUTANT "no-look-after-search": what was left to this search stays where it is.
                if census.end_search() && !mutant::skips("no-look-after-search") {
                    // Whoever made work in the meantime relied on this search.
                    self.pool.look_again();
                    self.help(false);
                }
            }
            hot = self.drive(lane);
        }
    }

    fn claim(&mut self) -> Option<u16> {
        let lane = self.pool.cores.claim(self.domain, self.from)?;
        self.from = lane + 1;
        Some(lane)
    }

    /// Runs what `lane` has, and polls after each sub-task. Returns the hot lane.
    fn drive(&mut self, lane: u16) -> Option<u16> {
        let cores = &self.pool.cores;
        let core = cores.core(lane);
        self.domain = cores.domain(lane);
        loop {
            let (token, work) = core.take();
            self.counters.executes();
            self.host.execute(LaneId(lane), work);
            self.counters.returns();
            core.finish(&cores.spec, token);
            cores.report(lane);
            let (hot, published) = self.poll(self.domain);
            let more = core.release();
            self.turn += 1;
            let turn_over = self.turn >= TURN;
            if !more && !turn_over {
                self.help(published);
                return hot;
            }
            let others = [hot, (more && turn_over).then_some(lane)];
            others.into_iter().flatten().for_each(|other| cores.enqueue(other));
            self.help(published || others != [None, None]);
            if turn_over {
                self.give_turn();
                return None;
            }
            if self.pool.stopping() {
                return None;
            }
        }
    }

    /// Polls the other domains that have something ready, and looks elsewhere for the next core.
    fn give_turn(&mut self) {
        let domains = self.pool.cores.spec.domains;
        self.turn = 0;
        for step in 1..domains {
            let domain = (self.domain + step) % domains;
            if self.host.has_ready(domain) {
                let (hot, published) = self.poll(domain);
                hot.into_iter().for_each(|lane| self.pool.cores.enqueue(lane));
                self.help(published || hot.is_some());
            }
        }
        self.domain = (self.domain + 1) % domains;
    }

    fn poll(&self, domain: u16) -> (Option<u16>, bool) {
        self.counters.polls();
        local::polling(|| self.host.poll(domain))
    }

    /// Wakes another one if it could help. `published`: this worker has put something in a queue.
    fn help(&self, published: bool) {
        if self.pool.census.view().plan() != Plan::Nothing && (published || self.pool.has_work(self.host)) {
            self.pool.wake();
        }
    }

    /// Polls each domain that has something ready until that gives this worker a lane.
    fn poll_ready(&self) -> Option<u16> {
        let domains = self.pool.cores.spec.domains;
        (0..domains)
            .map(|step| (self.domain + step) % domains)
            .find_map(|domain| self.host.has_ready(domain).then(|| self.poll(domain).0).flatten())
    }

    /// Looks for a core to run: spinning, then parked. `None` when the pool stops. The worker is counted as active and
    /// searching when this begins, and when it returns a lane.
    fn search(&mut self) -> Option<u16> {
        let pool = self.pool;
        loop {
            let mut backoff = Backoff::new(SPINS);
            while !pool.stopping() {
                if let Some(lane) = self.claim().or_else(|| self.poll_ready()) {
                    return Some(lane);
                }
                if !backoff.snooze() {
                    break;
                }
            }
            pool.census.park(pool.base);
            pool.look_again();
            // A poll that gives no lane is no reason to stay: the domain has nothing to dispatch, or another thread is
            // at it, which looks once more because this poll asked.
            // MUTANT "no-poll-when-parked": a domain that became ready meanwhile is not polled.
            let found = if mutant::skips("no-poll-when-parked") { None } else { self.poll_ready() };
            // MUTANT "no-look-when-parked": a lane that was queued meanwhile is not seen.
            if found.is_some() || (pool.cores.queued() && !mutant::skips("no-look-when-parked")) {
                pool.census.unpark();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            if pool.census.view().active() == 0 && !pool.stopping() {
                self.host.quiescent();
            }
            if !self.sleep() {
                return None;
            }
        }
    }

    /// Parks until granted to go on; false when the pool stops.
    fn sleep(&self) -> bool {
        loop {
            let key = self.pool.idle.prepare();
            if self.pool.stopping() {
                return false;
            }
            if self.pool.census.take_ticket() {
                return true;
            }
            self.pool.idle.wait(key, None);
        }
    }
}
