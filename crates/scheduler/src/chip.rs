//! The placement of a chip: cores and clusters, dealt to domains; and cohorts over all of them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use prewire_abi::{LaneMask, Shape};
use prewire_platform::{ChipSpec, LaneId, Lanes, Work};
use prewire_ring::{Class, Queued, Ready, Rings, Slot, SlotRef, Verdict};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::cohort::{Cohort, Duty};
use crate::domain::{Desk, NO_LANE};
use crate::lane::Occupancy;
use crate::placement::Placement;
use crate::places::{PLACES, Places, cluster_of, lane_of};
use crate::scheduler::{Env, Scheduler, Shared as With};

/// How tasks are placed on the cores of a chip.
#[derive(Debug)]
pub struct ChipPlacement {
    spec: ChipSpec,
    cohort: Cohort,
    /// By class, one bit a domain: it could take more of it. Each bit is written by its domain's poller.
    hungry: [AtomicU32; 5],
    /// One bit a domain: it has a cluster all of whose lanes are idle. Each bit is written by its domain's poller.
    clusters: AtomicU32,
    /// By class: tasks of single cores that have begun and are in their queue again, for the rest of their blocks. Raised
    /// by who puts one there, before; lowered by who takes it, after.
    begun: [AtomicU32; 5],
    /// How many tasks that need clusters were taken from their queue while lanes were kept for such. Raised by their takers.
    clusters_given: AtomicU32,
    /// Nothing waits behind what a lane runs. Set once, by whoever may submit tasks that wait for each other.
    idle_only: AtomicBool,
}

/// What a domain knows of the clusters that it was dealt. Touched by its poller alone.
#[derive(Debug)]
pub struct ChipDomain {
    index: u16,
    /// The clusters that it was dealt, as a mask.
    own: u64,
    places: Places,
    /// Units reserved for the cohort that gathers: lanes of a cluster, by place.
    reserved: Vec<(u32, LaneMask)>,
    /// To which kinds of cores what has just become ready may go straight.
    straight: Straight,
}

/// To which kinds of cores what has just become ready may go straight: one bit for each class, or one that says that it has
/// to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Straight(u8);

impl Straight {
    const NONE: Self = Self(0);
    /// If no cohort is under way, and no cluster is kept for a task.
    const ASK: Self = Self(1);
    /// If, beside that, nothing that was handed on is still in the queues.
    const LOOK: Self = Self(2);
    const ALL: Self = Self(1 << Class::Aic as u8 | 1 << Class::Aiv as u8);

    const fn is_known(self) -> bool {
        self.0 & (Self::ASK.0 | Self::LOOK.0) == 0
    }

    const fn to(self, class: Class) -> bool {
        self.0 >> class as u8 & 1 != 0
    }
}

type Shared<L> = With<L, ChipPlacement>;

const VECTOR_PLACES: [LaneMask; 2] = [LaneMask::AIV0, LaneMask::AIV1];

impl<L: Lanes> Scheduler<L> {
    /// A scheduler of `spec` that drives `lanes`, all of them idle.
    #[must_use]
    pub fn new(spec: ChipSpec, rings: Arc<Rings>, ready: Arc<Ready>, lanes: Arc<L>) -> Self {
        let all = (1u32 << spec.domains) - 1;
        let hungry = core::array::from_fn(|_| AtomicU32::new(all));
        let (cohort, clusters) = (Cohort::new(), AtomicU32::new(all));
        let idle_only = AtomicBool::new(false);
        let begun = core::array::from_fn(|_| AtomicU32::new(0));
        let clusters_given = AtomicU32::new(0);
        let placement = ChipPlacement { spec, cohort, hungry, clusters, begun, clusters_given, idle_only };
        Self::of(With { rings, ready, lanes, tokens: spec.tokens, placement }, spec.domains, spec.cores())
    }

    /// From now on work is given to idle lanes only, never to one that runs something: so that whatever is dispatched
    /// begins, and kernels that run at the same time may wait for each other in ways that nobody else sees. Where a task
    /// waits for a cluster each domain keeps one free for it, as its lanes become idle, from all but the blocks of tasks that
    /// have begun: those that run may wait for the others.
    pub fn use_idle_lanes_only(&self) {
        self.placement().idle_only.store(true, Ordering::Relaxed);
    }
}

/// Makes bit `domain` of `word` say `on`.
#[inline]
fn tell(word: &AtomicU32, domain: u16, on: bool) {
    let bit = 1 << domain;
    if (word.load(Ordering::Relaxed) & bit != 0) == on {
        return;
    }
    if on {
        word.fetch_or(bit, Ordering::Relaxed);
    } else {
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

impl ChipPlacement {
    #[inline]
    fn set_hungry(&self, class: Class, domain: u16, hungry: bool) {
        tell(&self.hungry[class as usize], domain, hungry);
    }

    #[inline]
    fn others_hungry(&self, class: Class, domain: u16) -> bool {
        self.hungry[class as usize].load(Ordering::Relaxed) & !(1 << domain) != 0
    }

    #[inline]
    fn idle_only(&self) -> bool {
        self.idle_only.load(Ordering::Relaxed)
    }

    /// Whether a task of single cores that has begun is queued for more lanes.
    #[inline]
    fn has_begun(&self, class: Class) -> bool {
        self.begun[class as usize].load(Ordering::Relaxed) != 0
    }

    /// A task of single cores was taken from its queue: whether it has begun.
    #[inline(always)]
    fn taken(&self, class: Class, state: &Slot) -> bool {
        let blocks = state.kind().blocks();
        let begun = blocks > 1 && state.blocks_left() < blocks;
        if begun {
            self.begun[class as usize].fetch_sub(1, Ordering::Relaxed);
        }
        begun
    }

    #[inline]
    fn others_have_cluster(&self, domain: u16) -> bool {
        self.clusters.load(Ordering::Relaxed) & !(1 << domain) != 0
    }
}

impl Placement for ChipPlacement {
    type Domain = ChipDomain;

    fn domain<L: Lanes>(shared: &Shared<L>, index: u16) -> ChipDomain {
        let spec = &shared.placement.spec;
        let own = (0..spec.clusters).filter(|c| c % spec.domains == index).fold(0, |own, c| own | 1u64 << c);
        ChipDomain { index, own, places: Places::new(own), reserved: Vec::new(), straight: Straight::NONE }
    }

    #[inline]
    fn note<L: Lanes>(shared: &Shared<L>, own: &mut ChipDomain, lane: LaneId, now: Occupancy) {
        own.note(shared, lane, now);
    }

    #[inline]
    fn begin(own: &mut ChipDomain, look: bool) {
        own.straight = if look { Straight::LOOK } else { Straight::ASK };
    }

    #[inline(always)]
    fn made_ready<L: Lanes>(
        shared: &Shared<L>,
        own: &mut ChipDomain,
        desk: &mut Desk,
        slot: SlotRef,
        state: &Slot,
    ) {
        own.made_ready(shared, desk, slot, state);
    }

    #[inline(always)]
    fn dispatch<L: Lanes>(
        shared: &Shared<L>,
        own: &mut ChipDomain,
        desk: &mut Desk,
        env: &impl Env,
        look: bool,
    ) {
        if look || shared.placement.cohort.is_under_way() {
            own.serve(shared, desk, env);
        }
    }

    /// Says which classes this domain could take more of.
    #[inline]
    fn tell<L: Lanes>(shared: &Shared<L>, own: &ChipDomain, index: u16) {
        let to = &shared.placement;
        // A cluster that is kept for a task that needs one is a lane for those alone that have begun. One of its lanes is
        // busy, or the task would have it; when that one finishes, or no task needs one any more, the domain has its turn
        // again.
        let kept = if to.idle_only() { own.kept(shared) } else { 0 };
        let kept_from = |class| if to.has_begun(class) { 0 } else { kept };
        let (aic, aiv) = (!kept_from(Class::Aic), !kept_from(Class::Aiv));
        let idle = |place: usize, of: u64| own.places.idle[place] & of != 0;
        to.set_hungry(Class::Mix, index, own.could_take_mix(to.idle_only()));
        to.set_hungry(Class::Aic, index, idle(0, aic));
        to.set_hungry(Class::Aiv, index, idle(1, aiv) || idle(2, aiv));
        tell(&to.clusters, index, own.places.idle_clusters(LaneMask::ALL) != 0);
    }

    #[inline]
    fn hungry(&self, ready: &Ready) -> u32 {
        [Class::Mix, Class::Aic, Class::Aiv].into_iter().fold(0, |hungry, class| {
            if ready.queue(class).is_empty() {
                return hungry;
            }
            hungry | self.hungry[class as usize].load(Ordering::Relaxed)
        })
    }

    fn has_ready(&self, ready: &Ready, index: u16) -> bool {
        // While a cohort gathers nothing else is dispatched; who launches it polls all domains.
        (!ready.queue(Class::SyncStart).is_empty() || (self.hungry(ready) >> index) & 1 != 0)
            && self.cohort.duty() == Duty::None
    }
}

impl ChipDomain {
    #[inline]
    fn note<L: Lanes>(&mut self, shared: &Shared<L>, id: LaneId, now: Occupancy) {
        let (cluster, place) = cluster_of(&shared.placement.spec, id);
        self.places.set(cluster, place, now.idle, now.room);
    }

    /// Gives what has just become ready to an idle lane of this domain at once, where nothing is to be served before it: to
    /// the one on which its producer has just run, if it can.
    #[inline(always)]
    fn made_ready<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, slot: SlotRef, state: &Slot) {
        // Whether the run is ended is asked for each: a task that would have waited for more may have been let through for it.
        if let Some(class) = state.kind().of_one_core()
            && !shared.rings.is_ended()
        {
            if !self.straight.is_known() {
                self.find_out(shared);
            }
            if self.straight.to(class) {
                let spec = &shared.placement.spec;
                let id = desk.hot;
                if id != NO_LANE && (id.0 < spec.clusters) == (class == Class::Aic) {
                    desk.hot = NO_LANE;
                    let place = cluster_of(spec, id).1 as u32;
                    desk.hand_out(shared, id, Work { slot: slot.raw(), block: 0, place });
                    return;
                }
                if let Some((cluster, place)) = self.places.take_idle(class) {
                    self.hand_out(shared, desk, slot, 0, cluster, place);
                    return;
                }
            }
        }
        // What becomes ready after it is not to overtake it.
        self.straight = Straight::NONE;
        desk.hand_on(shared, slot);
    }

    /// Finds out whether anything is to be served before a task of a single core that has just become ready.
    #[inline]
    fn find_out<L: Lanes>(&mut self, shared: &Shared<L>) {
        let (to, ready) = (&shared.placement, &shared.ready);
        // What is handed on goes before what was published, so only that may be older.
        let older = |class| ready.queue(class).has_handed_on();
        let free = |class| u8::from(!older(class)) << class as u8;
        self.straight = if to.cohort.is_under_way() || (to.idle_only() && !ready.queue(Class::Mix).is_empty())
        {
            Straight::NONE
        } else if self.straight == Straight::ASK {
            Straight::ALL
        } else if older(Class::Mix) {
            Straight::NONE
        } else {
            Straight(free(Class::Aic) | free(Class::Aiv))
        };
    }

    /// Serves the ready queues, and the cohort that is under way.
    fn serve<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) {
        let cohort = &shared.placement.cohort;
        let mut duty = cohort.duty();
        loop {
            match duty {
                Duty::Launch(slot) => desk.dispatched += self.launch(shared, desk, slot),
                Duty::Gather(number, slot) => {
                    if self.gather(shared, number, slot) {
                        desk.summon = true;
                        duty = cohort.duty();
                        continue;
                    }
                    desk.emptied = false;
                    return;
                }
                Duty::None => {}
            }
            if shared.ready.queue(Class::SyncStart).is_empty() || !Self::start_cohort(shared, desk, env) {
                break;
            }
            desk.summon = true;
            duty = cohort.duty();
        }
        // A cohort that waits for another is looked for again.
        desk.emptied = shared.ready.queue(Class::SyncStart).is_empty();
        desk.emptied &= self.fill_clusters(shared, desk, env);
        desk.emptied &= self.fill_single(shared, desk, env, Class::Aic);
        desk.emptied &= self.fill_single(shared, desk, env, Class::Aiv);
    }

    /// Takes the next cohort from its queue, if none is under way.
    fn start_cohort<L: Lanes>(shared: &Shared<L>, desk: &mut Desk, env: &impl Env) -> bool {
        if !shared.placement.cohort.claim() {
            return false;
        }
        while let Some(slot) = shared.ready.queue(Class::SyncStart).pop() {
            if desk.is_to_run(shared, env, slot) {
                shared.placement.cohort.start(slot, u32::from(shared.rings.slot(slot).cold().blocks));
                return true;
            }
        }
        shared.placement.cohort.give_up();
        false
    }

    /// Reserves idle units; true when the cohort is complete with them.
    fn gather<L: Lanes>(&mut self, shared: &Shared<L>, number: u32, slot: SlotRef) -> bool {
        let cold = shared.rings.slot(slot).cold();
        let kinds: &[LaneMask] = if cold.shape == Shape::Aiv { &VECTOR_PLACES } else { &[cold.lanes] };
        for &lanes in kinds {
            let mut clusters = self.places.idle_clusters(lanes);
            let (mut taken, last) = shared.placement.cohort.reserve(number, clusters.count_ones());
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
    fn launch<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, slot: SlotRef) -> u32 {
        let units = core::mem::take(&mut self.reserved);
        let n = units.len() as u32;
        if n == 0 {
            return 0;
        }
        let first = shared.placement.cohort.number(n);
        for (block, &(cluster, lanes)) in (first..).zip(&units) {
            self.put(shared, desk, slot, block, cluster, lanes);
        }
        shared.placement.cohort.launched(n);
        self.reserved = units;
        self.reserved.clear();
        n
    }

    /// Puts a block onto the lanes of a cluster.
    fn put<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        block: u32,
        cluster: u32,
        lanes: LaneMask,
    ) {
        for place in (0..PLACES).filter(|place| lanes.bits() >> place & 1 != 0) {
            let id = lane_of(&shared.placement.spec, cluster, place);
            let work = Work { slot: slot.raw(), block, place: place as u32 };
            let now = desk.put(shared, id, work);
            self.places.set(cluster, place, now.idle, now.room);
        }
    }

    /// Tasks that take a cluster for each block: onto idle ones first, then behind what runs. The first one stays in
    /// its queue until it has a cluster. True if none is left.
    #[inline]
    fn fill_clusters<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env) -> bool {
        let queue = shared.ready.queue(Class::Mix);
        loop {
            let fits = |slot| {
                let state = shared.rings.slot(slot);
                let runs = state.verdict() == Verdict::Sound && !shared.rings.is_ended();
                !runs || self.clusters_for(shared, state.kind().lanes()) != 0
            };
            let Some(slot) = queue.pop_if(fits) else { return queue.is_empty() };
            if shared.placement.idle_only() {
                // ORDERING: AcqRel, "last-mix"; pairs with itself: of those who take the last ones from both lanes of the
                // queue, who comes second sees that it is empty.
                shared.placement.clusters_given.fetch_add(1, Ordering::AcqRel);
                // Nothing is kept any more, in any domain, and others may have no turn before that is made use of.
                desk.summon |= queue.is_empty();
            }
            if !desk.is_to_run(shared, env, slot) {
                continue;
            }
            let state: &Slot = shared.rings.slot(slot);
            let lanes = state.kind().lanes();
            loop {
                let mut clusters = self.clusters_for(shared, lanes);
                let (first, n) = state.claim_blocks(clusters.count_ones());
                if n == 0 {
                    break;
                }
                for block in first..first + n {
                    let cluster = clusters.trailing_zeros();
                    clusters &= clusters - 1;
                    self.put(shared, desk, slot, block, cluster, lanes);
                }
                desk.dispatched += n;
            }
            if state.blocks_left() > 0 {
                shared.ready.hand_on(Class::Mix, slot);
            }
        }
    }

    /// The clusters for a task that takes `lanes` of one: idle ones; else, where no domain is known to have an idle
    /// cluster, those that have room behind what runs.
    fn clusters_for<L: Lanes>(&self, shared: &Shared<L>, lanes: LaneMask) -> u64 {
        let idle = self.places.idle_clusters(lanes);
        if idle != 0 || shared.placement.others_have_cluster(self.index) || shared.placement.idle_only() {
            idle
        } else {
            self.places.open_clusters(lanes)
        }
    }

    fn could_take_mix(&self, idle_only: bool) -> bool {
        let room = |place: usize| if idle_only { 0 } else { self.places.room[place] };
        let open = |place: usize| self.places.idle[place] | room(place);
        open(0) & (open(1) | open(2)) | open(1) & open(2) != 0
    }

    /// The cluster that is kept free for a task that waits for one, if nothing may wait behind what runs: as a mask.
    #[inline]
    fn kept<L: Lanes>(&self, shared: &Shared<L>) -> u64 {
        if shared.ready.queue(Class::Mix).is_empty() { 0 } else { self.own & self.own.wrapping_neg() }
    }

    /// Tasks that take one core for each block: idle ones first, then behind what runs where nobody is idle. Where a
    /// task waits for a cluster they take idle ones only: if the places behind were filled again as each comes free,
    /// the lanes of a cluster would never have room at the same time. True if none is left.
    #[inline]
    fn fill_single<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        env: &impl Env,
        class: Class,
    ) -> bool {
        let queue = shared.ready.queue(class);
        let idle_only = shared.placement.idle_only();
        let kept = if idle_only { self.places.hide(self.kept(shared)) } else { [0; PLACES] };
        let mut hand = [Queued::default(); 32];
        let emptied = loop {
            if queue.is_empty() {
                break true;
            }
            let idle = self.places.count_idle(class);
            // Behind what runs only where no domain is known to have an idle lane of this class.
            let open = if idle > 0 {
                idle
            } else if idle_only
                || shared.placement.others_hungry(class, self.index)
                || !shared.ready.queue(Class::Mix).is_empty()
            {
                0
            } else {
                self.places.count_room(class)
            };
            if open == 0 {
                break false;
            }
            let count = queue.take(open, |slot| shared.rings.slot(slot).blocks_left(), &mut hand);
            let ended = shared.rings.is_ended();
            hand[..count].iter().for_each(|task| shared.rings.fetch(task.slot()));
            for task in &hand[..count] {
                let slot = task.slot();
                if task.is_of_one_core() && !ended {
                    let place =
                        if idle > 0 { self.places.take_idle(class) } else { self.places.take_room(class) };
                    if let Some((cluster, place)) = place {
                        self.hand_out(shared, desk, slot, 0, cluster, place);
                        continue;
                    }
                }
                shared.placement.taken(class, shared.rings.slot(slot));
                if desk.is_to_run(shared, env, slot) {
                    self.put_blocks(shared, desk, slot, class, idle > 0);
                }
            }
        };
        if idle_only {
            self.places.unhide(kept);
            if !emptied {
                self.fill_begun(shared, desk, env, class);
            }
        }
        emptied
    }

    /// Gives the lanes that are kept from others to tasks that have begun: their blocks may wait for each other, and the
    /// lanes that those hold may be what the kept cluster lacks.
    #[cold]
    fn fill_begun<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, env: &impl Env, class: Class) {
        let (to, queue) = (&shared.placement, shared.ready.queue(class));
        // Once around: what has begun was handed on, and stands there among others.
        for _ in 0..queue.len() {
            if !to.has_begun(class) || self.places.count_idle(class) == 0 {
                return;
            }
            let Some(slot) = queue.pop_if(|_| queue.has_handed_on()) else { return };
            if !to.taken(class, shared.rings.slot(slot)) {
                shared.ready.hand_on(class, slot);
            } else if desk.is_to_run(shared, env, slot) {
                self.put_blocks(shared, desk, slot, class, true);
            }
        }
    }

    /// Puts as many blocks of a task just taken as there are places; hands on what is left.
    #[inline(always)]
    fn put_blocks<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        class: Class,
        idle: bool,
    ) {
        let state = shared.rings.slot(slot);
        let single = state.kind().blocks() == 1;
        loop {
            if !single && state.blocks_left() == 0 {
                return;
            }
            let place = if idle { self.places.take_idle(class) } else { self.places.take_room(class) };
            let Some((cluster, place)) = place else { break };
            // Nobody asks for the block of a task that has one.
            let block = if single { 0 } else { state.claim_blocks(1).0 };
            self.hand_out(shared, desk, slot, block, cluster, place);
            if single {
                return;
            }
        }
        if !single && state.blocks_left() < state.kind().blocks() {
            shared.placement.begun[class as usize].fetch_add(1, Ordering::Relaxed);
            // Whoever keeps lanes may have looked while the task was in no queue.
            desk.summon |= shared.placement.idle_only();
        }
        shared.ready.hand_on(class, slot);
    }

    /// Hands a block to a lane whose place was taken for it.
    #[inline(always)]
    fn hand_out<L: Lanes>(
        &self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        block: u32,
        cluster: u32,
        place: usize,
    ) {
        let id = lane_of(&shared.placement.spec, cluster, place);
        desk.hand_out(shared, id, Work { slot: slot.raw(), block, place: place as u32 });
    }
}
