//! One domain: the lanes of its clusters, and how it reaps and fills them.

use alloc::vec::Vec;

use prewire_abi::{LaneMask, Shape};
use prewire_platform::{LaneId, Lanes, Work};
use prewire_ring::{Class, Routed, Slot, SlotRef, Verdict};

use crate::cohort::Duty;
use crate::lane::Lane;
use crate::places::{PLACES, Places, cluster_of, lane_of};
use crate::scheduler::{Env, Shared};

/// The state of a domain. Touched by its poller alone.
#[derive(Debug)]
pub(crate) struct Domain {
    index: u16,
    lanes: Vec<Lane>,
    places: Places,
    /// Units reserved for the cohort that gathers: lanes of a cluster, by place.
    reserved: Vec<(u32, LaneMask)>,
    /// Tasks whose sub-tasks are all over.
    finished: Vec<SlotRef>,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    pub(crate) routed: Routed,
    pub(crate) dispatched: u32,
    /// The other domains have something to do for a cohort.
    pub(crate) summon: bool,
}

const VECTOR_PLACES: [LaneMask; 2] = [LaneMask::AIV0, LaneMask::AIV1];

impl Domain {
    pub(crate) fn new<L: Lanes>(index: u16, shared: &Shared<L>) -> Self {
        let spec = &shared.spec;
        let own = (0..spec.clusters).filter(|c| c % spec.domains == index).fold(0, |own, c| own | 1u64 << c);
        Self {
            index,
            lanes: (0..spec.cores()).map(|_| Lane::new(&spec.tokens)).collect(),
            places: Places::new(own),
            reserved: Vec::new(),
            finished: Vec::new(),
        }
    }

    /// One round: reap, complete, dispatch, as often as that brings about something.
    pub(crate) fn round<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env) -> Round {
        let mut round = Round::default();
        loop {
            self.reap(shared);
            while let Some(slot) = shared.ready.queue(Class::Inline).pop() {
                self.finish_unrun(shared, slot);
            }
            let completed = self.complete(shared, env, &mut round);
            let dispatched = self.dispatch(shared, env, &mut round);
            round.dispatched += dispatched;
            if !completed && self.finished.is_empty() {
                // What somebody is just pushing is his to poll for.
                match shared.ready.queue(Class::Inline).pop() {
                    Some(slot) => self.finish_unrun(shared, slot),
                    None => break,
                }
            }
        }
        self.tell_hunger(shared);
        round
    }

    fn reap<L: Lanes>(&mut self, shared: &Shared<L>) {
        let mut news = shared.lanes.take_news(self.index);
        while let Some(id) = news.pop() {
            let reaped = self.lanes[usize::from(id.0)].reap(shared.lanes.status(id));
            if reaped.first.is_none() {
                // Nothing new; and an idle lane may be reserved.
                continue;
            }
            for work in [reaped.first, reaped.second].into_iter().flatten() {
                let slot = SlotRef::from_raw(work.slot);
                if shared.rings.slot(slot).finish(1) {
                    self.finished.push(slot);
                }
            }
            self.note(shared, id);
        }
    }

    fn note<L: Lanes>(&mut self, shared: &Shared<L>, id: LaneId) {
        let (cluster, place) = cluster_of(&shared.spec, id);
        let lane = &self.lanes[usize::from(id.0)];
        self.places.set(cluster, place, lane.is_idle(), lane.has_room());
    }

    fn complete<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env, round: &mut Round) -> bool {
        if self.finished.is_empty() {
            return false;
        }
        let routed = shared.rings.complete_telling(
            &mut self.finished,
            &mut |slot| shared.ready.route(&shared.rings, slot),
            &mut |slot| env.completed(slot),
        );
        round.routed.add(routed);
        true
    }

    /// Counts what is left of a task as over without running it.
    fn finish_unrun<L: Lanes>(&mut self, shared: &Shared<L>, slot: SlotRef) {
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
    fn is_to_run<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env, slot: SlotRef) -> bool {
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

    fn dispatch<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env, round: &mut Round) -> u32 {
        let mut dispatched = 0;
        loop {
            match shared.cohort.duty() {
                Duty::Launch(slot) => dispatched += self.launch(shared, slot),
                Duty::Gather(number, slot) => {
                    if self.gather(shared, number, slot) {
                        round.summon = true;
                        continue;
                    }
                    return dispatched;
                }
                Duty::None => {}
            }
            if shared.ready.queue(Class::SyncStart).is_empty() || !self.start_cohort(shared, env) {
                break;
            }
            round.summon = true;
        }
        dispatched += self.fill_clusters(shared, env);
        dispatched += self.fill_single(shared, env, Class::Aic, &[LaneMask::AIC]);
        dispatched += self.fill_single(shared, env, Class::Aiv, &VECTOR_PLACES);
        dispatched
    }

    /// Takes the next cohort from its queue, if none is under way.
    fn start_cohort<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env) -> bool {
        if !shared.cohort.claim() {
            return false;
        }
        while let Some(slot) = shared.ready.queue(Class::SyncStart).pop() {
            if self.is_to_run(shared, env, slot) {
                shared.cohort.start(slot, u32::from(shared.rings.slot(slot).cold().blocks));
                return true;
            }
        }
        shared.cohort.give_up();
        false
    }

    /// Reserves idle units; true when the cohort is complete with them.
    fn gather<L: Lanes>(&mut self, shared: &Shared<L>, number: u32, slot: SlotRef) -> bool {
        let cold = shared.rings.slot(slot).cold();
        let kinds: &[LaneMask] = if cold.shape == Shape::Aiv { &VECTOR_PLACES } else { &[cold.lanes] };
        for &lanes in kinds {
            let mut clusters = self.places.idle_clusters(lanes);
            let (mut taken, last) = shared.cohort.reserve(number, clusters.count_ones());
            while taken > 0 {
                let cluster = clusters.trailing_zeros();
                clusters &= clusters - 1;
                for place in (0..PLACES).filter(|place| lanes.bits() >> place & 1 != 0) {
                    self.places.set(cluster, place, false, false);
                }
                self.reserved.push((cluster, lanes));
                taken -= 1;
            }
            if last {
                return true;
            }
        }
        false
    }

    /// Dispatches the cohort onto what is reserved here. All of it, even if the run has ended meanwhile: other domains
    /// may have dispatched their part, which waits for this one.
    fn launch<L: Lanes>(&mut self, shared: &Shared<L>, slot: SlotRef) -> u32 {
        let units = core::mem::take(&mut self.reserved);
        let n = units.len() as u32;
        if n == 0 {
            return 0;
        }
        let first = shared.cohort.number(n);
        for (block, &(cluster, lanes)) in (first..).zip(&units) {
            self.put(shared, slot, block, cluster, lanes);
        }
        shared.cohort.launched(n);
        self.reserved = units;
        self.reserved.clear();
        n
    }

    /// Puts a block onto the lanes of a cluster.
    fn put<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        slot: SlotRef,
        block: u32,
        cluster: u32,
        lanes: LaneMask,
    ) {
        for place in (0..PLACES).filter(|place| lanes.bits() >> place & 1 != 0) {
            let id = lane_of(&shared.spec, cluster, place);
            let work = Work { slot: slot.raw(), block, place: place as u32 };
            let token = self.lanes[usize::from(id.0)].place(&shared.spec.tokens, work);
            shared.lanes.dispatch(id, token, work);
            self.note(shared, id);
        }
    }

    /// Tasks that take a cluster for each block: onto idle ones first, then behind what runs. The first one stays in
    /// its queue until it has a cluster.
    fn fill_clusters<L: Lanes>(&mut self, shared: &Shared<L>, env: &impl Env) -> u32 {
        let queue = shared.ready.queue(Class::Mix);
        let mut dispatched = 0;
        loop {
            let fits = |slot| {
                let state = shared.rings.slot(slot);
                let runs = state.verdict() == Verdict::Sound && !shared.rings.is_ended();
                !runs || self.clusters_for(shared, state.cold().lanes) != 0
            };
            let Some(slot) = queue.pop_if(fits) else { return dispatched };
            if !self.is_to_run(shared, env, slot) {
                continue;
            }
            let state: &Slot = shared.rings.slot(slot);
            let lanes = state.cold().lanes;
            loop {
                let mut clusters = self.clusters_for(shared, lanes);
                let (first, n) = state.claim_blocks(clusters.count_ones());
                if n == 0 {
                    break;
                }
                for block in first..first + n {
                    let cluster = clusters.trailing_zeros();
                    clusters &= clusters - 1;
                    self.put(shared, slot, block, cluster, lanes);
                }
                dispatched += n;
            }
            if state.blocks_left() > 0 {
                queue.push(slot);
            }
        }
    }

    /// The clusters for a task that takes `lanes` of one: idle ones; else, where no domain is known to have an idle
    /// cluster, those that have room behind what runs.
    fn clusters_for<L: Lanes>(&self, shared: &Shared<L>, lanes: LaneMask) -> u64 {
        let idle = self.places.idle_clusters(lanes);
        if idle != 0 || shared.others_have_cluster(self.index) {
            idle
        } else {
            self.places.open_clusters(lanes)
        }
    }

    fn could_take_mix(&self) -> bool {
        let open = |place: usize| self.places.idle[place] | self.places.room[place];
        open(0) & (open(1) | open(2)) | open(1) & open(2) != 0
    }

    /// Tasks that take one core for each block: idle ones first, then behind what runs where nobody is idle. Where a
    /// task waits for a cluster they take idle ones only: if the places behind were filled again as each comes free,
    /// the lanes of a cluster would never have room at the same time.
    fn fill_single<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        env: &impl Env,
        class: Class,
        kinds: &[LaneMask],
    ) -> u32 {
        let queue = shared.ready.queue(class);
        let mut dispatched = 0;
        loop {
            let idle: u32 = kinds.iter().map(|&lanes| self.places.idle_clusters(lanes).count_ones()).sum();
            // Behind what runs only where no domain is known to have an idle lane of this class.
            let open = if idle > 0 {
                idle
            } else if shared.others_hungry(class, self.index) || !shared.ready.queue(Class::Mix).is_empty() {
                0
            } else {
                kinds.iter().map(|&lanes| self.places.open_clusters(lanes).count_ones()).sum()
            };
            if open == 0 {
                return dispatched;
            }
            let Some(slot) = queue.pop() else { return dispatched };
            if !self.is_to_run(shared, env, slot) {
                continue;
            }
            let state = shared.rings.slot(slot);
            let (first, n) = state.claim_blocks(open);
            for block in first..first + n {
                let Some((cluster, lanes)) = self.pick(kinds, idle > 0) else { break };
                self.put(shared, slot, block, cluster, lanes);
            }
            dispatched += n;
            if state.blocks_left() > 0 {
                queue.push(slot);
            }
        }
    }

    fn pick(&self, kinds: &[LaneMask], idle: bool) -> Option<(u32, LaneMask)> {
        kinds
            .iter()
            .map(|&lanes| {
                (
                    if idle { self.places.idle_clusters(lanes) } else { self.places.open_clusters(lanes) },
                    lanes,
                )
            })
            .find(|(clusters, _)| *clusters != 0)
            .map(|(clusters, lanes)| (clusters.trailing_zeros(), lanes))
    }

    /// Says which classes this domain could take more of.
    fn tell_hunger<L: Lanes>(&self, shared: &Shared<L>) {
        let idle = |place: usize| self.places.idle[place] != 0;
        shared.set_hungry(Class::Mix, self.index, self.could_take_mix());
        shared.set_hungry(Class::Aic, self.index, idle(0));
        shared.set_hungry(Class::Aiv, self.index, idle(1) || idle(2));
        shared.set_has_cluster(self.index, self.places.idle_clusters(LaneMask::ALL) != 0);
    }
}
