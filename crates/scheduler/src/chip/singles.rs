//! Tasks that take one core for each block.
//!
//! **Invariant: they take no place that a task for a cluster could starve for.** Where one waits they take idle lanes only, and
//! where nothing may wait behind what runs, none of the cluster that is kept for it, unless they have begun.

use prewire_platform::{Lanes, Work};
use prewire_ring::{Class, Queued, SlotRef};
use prewire_sync::atomic::Ordering;

use super::{ChipDomain, Shared};
use crate::desk::Desk;
use crate::places::{PLACES, lane_of};
use crate::scheduler::Env;

impl ChipDomain {
    /// The cluster that is kept free for a task that waits for one, if nothing may wait behind what runs: as a mask.
    #[inline]
    pub(super) fn kept<L: Lanes>(&self, shared: &Shared<L>) -> u64 {
        if shared.ready.queue(Class::Mix).is_empty() { 0 } else { self.own & self.own.wrapping_neg() }
    }

    /// Tasks that take one core for each block: idle ones first, then behind what runs where nobody is idle. Where a
    /// task waits for a cluster they take idle ones only: if the places behind were filled again as each comes free,
    /// the lanes of a cluster would never have room at the same time. True if none is left.
    #[inline]
    pub(super) fn fill_single<L: Lanes>(
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
    pub(super) fn hand_out<L: Lanes>(
        &self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        block: u16,
        cluster: u32,
        place: usize,
    ) {
        let id = lane_of(&shared.placement.spec, cluster, place);
        desk.hand_out(shared, id, Work { slot: slot.raw(), block, place: place as u16 });
    }
}
