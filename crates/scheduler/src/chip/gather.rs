//! Cohorts, whose blocks start together: how a domain begins one, reserves what it has idle for it, and dispatches its part.
//!
//! **Invariant: units that are reserved pass for busy until the cohort is launched.** It is launched when all of its units are
//! reserved, in whichever domains, and then by each of them, whatever has become of the run.

use prewire_abi::{LaneMask, Shape};
use prewire_platform::Lanes;
use prewire_ring::{Class, SlotRef};

use super::{ChipDomain, Shared};
use crate::desk::Desk;
use crate::places::PLACES;
use crate::scheduler::Env;

const VECTOR_PLACES: [LaneMask; 2] = [LaneMask::AIV0, LaneMask::AIV1];

impl ChipDomain {
    /// Takes the next cohort from its queue, if none is under way.
    pub(super) fn start_cohort<L: Lanes>(shared: &Shared<L>, desk: &mut Desk, env: &impl Env) -> bool {
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
    pub(super) fn gather<L: Lanes>(&mut self, shared: &Shared<L>, number: u32, slot: SlotRef) -> bool {
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
    pub(super) fn launch<L: Lanes>(&mut self, shared: &Shared<L>, desk: &mut Desk, slot: SlotRef) -> u32 {
        let units = core::mem::take(&mut self.reserved);
        let n = units.len() as u32;
        if n == 0 {
            return 0;
        }
        // Of the numbers of a task's blocks, which are a `u16`.
        let first = shared.placement.cohort.number(n) as u16;
        for (block, &(cluster, lanes)) in (first..).zip(&units) {
            self.put(shared, desk, slot, block, cluster, lanes);
        }
        shared.placement.cohort.launched(n);
        self.reserved = units;
        self.reserved.clear();
        n
    }
}
