//! A device context: a simulated chip as a front end holds it. Invariant: what a context has taken of the process (memory,
//! threads, mappings, libraries) is given back when its device is finalized.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_abi::RuntimeEnv;

use super::device::Device;
use super::error::HostError;
use super::memory::{Cleared, DeviceMemory};
use super::{events, log};
use crate::arch::arch;

/// A device context.
#[derive(Debug)]
pub(crate) struct Context {
    /// Its own lock, so that copies go on while a run is prepared.
    pub(crate) memory: DeviceMemory,
    device: Mutex<Option<Device>>,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self { memory: DeviceMemory::default(), device: Mutex::new(None) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Device>> {
        // What is panicked in is whole between its steps: a run that was not noted is not there.
        self.device.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `body` with the device, alone.
    ///
    /// # Errors
    ///
    /// There is none, or what `body` says.
    pub(crate) fn with<T>(
        &self,
        body: impl FnOnce(&mut Device) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        body(self.lock().as_mut().ok_or(HostError::NotInitialised)?)
    }

    /// What `read` finds of the device, or `none` without one.
    pub(crate) fn look<T>(&self, none: T, read: impl FnOnce(&Device) -> T) -> T {
        self.lock().as_ref().map_or(none, read)
    }

    /// Attaches device `number`, with a chip for runs with these numbers if there are any.
    pub(crate) fn initialise(&self, number: i32, prewarm: Option<&RuntimeEnv>) -> Result<(), HostError> {
        if number < 0 {
            return Err(HostError::Device { device: number });
        }
        events::listen();
        let mut device = self.lock();
        if let Some(device) = &*device {
            return Err(HostError::Initialised { device: device.number() });
        }
        *device = Some(Device::new(number, prewarm)?);
        let version = env!("CARGO_PKG_VERSION");
        log::timing("simpler_init", format_args!("prewire {version}, {}, device {number}", arch().name()));
        Ok(())
    }

    /// Gives back all that the device holds. Without a device there is nothing to do.
    pub(crate) fn finalize(&self) -> Result<(), HostError> {
        let mut held = self.lock();
        if let Some(device) = &mut *held {
            device.check_idle()?;
            device.heed_loss(&self.memory);
        }
        // The chip ends here, and with it the last that may look at memory, unless a kernel never returned.
        *held = None;
        drop(held);
        let Cleared { freed, stay } = self.memory.clear();
        if stay > 0 {
            let why = "a kernel that was given up may still reach them";
            log::warn(
                "finalize_device",
                format_args!("{stay} allocations stay as long as the process: {why}"),
            );
        }
        if freed > 0 {
            log::info("finalize_device", format_args!("{freed} allocations were left, and are freed"));
        }
        Ok(())
    }

    /// Frees device memory.
    pub(crate) fn free(&self, addr: usize) -> Result<(), HostError> {
        if let Some(device) = &mut *self.lock() {
            device.heed_loss(&self.memory);
        }
        self.memory.free(addr)
    }
}
