//! One domain: its lanes, and the round that reaps and completes them, whatever the placement is.

use alloc::vec::Vec;

use prewire_platform::{LaneId, Lanes, Work};
use prewire_ring::{Class, Routed, SlotRef, Verdict};

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
            desk: Desk { index, lanes, finished: Vec::new(), dispatched: 0, summon: false },
            own: P::domain(shared, index),
        }
    }

    /// One round: reap, complete, dispatch, as often as that brings about something.
    pub(crate) fn round<L: Lanes>(&mut self, shared: &Shared<L, P>, env: &impl Env) -> Round {
        let Self { desk, own } = self;
        let mut routed = Routed::default();
        (desk.dispatched, desk.summon) = (0, false);
        loop {
            desk.reap(shared, own);
            while let Some(slot) = shared.ready.queue(Class::Inline).pop() {
                desk.finish_unrun(shared, slot);
            }
            let completed = desk.complete(shared, env, &mut routed);
            P::dispatch(shared, own, desk, env);
            if !completed && desk.finished.is_empty() {
                // What somebody is just pushing is his to poll for.
                match shared.ready.queue(Class::Inline).pop() {
                    Some(slot) => desk.finish_unrun(shared, slot),
                    None => break,
                }
            }
        }
        P::tell(shared, own, desk.index);
        Round { routed, dispatched: desk.dispatched, summon: desk.summon }
    }
}

impl Desk {
    #[inline]
    fn reap<L: Lanes, P: Placement>(&mut self, shared: &Shared<L, P>, own: &mut P::Domain) {
        let mut news = shared.lanes.take_news(self.index);
        while let Some(id) = news.pop() {
            let lane = &mut self.lanes[usize::from(id.0)];
            let reaped = lane.reap(shared.lanes.status(id));
            P::heard(shared, own, id);
            if reaped.first.is_none() {
                // Nothing new; and an idle lane may be reserved.
                continue;
            }
            let occupancy = lane.occupancy();
            for work in [reaped.first, reaped.second].into_iter().flatten() {
                self.finish_one(shared, work);
            }
            P::note(shared, own, id, occupancy);
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
    fn complete<L, P>(&mut self, shared: &Shared<L, P>, env: &impl Env, routed: &mut Routed) -> bool {
        if self.finished.is_empty() {
            return false;
        }
        routed.add(shared.rings.complete_telling(
            &mut self.finished,
            &mut |slot| shared.ready.route(&shared.rings, slot),
            &mut |slot| env.completed(slot),
        ));
        true
    }

    /// Counts what is left of a task as over without running it.
    pub(crate) fn finish_unrun<L, P>(&mut self, shared: &Shared<L, P>, slot: SlotRef) {
        let state = shared.rings.slot(slot);
        if shared.rings.is_ended() {
            state.poison();
        }
        let cold = state.cold();
        let (_, blocks) = state.claim_blocks(u32::from(cold.blocks));
        if state.finish(blocks * cold.lanes.count()) {
            self.finished.push(slot);
        }
    }

    /// Whether a task just taken from a queue is to run. If not it is finished here.
    #[inline(always)]
    pub(crate) fn is_to_run<L, P>(&mut self, shared: &Shared<L, P>, env: &impl Env, slot: SlotRef) -> bool {
        let state = shared.rings.slot(slot);
        let unstarted = state.blocks_left() == u32::from(state.cold().blocks);
        let skip = shared.rings.is_ended()
            || state.verdict() != Verdict::Sound
            || (unstarted && state.cold().attrs.predicated && !env.predicate_holds(slot));
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
