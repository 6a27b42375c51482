//! One domain: its lanes, and the round that reaps and completes them, whatever the placement is.

use alloc::vec::Vec;

use prewire_platform::{LaneId, Lanes, Work};
use prewire_ring::{Class, Routed, SlotRef, Tally, Verdict};

use crate::lane::{Lane, Occupancy};
use crate::placement::Placement;
use crate::scheduler::{Env, Shared};

/// What a domain has in hand, whatever places its tasks. Touched by its poller alone.
#[derive(Debug)]
pub struct Desk {
    pub(crate) index: u16,
    lanes: Vec<Lane>,
    /// Tasks whose sub-tasks are all over.
    finished: Vec<SlotRef>,
    /// Tasks that completions have just made ready: nobody else knows of them. Empty at the end of a dispatch.
    pub(crate) fresh: Vec<SlotRef>,
    /// Tasks just taken from a queue. Empty but while it is gone through.
    pub(crate) hand: Vec<SlotRef>,
    /// What had been put into the queues when they were last looked at.
    tally: Tally,
    /// Nothing that the domain takes was left in them.
    pub(crate) emptied: bool,
    /// Blocks dispatched in this round.
    pub(crate) dispatched: u32,
    /// The other domains have something to do for a cohort.
    pub(crate) summon: bool,
}

/// The state of a domain. Touched by its poller alone.
#[derive(Debug)]
pub(crate) struct Domain<P: Placement> {
    desk: Desk,
    own: P::Domain,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub(crate) routed: Routed,
    pub(crate) dispatched: u32,
    /// The other domains have something to do for a cohort.
    pub(crate) summon: bool,
}

impl<P: Placement> Domain<P> {
    pub(crate) fn new<L: Lanes>(index: u16, lanes: u16, shared: &Shared<L, P>) -> Self {
        let lanes = (0..lanes).map(|_| Lane::new(&shared.tokens)).collect();
        Self {
            desk: Desk {
                index,
                lanes,
                finished: Vec::new(),
                fresh: Vec::new(),
                hand: Vec::new(),
                tally: Tally::default(),
                emptied: false,
                dispatched: 0,
                summon: false,
            },
            own: P::domain(shared, index),
        }
    }

    /// One round: reap, complete, dispatch, as often as that brings about something.
    pub(crate) fn round<L: Lanes>(&mut self, shared: &Shared<L, P>, env: &impl Env) -> Round {
        let Self { desk, own } = self;
        let mut routed = Routed::default();
        (desk.dispatched, desk.summon) = (0, false);
        desk.reap(shared, own);
        desk.take_unrun(shared);
        loop {
            let look = desk.look(shared);
            desk.complete(shared, env, &mut routed);
            P::dispatch(shared, own, desk, env, look);
            let changed = desk.reap(shared, own);
            desk.take_unrun(shared);
            // What somebody is just pushing is his to poll for: nothing is waited for here. And news may be told of
            // lanes where nothing has changed, again and again.
            if !changed && desk.finished.is_empty() {
                break;
            }
        }
        P::tell(shared, own, desk.index);
        Round { routed, dispatched: desk.dispatched, summon: desk.summon }
    }
}

impl Desk {
    /// Takes the news of the lanes; true if one of them is not as it was known.
    #[inline]
    fn reap<L: Lanes, P: Placement>(&mut self, shared: &Shared<L, P>, own: &mut P::Domain) -> bool {
        let news = shared.lanes.take_news(self.index);
        if news.is_empty() {
            return false;
        }
        let mut changed = false;
        for (first, half) in [(0, news.0 as u64), (64, (news.0 >> 64) as u64)] {
            let mut half = half;
            while half != 0 {
                let id = LaneId(first + half.trailing_zeros() as u16);
                half &= half - 1;
                let lane = &mut self.lanes[usize::from(id.0)];
                let reaped = lane.reap(shared.lanes.status(id));
                changed |= P::heard(shared, own, id);
                let Some(work) = reaped.first else {
                    // Nothing new; and an idle lane may be reserved.
                    continue;
                };
                changed = true;
                P::note(shared, own, id, lane.occupancy());
                self.finish_one(shared, work);
                if let Some(work) = reaped.second {
                    self.finish_one(shared, work);
                }
            }
        }
        changed
    }

    /// Takes what needs no lane.
    #[inline]
    fn take_unrun<L, P>(&mut self, shared: &Shared<L, P>) {
        while let Some(slot) = shared.ready.queue(Class::Inline).pop() {
            self.finish_unrun(shared, slot);
        }
    }

    /// Whether the ready queues may hold something for this domain: what was left there when it last looked, or what
    /// was put in since.
    #[inline]
    fn look<L, P>(&mut self, shared: &Shared<L, P>) -> bool {
        let tally = shared.ready.tally();
        let look = !self.emptied || tally != self.tally;
        (self.tally, self.emptied) = (tally, !look);
        look
    }

    /// Puts what has just become ready where everybody finds it.
    #[inline]
    pub(crate) fn hand_on<L, P>(&mut self, shared: &Shared<L, P>) {
        for slot in self.fresh.drain(..) {
            shared.ready.route(&shared.rings, slot);
        }
    }

    /// Counts a block of a task, on one lane, as over.
    #[inline]
    pub(crate) fn finish_one<L, P>(&mut self, shared: &Shared<L, P>, work: Work) {
        let slot = SlotRef::from_raw(work.slot);
        if shared.rings.slot(slot).finish(1) {
            self.finished.push(slot);
        }
    }

    #[inline]
    fn complete<L, P>(&mut self, shared: &Shared<L, P>, env: &impl Env, routed: &mut Routed) {
        if env.may_wait() {
            self.hold_back(env);
        }
        if !self.finished.is_empty() {
            routed.add(shared.rings.complete_telling(
                &mut self.finished,
                &mut |slot| self.fresh.push(slot),
                &mut |slot| env.completed(slot),
            ));
        }
    }

    /// Leaves out what waits for more than its blocks, and takes what does no longer.
    #[cold]
    fn hold_back(&mut self, env: &impl Env) {
        self.finished.retain(|&slot| !env.waits(slot));
        env.settled(&mut |slot| self.finished.push(slot));
    }

    /// Counts what is left of a task as over without running it.
    #[cold]
    pub(crate) fn finish_unrun<L, P>(&mut self, shared: &Shared<L, P>, slot: SlotRef) {
        let state = shared.rings.slot(slot);
        if shared.rings.is_ended() {
            state.poison();
        }
        let kind = state.kind();
        let (_, blocks) = state.claim_blocks(kind.blocks());
        if state.finish(blocks * kind.lanes().count()) {
            self.finished.push(slot);
        }
    }

    /// Whether a task just taken from a queue is to run. If not it is finished here.
    #[inline(always)]
    pub(crate) fn is_to_run<L, P>(&mut self, shared: &Shared<L, P>, env: &impl Env, slot: SlotRef) -> bool {
        let state = shared.rings.slot(slot);
        let kind = state.kind();
        let skip = shared.rings.is_ended()
            || state.verdict() != Verdict::Sound
            || (kind.is_predicated() && state.blocks_left() == kind.blocks() && !env.predicate_holds(slot));
        if skip {
            self.finish_unrun(shared, slot);
        }
        !skip
    }

    /// Dispatches `work` to a lane that has room: what the lane is then.
    #[inline]
    pub(crate) fn put<L: Lanes, P>(&mut self, shared: &Shared<L, P>, id: LaneId, work: Work) -> Occupancy {
        let lane = &mut self.lanes[usize::from(id.0)];
        let token = lane.place(&shared.tokens, work);
        shared.lanes.dispatch(id, token, work);
        lane.occupancy()
    }

    /// What a lane was given last and has not been seen to finish.
    pub(crate) fn last(&self, id: LaneId) -> Option<Work> {
        self.lanes[usize::from(id.0)].last().map(|(_, work)| work)
    }

    /// Takes back what a lane was given last, if it has not taken that up: what the lane is then.
    pub(crate) fn retract<L: Lanes, P>(&mut self, shared: &Shared<L, P>, id: LaneId) -> Option<Occupancy> {
        let lane = &mut self.lanes[usize::from(id.0)];
        let (token, _) = lane.last()?;
        if !shared.lanes.retract(id, token) {
            return None;
        }
        lane.take_back();
        Some(lane.occupancy())
    }
}
