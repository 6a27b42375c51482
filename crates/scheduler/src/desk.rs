//! The desk of a domain: its lanes, what is over and not completed, and what its round has come to so far. A placement works
//! at it.
//!
//! **Invariant: what is dispatched is noted with its lane, and what does not run is counted as over, here.** So each block of a
//! task is counted once: when its lane reports it, or when it is left out.

use alloc::vec::Vec;

use prewire_platform::{LaneId, Lanes, Tokens, Work};
use prewire_ring::{Class, SlotRef, Tally, Verdict};

use crate::lane::{Lane, Occupancy};
use crate::scheduler::{Env, Shared};

/// What a domain has in hand, whatever places its tasks. Touched by its poller alone.
#[derive(Debug)]
pub struct Desk {
    pub(crate) index: u16,
    pub(crate) lanes: Vec<Lane>,
    /// The lane whose only work was the task that is being completed, while nobody has made use of that. What the placement
    /// knows of it is what it was with that work: it is as good as idle to who puts work on it, and to nobody else.
    pub(crate) hot: LaneId,
    /// Tasks that are over and were not completed at once: they did not run, or were asked whether they wait for more.
    pub(crate) finished: Vec<SlotRef>,
    /// What had been put into the queues when they were last looked at.
    pub(crate) tally: Tally,
    /// Nothing that the domain takes was left in them.
    pub(crate) emptied: bool,
    /// Something has just become ready and was put into them.
    pub(crate) handed_on: bool,
    /// Blocks on the lanes.
    pub(crate) out: u32,
    /// Blocks dispatched in this round.
    pub(crate) dispatched: u32,
    /// The other domains have something to do for a cohort.
    pub(crate) summon: bool,
}

/// Instead of a lane where there is none.
pub(crate) const NO_LANE: LaneId = LaneId(u16::MAX);

impl Desk {
    /// The desk of domain `index`, which knows `lanes` lanes, all of them idle.
    pub(crate) fn new(index: u16, lanes: u16, tokens: &Tokens) -> Self {
        Self {
            index,
            lanes: (0..lanes).map(|_| Lane::new(tokens)).collect(),
            hot: NO_LANE,
            finished: Vec::new(),
            tally: Tally::default(),
            emptied: false,
            handed_on: false,
            out: 0,
            dispatched: 0,
            summon: false,
        }
    }

    /// Takes what needs no lane.
    #[inline]
    pub(crate) fn take_unrun<L, P>(&mut self, shared: &Shared<L, P>) {
        while let Some(slot) = shared.ready.queue(Class::Inline).pop() {
            self.finish_unrun(shared, slot);
        }
    }

    /// Puts what has just become ready where everybody finds it.
    #[inline]
    pub(crate) fn hand_on<L, P>(&mut self, shared: &Shared<L, P>, slot: SlotRef) {
        shared.ready.route(&shared.rings, slot);
        self.handed_on = true;
    }

    /// Counts a block of a task, on one lane, as over.
    pub(crate) fn finish_one<L, P>(&mut self, shared: &Shared<L, P>, work: Work) {
        let slot = SlotRef::from_raw(work.slot);
        if shared.rings.slot(slot).finish(1) {
            self.finished.push(slot);
        }
    }

    /// Leaves out what waits for more than its blocks, and takes what does no longer.
    #[cold]
    pub(crate) fn hold_back(&mut self, env: &impl Env) {
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

    /// Dispatches `work` to a lane that has room, with its arguments on their way: mostly it is this thread that runs it, after
    /// what it has dispatched before. What is dispatched first of all may be run at once, and gains nothing.
    #[inline(always)]
    pub(crate) fn hand_out<L: Lanes, P>(&mut self, shared: &Shared<L, P>, id: LaneId, work: Work) {
        if self.dispatched > 0 {
            shared.rings.fetch_args(SlotRef::from_raw(work.slot));
        }
        let _ = self.put(shared, id, work);
        self.dispatched += 1;
    }

    /// Dispatches `work` to a lane that has room: what the lane is then.
    #[inline]
    pub(crate) fn put<L: Lanes, P>(&mut self, shared: &Shared<L, P>, id: LaneId, work: Work) -> Occupancy {
        let lane = &mut self.lanes[usize::from(id.0)];
        let token = lane.place(&shared.tokens, work);
        self.out += 1;
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
        self.out -= 1;
        Some(lane.occupancy())
    }
}
