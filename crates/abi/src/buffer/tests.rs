//! Descriptors: each wrong field is found, and nothing else is.

use super::*;
use alloc::string::ToString;
use alloc::vec::Vec;
use proptest::prelude::*;

fn identity() -> BufferIdentity {
    BufferIdentity::new(*b"instance", 7, 1)
}

fn shm() -> BufferDescriptor {
    BufferDescriptor::posix_shm(identity(), "segment", 4096, AccessMode::ReadWrite).unwrap()
}

fn at(backend: BackendKind, access: AccessMode) -> Result<BufferDescriptor, BufferError> {
    BufferDescriptor::at_address(identity(), backend, 0x4000, 4096, access)
}

#[test]
fn each_backend_has_its_space_and_body() {
    for &backend in BackendKind::ALL {
        let made = match backend {
            BackendKind::PosixShm => Ok(shm()),
            BackendKind::RemoteSidecar => {
                BufferDescriptor::sidecar(identity(), AddressSpace::Device, 4096, AccessMode::Read)
            }
            _ => at(backend, AccessMode::Read),
        }
        .unwrap();
        assert_eq!(made.backend(), Ok(backend));
        assert_eq!(made.nbytes(), 4096);
        assert_eq!(made.shm_name().is_some(), backend == BackendKind::PosixShm);
        let addressed = !matches!(backend, BackendKind::PosixShm | BackendKind::RemoteSidecar);
        assert_eq!(made.address(), addressed.then_some(0x4000));
    }
    assert!(matches!(at(BackendKind::PosixShm, AccessMode::Read), Err(BufferError::Name { .. })));
    assert!(matches!(at(BackendKind::RemoteSidecar, AccessMode::Read), Err(BufferError::BodyLen { .. })));
}

#[test]
fn memory_copied_on_write_is_for_reading() {
    let error = at(BackendKind::ForkCow, AccessMode::ReadWrite).unwrap_err();
    assert_eq!(error, BufferError::Access { backend: BackendKind::ForkCow, access: AccessMode::ReadWrite });
    assert!(error.to_string().contains("READWRITE"));
    at(BackendKind::ForkCow, AccessMode::Read).unwrap();
}

#[test]
fn each_wrong_field_has_its_error() {
    let broken = |change: fn(&mut BufferDescriptor)| {
        let mut d = shm();
        change(&mut d);
        d.validate().unwrap_err()
    };
    assert_eq!(broken(|d| d.magic = 0), BufferError::Magic { value: 0 });
    assert!(matches!(broken(|d| d.address_space = 2), BufferError::Code { offset: 2, .. }));
    assert!(matches!(broken(|d| d.access = 3), BufferError::Code { offset: 3, .. }));
    assert!(matches!(broken(|d| d.backend_kind = 6), BufferError::Code { offset: 4, .. }));
    assert_eq!(broken(|d| d.identity = BufferIdentity::new([0; 8], 7, 0)), BufferError::NoGeneration);
    assert!(matches!(broken(|d| d.address_space = 1), BufferError::Space { .. }));
    assert!(matches!(broken(|d| d.body_len = 33), BufferError::BodyLen { len: 33, max: 32, .. }));
    assert!(matches!(broken(|d| d.body_len = 0), BufferError::BodyLen { len: 0, min: 1, .. }));
    assert_eq!(broken(|d| d.body[3] = b'/'), BufferError::Name { offset: 59, byte: b'/' });
    assert_eq!(broken(|d| d.body[3] = 0), BufferError::Name { offset: 59, byte: 0 });
    assert_eq!(broken(|d| d.body[31] = 1), BufferError::BodyTail { offset: 87, byte: 1 });
    let null = BufferDescriptor::at_address(identity(), BackendKind::ForkShm, 0, 8, AccessMode::Read);
    assert_eq!(null.unwrap_err(), BufferError::NullAddress { backend: BackendKind::ForkShm });
}

#[test]
fn a_name_that_does_not_fit_is_refused() {
    for name in ["", "a/b", "ünï", &"x".repeat(33)] {
        assert!(BufferDescriptor::posix_shm(identity(), name, 1, AccessMode::Read).is_err(), "{name}");
    }
    assert!(BufferDescriptor::posix_shm(identity(), &"x".repeat(32), 1, AccessMode::Read).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_a_getter_panic(bytes in prop::collection::vec(any::<u8>(), 88), small in any::<bool>()) {
        let mut d: BufferDescriptor = bytemuck::pod_read_unaligned(&bytes);
        if small {
            (d.magic, d.address_space, d.access, d.backend_kind) =
                (BufferDescriptor::MAGIC, d.address_space % 3, d.access % 4, d.backend_kind % 7);
            d.body_len %= 40;
        }
        let _ = (d.body(), d.address(), d.shm_name(), d.address_space(), d.access(), d.backend(), d == d);
        if let Err(error) = d.validate() {
            prop_assert!(error.to_string().starts_with("buffer descriptor: "));
        }
    }

    #[test]
    fn a_changed_byte_is_found_or_keeps_the_rules(i in 0usize..88, to in any::<u8>()) {
        let mut bytes: Vec<u8> = bytemuck::bytes_of(&shm()).into();
        bytes[i] = to;
        let d: BufferDescriptor = bytemuck::pod_read_unaligned(&bytes);
        if d.validate().is_ok() {
            let name = d.shm_name().unwrap();
            let again = BufferDescriptor::posix_shm(d.identity(), name, d.nbytes(), d.access().unwrap()).unwrap();
            prop_assert_eq!(again.with_owner_worker_path(d.owner_worker_path_id()), d);
        }
    }
}
