//! All cores of a chip: who has work that nobody has taken up yet, and who has news for its scheduler domain.
//!
//! A lane is in one of the queues when, and only when, its gate is not 0 and nobody owns it: taking it out of the
//! queue is becoming its owner. There is a queue for each thread that may run cores, its stand: what its own polls
//! dispatch stays there, and others take from it when they have nothing of their own. Beside it lie the news that the
//! thread has left for its next poll. So threads that have enough to do touch no line of each other's for it.

use crate::bits::LaneBits;
use crate::error::Fault;
use crate::registers::{Core, Put};
use prewire_platform::{ChipSpec, LaneId, LaneSet, LaneStatus, Token, Work};
use prewire_runs::event;
use prewire_sync::Padded;
use std::sync::OnceLock;

/// What a scheduler domain shares with the threads that run its cores.
#[derive(Debug, Default)]
struct Domain {
    /// Which lanes it drives.
    lanes: LaneSet,
    /// Lanes that have finished something since the domain last asked, that no poll was told of directly and that are not
    /// left at a stand.
    news: Padded<LaneBits>,
}

/// What a thread that runs cores shares with the others. Workers with the same number modulo that of the stands have one
/// together.
#[derive(Debug, Default)]
struct Stand {
    /// Lanes that have work and no owner. Put in by workers of this stand, and into the first one by who is no worker; taken
    /// by anybody.
    queue: LaneBits,
    /// Lanes that have finished something, which a worker of this stand has left for its next poll. Taken by it, and by who
    /// tells all of them.
    left: LaneBits,
}

/// The most stands: who looks for work looks at each of them.
const MOST_STANDS: u16 = 16;

/// The cores.
#[derive(Debug)]
pub(crate) struct Cores {
    pub(crate) spec: ChipSpec,
    cores: Box<[Core]>,
    /// The domain of each lane.
    of: Box<[u8]>,
    domains: Box<[Domain]>,
    stands: Box<[Padded<Stand>]>,
    /// The first breach of the protocol.
    fault: OnceLock<Fault>,
}

impl Cores {
    /// The cores of a chip, for `threads` that run them at a time.
    pub(crate) fn new(spec: ChipSpec, threads: u16) -> Self {
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
        let stands = (0..threads.clamp(1, MOST_STANDS)).map(|_| Padded::default()).collect();
        let cores = cores.map(|_| Core::new(&spec)).collect();
        Self { cores, of, domains, stands, fault: OnceLock::new(), spec }
    }

    /// As after power-on, with the dispatch paths open. Only while nobody runs or dispatches.
    pub(crate) fn power_on(&self) {
        for core in &self.cores {
            core.reset(&self.spec);
            core.open(&self.spec);
        }
        for domain in &self.domains {
            let _ = domain.news.take_all();
        }
        for stand in &self.stands {
            let _ = (stand.queue.take_all(), stand.left.take_all());
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
            event!(error, %fault, "the dispatch protocol was breached");
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

    /// Which stand is that of the worker `number`.
    pub(crate) fn stand_of(&self, number: u16) -> u16 {
        number % self.stands.len() as u16
    }

    #[inline]
    fn stand(&self, stand: u16) -> &Stand {
        &self.stands[usize::from(stand)]
    }

    /// The other stands, from the next one on and around.
    fn stands_beside(&self, stand: u16) -> impl Iterator<Item = &Stand> {
        let (before, after) = self.stands.split_at(usize::from(stand) + 1);
        after.iter().chain(&before[..usize::from(stand)]).map(|stand| &**stand)
    }

    /// The lanes of a domain.
    fn lanes_of(&self, domain: u16) -> LaneSet {
        self.domains.get(usize::from(domain)).map_or(LaneSet::EMPTY, |d| d.lanes)
    }

    /// Owner: gives the lane to the queue of `stand`.
    #[inline]
    pub(crate) fn enqueue(&self, stand: u16, lane: u16) {
        self.stand(stand).queue.insert(lane);
    }

    /// Owner: gives all these lanes to that queue.
    #[inline]
    pub(crate) fn enqueue_all(&self, stand: u16, lanes: LaneSet) {
        self.stand(stand).queue.insert_all(lanes);
    }

    /// Takes a lane out of the queue of `stand`, one of `domain` if there is one, looking at the lanes from
    /// `from` on.
    #[inline]
    pub(crate) fn claim(&self, stand: u16, domain: u16, from: u16) -> Option<u16> {
        self.stand(stand).queue.claim(LaneId(from), self.lanes_of(domain))
    }

    /// Takes lanes of one domain out of the queue of another stand, half of those that are there: of
    /// `domain` if there are any.
    pub(crate) fn steal(&self, stand: u16, domain: u16) -> LaneSet {
        let half = |other: &Stand| {
            let queue = other.queue.peek();
            let mut lanes = LaneSet(queue & self.lanes_of(domain).0);
            if lanes.is_empty() && queue != 0 {
                lanes.0 = queue & self.lanes_of(self.domain(queue.trailing_zeros() as u16)).0;
            }
            for _ in 0..lanes.0.count_ones() / 2 {
                let _ = lanes.pop();
            }
            other.queue.take(lanes)
        };
        self.stands_beside(stand).map(half).find(|lanes| !lanes.is_empty()).unwrap_or(LaneSet::EMPTY)
    }

    /// Takes this lane out of its queue; false if it was not there.
    pub(crate) fn claim_this(&self, lane: u16) -> bool {
        self.stands.iter().any(|stand| stand.queue.remove(lane))
    }

    /// Whether a lane in the queue of `stand` has work and no owner, at a glance.
    #[inline]
    pub(crate) fn has_queued(&self, stand: u16) -> bool {
        !self.stand(stand).queue.is_empty()
    }

    /// Whether a lane has work and no owner, at a glance.
    #[inline]
    pub(crate) fn queued(&self) -> bool {
        self.stands.iter().any(|stand| !stand.queue.is_empty())
    }

    /// The lanes that have work and no owner, at a glance.
    pub(crate) fn queue(&self) -> LaneSet {
        LaneSet(self.stands.iter().fold(0, |all, stand| all | stand.queue.peek()))
    }

    /// Owner: the lane has finished something, which is left at `stand` for the next poll of its worker. Before what the caller
    /// looks at next with `SeqCst`.
    #[inline]
    pub(crate) fn leave(&self, stand: u16, lane: u16) {
        self.stand(stand).left.insert_first(lane);
    }

    /// Takes what was left of a domain at `stand`.
    #[inline]
    pub(crate) fn take_left(&self, stand: u16, domain: u16) -> LaneSet {
        self.stand(stand).left.take(self.lanes_of(domain))
    }

    /// Makes what was left of a domain at `stand` news for whoever polls it next: whether there was anything.
    pub(crate) fn report_left(&self, stand: u16, domain: u16) -> bool {
        let left = self.take_left(stand, domain);
        self.domains[usize::from(domain)].news.insert_all(left);
        !left.is_empty()
    }

    /// As [`report_left`](Cores::report_left), at all stands.
    pub(crate) fn report_all_left(&self, domain: u16) {
        for stand in 0..self.stands.len() as u16 {
            let _ = self.report_left(stand, domain);
        }
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

    /// Whether a domain has news that were told, at a glance.
    #[inline]
    pub(crate) fn is_told(&self, domain: u16) -> bool {
        self.domains.get(usize::from(domain)).is_some_and(|d| !d.news.is_empty())
    }

    /// Whether a domain has news, told or left, at a glance.
    #[inline]
    pub(crate) fn has_news(&self, domain: u16) -> bool {
        let left = |stand: &Stand| !stand.left.is_empty() && stand.left.peek() & self.lanes_of(domain).0 != 0;
        self.is_told(domain) || self.stands.iter().any(|stand| left(stand))
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_has_one_domain() {
        let cores = Cores::new(prewire_a2a3::a2a3(), 1);
        for cluster in 0..24 {
            let domain = cores.domain(cluster);
            assert_eq!(domain, cluster % 3);
            assert_eq!(cores.domain(24 + 2 * cluster), domain);
            assert_eq!(cores.domain(24 + 2 * cluster + 1), domain);
        }
    }
}
