//! The placement of a node: workers that tasks name, groups of them, and workers for host functions.

use alloc::sync::Arc;
use core::fmt;

use prewire_platform::{LaneId, Lanes, Tokens};
use prewire_ring::{Class, Ready, Rings, Slot, SlotRef};
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::children::NodeDomain;
use crate::desk::Desk;
use crate::lane::Occupancy;
use crate::placement::Placement;
use crate::scheduler::{Env, Scheduler, Shared};

/// The children of a node, as lanes: first the workers that tasks name, then the workers for host functions.
///
/// ```
/// use prewire_platform::LaneId;
/// use prewire_scheduler::{NodeError, NodeSpec};
///
/// let spec = NodeSpec::new(16, 4);
/// assert_eq!(spec.validate(), Ok(20));
/// assert_eq!((spec.is_worker(LaneId(15)), spec.is_sub(LaneId(16))), (true, true));
/// assert_eq!(NodeSpec::new(100, 29).validate(), Err(NodeError::TooManyLanes { workers: 100, subs: 29 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Lanes `0..workers` are workers that tasks name.
    pub workers: u16,
    /// The lanes after them run host functions; any will do.
    pub subs: u16,
    /// What dispatches are named with.
    pub tokens: Tokens,
}

impl NodeSpec {
    /// How many lanes a node can have.
    pub const LANES: u16 = 128;

    /// A node of so many lanes, with all tokens below 2^31.
    #[must_use]
    pub const fn new(workers: u16, subs: u16) -> Self {
        let tokens = Tokens {
            finished_bit: 1 << 31,
            exit: 0x7FFF_FFF0,
            dispatch_idle: 0x7FFF_FFFD,
            core_idle: 0x7FFF_FFFF,
            core_exited: 0x7FFF_FFFE,
        };
        Self { workers, subs, tokens }
    }

    /// Whether a lane is a worker that tasks name.
    #[must_use]
    pub const fn is_worker(&self, lane: LaneId) -> bool {
        lane.0 < self.workers
    }

    /// Whether a lane runs host functions.
    #[must_use]
    pub const fn is_sub(&self, lane: LaneId) -> bool {
        !self.is_worker(lane) && lane.0 - self.workers < self.subs
    }

    /// How many lanes it has.
    ///
    /// # Errors
    ///
    /// More than [`LANES`](NodeSpec::LANES).
    pub const fn validate(&self) -> Result<u16, NodeError> {
        match self.workers.checked_add(self.subs) {
            Some(lanes) if lanes <= Self::LANES => Ok(lanes),
            _ => Err(NodeError::TooManyLanes { workers: self.workers, subs: self.subs }),
        }
    }
}

/// Why there is no such node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeError {
    /// More children than one node drives.
    TooManyLanes {
        /// Workers that tasks name.
        workers: u16,
        /// Workers for host functions.
        subs: u16,
    },
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::TooManyLanes { workers, subs } = self;
        write!(
            f,
            "a node of {workers} workers and {subs} workers for host functions was asked for, but it has {} children at \
             most; put some of them under workers of their own, a level below",
            NodeSpec::LANES
        )
    }
}

impl core::error::Error for NodeError {}

/// How tasks are placed on the children of a node. One domain.
///
/// - A task that names one worker waits in that worker's queue. A worker has a running and a pending place, so a busy one
///   holds up nobody who waits for another.
/// - A group starts when the lanes of all its members are idle and up. Groups wait in a queue of their own, and go before
///   what waits for single workers; only the first one reserves: the workers that it names start nothing else until it
///   has started. So no two groups wait for each other.
/// - A task for host functions takes an idle lane, else the pending place of a busy one; from there it moves on when
///   another lane becomes idle.
/// - Nothing is dispatched to a lane that is down, and what waits for it goes on waiting; where a lane is gone, what
///   needs it fails.
#[derive(Debug)]
pub struct NodePlacement {
    pub(crate) spec: NodeSpec,
    /// A lane for host functions has a place. Written by the poller.
    pub(crate) open_subs: AtomicBool,
}

impl<L: Lanes> Scheduler<L, NodePlacement> {
    /// A scheduler of a node that drives `lanes`, nothing on any of them. Its only domain is 0. Nobody else may complete tasks of
    /// these rings: others would wait for ever.
    ///
    /// # Errors
    ///
    /// There are too many lanes.
    pub fn node(
        spec: NodeSpec,
        rings: Arc<Rings>,
        ready: Arc<Ready>,
        lanes: Arc<L>,
    ) -> Result<Self, NodeError> {
        let count = spec.validate()?;
        let placement = NodePlacement { spec, open_subs: AtomicBool::new(true) };
        Ok(Self::of(Shared { rings, ready, lanes, tokens: spec.tokens, placement }, 1, count))
    }
}

impl Placement for NodePlacement {
    type Domain = NodeDomain;

    fn domain<L: Lanes>(shared: &Shared<L, Self>, _: u16) -> NodeDomain {
        let spec = &shared.placement.spec;
        let mut own = NodeDomain::new(spec);
        for lane in 0..spec.workers + spec.subs {
            Self::heard(shared, &mut own, LaneId(lane));
        }
        own
    }

    #[inline]
    fn heard<L: Lanes>(shared: &Shared<L, Self>, own: &mut NodeDomain, lane: LaneId) -> bool {
        own.stands(lane, shared.lanes.standing(lane))
    }

    #[inline]
    fn note<L: Lanes>(_: &Shared<L, Self>, own: &mut NodeDomain, lane: LaneId, now: Occupancy) {
        own.note(lane, now);
    }

    /// It is sorted in with all that is ready.
    fn made_ready<L: Lanes>(
        shared: &Shared<L, Self>,
        _: &mut NodeDomain,
        desk: &mut Desk,
        slot: SlotRef,
        _: &Slot,
    ) {
        desk.hand_on(shared, slot);
    }

    fn dispatch<L: Lanes>(
        shared: &Shared<L, Self>,
        own: &mut NodeDomain,
        desk: &mut Desk,
        env: &impl Env,
        _: bool,
    ) {
        // What stands in the domain's own queues is not in the tally: it looks every time.
        desk.emptied = false;
        own.dispatch(shared, desk, env);
    }

    fn tell<L: Lanes>(shared: &Shared<L, Self>, own: &NodeDomain, _: u16) {
        let open = own.takes_subs();
        if shared.placement.open_subs.load(Ordering::Relaxed) != open {
            shared.placement.open_subs.store(open, Ordering::Relaxed);
        }
    }

    /// There is no other domain to ask.
    #[inline]
    fn hungry(&self, _: &Ready) -> u32 {
        0
    }

    fn has_ready(&self, ready: &Ready, _: u16) -> bool {
        // What names its workers is sorted into their queues, whether they can take it or not.
        !ready.queue(Class::Worker).is_empty()
            || (!ready.queue(Class::Sub).is_empty() && self.open_subs.load(Ordering::Relaxed))
    }
}
