//! A worker: runs one core after another, polls the domain of each, and parks when there is nothing to do.
//!
//! It goes on with what is nearest: the next dispatch of the core that it has, then the hot core that its own poll
//! dispatched to, then a core from its own queue, then what its next poll dispatches, then cores from the queues of others,
//! then a domain that has something ready. A lane that it owns and does not run at once goes to its queue before it runs a
//! kernel, since a kernel may wait for that very lane.

use crate::backlog::Backlog;
use crate::census::Plan;
use crate::local::{self, Polled};
use crate::pool::Pool;
use crate::stats::Counters;
use prewire_platform::{Host, LaneId};
use prewire_sync::mutant;
use prewire_sync::{Backoff, Gathering};

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
    unlooked: Backlog,
    /// How many lanes its last poll has given it.
    given: u32,
    /// How soon it looks for what the orchestration makes, once it has nothing to do.
    gathering: Gathering,
}

/// What a poll looks at.
#[derive(Clone, Copy)]
enum Look {
    /// Everything.
    All,
    /// The news of lanes, and what comes of them.
    News,
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
            unlooked: Backlog::new(),
            given: 0,
            gathering: Gathering::default(),
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
                            self.unlooked.begin();
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
                let (hot, published) = self.poll_for_next(lane);
                self.help(published);
                return hot;
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

    /// What it has left for later is left in one domain.
    fn go_to(&mut self, domain: u16) {
        if domain != self.domain && !self.backlog.is_empty() {
            let hot = self.settle();
            hot.into_iter().for_each(|lane| self.pool.cores.enqueue(self.stand, lane));
            self.help(hot.is_some());
        }
        self.domain = domain;
    }

    /// Leaves the news of `lane` to a later poll, if nobody has to wait for what that poll would bring about: all threads
    /// that may run have something to do, this one is to stay, and its last poll is not long ago. This is work that the worker makes:
    /// whoever comes to look for some finds it, and the worker itself polls before it looks elsewhere.
    fn leave(&mut self, lane: u16) -> bool {
        let view = self.pool.census.view();
        let wanted = view.surplus() || matches!(view.plan(), Plan::Grant | Plan::Start);
        if wanted || !self.backlog.has_room() {
            return false;
        }
        self.backlog.leave();
        self.pool.cores.leave(self.stand, lane);
        self.pool.wake();
        true
    }

    /// Polls for what was left. Returns the hot lane.
    fn settle(&mut self) -> Option<u16> {
        let (hot, published) = self.poll(self.domain, None);
        self.help(published);
        hot
    }

    /// Polls the domains that have something ready or news that others have left, and looks elsewhere for the next core.
    fn give_turn(&mut self) {
        let domains = self.pool.cores.spec.domains;
        self.turn = 0;
        self.pool.seats.take(self.number);
        self.backlog.begin();
        self.unlooked.begin();
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

    /// Polls `domain`, the one that its backlog is in if it has one. `told`: a lane of it that has news. Returns the hot
    /// lane, and whether something was put in a queue.
    fn poll(&mut self, domain: u16, told: Option<u16>) -> (Option<u16>, bool) {
        self.unlooked.clear();
        self.poll_as(domain, told, Look::All)
    }

    /// As [`poll`](Self::poll), and looks at what was published, or not.
    fn poll_as(&mut self, domain: u16, told: Option<u16>, look: Look) -> (Option<u16>, bool) {
        let mut polled = self.poll_once(domain, told, look);
        let unheard = told.filter(|_| !polled.heard);
        // MUTANT "left-when-taken": what was left to this poll stays where it is.
        let unserved = !self.backlog.is_empty()
            && !mutant::skips("left-when-taken")
            && self.pool.cores.report_left(self.stand, domain);
        if unserved || unheard.is_some() {
            // Another thread is at it, and looks once more if it is asked after the news are there.
            unheard.into_iter().for_each(|lane| self.pool.cores.report(lane));
            let again = self.poll_once(domain, None, Look::All);
            polled.free.0 |= again.free.0;
            match (polled.hot, again.hot) {
                (Some(_), Some(hot)) => polled.free.insert(LaneId(hot)),
                (None, hot) => polled.hot = hot,
                (_, None) => {}
            }
        }
        self.backlog.clear();
        self.given = polled.free.0.count_ones() + u32::from(polled.hot.is_some());
        if !polled.free.is_empty() {
            self.pool.cores.enqueue_all(self.stand, polled.free);
        }
        (polled.hot, !polled.free.is_empty())
    }

    /// Polls for the lane that it has just run. With nothing queued it goes on with what comes of that, and looks at what was
    /// published meanwhile where nothing does, or where that has waited for some of these polls.
    fn poll_for_next(&mut self, lane: u16) -> (Option<u16>, bool) {
        if !self.unlooked.has_room() || self.pool.cores.has_queued(self.stand) {
            return self.poll(self.domain, Some(lane));
        }
        self.unlooked.leave();
        match self.poll_as(self.domain, Some(lane), Look::News) {
            (None, false) => self.poll(self.domain, None),
            next => next,
        }
    }

    /// As [`poll`](Self::poll), with the news that others have left: this worker has nothing else to do, or they their turn.
    /// They are told before, as another thread that is at it takes of those that were left its own alone.
    fn poll_for_all(&mut self, domain: u16) -> (Option<u16>, bool) {
        // MUTANT "left-not-told": what others have left stays where it is.
        if !mutant::skips("left-not-told") {
            self.pool.cores.report_all_left(domain);
        }
        self.poll(domain, None)
    }

    fn poll_once(&self, domain: u16, told: Option<u16>, look: Look) -> Polled {
        self.counters.polls();
        local::polling(told, !self.backlog.is_empty(), || match look {
            Look::All => self.host.poll(domain),
            Look::News => self.host.poll_news(domain),
        })
    }

    /// Wakes another one if it could help. `published`: this worker has put something in a queue.
    fn help(&self, published: bool) {
        if self.pool.census.view().plan() != Plan::Nothing && (published || self.pool.has_work(self.host)) {
            self.pool.wake();
        }
    }

    /// Whether a poll of `domain` would bring something about.
    fn is_due(&self, domain: u16) -> bool {
        self.pool.is_due(self.host, domain)
    }

    /// Polls each domain that a poll would bring something about for, until that gives this worker a lane.
    fn poll_due(&mut self) -> Option<u16> {
        let (domains, first) = (self.pool.cores.spec.domains, self.domain);
        for domain in (0..domains).map(|step| (first + step) % domains) {
            if self.is_due(domain)
                && let (Some(lane), _) = self.poll_for_all(domain)
            {
                return Some(lane);
            }
        }
        None
    }

    /// Looks for a core to run: spinning, then parked. `None` when the pool stops. The worker is counted as active and
    /// searching when this begins, and when it returns a lane.
    fn search(&mut self) -> Option<u16> {
        let pool = self.pool;
        loop {
            let mut backoff = Backoff::new(SPINS);
            // What the orchestration makes may wait, and news that others have left; not what they have put into a queue.
            self.gathering.pause(|| pool.cores.queued() || pool.stopping());
            let mut first = true;
            while !pool.stopping() {
                if let Some(lane) = self.claim().or_else(|| self.steal()) {
                    self.gathering.looked(0);
                    return Some(lane);
                }
                let found = self.poll_due();
                if core::mem::take(&mut first) {
                    self.gathering.looked(if found.is_some() { self.given } else { 0 });
                }
                if found.is_some() {
                    return found;
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
            let found = if mutant::skips("no-poll-when-parked") { None } else { self.poll_due() };
            // MUTANT "no-end-of-search": a lane that nobody runs any more, as the pool stops, is looked for again and again.
            let goes_on = !pool.stopping() || mutant::skips("no-end-of-search");
            // MUTANT "no-look-when-parked": a lane that was queued meanwhile is not seen.
            let queued = goes_on && pool.cores.queued() && !mutant::skips("no-look-when-parked");
            if found.is_some() || queued {
                pool.census.unpark();
                if found.is_some() {
                    return found;
                }
                continue;
            }
            match pool.census.view().active() {
                _ if pool.stopping() => {}
                0 => self.host.quiescent(),
                _ => self.host.idles(),
            }
            if !self.sleep() {
                return None;
            }
        }
    }

    /// Parks until granted to go on; false when the pool stops.
    fn sleep(&self) -> bool {
        self.pool.seats.leave(self.number);
        loop {
            let key = self.pool.idle.prepare();
            if self.pool.stopping() {
                return false;
            }
            if self.pool.census.take_ticket() {
                self.pool.seats.take(self.number);
                return true;
            }
            self.pool.idle.wait(key, None);
        }
    }
}
