//! The chip of a device. Invariant: there is one at a time, with the sizes that the last run asked for; it is built anew
//! for a run that wants others, and only while no other run needs it.

use std::sync::Arc;

use prewire_abi::Arch;
use prewire_chip::{Chip, Hazards};

use super::error::HostError;
use super::log;
use super::sizes::Wanted;
use crate::arch::arch;

/// How many clusters the simulator gives a program, unless a chip has fewer.
const CLUSTERS: u16 = 8;

/// A chip, and what it was built for.
#[derive(Debug)]
pub(crate) struct Kept {
    wanted: Wanted,
    chip: Arc<Chip>,
    /// Tells the chips of a device apart: kernels are bound to one of them.
    pub(crate) number: u64,
}

impl Kept {
    /// Builds a chip for `wanted`.
    pub(crate) fn build(wanted: Wanted, number: u64) -> Result<Self, HostError> {
        let spec = match arch() {
            Arch::A2a3 => prewire_a2a3::a2a3(),
            Arch::A5 => prewire_a5::a5(),
        };
        let chip = Chip::sim(spec)
            .clusters(CLUSTERS.min(spec.clusters))
            .hazards(Hazards::RawWaw)
            .rings(wanted.rings)
            .stall_timeout(wanted.timeout)
            .build()?;
        log::debug("chip", format_args!("built {} for {wanted:?}", spec.name));
        Ok(Self { wanted, chip: Arc::new(chip), number })
    }

    /// Whether runs that want `wanted` can go on it.
    pub(crate) fn serves(&self, wanted: &Wanted) -> bool {
        self.wanted == *wanted && !self.is_lost()
    }

    /// Whether a kernel of it did not return, so that nothing runs on it any more.
    pub(crate) fn is_lost(&self) -> bool {
        self.chip.lost().is_some()
    }

    /// The chip.
    pub(crate) fn chip(&self) -> &Arc<Chip> {
        &self.chip
    }

    /// Bytes of the heaps of all rings.
    pub(crate) fn heaps(&self) -> u64 {
        self.wanted.rings.heap.iter().sum()
    }
}
