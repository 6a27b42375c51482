//! One domain: the round that reaps its lanes and completes what is over on them, whatever the placement is.
//!
//! **Invariant: a lane whose only work is over is idle to the placement before that is asked to dispatch**, unless what
//! the work has made ready was put on it.

use alloc::vec::Vec;

use prewire_platform::{LaneId, Lanes};
use prewire_ring::{Closed, Rings, Routed, Slot, SlotRef, Tally};
use prewire_sync::mutant;

use crate::desk::{Desk, NO_LANE};
use crate::lane::Occupancy;
use crate::placement::Placement;
use crate::scheduler::{Env, Shared};

/// What is over on a lane.
#[derive(Clone, Copy, Debug)]
struct Over<T> {
    what: T,
    /// The lane, if nothing else was on it and the placement has not been told.
    lane: LaneId,
}

/// How much of what is over is gone over at a time, so that its lines are on their way together.
const BATCH: usize = 16;

/// While something is on its lanes, a domain moves the watermarks after so many tasks, if that is a small part of each ring.
const LAP: u32 = 32;

/// The state of a domain. Touched by its poller alone.
#[derive(Debug)]
pub(crate) struct Domain<P: Placement> {
    desk: Desk,
    own: P::Domain,
    /// Tasks that a completion has made ready and that need no lane. Empty but while a task is completed.
    stack: Vec<SlotRef>,
    /// Places for what has been reaped, and for what of it is closed. Nothing is in them but while a batch is gone over.
    reaped: [Over<SlotRef>; BATCH],
    closed: [Over<Closed>; BATCH],
    /// What has completed and was let go, for which no watermark was moved. Nothing while nothing is on the lanes and no round
    /// goes on.
    unretired: Routed,
    /// After so many tasks the watermarks are moved at the latest.
    lap: u32,
}

/// After how many tasks the watermarks of these rings are moved. A model has few tasks, and is to come there.
fn lap(rings: &Rings) -> u32 {
    if cfg!(any(prewire_loom, prewire_shuttle)) { 3 } else { (rings.narrowest() / 8).clamp(1, LAP) }
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub(crate) routed: Routed,
    pub(crate) dispatched: u32,
    /// The other domains have something to do for a cohort.
    pub(crate) summon: bool,
    /// What had been put into the queues, if nothing that the domain takes was left in them.
    pub(crate) emptied: Option<Tally>,
}

impl<P: Placement> Domain<P> {
    pub(crate) fn new<L: Lanes>(index: u16, lanes: u16, shared: &Shared<L, P>) -> Self {
        Self {
            desk: Desk::new(index, lanes, &shared.tokens),
            own: P::domain(shared, index),
            stack: Vec::new(),
            reaped: [Over { what: SlotRef::from_raw(0), lane: NO_LANE }; BATCH],
            closed: [Over { what: Closed::default(), lane: NO_LANE }; BATCH],
            unretired: Routed::default(),
            lap: lap(&shared.rings),
        }
    }

    /// One round: reap, complete, dispatch, as often as that brings about something. Without a `look` at whether anything was
    /// published since the last one. In line in the one place that calls it: whether the compiler does that by itself depends on
    /// what else is compiled with it, and a call takes 30 instructions a task more.
    #[inline(always)]
    pub(crate) fn round<L: Lanes>(&mut self, shared: &Shared<L, P>, env: &impl Env, look: bool) -> Round {
        let mut routed = Routed::default();
        (self.desk.dispatched, self.desk.summon) = (0, false);
        let mut first = true;
        loop {
            let ready = &shared.ready;
            let tally = if look { ready.tally() } else { ready.tally_handed_on(self.desk.tally) };
            let look = !self.desk.emptied || tally != self.desk.tally;
            self.desk.handed_on = false;
            P::begin(&mut self.own, look);
            // What somebody is just pushing is his to poll for: nothing is waited for here. And news may be told of lanes
            // where nothing has changed, again and again.
            if !(self.reap(shared, env, &mut routed) || first || !self.desk.finished.is_empty()) {
                break;
            }
            first = false;
            self.desk.tally = tally;
            loop {
                if look || self.desk.handed_on {
                    self.desk.take_unrun(shared);
                }
                if env.may_wait() {
                    self.desk.hold_back(env);
                }
                if self.desk.finished.is_empty() {
                    break;
                }
                // All of them: who is asked whether a task waits is not asked again.
                while let Some(slot) = self.desk.finished.pop() {
                    let state = shared.rings.slot(slot);
                    let closed = shared
                        .rings
                        .close(self.desk.index, slot, state, &mut routed, &mut |slot| env.completed(slot));
                    self.tell(shared, env, &mut routed, closed);
                }
            }
            let look = look || self.desk.handed_on;
            self.desk.emptied = !look;
            P::dispatch(shared, &mut self.own, &mut self.desk, env, look);
        }
        P::tell(shared, &self.own, self.desk.index);
        let Desk { dispatched, summon, emptied, tally, .. } = self.desk;
        // MUTANT "emptied-late": what was put in while the queues were looked at passes for gone.
        let tally = if mutant::skips("emptied-late") { shared.ready.tally() } else { tally };
        Round { routed, dispatched, summon, emptied: emptied.then_some(tally) }
    }

    /// Moves the watermarks over what is consumed with a round, and the rounds before it: not at each round, as the orchestrator
    /// reads them for each task, but while nothing is on its lanes, and so perhaps no round follows, and after some tasks. Whether
    /// it has moved any: who waits for that is to hear of it, as a look of his own may have left the moving to this thread.
    #[inline(always)]
    pub(crate) fn retire<L: Lanes>(&mut self, shared: &Shared<L, P>, routed: Routed) -> bool {
        self.unretired.add(routed);
        if self.unretired.completed == 0 {
            return false;
        }
        // MUTANT "unretired-when-idle": what was consumed last stays where no round follows.
        let idle = self.desk.out == 0 && !mutant::skips("unretired-when-idle");
        if idle || self.unretired.completed >= self.lap {
            shared.rings.retire(&core::mem::take(&mut self.unretired));
            return true;
        }
        false
    }

    /// Takes the news of the lanes, and completes what is over; true if one of them is not as it was known.
    #[inline(always)]
    fn reap<L: Lanes>(&mut self, shared: &Shared<L, P>, env: &impl Env, routed: &mut Routed) -> bool {
        let news = shared.lanes.take_news(self.desk.index);
        let (low, high) = (news.0 as u64, (news.0 >> 64) as u64);
        if low | high == 0 {
            return false;
        }
        let (base, half) = if low != 0 { (0, low) } else { (64, high) };
        if half & (half - 1) != 0 || (low != 0 && high != 0) {
            return self.reap_all(shared, env, routed, low, high);
        }
        let id = LaneId(base + half.trailing_zeros() as u16);
        let (changed, over, second) = self.reap_lane(shared, id);
        if let Some(Over { what: slot, lane }) = over {
            self.finish_one(shared, env, routed, slot, lane);
            if let Some(slot) = second {
                self.finish_one(shared, env, routed, slot, NO_LANE);
            }
        }
        changed
    }

    /// As [`reap`](Self::reap), of several lanes: what is over on them is gone over together.
    #[inline(never)]
    fn reap_all<L: Lanes>(
        &mut self,
        shared: &Shared<L, P>,
        env: &impl Env,
        routed: &mut Routed,
        low: u64,
        high: u64,
    ) -> bool {
        let (mut any, mut count) = (false, 0);
        let (mut half, mut rest, mut base) = (low, high, 0);
        loop {
            if half == 0 {
                if rest == 0 {
                    break;
                }
                (half, rest, base) = (rest, 0, 64);
            }
            let id = LaneId(base + half.trailing_zeros() as u16);
            half &= half - 1;
            let (changed, over, second) = self.reap_lane(shared, id);
            any |= changed;
            let Some(over) = over else { continue };
            shared.rings.fetch(over.what);
            self.reaped[count] = over;
            count += 1;
            if let Some(what) = second {
                self.reaped[count] = Over { what, lane: NO_LANE };
                count += 1;
            }
            if count > BATCH - 2 {
                self.complete(shared, env, routed, count);
                count = 0;
            }
        }
        if count > 0 {
            self.complete(shared, env, routed, count);
        }
        any
    }

    /// Looks at a lane: whether it is not as it was known, and what is over on it.
    #[inline(always)]
    fn reap_lane<L: Lanes>(
        &mut self,
        shared: &Shared<L, P>,
        id: LaneId,
    ) -> (bool, Option<Over<SlotRef>>, Option<SlotRef>) {
        let lane = &mut self.desk.lanes[usize::from(id.0)];
        let reaped = lane.reap(shared.lanes.status(id));
        let now = lane.occupancy();
        self.desk.out -= u32::from(reaped.first.is_some()) + u32::from(reaped.second.is_some());
        let heard = P::heard(shared, &mut self.own, id);
        // Nothing new, if it is none; and an idle lane may be reserved.
        let Some(slot) = reaped.first else { return (heard, None, None) };
        let hot = now.idle && reaped.second.is_none();
        if !hot {
            P::note(shared, &mut self.own, id, now);
        }
        let over = Over { what: SlotRef::from_raw(slot), lane: if hot { id } else { NO_LANE } };
        (true, Some(over), reaped.second.map(SlotRef::from_raw))
    }

    /// Counts a block as over, and completes its task if it was the last.
    #[inline(always)]
    fn finish_one<L: Lanes>(
        &mut self,
        shared: &Shared<L, P>,
        env: &impl Env,
        routed: &mut Routed,
        slot: SlotRef,
        lane: LaneId,
    ) {
        match self.close(shared, env, routed, slot) {
            Some(closed) => self.tell_beside(shared, env, routed, closed, lane),
            None => self.settle(shared, lane),
        }
    }

    /// Counts a block as over. If it was the last of its task, and anybody waits for that, they are to be told.
    #[inline(always)]
    fn close<L>(
        &mut self,
        shared: &Shared<L, P>,
        env: &impl Env,
        routed: &mut Routed,
        slot: SlotRef,
    ) -> Option<Closed> {
        let state = shared.rings.slot(slot);
        if !state.finish(1) {
            return None;
        }
        // Asked now: who counts the last sub-task as over sees what was entered before it was reported.
        if env.may_wait() {
            self.desk.finished.push(slot);
            return None;
        }
        let closed =
            shared.rings.close(self.desk.index, slot, state, routed, &mut |slot| env.completed(slot));
        closed.is_awaited().then_some(closed)
    }

    /// Completes what of the first `count` that were reaped is over: what that makes ready is placed at once, or put where
    /// everybody finds it.
    #[inline(always)]
    fn complete<L: Lanes>(
        &mut self,
        shared: &Shared<L, P>,
        env: &impl Env,
        routed: &mut Routed,
        count: usize,
    ) {
        let mut ended = 0;
        for at in 0..count {
            let Over { what: slot, lane } = self.reaped[at];
            match self.close(shared, env, routed, slot) {
                Some(what) => {
                    shared.rings.fetch_list(&what);
                    self.closed[ended] = Over { what, lane };
                    ended += 1;
                }
                None => self.settle(shared, lane),
            }
        }
        self.closed[..ended].iter().for_each(|over| shared.rings.fetch_consumer(&over.what));
        for at in 0..ended {
            let Over { what, lane } = self.closed[at];
            self.tell_beside(shared, env, routed, what, lane);
        }
    }

    /// Tells the consumers of a task beside the lane that it has left.
    #[inline(always)]
    fn tell_beside<L: Lanes>(
        &mut self,
        shared: &Shared<L, P>,
        env: &impl Env,
        routed: &mut Routed,
        closed: Closed,
        lane: LaneId,
    ) {
        self.desk.hot = lane;
        self.tell(shared, env, routed, closed);
        let unused = core::mem::replace(&mut self.desk.hot, NO_LANE);
        self.settle(shared, unused);
    }

    /// Tells the placement of a lane that is idle now.
    #[inline(always)]
    fn settle<L>(&mut self, shared: &Shared<L, P>, lane: LaneId)
    where
        L: Lanes,
    {
        if lane != NO_LANE {
            P::note(shared, &mut self.own, lane, Occupancy { idle: true, room: true });
        }
    }

    /// Tells the consumers of a task, and completes those that need no lane.
    #[inline(always)]
    fn tell<L: Lanes>(&mut self, shared: &Shared<L, P>, env: &impl Env, routed: &mut Routed, closed: Closed) {
        let Self { desk, own, stack, .. } = self;
        let by = desk.index;
        let mut made_ready = |slot, state: &Slot| P::made_ready(shared, own, desk, slot, state);
        shared.rings.tell(closed, stack, &mut made_ready);
        if !stack.is_empty() {
            let done = &mut |slot| env.completed(slot);
            routed.add(shared.rings.complete_telling(by, stack, &mut made_ready, done));
        }
    }
}
