//! What the simulator has done: counters that each worker keeps for itself.

use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU64, Ordering};

/// A look at a simulator. The counts run on over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SimStats {
    /// Threads that there are: workers, the watchman, and in seeded mode the stacks of kernels that may block.
    pub threads: u16,
    /// The most that there were at one time.
    pub peak_threads: u16,
    /// Workers that are parked.
    pub parked: u16,
    /// Kernels that are blocked in [`wait_for_peer`](crate::Sim::wait_for_peer).
    pub blocked: u16,
    /// Sub-tasks that have been taken up.
    pub executed: u64,
    /// Sub-tasks whose kernels have returned.
    pub returned: u64,
    /// Polls of scheduler domains by the simulator.
    pub polls: u64,
    /// How often the pool grew because its threads got nowhere.
    pub grown: u64,
}

/// The counters of one worker. Written by it alone.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Sub-tasks taken up.
    executed: AtomicU64,
    /// Sub-tasks that have returned.
    returned: AtomicU64,
    /// Polls of domains.
    polls: AtomicU64,
}

/// One set of counters a worker.
pub(crate) type AllCounters = Box<[Padded<Counters>]>;

/// Counters for `workers` workers, all zero.
pub(crate) fn counters(workers: u16) -> AllCounters {
    (0..workers).map(|_| Padded::new(Counters::default())).collect()
}

/// The only writer adds one.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn executes(&self) {
        bump(&self.executed);
    }

    pub(crate) fn returns(&self) {
        bump(&self.returned);
    }

    /// Sub-tasks taken up, and whether the last one has not returned.
    pub(crate) fn in_kernel(&self) -> (u64, bool) {
        let executed = self.executed.load(Ordering::Relaxed);
        (executed, self.returned.load(Ordering::Relaxed) != executed)
    }

    pub(crate) fn polls(&self) {
        bump(&self.polls);
    }
}

/// Sub-tasks taken up by all workers.
pub(crate) fn executed(all: &AllCounters) -> u64 {
    all.iter().map(|c| c.executed.load(Ordering::Relaxed)).sum()
}

/// Sub-tasks whose kernels have returned, of all workers.
pub(crate) fn returned(all: &AllCounters) -> u64 {
    all.iter().map(|c| c.returned.load(Ordering::Relaxed)).sum()
}

/// Polls by all workers.
pub(crate) fn polls(all: &AllCounters) -> u64 {
    all.iter().map(|c| c.polls.load(Ordering::Relaxed)).sum()
}
