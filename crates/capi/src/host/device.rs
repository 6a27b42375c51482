//! A device: its number, its chip, its callables, and the two places of its pipeline.
//!
//! Invariant: the chip is there as long as a place is taken; callables change only while none is.

use std::sync::Arc;

use prewire_abi::RuntimeEnv;

use super::callables::{Callables, Content};
use super::chips::Kept;
use super::error::HostError;
use super::memory::DeviceMemory;
use super::place::{Phase, Place};
use super::records::PIPELINE_DEPTH;
use super::sizes::Wanted;
use super::staging::Buffer;
use crate::context::Answering;

/// A simulated chip and what was made on it.
#[derive(Debug)]
pub(crate) struct Device {
    number: i32,
    callables: Callables,
    pub(crate) places: [Place; PIPELINE_DEPTH as usize],
    chip: Option<Kept>,
    /// How many chips were built so far.
    built: u64,
    /// The number of the last chip that was found to be lost, since a kernel did not return.
    lost: u64,
    /// Tells kernels that ask by name which core they are on. Dropped after the chip.
    _answering: Answering,
}

impl Device {
    /// Device `number`, with a chip for runs with these numbers if there are any.
    pub(crate) fn new(number: i32, prewarm: Option<&RuntimeEnv>) -> Result<Self, HostError> {
        let places = Default::default();
        let _answering = Answering::for_device(number);
        let callables = Callables::new();
        let mut device = Self { number, callables, places, chip: None, built: 0, lost: 0, _answering };
        if let Some(env) = prewarm {
            env.validate()?;
            device.chip_for(Wanted::of(env))?;
        }
        Ok(device)
    }

    /// Its number.
    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    fn taken(&self) -> usize {
        self.places.iter().filter(|place| !matches!(place.phase, Phase::Free)).count()
    }

    /// That no run is prepared or goes on.
    pub(crate) fn check_idle(&self) -> Result<(), HostError> {
        match self.taken() {
            0 => Ok(()),
            count => Err(HostError::Runs { count }),
        }
    }

    /// What has the number `id`.
    pub(crate) fn callable(&self, id: i32) -> Result<&Arc<Content>, HostError> {
        self.callables.find(id)
    }

    /// The callables, to change them.
    pub(crate) fn callables(&mut self) -> Result<&mut Callables, HostError> {
        self.check_idle()?;
        Ok(&mut self.callables)
    }

    /// How many callables were registered so far.
    pub(crate) fn registered(&self) -> usize {
        self.callables.given()
    }

    /// A chip for runs that want `wanted`: the one that there is, or a new one in its place.
    ///
    /// # Errors
    ///
    /// The one that there is has runs, and is not lost; or none can be built.
    pub(crate) fn chip_for(&mut self, wanted: Wanted) -> Result<&Kept, HostError> {
        if !self.chip.as_ref().is_some_and(|chip| chip.serves(&wanted)) {
            // No run goes on a lost chip any more, and those that are prepared for it get the new one.
            let lost = self.chip.as_ref().is_some_and(Kept::is_lost);
            if self.taken() > 0 && !lost {
                return Err(HostError::Incompatible);
            }
            self.drop_chip();
            self.built += 1;
            self.chip = Some(Kept::build(wanted, self.built)?);
        }
        self.chip.as_ref().ok_or(HostError::NotInitialised)
    }

    fn drop_chip(&mut self) {
        self.callables.unbind();
        self.chip = None;
    }

    /// If the chip was lost, keeps everything of `memory` that its kernels may still reach, once: what is there stays for
    /// good, and the places stage through other buffers. To be called before anything of `memory` is freed.
    pub(crate) fn heed_loss(&mut self, memory: &DeviceMemory) {
        if let Some(chip) = &self.chip
            && chip.is_lost()
            && self.lost != chip.number
        {
            self.lost = chip.number;
            memory.keep();
            for place in &mut self.places {
                place.buffer = Buffer::default();
            }
        }
    }

    /// The chip, if one was built.
    pub(crate) fn chip(&self) -> Option<&Kept> {
        self.chip.as_ref()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Kernels first, then the chip that they are on, then the libraries that they are in.
        self.drop_chip();
    }
}
