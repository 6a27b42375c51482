//! A device: its number, its chip, and what was made on it.

use prewire_abi::RuntimeEnv;

use super::chips::Kept;
use super::error::HostError;
use super::sizes::Wanted;

/// A simulated chip and what was made on it.
#[derive(Debug)]
pub(crate) struct Device {
    number: i32,
    chip: Option<Kept>,
}

impl Device {
    /// Device `number`, with a chip for runs with these numbers if there are any.
    pub(crate) fn new(number: i32, prewarm: Option<&RuntimeEnv>) -> Result<Self, HostError> {
        let chip = match prewarm {
            Some(env) => {
                env.validate()?;
                Some(Kept::build(Wanted::of(env), 0)?)
            }
            None => None,
        };
        Ok(Self { number, chip })
    }

    /// Its number.
    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// That no run is prepared or goes on.
    pub(crate) fn check_idle(&self) -> Result<(), HostError> {
        Ok(())
    }

    /// Bytes of the heaps of its chip, if it has been built.
    pub(crate) fn heaps(&self) -> u64 {
        self.chip.as_ref().map_or(0, Kept::heaps)
    }
}
