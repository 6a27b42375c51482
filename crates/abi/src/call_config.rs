//! How one run is to be carried out: threads, diagnostics, ring sizes.

use crate::RINGS;
use core::fmt;
use core::mem::{align_of, offset_of, size_of};

/// Sizes of the rings, one number a ring; 0 asks for the default. 96 bytes.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct RuntimeEnv {
    /// Slots of the task window: a power of two from 4 to `i32::MAX`.
    pub ring_task_window: [u64; RINGS],
    /// Bytes of the heap ring: 1024 and more.
    pub ring_heap: [u64; RINGS],
    /// Entries of the dependency pool: 4 to `i32::MAX`.
    pub ring_dep_pool: [u64; RINGS],
}

const _: () = assert!(size_of::<RuntimeEnv>() == 96 && align_of::<RuntimeEnv>() == 8);
const _: () = assert!(offset_of!(RuntimeEnv, ring_task_window) == 0);
const _: () = assert!(offset_of!(RuntimeEnv, ring_heap) == 32);
const _: () = assert!(offset_of!(RuntimeEnv, ring_dep_pool) == 64);

impl RuntimeEnv {
    /// Checks every number that is not 0.
    ///
    /// # Errors
    ///
    /// The first that is out of its range, with its ring.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const MAX: u64 = i32::MAX as u64;
        let check = |field, numbers: [u64; RINGS], allowed, good: fn(u64) -> bool| match numbers
            .iter()
            .position(|&n| n != 0 && !good(n))
        {
            Some(ring) => Err(ConfigError::Ring { field, ring, value: numbers[ring], allowed }),
            None => Ok(()),
        };
        check("ring_task_window", self.ring_task_window, "a power of two from 4 to 2147483647", |n| {
            (4..=MAX).contains(&n) && n.is_power_of_two()
        })?;
        check("ring_heap", self.ring_heap, "1024 bytes and more", |n| n >= 1024)?;
        check("ring_dep_pool", self.ring_dep_pool, "4 to 2147483647 entries", |n| (4..=MAX).contains(&n))
    }
}

/// What a run records about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Diagnostic {
    /// The timeline of the cores.
    ChipSwimlane,
    /// The arguments of chosen tasks.
    DumpArgs,
    /// The counters of the cores.
    Pmu,
    /// The edges of the graph.
    DepGen,
    /// How full the rings of each scope became.
    ScopeStats,
}

impl Diagnostic {
    /// All of them, in the order of the record.
    pub const ALL: [Self; 5] =
        [Self::ChipSwimlane, Self::DumpArgs, Self::Pmu, Self::DepGen, Self::ScopeStats];

    /// The name of its field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChipSwimlane => "enable_chip_swimlane",
            Self::DumpArgs => "enable_dump_args",
            Self::Pmu => "enable_pmu",
            Self::DepGen => "enable_dep_gen",
            Self::ScopeStats => "enable_scope_stats",
        }
    }
}

/// Bytes of the output prefix, its final 0 included.
const PREFIX: usize = 1024;

/// The configuration of a run. 1144 bytes, aligned to 1.
///
/// ```
/// use prewire_abi::{CallConfig, Diagnostic, RuntimeEnv};
///
/// let mut config = CallConfig::default();
/// config.set_runtime_env(RuntimeEnv { ring_task_window: [64, 0, 0, 0], ..RuntimeEnv::default() });
/// config.validate()?;
///
/// config.set_diagnostic(Diagnostic::Pmu, 1);
/// assert!(config.validate().is_err(), "nowhere to write to");
/// config.set_output_prefix("out/run-1")?;
/// config.validate()?;
/// # Ok::<(), prewire_abi::ConfigError>(())
/// ```
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C, packed)]
pub struct CallConfig {
    aicpu_thread_num: i32,
    enable: [i32; 5],
    runtime_env: RuntimeEnv,
    output_prefix: [u8; PREFIX],
}

const _: () = assert!(size_of::<CallConfig>() == 1144 && align_of::<CallConfig>() == 1);
const _: () = assert!(offset_of!(CallConfig, aicpu_thread_num) == 0);
// One i32 a diagnostic: swimlane 4, arguments 8, counters 12, edges 16, scopes 20.
const _: () = assert!(offset_of!(CallConfig, enable) == 4);
const _: () = assert!(offset_of!(CallConfig, runtime_env) == 24);
const _: () = assert!(offset_of!(CallConfig, output_prefix) == 120);

/// Why a configuration was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// Too few threads.
    Threads {
        /// How many were asked for.
        value: i32,
    },
    /// A diagnostic without a place for what it records.
    NoPrefix {
        /// The diagnostic.
        diagnostic: Diagnostic,
    },
    /// The prefix is too long, or has no final 0.
    PrefixLen {
        /// Its bytes.
        len: usize,
        /// How many there may be.
        max: usize,
    },
    /// The prefix is no text, or holds a 0.
    PrefixText {
        /// Where the first bad byte is in it.
        at: usize,
    },
    /// A size of a ring is out of its range.
    Ring {
        /// The field.
        field: &'static str,
        /// The ring.
        ring: usize,
        /// What it holds.
        value: u64,
        /// What it may hold, in words.
        allowed: &'static str,
    },
    /// The record has another size.
    Size {
        /// How many bytes there are.
        have: usize,
        /// How many it has.
        need: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("call config: ")?;
        match *self {
            Self::Threads { value } => write!(
                f,
                "aicpu_thread_num is {value}; allowed are 0 (the chip's own) and 2 and more: one submits, the \
                 others schedule"
            ),
            Self::NoPrefix { diagnostic } => {
                write!(f, "{} is on and output_prefix is empty; say where to write", diagnostic.name())
            }
            Self::PrefixLen { len, max } => {
                write!(f, "output_prefix has {len} bytes; allowed are {max}; choose a shorter path")
            }
            Self::PrefixText { at } => {
                write!(f, "output_prefix is no text at byte {at}; allowed is UTF-8 without the byte 0")
            }
            Self::Ring { field, ring, value, allowed } => {
                write!(f, "{field}[{ring}] is {value}; allowed are 0 (the default) and {allowed}")
            }
            Self::Size { have, need } => {
                write!(f, "{have} bytes where the record has {need}; was it written by another version?")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

impl CallConfig {
    /// Reads the record from the start of `bytes`, at any alignment. It is not checked.
    ///
    /// # Errors
    ///
    /// Too few bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, ConfigError> {
        let need = size_of::<Self>();
        let short = ConfigError::Size { have: bytes.len(), need };
        bytes.get(..need).and_then(|b| bytemuck::try_pod_read_unaligned(b).ok()).ok_or(short)
    }

    /// Threads of the management processor: 0 for the chip's own number.
    #[must_use]
    pub const fn aicpu_thread_num(&self) -> i32 {
        self.aicpu_thread_num
    }

    /// Asks for `threads`: one submits, the others schedule.
    pub const fn set_aicpu_thread_num(&mut self, threads: i32) {
        self.aicpu_thread_num = threads;
    }

    /// The level of a diagnostic; 0 is off.
    #[must_use]
    pub const fn diagnostic(&self, which: Diagnostic) -> i32 {
        let levels = self.enable;
        levels[which as usize]
    }

    /// Sets the level of a diagnostic; 0 is off.
    pub const fn set_diagnostic(&mut self, which: Diagnostic, level: i32) {
        let mut levels = self.enable;
        levels[which as usize] = level;
        self.enable = levels;
    }

    /// The sizes of the rings.
    #[must_use]
    pub const fn runtime_env(&self) -> RuntimeEnv {
        self.runtime_env
    }

    /// Sets the sizes of the rings.
    pub const fn set_runtime_env(&mut self, env: RuntimeEnv) {
        self.runtime_env = env;
    }

    /// Where diagnostics are written: the start of the paths of files.
    ///
    /// # Errors
    ///
    /// In a record that arrived from outside: no final 0, or no text.
    pub fn output_prefix(&self) -> Result<&str, ConfigError> {
        let len = self.output_prefix.iter().position(|&b| b == 0);
        let len = len.ok_or(ConfigError::PrefixLen { len: PREFIX, max: PREFIX - 1 })?;
        core::str::from_utf8(&self.output_prefix[..len])
            .map_err(|error| ConfigError::PrefixText { at: error.valid_up_to() })
    }

    /// Says where diagnostics are written.
    ///
    /// # Errors
    ///
    /// More than 1023 bytes, or a byte 0. Nothing is changed then.
    pub fn set_output_prefix(&mut self, prefix: &str) -> Result<(), ConfigError> {
        let (len, max) = (prefix.len(), PREFIX - 1);
        if len > max {
            return Err(ConfigError::PrefixLen { len, max });
        }
        if let Some(at) = prefix.bytes().position(|b| b == 0) {
            return Err(ConfigError::PrefixText { at });
        }
        self.output_prefix = [0; PREFIX];
        self.output_prefix[..len].copy_from_slice(prefix.as_bytes());
        Ok(())
    }

    /// Checks the whole record.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong: 1 thread or a negative number of them; a prefix without a final 0 or that is
    /// no text; a diagnostic without a prefix; a size of a ring out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let value = self.aicpu_thread_num();
        if value < 0 || value == 1 {
            return Err(ConfigError::Threads { value });
        }
        if self.output_prefix()?.is_empty()
            && let Some(diagnostic) = Diagnostic::ALL.into_iter().find(|&d| self.diagnostic(d) != 0)
        {
            return Err(ConfigError::NoPrefix { diagnostic });
        }
        self.runtime_env().validate()
    }
}

impl Default for CallConfig {
    fn default() -> Self {
        bytemuck::Zeroable::zeroed()
    }
}

impl fmt::Debug for CallConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("CallConfig");
        out.field("aicpu_thread_num", &self.aicpu_thread_num());
        for diagnostic in Diagnostic::ALL {
            out.field(diagnostic.name(), &self.diagnostic(diagnostic));
        }
        out.field("runtime_env", &self.runtime_env()).field("output_prefix", &self.output_prefix()).finish()
    }
}

#[cfg(test)]
mod tests;
