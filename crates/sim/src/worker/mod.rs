//! A worker: runs one core after another, polls the domain of each, and parks when there is nothing to do.
//!
//! It goes on with what is nearest: the next dispatch of the core that it has, then the hot core that its own poll
//! dispatched to, unless it [falls back](distance) first, then a core from its own queue, then what its next poll
//! dispatches, then cores from the queues of others, then a domain that has something ready. A lane that it owns and
//! does not run at once goes to its queue before it runs a kernel, since a kernel may wait for that very lane.

mod distance;
mod polls;
mod search;

use crate::backlog::Backlog;
use crate::local;
use crate::pool::Pool;
use crate::stats::Counters;
use distance::Distance;
use prewire_os::clock;
use prewire_platform::{Host, LaneId, LaneSet};
use prewire_runs::event;
use prewire_sync::{Gathering, mutant};

/// After so many sub-tasks a worker lets others have their turn: it polls the other domains, and takes its next core
/// from the queue.
const TURN: u32 = 256;

/// So many polls in a row, with nothing queued, may leave aside what was published.
const UNLOOKED: u32 = 3;

/// Ends the process if a host unwinds into the worker: the core that it ran would never finish, and its consumers would
/// wait in silence.
struct NoUnwind;

impl Drop for NoUnwind {
    fn drop(&mut self) {
        // A model that fails unwinds through its threads.
        if std::thread::panicking() && !cfg!(prewire_loom) {
            event!(error, "a host unwound into the simulator: the process ends");
            std::process::abort();
        }
    }
}

/// A worker.
pub(crate) struct Worker<'a> {
    pool: &'a Pool,
    host: &'a dyn Host,
    counters: &'a Counters,
    number: u16,
    stand: u16,
    /// The domain of the core that it ran last: where it looks first.
    domain: u16,
    /// Where it looks in a queue.
    from: u16,
    /// Sub-tasks since others had their turn.
    turn: u32,
    /// Whether it took from others first the last time, as it does every second time where sub-tasks are not brief.
    beside: bool,
    /// Sub-tasks that it has not polled for, all of `domain`.
    backlog: Backlog,
    /// Polls since it last looked at what was published.
    unlooked: u32,
    /// The lanes that its last poll has given it beside a hot one.
    given: LaneSet,
    /// How soon it looks for what the orchestration makes, once it has nothing to do.
    gathering: Gathering,
    /// How far it is behind the orchestration.
    distance: Distance,
}

impl<'a> Worker<'a> {
    /// The thread of worker `number`. It begins parked, or, if `granted`, counted as active and searching.
    pub(crate) fn main(pool: &'a Pool, host: &'a dyn Host, number: u16, granted: bool) {
        let _guard = NoUnwind;
        let stand = pool.cores.stand_of(number);
        local::enter(pool.id(), number, stand);
        let counters = &pool.counters[usize::from(number)];
        let domain = number % pool.cores.spec.domains;
        let mut worker = Self {
            pool,
            host,
            counters,
            number,
            stand,
            domain,
            from: 0,
            turn: 0,
            beside: false,
            backlog: Backlog::new(),
            unlooked: 0,
            given: LaneSet::EMPTY,
            gathering: Gathering::default(),
            distance: Distance::new(pool.cores.spec.domains),
        };
        pool.seats.enter(number);
        if granted {
            pool.seats.take(number);
        }
        if granted || worker.sleep() {
            worker.run();
        }
        pool.seats.quit(number);
        local::leave();
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
                    if !searching && census.view().surplus() && self.backlog.is_empty() && census.retire() {
                        if !self.sleep() {
                            return;
                        }
                        self.gathering = Gathering::default();
                        searching = true;
                    }
                    let claimed = match self.claim() {
                        None if !self.backlog.is_empty() => {
                            hot = self.settle();
                            continue;
                        }
                        claimed => claimed.or_else(|| self.steal()),
                    };
                    match claimed {
                        Some(lane) => lane,
                        None => {
                            if !searching {
                                census.begin_search();
                                searching = true;
                            }
                            self.backlog.begin();
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

    /// A core from its own queue; now and then, if its sub-tasks are not brief, and after each turn, one from the queue of
    /// another first: that one may run something long, which waits for what it has queued.
    fn claim(&mut self) -> Option<u16> {
        self.beside = !self.beside && !self.backlog.is_brief();
        let others = self.turn == 0 || self.beside;
        let lane = others.then(|| self.steal()).flatten();
        let lane = lane.or_else(|| self.pool.cores.claim(self.stand, self.domain, self.from))?;
        self.from = lane + 1;
        Some(lane)
    }

    /// Takes cores that others have queued to its own queue, and one of them to run.
    fn steal(&self) -> Option<u16> {
        let cores = &self.pool.cores;
        let mut lanes = cores.steal(self.stand, self.domain);
        let lane = lanes.pop()?;
        if !lanes.is_empty() {
            cores.enqueue_all(self.stand, lanes);
            // Nobody saw them meanwhile.
            // MUTANT "no-wake-for-taken": what was taken from another queue and is not run at once stays where it is.
            if !mutant::skips("no-wake-for-taken") {
                self.pool.wake();
            }
        }
        Some(lane.0)
    }

    /// Runs what `lane` has, and polls after each sub-task, or leaves that for later. Returns the hot lane.
    fn drive(&mut self, lane: u16) -> Option<u16> {
        let cores = &self.pool.cores;
        let core = cores.core(lane);
        self.go_to(cores.domain(lane));
        loop {
            let (token, work) = core.take();
            self.counters.executes();
            self.host.execute(LaneId(lane), work);
            self.counters.returns();
            core.finish(&cores.spec, token);
            let more = core.release();
            self.turn += 1;
            let turn_over = self.turn >= TURN;
            if !turn_over && (more || cores.has_queued(self.stand)) && self.leave(lane) {
                if !more || self.pool.stopping() {
                    return None;
                }
                continue;
            }
            if !more && !turn_over {
                if !self.is_too_close() {
                    let (hot, published) = self.poll_for_next(lane);
                    self.help(published);
                    return hot;
                }
                let (hot, published) = self.poll(self.domain, Some(lane));
                // MUTANT "hot-when-back": the lane that it was given goes to nobody.
                let kept = hot.filter(|_| !mutant::skips("hot-when-back"));
                kept.into_iter().for_each(|lane| cores.enqueue(self.stand, lane));
                self.help(published || hot.is_some());
                self.fall_back();
                return None;
            }
            let (hot, published) = self.poll(self.domain, Some(lane));
            let others = [hot, (more && turn_over).then_some(lane)];
            others.into_iter().flatten().for_each(|other| cores.enqueue(self.stand, other));
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

    /// Whether it is to let the guest get ahead, who makes the work. Not where another thread could be woken for what it has.
    fn is_too_close(&mut self) -> bool {
        let (pool, host) = (self.pool, self.host);
        let is_alone = || {
            let view = pool.census.view();
            view.has_guest() && !view.has_place()
        };
        self.distance.is_due() && is_alone() && self.distance.is_close(|| host.unfinished(), pool.steps())
    }

    fn fall_back(&mut self) {
        // A model has no time, and explores every schedule anyway.
        if !cfg!(prewire_loom) {
            distance::fall_back(|| self.pool.steps(), clock::monotonic);
        }
        // What it has spent here is not what its sub-tasks take.
        self.backlog.begin();
    }

    /// What it has left for later is left in one domain.
    fn go_to(&mut self, domain: u16) {
        if domain != self.domain && !self.backlog.is_empty() {
            let hot = self.settle();
            hot.into_iter().for_each(|lane| self.pool.cores.enqueue(self.stand, lane));
            self.help(hot.is_some());
        }
        self.domain = domain;
    }

    /// Polls the domains that have something ready or news that others have left, and looks elsewhere for the next core.
    fn give_turn(&mut self) {
        let domains = self.pool.cores.spec.domains;
        self.turn = 0;
        self.pool.seats.take(self.number);
        self.backlog.begin();
        // Its own too: what others have left of it waits for nobody else.
        for step in 0..domains {
            let domain = (self.domain + step) % domains;
            if self.is_due(domain) {
                let (hot, published) = self.poll_for_all(domain);
                hot.into_iter().for_each(|lane| self.pool.cores.enqueue(self.stand, lane));
                self.help(published || hot.is_some());
            }
        }
        self.domain = (self.domain + 1) % domains;
    }
}
