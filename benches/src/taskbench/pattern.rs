//! The dependence patterns of Task Bench: which points exist at a timestep, and which points of the timestep before each
//! needs. Defined here and, for the peers that are not written in Rust, in `benches/versus/taskbench.h`; a test compares
//! the two for every small width.
//!
//! The definitions are those of Slaughter et al., "Task Bench: A Parameterized Benchmark for Evaluating Parallel Runtime
//! Performance" (2020). `random_nearest` draws from a hash of our own, so its graph is of that family, not that very one.

use core::fmt;
use core::ops::Range;
use core::str::FromStr;

/// How many points `nearest` and its kin reach for.
pub const RADIX: u32 = 5;
/// After so many timesteps `spread` and `random_nearest` repeat.
pub const PERIOD: u32 = 3;
/// Of 2^32: how likely `random_nearest` takes a point that it may take: a quarter.
const CONNECTED: u64 = 1 << 30;

/// A dependence pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are those of the paper; `reach` says what each means")]
pub enum Pattern {
    Trivial,
    NoComm,
    Stencil1d,
    Stencil1dPeriodic,
    Dom,
    Tree,
    Fft,
    AllToAll,
    Nearest,
    Spread,
    RandomNearest,
}

impl Pattern {
    /// All of them, in the order of the paper.
    pub const ALL: [Self; 11] = [
        Self::Trivial,
        Self::NoComm,
        Self::Stencil1d,
        Self::Stencil1dPeriodic,
        Self::Dom,
        Self::Tree,
        Self::Fft,
        Self::AllToAll,
        Self::Nearest,
        Self::Spread,
        Self::RandomNearest,
    ];

    /// Its name on command lines and in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trivial => "trivial",
            Self::NoComm => "no_comm",
            Self::Stencil1d => "stencil_1d",
            Self::Stencil1dPeriodic => "stencil_1d_periodic",
            Self::Dom => "dom",
            Self::Tree => "tree",
            Self::Fft => "fft",
            Self::AllToAll => "all_to_all",
            Self::Nearest => "nearest",
            Self::Spread => "spread",
            Self::RandomNearest => "random_nearest",
        }
    }

    /// After how many timesteps the dependences repeat.
    #[must_use]
    pub fn sets(self, width: u32) -> u32 {
        match self {
            Self::Fft => width.next_power_of_two().ilog2().max(1),
            Self::Spread | Self::RandomNearest => PERIOD,
            _ => 1,
        }
    }

    /// Which of its sets of dependences holds at a timestep.
    #[must_use]
    pub fn set(self, width: u32, timestep: u32) -> u32 {
        let sets = self.sets(width);
        if self == Self::Fft { (timestep + sets - 1) % sets } else { timestep % sets }
    }

    /// The points that exist at a timestep of `steps`.
    #[must_use]
    pub fn points(self, width: u32, steps: u32, timestep: u32) -> Range<u32> {
        match self {
            // A diamond: a wave front grows from point 0 and ends at the last one.
            Self::Dom => {
                let first = (timestep + width).saturating_sub(steps);
                first..first + width.min(timestep + 1).min(steps - timestep)
            }
            Self::Tree => 0..width.min(1 << timestep.min(31)),
            _ => 0..width,
        }
    }

    /// Whether every timestep has all points.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        !matches!(self, Self::Dom | Self::Tree)
    }

    /// The points that `point` needs of the timestep before, distinct and ascending, if all existed there.
    #[must_use]
    pub fn reach(self, width: u32, set: u32, point: u32) -> Vec<u32> {
        let last = width - 1;
        let near = point.saturating_sub(RADIX / 2)..=(point + (RADIX - 1) / 2).min(last);
        let mut found: Vec<u32> = match self {
            Self::Trivial => Vec::new(),
            Self::NoComm => vec![point],
            Self::Stencil1d => (point.saturating_sub(1)..=(point + 1).min(last)).collect(),
            Self::Stencil1dPeriodic => vec![(point + last) % width, point, (point + 1) % width],
            Self::Dom => (point.saturating_sub(1)..=point).collect(),
            Self::Tree => vec![point / 2],
            Self::Fft => {
                let stride = 1 << set;
                let below = point.checked_sub(stride);
                let above = Some(point + stride).filter(|&above| above < width);
                below.into_iter().chain([point]).chain(above).collect()
            }
            Self::AllToAll => (0..width).collect(),
            Self::Nearest => near.collect(),
            Self::Spread => (0..RADIX)
                .map(|i| (point + i * width / RADIX + if i > 0 { set } else { 0 }) % width)
                .collect(),
            Self::RandomNearest => near.filter(|&from| from == point || drawn(set, from, point)).collect(),
        };
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// Whether `random_nearest` has the edge.
fn drawn(set: u32, from: u32, to: u32) -> bool {
    let mut bits = u64::from(set) << 48 ^ u64::from(from) << 24 ^ u64::from(to);
    // The finaliser of splitmix64.
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (bits ^ bits >> 31) >> 32 < CONNECTED
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|pattern| pattern.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no pattern {name:?}; there are {names}")
        })
    }
}
