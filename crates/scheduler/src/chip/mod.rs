//! The placement of a chip: cores and clusters, dealt to domains; and cohorts over all of them.
//!
//! **Invariant: a lane is idle, or has room, in the places of one domain alone, that of its cluster.** So whoever drives that
//! domain gives it away without asking anybody; what domains tell each other is where it is worth looking, and may be old.

mod clusters;
mod gather;
mod singles;
mod straight;

use alloc::sync::Arc;
use alloc::vec::Vec;

use prewire_abi::LaneMask;
use prewire_platform::{ChipSpec, LaneId, Lanes};
use prewire_ring::{Class, Ready, Rings, Slot, SlotRef};
use prewire_sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::cohort::{Cohort, Duty};
use crate::desk::Desk;
use crate::lane::Occupancy;
use crate::placement::Placement;
use crate::places::{Places, cluster_of};
use crate::scheduler::{Env, Scheduler, Shared as With};
use straight::Straight;

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

type Shared<L> = With<L, ChipPlacement>;

impl<L: Lanes> Scheduler<L> {
    /// A scheduler of `spec` that drives `lanes`, all of them idle. Nobody else may complete tasks of these rings.
    ///
    /// # Panics
    ///
    /// If the rings were made for fewer completers than it has domains.
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
}
