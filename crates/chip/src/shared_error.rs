//! Why shared memory, or a tensor in it that came from elsewhere, cannot be used.

use prewire_abi::{BackendKind, DataType, TensorError};

/// Why shared memory, or a tensor that came from another process, cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// Bytes that are not inside the memory.
    #[error("bytes {start} to {end} were asked for, but the shared memory has {size}")]
    Outside {
        /// The first.
        start: u64,
        /// One past the last.
        end: u64,
        /// Bytes of the memory.
        size: u64,
    },
    /// Elements that do not start at a multiple of their size.
    #[error(
        "elements of {size} bytes cannot start at byte {start} of shared memory; start them at a multiple"
    )]
    Misaligned {
        /// Where they start.
        start: u64,
        /// Bytes of one.
        size: u64,
    },
    /// Somebody in this process refers to the bytes, and one of the two writes.
    #[error(
        "{other} of this process holds a view of the same bytes, and one of the two writes; end the one before the \
         other begins, by an edge between the tasks or by dropping the view"
    )]
    Busy {
        /// Who.
        other: String,
    },
    /// The bytes could not be given back.
    #[error("the pages of shared memory could not be given back: {error}")]
    Discard {
        /// What the system says.
        error: String,
    },
    /// The record is not a tensor.
    #[error("the tensor that arrived is not one: {0}")]
    Tensor(#[from] TensorError),
    /// Several indices of the tensor are the same element.
    #[error(
        "a tensor of {elements} elements within the space of {extent} has elements that are the same bytes; pass the \
         bytes once"
    )]
    SelfOverlap {
        /// Its elements.
        elements: u64,
        /// Elements from the first to the last, both counted.
        extent: u64,
    },
    /// The elements are of a type that views have none for.
    #[error("the tensor has dtype {tensor}, but {wanted} was asked for")]
    Dtype {
        /// Its dtype.
        tensor: DataType,
        /// The dtype asked for.
        wanted: DataType,
    },
    /// The tensor was handed out to be read.
    #[error(
        "the tensor was handed out to be read, so it cannot be written; have it passed as an output or inout"
    )]
    ReadOnly,
    /// No memory is known under this identity.
    #[error(
        "segment {segment} of owner {owner} is not known here; {known} segments are: a child knows those that were there \
         when it started"
    )]
    Unknown {
        /// Who owns the buffer: the bytes of its instance, as hexadecimal digits.
        owner: String,
        /// The number of the segment.
        segment: u64,
        /// How many segments are known.
        known: usize,
    },
    /// The identity is one of an earlier or later life of the memory.
    #[error(
        "the tensor is in generation {named} of segment {segment}, but generation {here} is mapped here; the owner \
         was started anew, and the tensor must be made anew too"
    )]
    Stale {
        /// The number of the segment.
        segment: u64,
        /// The generation that the tensor names.
        named: u32,
        /// The one that is here.
        here: u32,
    },
    /// A segment of this identity is known already.
    #[error("segment {segment} is known already; give each segment of an owner a number of its own")]
    Known {
        /// The number of the segment.
        segment: u64,
    },
    /// The tensor is backed by something that is not reached here.
    #[error("a tensor backed by {backend} cannot be reached here; pass one in shared memory")]
    Backend {
        /// What backs it.
        backend: BackendKind,
    },
    /// The tensor is in the device memory of a chip, which a host function cannot reach.
    #[error(
        "the tensor is in device memory at {addr:#x}, which a host function cannot reach; copy it into shared memory first"
    )]
    OnDevice {
        /// Its buffer's address there.
        addr: u64,
    },
    /// The chip has not adopted the memory.
    #[error("the chip has not adopted this memory; call Chip::adopt, and keep what it returns")]
    NotAdopted,
    /// Adopted memory that is to be a tensor overlaps with another one that is in use.
    #[error(
        "bytes {start} to {end} of the memory overlap with bytes {other_start} to {other_end}, which are another \
         buffer that is in use; use views of one buffer, or drop that one and wait for its run to end"
    )]
    Overlap {
        /// The first byte.
        start: u64,
        /// One past the last.
        end: u64,
        /// The first byte of the other one.
        other_start: u64,
        /// One past its last.
        other_end: u64,
    },
    /// Device memory that is not there, or no longer.
    #[error(
        "there is no device allocation {serial} at {addr:#x} on this chip: it was freed, or it is of another chip or \
         of one that was replaced; allocate anew"
    )]
    NotAllocated {
        /// Its address.
        addr: u64,
        /// Its number.
        serial: u64,
    },
    /// Bytes that are not inside a device allocation.
    #[error("bytes {start} to {end} were asked for, but the device allocation at {addr:#x} has {size}")]
    OutsideAllocation {
        /// Its address.
        addr: u64,
        /// The first byte.
        start: u64,
        /// One past the last.
        end: u64,
        /// Its bytes.
        size: u64,
    },
}
