//! A kernel with its signature, as one buffer.

use crate::bytes::u32_at;
use crate::signature::Signature;
use crate::{ArgDirection, CALLABLE_ALIGN, CORE_MAX_TENSOR_ARGS, CallableError};
use alloc::vec;
use alloc::vec::Vec;
use core::mem::{align_of, offset_of, size_of};

/// What a kernel buffer starts with. 144 bytes, aligned to 8; the binary starts at 192, the next multiple of 64.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    bytemuck::Pod,
    bytemuck::Zeroable,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct CoreCallableHeader {
    /// A direction a parameter; see [`ArgDirection`].
    pub signature: [i32; CORE_MAX_TENSOR_ARGS],
    /// How many of them count: 0 to 32.
    pub sig_count: i32,
    /// Bytes of the binary.
    pub binary_size: u32,
    /// Where the binary is on the device, once it is there; 0 until then. The side that uploads writes it.
    pub resolved_addr: u64,
}

const _: () = assert!(size_of::<CoreCallableHeader>() == 144 && align_of::<CoreCallableHeader>() == 8);
const _: () = assert!(offset_of!(CoreCallableHeader, signature) == 0);
const _: () = assert!(offset_of!(CoreCallableHeader, sig_count) == SIG_COUNT);
const _: () = assert!(offset_of!(CoreCallableHeader, binary_size) == BINARY_SIZE);
const _: () = assert!(offset_of!(CoreCallableHeader, resolved_addr) == 136);
const _: () = assert!(CoreCallable::BINARY_OFFSET == 192);

const SIG_COUNT: usize = 128;
const BINARY_SIZE: usize = 132;

/// A kernel buffer, read in place at any alignment.
///
/// ```
/// use prewire_abi::{ArgDirection, CoreCallable};
///
/// let buffer = CoreCallable::encode(&[ArgDirection::In, ArgDirection::Out], b"machine code")?;
/// let kernel = CoreCallable::parse(&buffer)?;
/// assert_eq!(kernel.binary(), b"machine code");
/// assert!(kernel.signature().eq([ArgDirection::In, ArgDirection::Out]));
/// # Ok::<(), prewire_abi::CallableError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CoreCallable<'a> {
    signature: Signature<'a>,
    binary: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> CoreCallable<'a> {
    /// Where the binary starts.
    pub const BINARY_OFFSET: usize = size_of::<CoreCallableHeader>().next_multiple_of(CALLABLE_ALIGN);

    /// Reads the kernel at the start of `bytes`. What follows it is not looked at.
    ///
    /// # Errors
    ///
    /// Too few bytes for the header or the binary; a count of parameters that is negative or above 32; an unknown
    /// direction.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, CallableError> {
        Self::parse_at(bytes, 0)
    }

    /// As [`parse`](CoreCallable::parse), where `bytes` start `base` bytes into the buffer that errors speak of.
    pub(crate) fn parse_at(bytes: &'a [u8], base: usize) -> Result<Self, CallableError> {
        let need = size_of::<CoreCallableHeader>() as u64;
        let short = CallableError::Short { what: "kernel header", offset: base, need, have: bytes.len() };
        let header = bytes.get(..size_of::<CoreCallableHeader>()).ok_or(short)?;
        let signature = Signature::parse(header, SIG_COUNT, CORE_MAX_TENSOR_ARGS, base)?;
        let size = u32_at(header, BINARY_SIZE).ok_or(short)?;
        let have = bytes.len().saturating_sub(Self::BINARY_OFFSET);
        let end = usize::try_from(size).ok().and_then(|n| Self::BINARY_OFFSET.checked_add(n));
        let bytes = end.and_then(|end| bytes.get(..end)).ok_or(CallableError::Short {
            what: "kernel binary",
            offset: base + Self::BINARY_OFFSET,
            need: u64::from(size),
            have,
        })?;
        Ok(Self { signature, binary: &bytes[Self::BINARY_OFFSET..], bytes })
    }

    /// Builds the buffer of a kernel.
    ///
    /// # Errors
    ///
    /// More than 32 parameters, or a binary of 4 GiB and more.
    pub fn encode(signature: &[ArgDirection], binary: &[u8]) -> Result<Vec<u8>, CallableError> {
        let size = u32::try_from(binary.len()).map_err(|_| too_large(BINARY_SIZE, binary.len()))?;
        let mut out = vec![0; Self::BINARY_OFFSET];
        Signature::write(signature, &mut out, SIG_COUNT, CORE_MAX_TENSOR_ARGS)?;
        out[BINARY_SIZE..BINARY_SIZE + 4].copy_from_slice(&size.to_ne_bytes());
        out.extend_from_slice(binary);
        Ok(out)
    }

    /// The direction of each parameter.
    pub fn signature(&self) -> impl ExactSizeIterator<Item = ArgDirection> + use<'a> {
        self.signature.iter()
    }

    /// The machine code.
    #[must_use]
    pub fn binary(&self) -> &'a [u8] {
        self.binary
    }

    /// The bytes of the whole buffer: header, gap and binary.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

/// A binary that its 32-bit size cannot hold.
pub(crate) fn too_large(offset: usize, len: usize) -> CallableError {
    CallableError::Count { field: "binary_size", offset, value: len as i64, max: u32::MAX as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::i32_at;
    use proptest::prelude::*;

    #[test]
    fn the_layout_is_that_of_the_header() {
        let bytes = CoreCallable::encode(&[ArgDirection::InOut, ArgDirection::Scalar], &[9; 5]).unwrap();
        assert_eq!((bytes.len(), &bytes[192..]), (197, &[9; 5][..]));
        assert_eq!(
            (i32_at(&bytes, 0), i32_at(&bytes, 128), i32_at(&bytes, 132)),
            (Some(3), Some(2), Some(5))
        );
        let header: CoreCallableHeader = bytemuck::pod_read_unaligned(&bytes[..144]);
        assert_eq!((header.sig_count, header.binary_size, header.resolved_addr), (2, 5, 0));
    }

    #[test]
    fn each_wrong_field_has_its_error() {
        let with = |offset: usize, value: i32| {
            let mut bytes = CoreCallable::encode(&[ArgDirection::In; 3], &[9; 5]).unwrap();
            bytes[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
            CoreCallable::parse(&bytes).map(drop).unwrap_err()
        };
        let count = |value| CallableError::Count { field: "sig_count", offset: 128, value, max: 32 };
        assert_eq!(with(128, 33), count(33));
        assert_eq!(with(128, -1), count(-1));
        assert!(
            matches!(with(8, 4), CallableError::Direction { index: 2, offset: 8, error } if error.value == 4)
        );
        let short = |need| CallableError::Short { what: "kernel binary", offset: 192, need, have: 5 };
        assert_eq!(with(132, 6), short(6));
        assert_eq!(with(132, -1), short(u64::from(u32::MAX)));
        let cut = CallableError::Short { what: "kernel header", offset: 0, need: 144, have: 143 };
        assert_eq!(CoreCallable::parse(&[0; 143]).map(drop), Err(cut));
        let empty = CallableError::Short { what: "kernel binary", offset: 192, need: 0, have: 0 };
        assert_eq!(CoreCallable::parse(&[0; 191]).map(drop), Err(empty));
        assert_eq!(CoreCallable::parse(&[0; 192]).map(|k| k.binary().len()), Ok(0));
        let many = CoreCallable::encode(&[ArgDirection::In; 33], &[]).unwrap_err();
        assert_eq!(many, count(33));
        let full = CoreCallable::encode(&[ArgDirection::In; 32], &[]).unwrap();
        assert_eq!(CoreCallable::parse(&full).map(|k| k.signature().len()), Ok(32));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_rebuilt(
            mut bytes in prop::collection::vec(any::<u8>(), 0..400),
            header in any::<Option<(u8, u8, u8)>>(),
        ) {
            if let (Some((count, size, mask)), Some(head)) = (header, bytes.first_chunk_mut::<144>()) {
                for (i, word) in head.as_chunks_mut::<4>().0[..32].iter_mut().enumerate() {
                    *word = (if i & 1 == 0 { i32::from(mask % 6) - 1 } else { 2 }).to_ne_bytes();
                }
                head[128..132].copy_from_slice(&(i32::from(count % 36) - 1).to_ne_bytes());
                head[132..136].copy_from_slice(&u32::from(size).to_ne_bytes());
            }
            if let Ok(kernel) = CoreCallable::parse(&bytes) {
                let signature: Vec<ArgDirection> = kernel.signature().collect();
                let again = CoreCallable::encode(&signature, kernel.binary()).unwrap();
                let used = signature.len() * 4;
                prop_assert_eq!(&again[..used], &bytes[..used]);
                prop_assert_eq!(&again[128..136], &bytes[128..136]);
                prop_assert_eq!(&again[192..], &bytes[192..again.len()]);
                prop_assert_eq!(kernel.as_bytes().len(), again.len());
            }
        }
    }
}
