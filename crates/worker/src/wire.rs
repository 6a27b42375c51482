//! Arguments on their way to a child: from addresses of this process to segments, offsets and views.
//!
//! **Invariant: no address of this process means anything in another.** A tensor travels as the identity of its segment, a
//! place in it and a view. Device memory of a chip is named by the chip's own address, and travels to that chip only;
//! here its addresses have the number of the child in their top bits, so that no two memories meet in the tensor map.

use std::sync::Arc;

use prewire_abi::{
    AccessMode, BackendKind, BlobError, BlobWriter, BufferDescriptor, BufferIdentity, ChipTensor, Tensor,
    TensorArgType,
};
use prewire_chip::Segments;
use prewire_mailbox::BLOB_BYTES;
use prewire_orchestrator::{ArgTensor, Record};
use prewire_platform::LaneId;

use crate::devices::{self, Devices};
use crate::submit::Member;

/// A segment, as it is mapped here and as its owner calls it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// The address of its first byte here.
    here: u64,
    len: u64,
    identity: BufferIdentity,
    /// The address of its first byte for its owner.
    origin: u64,
}

/// Translates what a worker sends.
#[derive(Debug)]
pub(crate) struct Wire {
    /// By address.
    segments: Vec<Segment>,
    devices: Arc<Devices>,
}

/// Whether so many arguments fit into a message.
pub(crate) fn fits(tensors: usize, scalars: usize) -> Result<(), String> {
    let bytes = BlobWriter::bytes(tensors, scalars);
    if bytes <= BLOB_BYTES {
        return Ok(());
    }
    Err(format!(
        "its {tensors} tensors and {scalars} scalars take {bytes} bytes, and a message holds {BLOB_BYTES}; split the \
         task, or put the scalars into a tensor"
    ))
}

impl Wire {
    pub(crate) fn new(segments: &Segments, devices: &Arc<Devices>) -> Self {
        let mut segments: Vec<_> = segments
            .iter()
            .map(|(identity, origin, memory)| Segment {
                here: memory.addr(),
                len: memory.len(),
                identity,
                origin,
            })
            .collect();
        segments.sort_unstable_by_key(|segment| segment.here);
        Self { segments, devices: Arc::clone(devices) }
    }

    fn segment(&self, addr: u64) -> Option<&Segment> {
        let after = self.segments.partition_point(|segment| segment.here <= addr);
        let segment = self.segments[..after].last()?;
        (addr - segment.here < segment.len).then_some(segment)
    }

    /// Whether a child, or any SUB worker, can reach a tensor.
    pub(crate) fn reaches<'n>(
        &self,
        lane: Option<LaneId>,
        tensor: &ChipTensor,
        name: &dyn Fn(LaneId) -> &'n str,
    ) -> Result<(), String> {
        if tensor.numel() == 0 {
            return Err("has no elements, so there is nothing to send".into());
        }
        match devices::owner(tensor.buffer_addr()) {
            Some(owner) if lane != Some(owner) => {
                let owner = name(owner);
                Err(format!(
                    "is device memory of {owner}, which nobody else reaches; run the task there, or copy it to shared \
                     memory"
                ))
            }
            None if self.segment(tensor.start_addr()).is_none() => {
                Err("is not in memory that the children share; make it with the worker's tensor or zeros"
                    .into())
            }
            _ => Ok(()),
        }
    }

    /// Writes the arguments of a member to the start of `room`: their bytes.
    pub(crate) fn write(
        &self,
        room: &mut [u8],
        record: &Record<'_>,
        member: Option<Member>,
    ) -> Result<usize, BlobError> {
        let Some(member) = member else { return BlobWriter::new(room, 0, 0)?.finish() };
        let ((first, tensors), (from, scalars)) = (member.tensors, member.scalars);
        let mut writer = BlobWriter::new(room, tensors, scalars)?;
        let mut places = record.scalar_words().skip(member.places);
        for arg in record.tensor_args().skip(first).take(tensors) {
            let (Some(offset), Some(bytes)) = (places.next(), places.next()) else { break };
            // One that cannot be described is left out, and the blob is not finished then.
            if let Some(tensor) = self.describe(&arg, offset, bytes) {
                writer.tensor(&tensor)?;
            }
        }
        for scalar in record.scalar_words().skip(from).take(scalars) {
            writer.scalar(scalar)?;
        }
        writer.finish()
    }

    /// A tensor as it travels: its whole buffer, of `bytes`, and the view that begins `offset` bytes into it. All of it was
    /// checked at submit.
    fn describe(&self, arg: &ArgTensor, offset: u64, bytes: u64) -> Option<Tensor> {
        let access = match arg.tag {
            TensorArgType::Input => AccessMode::Read,
            TensorArgType::Output | TensorArgType::OutputExisting => AccessMode::Write,
            TensorArgType::InOut | TensorArgType::NoDep => AccessMode::ReadWrite,
        };
        let (shape, strides) = (&arg.shape[..arg.ndims], &arg.strides[..arg.ndims]);
        let start = arg.addr - offset;
        let buffer = match devices::owner(start) {
            Some(_) => {
                let place = self.devices.get(start)?;
                let (identity, addr) = (place.identity(), place.addr);
                BufferDescriptor::at_address(identity, BackendKind::DeviceMalloc, addr, bytes, access).ok()?
            }
            None => {
                let segment = self.segment(start)?;
                let addr = segment.origin + (start - segment.here);
                BufferDescriptor::at_address(segment.identity, BackendKind::ForkShm, addr, bytes, access)
                    .ok()?
            }
        };
        Tensor::strided(buffer, offset, shape, strides, arg.dtype).ok()
    }
}
