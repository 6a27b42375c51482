//! The scheduler: its domains, and who polls them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use prewire_platform::{ChipSpec, Lanes};
use prewire_ring::{Class, CombiningLock, Ready, Rings, SlotRef};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::mutant;

use crate::cohort::{Cohort, Duty};
use crate::domain::Domain;

/// What a poll needs from outside.
pub trait Env {
    /// Whether the predicate of a ready task holds. The writers of its element are complete.
    fn predicate_holds(&self, slot: SlotRef) -> bool;

    /// The task is complete; nobody who waits for it has been told yet. For whoever records what happens.
    #[inline]
    fn completed(&self, slot: SlotRef) {
        let _ = slot;
    }
}

/// What a poll brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tasks that completed.
    pub completed: u32,
    /// How many of them failed or were poisoned.
    pub failed: u32,
    /// Blocks that were dispatched.
    pub dispatched: u32,
}

impl Progress {
    /// Whether anything happened.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.completed > 0 || self.dispatched > 0
    }
}

/// What all domains share.
#[derive(Debug)]
pub(crate) struct Shared<L> {
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) lanes: Arc<L>,
    pub(crate) spec: ChipSpec,
    pub(crate) cohort: Cohort,
    /// By class, one bit a domain: it could take more of it. Each bit is written by its domain's poller.
    hungry: [AtomicU32; 5],
    /// One bit a domain: it has a cluster all of whose lanes are idle. Each bit is written by its domain's poller.
    clusters: AtomicU32,
}

/// Makes bit `domain` of `word` say `on`.
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

impl<L> Shared<L> {
    pub(crate) fn set_hungry(&self, class: Class, domain: u16, hungry: bool) {
        tell(&self.hungry[class as usize], domain, hungry);
    }

    pub(crate) fn set_has_cluster(&self, domain: u16, has: bool) {
        tell(&self.clusters, domain, has);
    }

    pub(crate) fn others_hungry(&self, class: Class, domain: u16) -> bool {
        self.hungry[class as usize].load(Ordering::Relaxed) & !(1 << domain) != 0
    }

    pub(crate) fn others_have_cluster(&self, domain: u16) -> bool {
        self.clusters.load(Ordering::Relaxed) & !(1 << domain) != 0
    }
}

/// Drives the lanes of a chip. See the crate's doc.
#[derive(Debug)]
pub struct Scheduler<L> {
    shared: Shared<L>,
    domains: Vec<Padded<CombiningLock<Domain>>>,
}

impl<L: Lanes> Scheduler<L> {
    /// A scheduler of `spec` that drives `lanes`, all of them idle.
    #[must_use]
    pub fn new(spec: ChipSpec, rings: Arc<Rings>, ready: Arc<Ready>, lanes: Arc<L>) -> Self {
        let all = (1u32 << spec.domains) - 1;
        let hungry = core::array::from_fn(|_| AtomicU32::new(all));
        let shared = Shared {
            rings,
            ready,
            lanes,
            spec,
            cohort: Cohort::new(),
            hungry,
            clusters: AtomicU32::new(all),
        };
        let domains =
            (0..spec.domains).map(|d| Padded::new(CombiningLock::new(Domain::new(d, &shared)))).collect();
        Self { shared, domains }
    }

    /// Polls a domain: reaps the lanes that have news, completes, dispatches, and reclaims. Returns at once where
    /// another thread is at it; that thread does it once more. What it did is told in the sum of all that this call
    /// did, for others too.
    pub fn poll(&self, domain: u16, env: &impl Env) -> Progress {
        let mut progress = Progress::default();
        let all = (1u32 << self.shared.spec.domains) - 1;
        let mut due = (1u32 << domain) & all;
        let mut polled = 0;
        while due != 0 {
            let at = due.trailing_zeros() as usize;
            due &= due - 1;
            polled |= 1 << at;
            self.domains[at].combine(|domain| {
                let round = domain.round(&self.shared, env);
                let mut rings = round.routed.rings;
                while rings != 0 {
                    self.shared.rings.advance(rings.trailing_zeros() as usize);
                    rings &= rings - 1;
                }
                progress.completed += round.routed.completed;
                progress.failed += round.routed.failed;
                progress.dispatched += round.dispatched;
                // MUTANT "no-summon": the other domains are not polled for a cohort.
                if round.summon && !mutant::skips("no-summon") {
                    due |= all;
                }
            });
            if due == 0 {
                // What this domain had no lane for, another may take: once each, or a task that nobody can take now
                // would keep this thread going round.
                due = self.hungry_for_ready() & !polled;
            }
        }
        if progress.dispatched > 0 {
            self.shared.lanes.kick();
        }
        progress
    }

    /// The domains that have a lane for something that is ready.
    fn hungry_for_ready(&self) -> u32 {
        let shared = &self.shared;
        [Class::Mix, Class::Aic, Class::Aiv].into_iter().fold(0, |hungry, class| {
            if shared.ready.queue(class).is_empty() {
                return hungry;
            }
            hungry | shared.hungry[class as usize].load(Ordering::Relaxed)
        })
    }

    /// Whether a poll of `domain` could bring something about: there is a ready task that it could take.
    #[must_use]
    pub fn has_ready(&self, domain: u16) -> bool {
        let ready = &self.shared.ready;
        !ready.queue(Class::Inline).is_empty()
            || (!ready.queue(Class::SyncStart).is_empty() && self.shared.cohort.duty() == Duty::None)
            // While a cohort gathers nothing else is dispatched; who launches it polls all domains.
            || (self.shared.cohort.duty() == Duty::None && (self.hungry_for_ready() >> domain) & 1 != 0)
    }
}
