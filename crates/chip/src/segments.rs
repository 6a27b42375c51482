//! From the identity that a tensor of another process names to the memory that is mapped here.
//!
//! **Invariant:** what is found for a descriptor is inside the memory that it names, whatever the descriptor says.

use std::ops::Range;

use prewire_abi::{
    AccessMode, BackendKind, BufferDescriptor, BufferIdentity, ChipTensor, DataType, Tensor, TensorError,
    ValidTensor,
};

use crate::element::Element;
use crate::lease::Holder;
use crate::shared_error::SharedError;
use crate::shared_memory::SharedMemory;
use crate::span::Span;
use crate::view::{View, ViewMut};

#[derive(Clone, Debug)]
struct Segment {
    identity: BufferIdentity,
    /// What its owner calls the address of the first byte.
    origin: u64,
    memory: SharedMemory,
}

/// The shared memory that a process has mapped, by the identities that travel.
///
/// An identity names a segment: its owner, its number there, and its generation. A descriptor of shared memory says which
/// part of the segment is the buffer by the address that it has for the owner, who maps the segment at its origin; one
/// with a name speaks of the segment from its first byte on.
///
/// ```
/// use prewire_chip::{DataType, Segments, SharedMemory};
/// use prewire_abi::{AccessMode, BufferIdentity, Tensor};
///
/// let memory = SharedMemory::new(prewire_os::Mapping::new(1 << 16)?);
/// let identity = BufferIdentity::new(*b"node0001", 2, 1);
/// let mut segments = Segments::new();
/// segments.add(identity, 0x10_0000, &memory)?;
///
/// // What travels: 64 bytes of the segment, and a view of them.
/// let buffer = segments.describe(identity, 4096, 64, AccessMode::ReadWrite)?;
/// let wire = Tensor::contiguous(buffer, 16, &[2, 4], DataType::F32)?;
/// // Where it arrives:
/// segments.view_mut::<f32>(&wire)?.fill(1.5);
/// assert_eq!(memory.view::<f32>(4096 + 16, 8)?.to_vec(), [1.5; 8]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Segments(Vec<Segment>);

/// Where a buffer is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'s> {
    pub(crate) memory: &'s SharedMemory,
    /// Its first byte in the memory.
    pub(crate) start: u64,
}

impl Segments {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// From here on `identity` stands for `memory`, whose first byte has the address `origin` for the owner: any number
    /// but 0 that all who exchange tensors agree on.
    ///
    /// # Errors
    ///
    /// The owner's segment of this number is known, in whichever generation; [remove](Segments::remove) that first.
    pub fn add(
        &mut self,
        identity: BufferIdentity,
        origin: u64,
        memory: &SharedMemory,
    ) -> Result<(), SharedError> {
        if self.position(identity).is_some() {
            return Err(SharedError::Known { segment: identity.buffer_id() });
        }
        self.0.push(Segment { identity, origin, memory: memory.clone() });
        Ok(())
    }

    /// Forgets the segment of this owner and number. What uses it keeps its memory.
    pub fn remove(&mut self, identity: BufferIdentity) {
        self.0.retain(|segment| !is_of(segment, identity));
    }

    /// Those that are known: what each is called, what its owner calls the address of its first byte, and its memory.
    pub fn iter(&self) -> impl Iterator<Item = (BufferIdentity, u64, &SharedMemory)> {
        self.0.iter().map(|segment| (segment.identity, segment.origin, &segment.memory))
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives back what a host function leaked that has returned.
    pub(crate) fn give_back_all(&self, holder: Holder) {
        self.0.iter().for_each(|segment| segment.memory.leases().give_back_all(holder));
    }

    fn position(&self, identity: BufferIdentity) -> Option<usize> {
        self.0.iter().position(|segment| is_of(segment, identity))
    }

    fn named(&self, identity: BufferIdentity) -> Result<&Segment, SharedError> {
        let segment = identity.buffer_id();
        let found = self.position(identity).map(|at| &self.0[at]).ok_or_else(|| SharedError::Unknown {
            owner: format!("{:016x}", u64::from_be_bytes(identity.owner_instance_id())),
            segment,
            known: self.0.len(),
        })?;
        let (named, here) = (identity.generation(), found.identity.generation());
        if named != here {
            return Err(SharedError::Stale { segment, named, here });
        }
        Ok(found)
    }

    /// What `nbytes` of a segment, from byte `start` on, are called on the way to another process.
    ///
    /// # Errors
    ///
    /// The segment is not known; the bytes are not inside it; or its origin is so high that they have no address.
    pub fn describe(
        &self,
        identity: BufferIdentity,
        start: u64,
        nbytes: u64,
        access: AccessMode,
    ) -> Result<BufferDescriptor, SharedError> {
        let segment = self.named(identity)?;
        segment.memory.place(start, nbytes)?;
        let overflow = TensorError::AddressOverflow { addr: segment.origin, size: segment.memory.len() };
        let addr = segment.origin.checked_add(start).ok_or(overflow)?;
        let described =
            BufferDescriptor::at_address(segment.identity, BackendKind::ForkShm, addr, nbytes, access);
        Ok(described.map_err(TensorError::from)?)
    }

    /// Where the buffer of a valid descriptor is.
    pub(crate) fn find(&self, buffer: &BufferDescriptor) -> Result<Found<'_>, SharedError> {
        let backend = buffer.backend().map_err(TensorError::from)?;
        let addr = buffer.address();
        match (backend, addr) {
            (BackendKind::ForkShm | BackendKind::PosixShm, _) => {}
            (BackendKind::DeviceMalloc, Some(addr)) => return Err(SharedError::OnDevice { addr }),
            _ => return Err(SharedError::Backend { backend }),
        }
        let segment = self.named(buffer.identity())?;
        let (memory, nbytes) = (&segment.memory, buffer.nbytes());
        // Below its origin is outside as well, and wraps to far above.
        let start = addr.map_or(0, |addr| addr.wrapping_sub(segment.origin));
        memory.place(start, nbytes)?;
        Ok(Found { memory, start })
    }

    /// The memory that a descriptor that arrived speaks of, and which bytes of it.
    ///
    /// # Errors
    ///
    /// It is not a descriptor, or not one of memory that is known.
    pub fn range(&self, buffer: &BufferDescriptor) -> Result<(&SharedMemory, Range<u64>), SharedError> {
        buffer.validate().map_err(TensorError::from)?;
        let found = self.find(buffer)?;
        Ok((found.memory, found.start..found.start + buffer.nbytes()))
    }

    /// A tensor that arrived, with its address here, and whether it was handed out to be written: for who hands tensors
    /// on. To reach its elements, [`view`](Segments::view) it.
    ///
    /// # Errors
    ///
    /// It is not a tensor, or not one in memory that is known; or its elements cannot be where it is.
    pub fn locate(&self, tensor: &Tensor) -> Result<(ValidTensor, bool), SharedError> {
        let dtype = checked(tensor)?;
        let buffer = tensor.buffer();
        let found = self.find(buffer)?;
        let (addr, at, element) =
            (found.memory.addr() + found.start, tensor.byte_offset(), u64::from(dtype.size()));
        if !at.is_multiple_of(element) {
            return Err(SharedError::Misaligned { start: at, size: element });
        }
        let (shape, strides) = (tensor.shape(), tensor.strides());
        let here = ChipTensor::in_buffer(addr, buffer.nbytes(), at / element, shape, strides, dtype)?;
        Ok((ValidTensor::new(here)?, buffer.access().map_err(TensorError::from)?.can_write()))
    }

    /// Where the elements of a tensor are here, as elements of `T`, if they may be accessed so.
    pub(crate) fn span<T: Element>(
        &self,
        tensor: &Tensor,
        write: bool,
    ) -> Result<(Span, &SharedMemory), SharedError> {
        let dtype = checked(tensor)?;
        let buffer = tensor.buffer();
        if dtype != T::DTYPE {
            return Err(SharedError::Dtype { tensor: dtype, wanted: T::DTYPE });
        }
        if write && !buffer.access().map_err(TensorError::from)?.can_write() {
            return Err(SharedError::ReadOnly);
        }
        let found = self.find(buffer)?;
        // A valid view is inside its buffer, which was found inside the memory.
        let start = found.start + tensor.byte_offset();
        let (addr, size) = (found.memory.addr() + start, size_of::<T>() as u64);
        if !addr.is_multiple_of(size) {
            return Err(SharedError::Misaligned { start, size });
        }
        Ok((Span::new(addr, size, tensor.shape(), tensor.strides()), found.memory))
    }

    /// The elements of a tensor, to read in place.
    ///
    /// # Errors
    ///
    /// It is not a tensor; its elements are not of type `T`; it is not in memory that is known; or somebody in this
    /// process writes it.
    pub fn view<T: Element>(&self, tensor: &Tensor) -> Result<View<'_, T>, SharedError> {
        let (span, memory) = self.span::<T>(tensor, false)?;
        Ok(View::new(span, memory.lease(&span, false)?))
    }

    /// The elements of a tensor, to write in place.
    ///
    /// # Errors
    ///
    /// As [`view`](Segments::view); it was handed out to be read; or somebody in this process reads it.
    pub fn view_mut<T: Element>(&self, tensor: &Tensor) -> Result<ViewMut<'_, T>, SharedError> {
        let (span, memory) = self.span::<T>(tensor, true)?;
        Ok(ViewMut::new(span, memory.lease(&span, true)?))
    }
}

fn is_of(segment: &Segment, identity: BufferIdentity) -> bool {
    let known = segment.identity;
    known.buffer_id() == identity.buffer_id() && known.owner_instance_id() == identity.owner_instance_id()
}

/// The dtype of a tensor that arrived, once everything in it is checked. It has no more elements than fit where it is, so
/// that a copy of it is no larger than its buffer.
pub(crate) fn checked(tensor: &Tensor) -> Result<DataType, SharedError> {
    tensor.validate()?;
    let dtype = tensor.dtype()?;
    let range = tensor.byte_range();
    let extent = (range.end - range.start) / u64::from(dtype.size());
    let elements = tensor.shape().iter().map(|&n| u64::from(n)).product();
    if elements > extent {
        return Err(SharedError::SelfOverlap { elements, extent });
    }
    Ok(dtype)
}
