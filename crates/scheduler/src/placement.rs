//! What a scheduler leaves to the kind of its lanes: which of them a ready task needs, and who of them gets it.

use core::fmt::Debug;

use prewire_platform::{LaneId, Lanes};
use prewire_ring::{Ready, Slot, SlotRef};

use crate::scheduler::Env;

pub use crate::children::NodeDomain;
pub use crate::chip::ChipDomain;
pub use crate::desk::Desk;
pub use crate::lane::Occupancy;
pub use crate::scheduler::Shared;

/// Which lanes a ready task needs, and which it gets: the rules of [`ChipPlacement`](crate::ChipPlacement) and of
/// [`NodePlacement`](crate::NodePlacement). A value of it is what all domains of a scheduler share.
///
/// All but the last two are called inside of a domain's turn, so by one thread at a time for each domain.
pub trait Placement: Debug + Send + Sync + Sized {
    /// What one domain knows. Touched by its poller alone.
    type Domain: Debug + Send;

    /// The state of domain `index` while all its lanes are idle.
    fn domain<L: Lanes>(shared: &Shared<L, Self>, index: u16) -> Self::Domain;

    /// `lane` has news. Nothing of it may have finished. True if the domain knows something new by it.
    #[inline]
    fn heard<L: Lanes>(shared: &Shared<L, Self>, own: &mut Self::Domain, lane: LaneId) -> bool {
        let _ = (shared, own, lane);
        false
    }

    /// Something on `lane` has finished, and this is what it is now.
    fn note<L: Lanes>(shared: &Shared<L, Self>, own: &mut Self::Domain, lane: LaneId, now: Occupancy);

    /// The domain is about to hear what has finished. If it is to `look`, there may be something in the ready queues.
    #[inline]
    fn begin(own: &mut Self::Domain, look: bool) {
        let _ = (own, look);
    }

    /// A completion has just made a task ready, which needs a lane unless the run is ended: gives it one at once, if nothing
    /// is to be served before it, or puts it where everybody finds it.
    fn made_ready<L: Lanes>(
        shared: &Shared<L, Self>,
        own: &mut Self::Domain,
        desk: &mut Desk,
        slot: SlotRef,
        state: &Slot,
    );

    /// Gives ready tasks to lanes, as many as there is a place for; it is to `look` for them in the ready queues, or
    /// nothing was put there since it last did.
    fn dispatch<L: Lanes>(
        shared: &Shared<L, Self>,
        own: &mut Self::Domain,
        desk: &mut Desk,
        env: &impl Env,
        look: bool,
    );

    /// The turn is over: tells who asks from outside what the domain could take more of.
    fn tell<L: Lanes>(shared: &Shared<L, Self>, own: &Self::Domain, index: u16);

    /// The domains that have a lane for something that is ready, one bit each. From any thread.
    fn hungry(&self, ready: &Ready) -> u32;

    /// Whether a turn of domain `index` could dispatch something. From any thread.
    fn has_ready(&self, ready: &Ready, index: u16) -> bool;
}
