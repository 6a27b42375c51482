//! Which buffer a descriptor speaks of.

use core::hash::{Hash, Hasher};
use core::mem::{align_of, offset_of, size_of};

/// Which buffer: two descriptors with equal identities speak of the same bytes. 32 bytes; the padding counts
/// neither for equality nor for the hash.
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
pub struct BufferIdentity {
    owner_instance_id: [u8; 8],
    buffer_id: u64,
    generation: u32,
    pad: [u32; 3],
}

const _: () = assert!(size_of::<BufferIdentity>() == 32 && align_of::<BufferIdentity>() == 8);
const _: () = assert!(offset_of!(BufferIdentity, owner_instance_id) == 0);
const _: () = assert!(offset_of!(BufferIdentity, buffer_id) == 8);
const _: () = assert!(offset_of!(BufferIdentity, generation) == 16);
const _: () = assert!(offset_of!(BufferIdentity, pad) == 20);

impl BufferIdentity {
    /// Buffer `buffer_id` of the process instance `owner`, in its `generation`th life, counted from 1.
    #[must_use]
    pub const fn new(owner: [u8; 8], buffer_id: u64, generation: u32) -> Self {
        Self { owner_instance_id: owner, buffer_id, generation, pad: [0; 3] }
    }

    /// The process instance that owns it.
    #[must_use]
    pub const fn owner_instance_id(&self) -> [u8; 8] {
        self.owner_instance_id
    }

    /// Its number there.
    #[must_use]
    pub const fn buffer_id(&self) -> u64 {
        self.buffer_id
    }

    /// Which life of that number; 0 in no valid descriptor.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }
}

impl PartialEq for BufferIdentity {
    fn eq(&self, other: &Self) -> bool {
        (self.owner_instance_id, self.buffer_id, self.generation)
            == (other.owner_instance_id, other.buffer_id, other.generation)
    }
}

impl Eq for BufferIdentity {}

impl Hash for BufferIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.owner_instance_id, self.buffer_id, self.generation).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::BufferIdentity;
    use std::collections::HashSet;

    #[test]
    fn padding_is_no_part_of_an_identity() {
        let a = BufferIdentity::new(*b"instance", 7, 1);
        let b = BufferIdentity { pad: [1, 2, 3], ..a };
        assert_eq!(a, b);
        assert_eq!(HashSet::from([a, b]).len(), 1);
        for other in [
            BufferIdentity::new(*b"INSTANCE", 7, 1),
            BufferIdentity::new(*b"instance", 8, 1),
            BufferIdentity::new(*b"instance", 7, 2),
        ] {
            assert_ne!(a, other);
        }
    }
}
