//! Requests for the memory of a chip that is a child.

use prewire_abi::BufferDescriptor;
use prewire_chip::{DeviceAddr, Error, SharedError};
use prewire_mailbox::ANSWER_BYTES;

use super::chip::ChipSeat;
use super::control::{Code, Said};
use super::outcome::{BROKEN, Refused, SAID, refuse};
use crate::plan::Plan;

fn broken(what: &str) -> Refused {
    Refused { code: BROKEN, text: format!("the request {what}") }
}

impl ChipSeat {
    /// Does what is asked for with memory of the chip.
    pub(super) fn answer(
        &self,
        plan: &Plan,
        code: Code,
        args: [u64; 4],
        bytes: &[u8],
    ) -> Result<Said, Refused> {
        let chip = self.chip();
        let failed = |error: Error| refuse(SAID, &error);
        if code == Code::Malloc {
            let at = chip.allocate(args[0]).map_err(failed)?;
            return Ok(Said { results: [at.addr(), at.serial(), self.life().into(), 0], ..Said::default() });
        }
        let [addr, serial, life, start] = args;
        if life != u64::from(self.life()) {
            return Err(failed(SharedError::NotAllocated { addr, serial }.into()));
        }
        let at = DeviceAddr::new(addr, serial);
        let mut said = Said::default();
        match code {
            Code::Free => chip.free(at),
            Code::Write => chip.copy_to(at, start, bytes),
            Code::Read => {
                let len = bytes.try_into().map(u64::from_ne_bytes).map_err(|_| broken("has no length"))?;
                let len = usize::try_from(len).ok().filter(|len| *len <= ANSWER_BYTES);
                said.bytes = vec![0; len.ok_or_else(|| broken("asks for more than an answer holds"))?];
                chip.copy_from(at, start, &mut said.bytes)
            }
            Code::Upload | Code::Download => {
                let buffer = bytemuck::try_pod_read_unaligned::<BufferDescriptor>(bytes);
                let buffer = buffer.map_err(|_| broken("has no descriptor"))?;
                let found = plan.segments.range(&buffer).map_err(|error| failed(error.into()))?;
                let (memory, range) = found;
                if code == Code::Upload {
                    chip.upload(at, start, memory, range)
                } else if buffer.access().is_ok_and(|access| access.can_write()) {
                    chip.download(at, start, memory, range)
                } else {
                    Err(SharedError::ReadOnly.into())
                }
            }
            _ => return Err(broken("is none of a chip's memory")),
        }
        .map_err(failed)?;
        Ok(said)
    }
}
