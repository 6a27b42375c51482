//! How a simulated chip runs: threads, mode, memory. Plain data with defaults; checked when the simulator is made.

use crate::SimError;
use core::time::Duration;
use prewire_platform::ChipSpec;

/// Who runs the cores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Mode {
    /// A pool of threads.
    #[default]
    Pool,
    /// Whoever calls [`step`](crate::Sim::step), one thing at a time, in an order drawn from the seed.
    Seeded {
        /// The same seed and the same calls give the same order.
        seed: u64,
    },
}

/// How a simulated chip runs.
///
/// ```
/// use prewire_sim::{Mode, SimConfig};
///
/// let config = SimConfig::default().threads(2).mode(Mode::Seeded { seed: 7 });
/// assert_eq!(config.threads, Some(2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimConfig {
    /// Threads that run cores at the same time. `None`: one a processor, at most one a core.
    pub threads: Option<u16>,
    /// Threads that there may be when kernels block: at least `threads`. `None`: one a core.
    pub max_threads: Option<u16>,
    /// Who runs the cores.
    pub mode: Mode,
    /// Bytes of device memory that may be allocated at the same time. Untouched bytes cost nothing.
    pub memory_limit: u64,
    /// Bytes of memory that the machine has: device memory beyond that is refused, though untouched bytes cost nothing.
    /// `None`: nothing is refused for that.
    pub machine_memory: Option<u64>,
    /// How long a core that has work waits for a busy pool before the pool grows by one thread.
    pub grow_after: Duration,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self {
            threads: None,
            max_threads: None,
            mode: Mode::Pool,
            memory_limit: 64 << 30,
            machine_memory: None,
            grow_after: Duration::from_millis(2),
        }
    }
}

impl SimConfig {
    /// Sets [`threads`](SimConfig::threads).
    #[must_use]
    pub fn threads(mut self, threads: u16) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Sets [`max_threads`](SimConfig::max_threads).
    #[must_use]
    pub fn max_threads(mut self, max_threads: u16) -> Self {
        self.max_threads = Some(max_threads);
        self
    }

    /// Sets [`mode`](SimConfig::mode).
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets [`memory_limit`](SimConfig::memory_limit).
    #[must_use]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Sets [`machine_memory`](SimConfig::machine_memory).
    #[must_use]
    pub fn machine_memory(mut self, bytes: Option<u64>) -> Self {
        self.machine_memory = bytes;
        self
    }

    /// Sets [`grow_after`](SimConfig::grow_after).
    #[must_use]
    pub fn grow_after(mut self, time: Duration) -> Self {
        self.grow_after = time;
        self
    }

    /// The numbers of threads for `spec`: (at the same time, at most).
    pub(crate) fn resolve(&self, spec: &ChipSpec) -> Result<(u16, u16), SimError> {
        let cores = spec.cores();
        let most = self.max_threads.unwrap_or(cores);
        if most == 0 || most > cores {
            return Err(SimError::Config {
                field: "max_threads",
                given: most.into(),
                low: 1,
                high: cores.into(),
            });
        }
        let processors = u16::try_from(prewire_os::process::available_processors()).unwrap_or(u16::MAX);
        let threads = self.threads.unwrap_or(processors.min(most));
        if threads == 0 || threads > most {
            return Err(SimError::Config {
                field: "threads",
                given: threads.into(),
                low: 1,
                high: most.into(),
            });
        }
        if self.grow_after.is_zero() {
            return Err(SimError::Config {
                field: "grow_after (nanoseconds)",
                given: 0,
                low: 1,
                high: u64::MAX,
            });
        }
        Ok((threads, most))
    }
}
