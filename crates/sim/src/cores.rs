//! All cores of a chip: who has work that nobody has taken up yet, and who has news for its scheduler domain.
//!
//! A lane is in the queue of its domain when, and only when, its gate is not 0 and nobody owns it: taking it out of the
//! queue is becoming its owner.

use crate::bits::LaneBits;
use crate::error::Fault;
use crate::registers::{Core, Put};
use prewire_platform::{ChipSpec, LaneId, LaneSet, LaneStatus, Token, Work};
use prewire_sync::Padded;
use std::sync::OnceLock;

/// What a scheduler domain shares with the threads that run its cores.
#[derive(Debug, Default)]
struct Domain {
    /// Which lanes it drives.
    lanes: LaneSet,
    /// Lanes that have work and no owner.
    queue: Padded<LaneBits>,
    /// Lanes that have finished something since the domain last asked, and that no poll was told of directly.
    news: Padded<LaneBits>,
}

/// The cores.
#[derive(Debug)]
pub(crate) struct Cores {
    pub(crate) spec: ChipSpec,
    cores: Box<[Core]>,
    /// The domain of each lane.
    of: Box<[u8]>,
    domains: Box<[Domain]>,
    /// The first breach of the protocol.
    fault: OnceLock<Fault>,
}

impl Cores {
    pub(crate) fn new(spec: ChipSpec) -> Self {
        let cores = 0..spec.cores();
        let domain = |lane: u16| {
            let cluster = if lane < spec.clusters { lane } else { (lane - spec.clusters) / 2 };
            (cluster % spec.domains) as u8
        };
        let of: Box<[u8]> = cores.clone().map(domain).collect();
        let mut domains: Box<[Domain]> = (0..spec.domains).map(|_| Domain::default()).collect();
        for lane in cores.clone() {
            domains[usize::from(of[usize::from(lane)])].lanes.insert(LaneId(lane));
        }
        Self { cores: cores.map(|_| Core::new(&spec)).collect(), of, domains, fault: OnceLock::new(), spec }
    }

    /// As after power-on, with the dispatch paths open. Only while nobody runs or dispatches.
    pub(crate) fn power_on(&self) {
        for core in &self.cores {
            core.reset(&self.spec);
            core.open(&self.spec);
        }
        for domain in &self.domains {
            let _ = (domain.queue.take_all(), domain.news.take_all());
        }
    }

    /// All cores leave their loops. Only while nobody runs.
    pub(crate) fn power_off(&self) {
        self.cores.iter().for_each(|core| core.exit(&self.spec));
    }

    #[inline]
    pub(crate) fn core(&self, lane: u16) -> &Core {
        &self.cores[usize::from(lane)]
    }

    #[inline]
    pub(crate) fn domain(&self, lane: u16) -> u16 {
        u16::from(self.of[usize::from(lane)])
    }

    pub(crate) fn fault(&self) -> Option<Fault> {
        self.fault.get().copied()
    }

    #[cold]
    fn breach(&self, fault: Fault) {
        if self.fault.set(fault).is_ok() {
            tracing::error!(%fault, "the dispatch protocol was breached");
        }
    }

    /// Dispatches. True when the lane was free: the caller owns it now.
    #[inline]
    pub(crate) fn put(&self, lane: LaneId, token: Token, work: Work) -> bool {
        let Some(core) = self.cores.get(usize::from(lane.0)) else {
            self.breach(Fault::NoSuchLane { lane, cores: self.spec.cores() });
            return false;
        };
        if token.0 >= self.spec.tokens.exit {
            self.breach(Fault::BadToken { lane, token, exit: self.spec.tokens.exit });
            return false;
        }
        match core.put(&self.spec, token, work) {
            Put::Free => true,
            Put::Owned | Put::Closed => false,
            Put::TooMany => {
                self.breach(Fault::TooMany { lane, token });
                false
            }
        }
    }

    #[inline]
    pub(crate) fn status(&self, lane: LaneId) -> LaneStatus {
        self.cores.get(usize::from(lane.0)).map_or(LaneStatus::Exited, |core| core.status(&self.spec))
    }

    pub(crate) fn register(&self, lane: LaneId, offset: u32) -> Option<u32> {
        self.cores.get(usize::from(lane.0))?.register(&self.spec, offset)
    }

    /// Opens or closes the dispatch path of a lane. `None`: there is no such lane or path. `Some(true)`: the caller
    /// owns the lane now.
    pub(crate) fn set_path(&self, lane: LaneId, open: bool) -> Option<bool> {
        let core = self.cores.get(usize::from(lane.0))?;
        self.spec.registers.fast_path?;
        if open {
            return Some(core.open(&self.spec));
        }
        core.close(&self.spec);
        Some(false)
    }

    /// Owner: gives the lane to the queue.
    #[inline]
    pub(crate) fn enqueue(&self, lane: u16) {
        self.domains[usize::from(self.of[usize::from(lane)])].queue.insert(lane);
    }

    /// Owner: gives all these lanes to their queues.
    #[inline]
    pub(crate) fn enqueue_all(&self, lanes: LaneSet) {
        for domain in &self.domains {
            domain.queue.insert_all(LaneSet(lanes.0 & domain.lanes.0));
        }
    }

    /// Takes a lane out of a queue, looking at the domains from `domain` on and at the lanes from `from` on.
    #[inline]
    pub(crate) fn claim(&self, domain: u16, from: u16) -> Option<u16> {
        let (before, after) = self.domains.split_at(usize::from(domain).min(self.domains.len()));
        after.iter().chain(before).find_map(|d| d.queue.claim(LaneId(from)))
    }

    /// Takes this lane out of its queue; false if it was not there.
    pub(crate) fn claim_this(&self, lane: u16) -> bool {
        self.domains[usize::from(self.of[usize::from(lane)])].queue.remove(lane)
    }

    /// Whether a lane has work and no owner, at a glance.
    #[inline]
    pub(crate) fn queued(&self) -> bool {
        self.domains.iter().any(|d| !d.queue.is_empty())
    }

    /// The lanes that have work and no owner, at a glance.
    pub(crate) fn queue(&self) -> LaneSet {
        LaneSet(self.domains.iter().fold(0, |all, d| all | d.queue.peek()))
    }

    /// Owner: the lane has finished something.
    #[inline]
    pub(crate) fn report(&self, lane: u16) {
        self.domains[usize::from(self.of[usize::from(lane)])].news.insert(lane);
    }

    /// Takes the news of a domain.
    #[inline]
    pub(crate) fn take_news(&self, domain: u16) -> LaneSet {
        self.domains.get(usize::from(domain)).map_or(LaneSet::EMPTY, |d| d.news.take_all())
    }

    /// Whether a domain has news, at a glance.
    #[inline]
    pub(crate) fn has_news(&self, domain: u16) -> bool {
        self.domains.get(usize::from(domain)).is_some_and(|d| !d.news.is_empty())
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_one_domain() {
        let cores = Cores::new(prewire_a2a3::a2a3());
        for cluster in 0..24 {
            let domain = cores.domain(cluster);
            assert_eq!(domain, cluster % 3);
            assert_eq!(cores.domain(24 + 2 * cluster), domain);
            assert_eq!(cores.domain(24 + 2 * cluster + 1), domain);
        }
    }
}
