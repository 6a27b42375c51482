//! Where memory is, what may be done with it, and what backs it.

use crate::coded::coded;

coded! {
    /// Whose addresses an address is one of.
    AddressSpace: u8, "0 (host), 1 (device)" {
        /// The host's.
        Host = 0, "HOST";
        /// A device's.
        Device = 1, "DEVICE";
    }
}

coded! {
    /// What the holder of a buffer may do with it.
    AccessMode: u8, "0 to 2" {
        /// Read.
        Read = 0, "READ";
        /// Write.
        Write = 1, "WRITE";
        /// Both.
        ReadWrite = 2, "READWRITE";
    }
}

impl AccessMode {
    /// Whether reading is granted.
    #[must_use]
    pub const fn can_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether writing is granted.
    #[must_use]
    pub const fn can_write(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

coded! {
    /// What backs a buffer, and so how another process reaches it.
    BackendKind: u8, "0 to 5" {
        /// Shared memory mapped before the fork: the address holds in the child.
        ForkShm = 0, "FORK_SHM";
        /// Shared memory with a name that is opened.
        PosixShm = 1, "POSIX_SHM";
        /// A window of device memory that other chips map.
        VmmWindow = 2, "VMM_WINDOW";
        /// The bytes travel beside the message.
        RemoteSidecar = 3, "REMOTE_SIDECAR";
        /// Memory that the device's allocator gave out.
        DeviceMalloc = 4, "DEVICE_MALLOC";
        /// Private memory of the parent, copied on write: the child reads what it was at the fork.
        ForkCow = 5, "FORK_COW";
    }
}

impl BackendKind {
    /// The space its memory is in; `None` where both are possible.
    #[must_use]
    pub const fn space(self) -> Option<AddressSpace> {
        match self {
            Self::ForkShm | Self::PosixShm | Self::ForkCow => Some(AddressSpace::Host),
            Self::VmmWindow | Self::DeviceMalloc => Some(AddressSpace::Device),
            Self::RemoteSidecar => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessMode, AddressSpace, BackendKind};

    #[test]
    fn a_grant_is_for_what_it_names() {
        assert!(AccessMode::Read.can_read() && !AccessMode::Read.can_write());
        assert!(!AccessMode::Write.can_read() && AccessMode::Write.can_write());
        assert!(AccessMode::ReadWrite.can_read() && AccessMode::ReadWrite.can_write());
    }

    #[test]
    fn only_a_sidecar_is_in_either_space() {
        let device = BackendKind::ALL.iter().filter(|k| k.space() == Some(AddressSpace::Device)).count();
        let either = BackendKind::ALL.iter().filter(|k| k.space().is_none()).count();
        assert_eq!((device, either), (2, 1));
    }
}
