//! A buffer as one process describes it to another: what backs it, where, and who may do what.

mod error;
mod identity;

pub use error::BufferError;
pub use identity::BufferIdentity;

use crate::{AccessMode, AddressSpace, BackendKind};
use core::mem::{align_of, offset_of, size_of};

/// Bytes of the part of a descriptor that depends on the backend.
const BODY: usize = 32;

/// A buffer on the wire. 88 bytes, aligned to 8.
///
/// ```
/// use prewire_abi::{AccessMode, BufferDescriptor, BufferIdentity};
///
/// let identity = BufferIdentity::new(*b"node0001", 7, 1);
/// let buffer = BufferDescriptor::posix_shm(identity, "segment-7", 4096, AccessMode::ReadWrite)?;
/// assert_eq!(buffer.shm_name(), Some("segment-7"));
/// buffer.validate()?;
/// # Ok::<(), prewire_abi::BufferError>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct BufferDescriptor {
    magic: u16,
    address_space: u8,
    access: u8,
    backend_kind: u8,
    pad: [u8; 3],
    identity: BufferIdentity,
    nbytes: u64,
    owner_worker_path_id: u32,
    body_len: u16,
    pad2: u16,
    body: [u8; BODY],
}

const _: () = assert!(size_of::<BufferDescriptor>() == 88 && align_of::<BufferDescriptor>() == 8);
const _: () = assert!(offset_of!(BufferDescriptor, magic) == 0);
const _: () = assert!(offset_of!(BufferDescriptor, address_space) == 2);
const _: () = assert!(offset_of!(BufferDescriptor, access) == 3);
const _: () = assert!(offset_of!(BufferDescriptor, backend_kind) == 4);
const _: () = assert!(offset_of!(BufferDescriptor, pad) == 5);
const _: () = assert!(offset_of!(BufferDescriptor, identity) == 8);
const _: () = assert!(offset_of!(BufferDescriptor, nbytes) == 40);
const _: () = assert!(offset_of!(BufferDescriptor, owner_worker_path_id) == 48);
const _: () = assert!(offset_of!(BufferDescriptor, body_len) == 52);
const _: () = assert!(offset_of!(BufferDescriptor, pad2) == 54);
const _: () = assert!(offset_of!(BufferDescriptor, body) == 56);

impl BufferDescriptor {
    /// What a descriptor starts with.
    pub const MAGIC: u16 = 0x5342;

    fn new(
        identity: BufferIdentity,
        backend: BackendKind,
        space: AddressSpace,
        access: AccessMode,
        nbytes: u64,
        body: &[u8],
    ) -> Result<Self, BufferError> {
        if body.len() > BODY {
            return Err(BufferError::BodyLen { backend, len: body.len(), min: 1, max: BODY });
        }
        let mut out = Self {
            magic: Self::MAGIC,
            address_space: space.code(),
            access: access.code(),
            backend_kind: backend.code(),
            pad: [0; 3],
            identity,
            nbytes,
            owner_worker_path_id: 0,
            body_len: body.len() as u16,
            pad2: 0,
            body: [0; BODY],
        };
        out.body[..body.len()].copy_from_slice(body);
        out.validate()?;
        Ok(out)
    }

    /// `nbytes` at address `addr` of the space that `backend` is in.
    ///
    /// # Errors
    ///
    /// A backend without addresses; address 0; generation 0; an access that the backend does not grant.
    pub fn at_address(
        identity: BufferIdentity,
        backend: BackendKind,
        addr: u64,
        nbytes: u64,
        access: AccessMode,
    ) -> Result<Self, BufferError> {
        let space = backend.space().unwrap_or(AddressSpace::Host);
        Self::new(identity, backend, space, access, nbytes, &addr.to_ne_bytes())
    }

    /// `nbytes` of the shared-memory segment `name`.
    ///
    /// # Errors
    ///
    /// A name that is empty, longer than 32 bytes, or holds anything but printable ASCII without a slash;
    /// generation 0.
    pub fn posix_shm(
        identity: BufferIdentity,
        name: &str,
        nbytes: u64,
        access: AccessMode,
    ) -> Result<Self, BufferError> {
        Self::new(identity, BackendKind::PosixShm, AddressSpace::Host, access, nbytes, name.as_bytes())
    }

    /// `nbytes` that travel beside the message, for `space`.
    ///
    /// # Errors
    ///
    /// Generation 0.
    pub fn sidecar(
        identity: BufferIdentity,
        space: AddressSpace,
        nbytes: u64,
        access: AccessMode,
    ) -> Result<Self, BufferError> {
        Self::new(identity, BackendKind::RemoteSidecar, space, access, nbytes, &[])
    }

    /// The same, with the number of the worker that owns it, for messages alone.
    #[must_use]
    pub const fn with_owner_worker_path(mut self, id: u32) -> Self {
        self.owner_worker_path_id = id;
        self
    }

    /// Which buffer it is.
    #[must_use]
    pub const fn identity(&self) -> BufferIdentity {
        self.identity
    }

    /// Bytes of the buffer.
    #[must_use]
    pub const fn nbytes(&self) -> u64 {
        self.nbytes
    }

    /// The number of the worker that owns it, for messages alone.
    #[must_use]
    pub const fn owner_worker_path_id(&self) -> u32 {
        self.owner_worker_path_id
    }

    /// Whose addresses it is in.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    pub fn address_space(&self) -> Result<AddressSpace, BufferError> {
        AddressSpace::try_from(self.address_space).map_err(|error| BufferError::Code { offset: 2, error })
    }

    /// What the receiver may do with it.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    pub fn access(&self) -> Result<AccessMode, BufferError> {
        AccessMode::try_from(self.access).map_err(|error| BufferError::Code { offset: 3, error })
    }

    /// What backs it.
    ///
    /// # Errors
    ///
    /// The record holds an unknown number.
    pub fn backend(&self) -> Result<BackendKind, BufferError> {
        BackendKind::try_from(self.backend_kind).map_err(|error| BufferError::Code { offset: 4, error })
    }

    /// The part that depends on the backend; at most 32 bytes, whatever the record says.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body[..usize::from(self.body_len).min(BODY)]
    }

    /// The address, of a backend that has one.
    #[must_use]
    pub fn address(&self) -> Option<u64> {
        match self.backend().ok()? {
            BackendKind::PosixShm | BackendKind::RemoteSidecar => None,
            _ => Some(u64::from_ne_bytes(self.body().try_into().ok()?)),
        }
    }

    /// The name of the segment, if it is one.
    #[must_use]
    pub fn shm_name(&self) -> Option<&str> {
        match self.backend().ok()? {
            BackendKind::PosixShm => core::str::from_utf8(self.body()).ok(),
            _ => None,
        }
    }

    /// Checks a descriptor that arrived from outside.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its offset. Padding is not looked at.
    pub fn validate(&self) -> Result<(), BufferError> {
        if self.magic != Self::MAGIC {
            return Err(BufferError::Magic { value: self.magic });
        }
        let (space, access, backend) = (self.address_space()?, self.access()?, self.backend()?);
        if self.identity.generation() == 0 {
            return Err(BufferError::NoGeneration);
        }
        if backend.space().is_some_and(|only| only != space) {
            return Err(BufferError::Space { backend, space });
        }
        if backend == BackendKind::ForkCow && access != AccessMode::Read {
            return Err(BufferError::Access { backend, access });
        }
        let (min, max) = match backend {
            BackendKind::PosixShm => (1, BODY),
            BackendKind::RemoteSidecar => (0, 0),
            _ => (8, 8),
        };
        let len = usize::from(self.body_len);
        if len < min || len > max {
            return Err(BufferError::BodyLen { backend, len, min, max });
        }
        let at = offset_of!(Self, body);
        if let Some(i) = self.body[len..].iter().position(|&b| b != 0) {
            return Err(BufferError::BodyTail { offset: at + len + i, byte: self.body[len + i] });
        }
        if self.address() == Some(0) {
            return Err(BufferError::NullAddress { backend });
        }
        if backend == BackendKind::PosixShm
            && let Some(i) = self.body().iter().position(|&b| !(b' '..=b'~').contains(&b) || b == b'/')
        {
            return Err(BufferError::Name { offset: at + i, byte: self.body[i] });
        }
        Ok(())
    }
}

impl PartialEq for BufferDescriptor {
    fn eq(&self, other: &Self) -> bool {
        (self.magic, self.address_space, self.access, self.backend_kind, self.identity, self.nbytes)
            == (
                other.magic,
                other.address_space,
                other.access,
                other.backend_kind,
                other.identity,
                other.nbytes,
            )
            && (self.owner_worker_path_id, self.body_len, self.body)
                == (other.owner_worker_path_id, other.body_len, other.body)
    }
}

impl Eq for BufferDescriptor {}

#[cfg(test)]
mod tests;
