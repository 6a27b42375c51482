//! The polls of a worker: what it leaves for a later one, what each of them looks at, and whom it wakes afterwards.
//!
//! Invariant: what a worker has left, or was published while it did not look, it polls for itself before it
//! parks; where another thread is at the domain, that one is told before it is asked to look again.

use super::{UNLOOKED, Worker};
use crate::census::Plan;
use crate::local::{self, Polled};
use prewire_platform::LaneId;
use prewire_sync::mutant;

/// What a poll looks at.
#[derive(Clone, Copy)]
enum Look {
    /// Everything.
    All,
    /// The news of lanes, and what comes of them.
    News,
}

impl Worker<'_> {
    /// Leaves the news of `lane` to a later poll, if nobody has to wait for what that poll would bring about: all threads
    /// that may run have something to do, this one is to stay, and its last poll is not long ago. This is work that the worker makes:
    /// whoever comes to look for some finds it, and the worker itself polls before it looks elsewhere.
    pub(super) fn leave(&mut self, lane: u16) -> bool {
        let view = self.pool.census.view();
        let wanted = view.surplus() || matches!(view.plan(), Plan::Grant | Plan::Start);
        if wanted || !self.backlog.has_room() {
            return false;
        }
        self.backlog.leave();
        self.pool.cores.leave(self.stand, lane);
        self.pool.wake_for_left();
        true
    }

    /// Polls for what was left. Returns the hot lane.
    pub(super) fn settle(&mut self) -> Option<u16> {
        let (hot, published) = self.poll(self.domain, None);
        self.help(published);
        hot
    }

    /// Polls for the lane that it has just run. With nothing queued it goes on with what comes of that, and looks at what was
    /// published meanwhile where nothing does, or where that has waited for some of these polls.
    pub(super) fn poll_for_next(&mut self, lane: u16) -> (Option<u16>, bool) {
        if self.unlooked == UNLOOKED || self.pool.cores.has_queued(self.stand) {
            return self.poll(self.domain, Some(lane));
        }
        self.unlooked += 1;
        let next = self.poll_as(self.domain, Some(lane), Look::News);
        // Not to be asked again where another thread was at it, and was asked to look.
        if next == (None, false) && self.unlooked > 0 { self.poll(self.domain, None) } else { next }
    }

    /// Polls `domain`, the one that its backlog is in if it has one. `told`: a lane of it that has news. Returns the hot
    /// lane, and whether something was put in a queue.
    pub(super) fn poll(&mut self, domain: u16, told: Option<u16>) -> (Option<u16>, bool) {
        self.poll_as(domain, told, Look::All)
    }

    /// As [`poll`](Self::poll), and looks at what was published, or not.
    fn poll_as(&mut self, domain: u16, told: Option<u16>, mut look: Look) -> (Option<u16>, bool) {
        let mut polled = self.poll_once(domain, told, look);
        let unheard = told.filter(|_| !polled.heard);
        // MUTANT "left-when-taken": what was left to this poll stays where it is.
        let unserved = !self.backlog.is_empty()
            && !mutant::skips("left-when-taken")
            && self.pool.cores.report_left(self.stand, domain);
        if unserved || unheard.is_some() {
            // Another thread is at it, and looks once more if it is asked after the news are there.
            unheard.into_iter().for_each(|lane| self.pool.cores.report(lane));
            look = Look::All;
            let again = self.poll_once(domain, None, look);
            polled.free.0 |= again.free.0;
            match (polled.hot, again.hot) {
                (Some(_), Some(hot)) => polled.free.insert(LaneId(hot)),
                (None, hot) => polled.hot = hot,
                (_, None) => {}
            }
        }
        self.backlog.clear();
        if matches!(look, Look::All) {
            self.unlooked = 0;
        }
        self.given = polled.free;
        if !polled.free.is_empty() {
            self.pool.cores.enqueue_all(self.stand, polled.free);
        }
        (polled.hot, !polled.free.is_empty())
    }

    /// As [`poll`](Self::poll), with the news that others have left: this worker has nothing else to do, or they their turn.
    /// They are told before, as another thread that is at it takes of those that were left its own alone.
    pub(super) fn poll_for_all(&mut self, domain: u16) -> (Option<u16>, bool) {
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
    pub(super) fn help(&self, published: bool) {
        // What this worker has put in comes before the look at the census: who parks meanwhile looks after it has said so.
        // MUTANT "help-no-fence": the look at the census may come before what was put in.
        let unfenced = !published || mutant::skips("help-no-fence");
        if unfenced && self.pool.census.view().plan() == Plan::Nothing {
            return;
        }
        if published || self.pool.has_work(self.host) {
            self.pool.wake();
        }
    }

    /// Whether a poll of `domain` would bring something about.
    pub(super) fn is_due(&self, domain: u16) -> bool {
        self.pool.is_due(self.host, domain)
    }

    /// Polls each domain that a poll would bring something about for, until that gives this worker a lane.
    pub(super) fn poll_due(&mut self) -> Option<u16> {
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
}
