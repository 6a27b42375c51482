//! What has just become ready goes straight to an idle lane, past the queues.
//!
//! **Invariant: it overtakes nothing that was handed on before it and could take the lane, no cohort that gathers, and no task
//! that a cluster is kept for.** Once one has gone to the queues, all that the same round makes ready after it go there too.

use prewire_platform::{Lanes, Work};
use prewire_ring::{Class, Slot, SlotRef};

use super::{ChipDomain, Shared};
use crate::desk::{Desk, NO_LANE};
use crate::places::cluster_of;

/// To which kinds of cores what has just become ready may go straight: one bit for each class, or one that says that it has
/// to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Straight(u8);

impl Straight {
    pub(super) const NONE: Self = Self(0);
    /// If no cohort is under way, and no cluster is kept for a task.
    pub(super) const ASK: Self = Self(1);
    /// If, beside that, nothing that was handed on is still in the queues.
    pub(super) const LOOK: Self = Self(2);
    const ALL: Self = Self(1 << Class::Aic as u8 | 1 << Class::Aiv as u8);

    const fn is_known(self) -> bool {
        self.0 & (Self::ASK.0 | Self::LOOK.0) == 0
    }

    const fn to(self, class: Class) -> bool {
        self.0 >> class as u8 & 1 != 0
    }
}

impl ChipDomain {
    /// Gives what has just become ready to an idle lane of this domain at once, where nothing is to be served before it: to
    /// the one on which its producer has just run, if it can.
    #[inline(always)]
    pub(super) fn made_ready<L: Lanes>(
        &mut self,
        shared: &Shared<L>,
        desk: &mut Desk,
        slot: SlotRef,
        state: &Slot,
    ) {
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
                    let place = cluster_of(spec, id).1 as u16;
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
}
