//! What the domain of a node knows of its children and of what waits for them, and how it gives one to the other.
//!
//! One bit a lane, in words of 128: a turn looks at the lanes that can take something for which something waits, not at
//! all of them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use prewire_abi::Shape;
use prewire_platform::{LaneId, LaneSet, Lanes, Standing, Work};
use prewire_ring::{Class, SlotRef};

use crate::desk::Desk;
use crate::lane::Occupancy;
use crate::node::{NodePlacement, NodeSpec};
use crate::scheduler::{Env, Shared as With};

/// The children of a node and the queues before them. Touched by the poller alone.
#[derive(Debug)]
pub struct NodeDomain {
    /// The lanes for host functions.
    subs: u128,
    /// Nothing on the lane.
    idle: u128,
    /// Something runs on it, nothing waits behind.
    room: u128,
    /// It takes work.
    up: u128,
    /// It was given up.
    gone: u128,
    /// It was given up since the last turn: what waits for it is still to be failed.
    lost: u128,
    /// What it was given last could not be taken back: it has begun, or may not be.
    kept: u128,
    /// What waits for one worker, by worker.
    queues: Vec<VecDeque<SlotRef>>,
    /// The workers whose queue is not empty.
    queued: u128,
    /// The groups behind the first.
    groups: VecDeque<SlotRef>,
    /// The first group, which reserves.
    head: Option<SlotRef>,
    /// The lanes of its members, in their order.
    members: Vec<LaneId>,
    /// The same, as bits.
    reserved: u128,
    /// A task for host functions of which some blocks are dispatched and others are not.
    started: Option<SlotRef>,
}

type Shared<L> = With<L, NodePlacement>;

const fn bit(lane: LaneId) -> u128 {
    1 << lane.0
}

/// The lowest lane of a set that is not empty.
const fn lowest(set: u128) -> LaneId {
    LaneId(set.trailing_zeros() as u16)
}

const fn first(count: u16) -> u128 {
    if count >= 128 { u128::MAX } else { (1 << count) - 1 }
}

const fn put_bit(word: &mut u128, bit: u128, on: bool) {
    *word = if on { *word | bit } else { *word & !bit };
}

impl NodeDomain {
    pub(crate) fn new(spec: &NodeSpec) -> Self {
        let all = first(spec.workers + spec.subs);
        Self {
            subs: all & !first(spec.workers),
            idle: all,
            room: 0,
            up: all,
            gone: 0,
            lost: 0,
            kept: 0,
            queues: (0..spec.workers).map(|_| VecDeque::new()).collect(),
            queued: 0,
            groups: VecDeque::new(),
            head: None,
            members: Vec::new(),
            reserved: 0,
            started: None,
        }
    }

    /// True if `lane` stands otherwise than was known.
    pub(crate) const fn stands(&mut self, lane: LaneId, standing: Standing) -> bool {
        let bit = bit(lane);
        let before = (self.up & bit, self.gone & bit);
        if matches!(standing, Standing::Gone) && self.gone & bit == 0 {
            self.gone |= bit;
            self.lost |= bit;
        }
        put_bit(&mut self.up, bit, matches!(standing, Standing::Up) && self.gone & bit == 0);
        before.0 != self.up & bit || before.1 != self.gone & bit
    }

    pub(crate) const fn note(&mut self, lane: LaneId, now: Occupancy) {
        put_bit(&mut self.idle, bit(lane), now.idle);
        put_bit(&mut self.room, bit(lane), now.room && !now.idle);
    }

    /// Whether a task for host functions would find a place.
    pub(crate) const fn takes_subs(&self) -> bool {
        self.subs & self.up & (self.idle | self.room) != 0 || self.subs & !self.gone == 0
    }

    pub(crate) fn dispatch<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        if shared.rings.is_ended() {
            return self.call_off(shared, desk);
        }
        self.sort(shared, desk, env);
        if self.lost != 0 {
            self.fail_lost(shared, desk, env);
        }
        self.start_groups(shared, desk, env);
        self.fill_workers(shared, desk, env);
        self.fill_subs(shared, desk, env);
        self.move_staged(shared, desk);
    }

    /// Hands a block to a lane that has a place for it.
    fn put<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, lane: LaneId, work: Work) {
        let now = desk.put(shared, lane, work);
        self.note(lane, now);
        self.kept &= !bit(lane);
        desk.dispatched += 1;
    }

    /// Fails a task of which `member` can never run, if it would run otherwise.
    #[cold]
    fn refuse<L: Lanes>(
        shared: &Shared<L>,
        desk: &mut Desk,
        env: &impl Env,
        slot: SlotRef,
        member: u32,
        lane: LaneId,
    ) {
        if desk.is_to_run(shared, env, slot) {
            Self::refuse_now(shared, desk, env, slot, member, lane);
        }
    }

    /// As [`refuse`](Self::refuse), of a task that would run.
    fn refuse_now<L: Lanes>(
        shared: &Shared<L>,
        desk: &mut Desk,
        env: &impl Env,
        slot: SlotRef,
        member: u32,
        lane: LaneId,
    ) {
        env.unavailable(slot, member, lane);
        shared.rings.slot(slot).poison();
        desk.finish_unrun(shared, slot);
    }

    /// Whether a worker can ever be given something.
    fn exists(&self, lane: LaneId) -> bool {
        usize::from(lane.0) < self.queues.len() && self.gone & bit(lane) == 0
    }

    /// Puts what has become ready, and names its workers, into their queues.
    fn sort<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        while let Some(slot) = shared.ready.queue(Class::Worker).pop() {
            if shared.rings.slot(slot).cold().blocks > 1 {
                match self.lacks(shared, env, slot) {
                    Some((member, lane)) => Self::refuse(shared, desk, env, slot, member, lane),
                    None => self.groups.push_back(slot),
                }
                continue;
            }
            let lane = env.target(slot, 0);
            if self.exists(lane) {
                self.queues[usize::from(lane.0)].push_back(slot);
                self.queued |= bit(lane);
            } else {
                Self::refuse(shared, desk, env, slot, 0, lane);
            }
        }
    }

    /// The first member of a group that can never run beside the others, and the lane that it names.
    fn lacks<L: Lanes>(&self, shared: &Shared<L>, env: &impl Env, slot: SlotRef) -> Option<(u32, LaneId)> {
        let mut named = 0;
        for member in 0..u32::from(shared.rings.slot(slot).cold().blocks) {
            let lane = env.target(slot, member);
            if !self.exists(lane) || named & bit(lane) != 0 {
                return Some((member, lane));
            }
            named |= bit(lane);
        }
        None
    }

    /// Fails what waits for workers that were given up since the last turn.
    #[cold]
    fn fail_lost<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        let lost = core::mem::take(&mut self.lost);
        let mut singles = LaneSet(lost & self.queued);
        while let Some(lane) = singles.pop() {
            self.queued &= !bit(lane);
            while let Some(slot) = self.queues[usize::from(lane.0)].pop_front() {
                Self::refuse(shared, desk, env, slot, 0, lane);
            }
        }
        if let Some(slot) = self.head
            && let Some(member) = self.members.iter().position(|&lane| lost & bit(lane) != 0)
        {
            let lane = self.members[member];
            self.release_head();
            Self::refuse_now(shared, desk, env, slot, member as u32, lane);
        }
        for _ in 0..self.groups.len() {
            let Some(slot) = self.groups.pop_front() else { break };
            match self.lacks(shared, env, slot) {
                Some((member, lane)) => Self::refuse(shared, desk, env, slot, member, lane),
                None => self.groups.push_back(slot),
            }
        }
    }

    fn release_head(&mut self) {
        self.head = None;
        self.reserved = 0;
    }

    /// Starts the first group, and the one behind it, as long as all that it names is idle and up.
    fn start_groups<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        loop {
            let slot = match self.head {
                Some(slot) => slot,
                None => {
                    let Some(slot) = self.groups.pop_front() else { return };
                    if !desk.is_to_run(shared, env, slot) {
                        continue;
                    }
                    self.head = Some(slot);
                    let blocks = u32::from(shared.rings.slot(slot).cold().blocks);
                    self.members.clear();
                    self.members.extend((0..blocks).map(|member| env.target(slot, member)));
                    self.reserved = self.members.iter().fold(0, |all, &lane| all | bit(lane));
                    slot
                }
            };
            if self.reserved & !(self.idle & self.up) != 0 {
                return;
            }
            let members = core::mem::take(&mut self.members);
            let _ = shared.rings.slot(slot).claim_blocks(members.len() as u32);
            for (block, &lane) in (0..).zip(&members) {
                self.put(shared, desk, lane, Work { slot: slot.raw(), block, place: 0 });
            }
            self.members = members;
            self.release_head();
        }
    }

    /// What names one worker goes to it, in order, as far as it has places and no group has reserved it.
    fn fill_workers<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        let mut open = LaneSet(self.queued & (self.idle | self.room) & self.up & !self.reserved);
        while let Some(lane) = open.pop() {
            while (self.idle | self.room) & bit(lane) != 0 {
                let Some(slot) = self.queues[usize::from(lane.0)].pop_front() else { break };
                if desk.is_to_run(shared, env, slot) {
                    let (block, _) = shared.rings.slot(slot).claim_blocks(1);
                    self.put(shared, desk, lane, Work { slot: slot.raw(), block, place: 0 });
                }
            }
            put_bit(&mut self.queued, bit(lane), !self.queues[usize::from(lane.0)].is_empty());
        }
    }

    /// Host functions go to idle lanes; behind what runs where none is idle.
    fn fill_subs<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        let queue = shared.ready.queue(Class::Sub);
        if self.subs & !self.gone == 0 {
            while let Some(slot) = self.started.take().or_else(|| queue.pop()) {
                let state = shared.rings.slot(slot);
                let member = u32::from(state.cold().blocks) - state.blocks_left();
                Self::refuse(shared, desk, env, slot, member, LaneId(self.queues.len() as u16));
            }
            return;
        }
        let open = |own: &Self| {
            let idle = own.subs & own.up & own.idle;
            if idle != 0 { idle } else { own.subs & own.up & own.room }
        };
        while open(self) != 0 {
            let Some(slot) = self.started.take().or_else(|| queue.pop()) else { return };
            if !desk.is_to_run(shared, env, slot) {
                continue;
            }
            let state = shared.rings.slot(slot);
            while open(self) != 0 && state.blocks_left() > 0 {
                let (block, _) = state.claim_blocks(1);
                self.put(shared, desk, lowest(open(self)), Work { slot: slot.raw(), block, place: 0 });
            }
            if state.blocks_left() > 0 {
                self.started = Some(slot);
            }
        }
    }

    /// A host function that waits behind another moves to a lane that is idle, if it has not been taken up.
    fn move_staged<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk) {
        loop {
            // Nothing is queued then.
            let idle = self.subs & self.up & self.idle;
            let staged = self.subs & !(self.idle | self.room | self.kept);
            if idle == 0 || staged == 0 {
                return;
            }
            if let Some(work) = self.take_back(shared, desk, lowest(staged)) {
                self.put(shared, desk, lowest(idle), work);
            }
        }
    }

    /// Takes back what a lane was given last, or keeps in mind that it is too late for that.
    fn take_back<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, lane: LaneId) -> Option<Work> {
        let work = desk.last(lane);
        match desk.retract(shared, lane) {
            Some(now) => {
                self.note(lane, now);
                work
            }
            None => {
                self.kept |= bit(lane);
                None
            }
        }
    }

    /// The run has ended: what waits ends without running, and so does what was dispatched and has not begun. Of a group
    /// nothing is taken back: its other members may have begun, and wait for the one that has not.
    #[cold]
    fn call_off<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk) {
        for class in [Class::Worker, Class::Sub] {
            while let Some(slot) = shared.ready.queue(class).pop() {
                desk.finish_unrun(shared, slot);
            }
        }
        for slot in self.head.take().into_iter().chain(self.started.take()).chain(self.groups.drain(..)) {
            desk.finish_unrun(shared, slot);
        }
        self.release_head();
        let mut queued = LaneSet(core::mem::take(&mut self.queued));
        while let Some(lane) = queued.pop() {
            for slot in self.queues[usize::from(lane.0)].drain(..) {
                desk.finish_unrun(shared, slot);
            }
        }
        let all = self.subs | first(self.queues.len() as u16);
        let mut busy = LaneSet(all & !self.idle & !self.kept);
        while let Some(lane) = busy.pop() {
            while let Some(work) = desk.last(lane) {
                let state = shared.rings.slot(SlotRef::from_raw(work.slot));
                let cold = state.cold();
                if cold.shape == Shape::Worker && cold.blocks > 1 {
                    self.kept |= bit(lane);
                } else if self.take_back(shared, desk, lane).is_some() {
                    state.poison();
                    desk.finish_one(shared, work);
                    continue;
                }
                break;
            }
        }
    }
}
