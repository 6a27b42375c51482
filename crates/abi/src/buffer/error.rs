//! Why a buffer descriptor was refused.

use crate::{AccessMode, AddressSpace, BackendKind, BufferDescriptor, UnknownCode};
use core::fmt;

/// Why a buffer descriptor was refused. Offsets are bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BufferError {
    /// It does not start with the magic number (offset 0).
    Magic {
        /// What it starts with.
        value: u16,
    },
    /// A coded field holds an unknown number.
    Code {
        /// Where the field is.
        offset: usize,
        /// What it holds.
        error: UnknownCode,
    },
    /// Generation 0 (offset 24): the identity was never filled in.
    NoGeneration,
    /// The backend has no memory in that space (offset 2).
    Space {
        /// The backend.
        backend: BackendKind,
        /// The space.
        space: AddressSpace,
    },
    /// The backend does not grant that access (offset 3).
    Access {
        /// The backend.
        backend: BackendKind,
        /// The access.
        access: AccessMode,
    },
    /// The body has the wrong length for the backend (offset 52).
    BodyLen {
        /// The backend.
        backend: BackendKind,
        /// The length.
        len: usize,
        /// Shortest allowed.
        min: usize,
        /// Longest allowed.
        max: usize,
    },
    /// The body holds address 0 (offset 56).
    NullAddress {
        /// The backend.
        backend: BackendKind,
    },
    /// A name holds a byte that is not printable ASCII, or a slash.
    Name {
        /// Where the byte is.
        offset: usize,
        /// The byte.
        byte: u8,
    },
    /// A byte of the body past its length is not 0.
    BodyTail {
        /// Where the byte is.
        offset: usize,
        /// The byte.
        byte: u8,
    },
}

impl fmt::Display for BufferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("buffer descriptor: ")?;
        match *self {
            Self::Magic { value } => {
                write!(
                    f,
                    "magic {value:#06x} at offset 0, not {:#06x}; is it one at all?",
                    BufferDescriptor::MAGIC
                )
            }
            Self::Code { offset, error } => write!(f, "at offset {offset}: {error}"),
            Self::NoGeneration => write!(f, "generation 0 at offset 24; generations are counted from 1"),
            Self::Space { backend, space } => {
                write!(f, "address space {space} at offset 2, where {backend} has no memory")
            }
            Self::Access { backend, access } => {
                write!(f, "access {access} at offset 3, but {backend} grants reading alone")
            }
            Self::BodyLen { backend, len, min, max } => {
                write!(f, "body length {len} at offset 52; a body of {backend} has {min} to {max} bytes")
            }
            Self::NullAddress { backend } => write!(f, "address 0 at offset 56; {backend} needs a real one"),
            Self::Name { offset, byte } => {
                write!(f, "byte {byte:#04x} at offset {offset}; a name is printable ASCII without a slash")
            }
            Self::BodyTail { offset, byte } => {
                write!(f, "byte {byte:#04x} at offset {offset}, past the end of the body; it must be 0")
            }
        }
    }
}

impl core::error::Error for BufferError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Code { error, .. } => Some(error),
            _ => None,
        }
    }
}
