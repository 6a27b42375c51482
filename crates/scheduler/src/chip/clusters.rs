//! Tasks that take a cluster for each block.
//!
//! **Invariant: a block gets all of its lanes at once, of one cluster, or none.** A task that no cluster can take stays in its
//! queue.

use prewire_abi::LaneMask;
use prewire_platform::{Lanes, Work};
use prewire_ring::{Class, Slot, SlotRef, Verdict};
use prewire_sync::atomic::Ordering;

use super::{ChipDomain, Shared};
use crate::desk::Desk;
use crate::places::{PLACES, lane_of};
use crate::scheduler::Env;

impl ChipDomain {
    /// Puts a block onto the lanes of a cluster.
    pub(super) fn put<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        block: u16,
        cluster: u32,
        lanes: LaneMask,
    ) {
        for place in (0..PLACES).filter(|place| lanes.bits() >> place & 1 != 0) {
            let id = lane_of(&shared.placement.spec, cluster, place);
            let work = Work { slot: slot.raw(), block, place: place as u16 };
            let now = desk.put(shared, id, work);
            self.places.set(cluster, place, now.idle, now.room);
        }
    }

    /// Tasks that take a cluster for each block: onto idle ones first, then behind what runs. The first one stays in
    /// its queue until it has a cluster. True if none is left.
    #[inline]
    pub(super) fn fill_clusters<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        env: &impl Env,
    ) -> bool {
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
                for block in (first..).take(n as usize) {
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

    pub(super) fn could_take_mix(&self, idle_only: bool) -> bool {
        let room = |place: usize| if idle_only { 0 } else { self.places.room[place] };
        let open = |place: usize| self.places.idle[place] | room(place);
        open(0) & (open(1) | open(2)) | open(1) & open(2) != 0
    }
}
