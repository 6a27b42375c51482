//! The cores: each with a condition word, a gate that counts what it has not finished, and two places for work.
//!
//! Shuttle executes everything sequentially consistent, so the orderings are all relaxed here. The places are behind a
//! lock of the standard library that is never held over an operation at which shuttle may change threads.

use std::collections::VecDeque;
use std::sync::Mutex;

use prewire_os::Event;
use prewire_platform::{ChipSpec, LaneId, LaneSet, LaneStatus, Lanes, Token, Work};
use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[derive(Debug)]
struct Core {
    /// Raised by the dispatcher, lowered by the core.
    gate: AtomicU32,
    /// Written by the core.
    condition: AtomicU32,
    /// Filled by the dispatcher, emptied by the core.
    places: Mutex<VecDeque<(Token, Work)>>,
    /// Where the core waits for work.
    wake: Event,
}

/// The cores of a chip.
#[derive(Debug)]
pub(crate) struct Cores {
    spec: ChipSpec,
    cores: Vec<Core>,
    /// By domain, the lanes that have something to tell. Raised by cores, taken by pollers.
    news: Vec<AtomicU64>,
}

impl Cores {
    pub(crate) fn new(spec: ChipSpec) -> Self {
        let core = |_| Core {
            gate: AtomicU32::new(0),
            condition: AtomicU32::new(spec.tokens.core_idle),
            places: Mutex::default(),
            wake: Event::new(),
        };
        Self {
            spec,
            cores: (0..spec.cores()).map(core).collect(),
            news: (0..spec.domains).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn core(&self, lane: u16) -> &Core {
        &self.cores[usize::from(lane)]
    }

    /// The domain of a lane.
    pub(crate) fn domain(&self, lane: u16) -> u16 {
        let n = self.spec.clusters;
        let cluster = if lane < n { lane } else { (lane - n) / 2 };
        cluster % self.spec.domains
    }

    /// Waits until `lane` has work; false when `stop` says so before.
    pub(crate) fn wait(&self, lane: u16, stop: impl Fn() -> bool) -> bool {
        let core = self.core(lane);
        let look =
            || (core.gate.load(Ordering::Relaxed) != 0).then_some(true).or_else(|| stop().then_some(false));
        core.wake.wait_until(None, look) == Some(true)
    }

    /// Takes up the next work of `lane`.
    pub(crate) fn take(&self, lane: u16) -> (Token, Work) {
        let core = self.core(lane);
        let (token, work) = core.places.lock().unwrap().pop_front().expect("the gate counts what is there");
        core.condition.store(token.0, Ordering::Relaxed);
        (token, work)
    }

    /// Says that `token` has finished.
    pub(crate) fn finish(&self, lane: u16, token: Token) {
        self.core(lane).condition.store(token.0 | self.spec.tokens.finished_bit, Ordering::Relaxed);
        self.news[usize::from(self.domain(lane))].fetch_or(1 << lane, Ordering::Relaxed);
    }

    /// One work is done with; true when there is another.
    pub(crate) fn release(&self, lane: u16) -> bool {
        self.core(lane).gate.fetch_sub(1, Ordering::Relaxed) != 1
    }

    /// Wakes every core.
    pub(crate) fn wake_all(&self) {
        for core in &self.cores {
            core.wake.notify_all();
        }
    }

    /// Whether no work waits for any core. One that has just finished may still be about to say so.
    pub(crate) fn are_empty(&self) -> bool {
        self.cores.iter().all(|core| core.places.lock().unwrap().is_empty())
    }
}

impl Lanes for Cores {
    fn dispatch(&self, lane: LaneId, token: Token, work: Work) {
        let core = self.core(lane.0);
        {
            let mut places = core.places.lock().unwrap();
            assert!(places.len() < 2, "lane {} has a running and a pending place, no third", lane.0);
            places.push_back((token, work));
        }
        if core.gate.fetch_add(1, Ordering::Relaxed) == 0 {
            core.wake.notify_one();
        }
    }

    fn status(&self, lane: LaneId) -> LaneStatus {
        let word = self.core(lane.0).condition.load(Ordering::Relaxed);
        let tokens = &self.spec.tokens;
        if word == tokens.core_idle {
            LaneStatus::Idle
        } else if word & tokens.finished_bit != 0 {
            LaneStatus::Finished(Token(word & !tokens.finished_bit))
        } else {
            LaneStatus::Running(Token(word))
        }
    }

    fn take_news(&self, domain: u16) -> LaneSet {
        LaneSet(self.news[usize::from(domain)].swap(0, Ordering::Relaxed).into())
    }

    fn kick(&self) {}
}
