//! The bytes of a callable, from where a front end says that it begins. Invariant: nothing is read by a pointer.
//!
//! How long a callable is says only its header, so a header that lies, or a buffer that was cut, leads past the end of
//! the memory that there is. Every read goes through a reader that may refuse, and every number is checked before it is
//! believed; the bytes are then parsed as a whole, from a copy.

use prewire_abi::{CHIP_MAX_CHILDREN, CallableError, ChipCallable, CoreCallable};
use prewire_os::Peek;

use super::error::HostError;

/// The most bytes that a callable may have.
pub(crate) const MAX_BYTES: u64 = 4 << 30;

/// Reads the bytes at an offset from the start of a callable, all of them or none.
pub trait Reader {
    /// Fills `into`.
    ///
    /// # Errors
    ///
    /// Not all of it is there.
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), HostError>;
}

impl Reader for &[u8] {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), HostError> {
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..)?.get(..into.len()));
        let have = (self.len() as u64).saturating_sub(offset) as usize;
        let short = CallableError::Short {
            what: "part of a callable",
            offset: offset as usize,
            need: into.len() as u64,
            have,
        };
        into.copy_from_slice(from.ok_or(short)?);
        Ok(())
    }
}

/// Memory of this process.
struct Memory {
    peek: Peek,
    addr: u64,
}

impl Reader for Memory {
    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), HostError> {
        let (addr, len) = (self.addr.saturating_add(offset), into.len());
        let error = |error| HostError::Unreadable { what: "the callable", addr, len, error };
        self.peek.read(addr, into).map_err(error)
    }
}

/// A copy of the callable at `addr` in this process, which may be anything. It has parsed.
pub(crate) fn at(addr: u64) -> Result<Vec<u8>, HostError> {
    let what = "the memory of this process";
    let error = |error| HostError::Unreadable { what, addr, len: 0, error };
    bytes_of(&Memory { peek: Peek::new().map_err(error)?, addr })
}

/// A copy of the callable that `from` reads. It has parsed.
///
/// ```
/// use prewire_abi::{ChipCallable, ChipCallableParts};
/// use host_runtime::host::bytes_of;
///
/// let parts = ChipCallableParts { func_name: "main", binary: b"library", ..ChipCallableParts::default() };
/// let bytes = ChipCallable::encode(&parts)?;
/// assert_eq!(bytes_of(&&bytes[..])?, bytes);
/// assert!(bytes_of(&&bytes[..bytes.len() - 1]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What `from` says; or it is not a callable.
pub fn bytes_of(from: &impl Reader) -> Result<Vec<u8>, HostError> {
    const HEADER: usize = ChipCallable::STORAGE_OFFSET;
    let mut header = vec![0; HEADER];
    from.read(0, &mut header)?;
    let word = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).and_then(|w| w.try_into().ok()).map_or(0, u32::from_ne_bytes)
    };
    // The header alone must be that of a callable without a library and children: then its counts can be believed.
    let mut alone = header.clone();
    alone[BINARY_SIZE..BINARY_SIZE + 4].fill(0);
    alone[CHILD_COUNT..CHILD_COUNT + 4].fill(0);
    ChipCallable::parse(&alone)?;
    let mut end = HEADER as u64 + u64::from(word(&header, BINARY_SIZE));
    let count = word(&header, CHILD_COUNT);
    // A count that cannot be is named by the parse below.
    for child in 0..(count as usize).min(CHIP_MAX_CHILDREN) {
        let start = HEADER as u64 + u64::from(word(&header, CHILD_OFFSETS + child * 4));
        let mut kernel = [0; KERNEL_BINARY_SIZE + 4];
        from.read(start, &mut kernel)?;
        let size = u64::from(word(&kernel, KERNEL_BINARY_SIZE));
        end = end.max(start + CoreCallable::BINARY_OFFSET as u64 + size);
    }
    if end > MAX_BYTES {
        let (need, have) = (end, MAX_BYTES as usize);
        return Err(CallableError::Short { what: "callable", offset: 0, need, have }.into());
    }
    let mut bytes = Vec::new();
    let len = end as usize;
    let full = |_| HostError::Memory { bytes: end, committed: 0 };
    bytes.try_reserve_exact(len).map_err(full)?;
    bytes.extend_from_slice(&header);
    // Piece by piece: what is not there is found before the memory for it is touched.
    while bytes.len() < len {
        let (at, piece) = (bytes.len(), (len - bytes.len()).min(1 << 20));
        bytes.resize(at + piece, 0);
        from.read(at as u64, &mut bytes[at..])?;
    }
    // What was read first may have been written since: from here on only the copy counts.
    ChipCallable::parse(&bytes)?;
    Ok(bytes)
}

const BINARY_SIZE: usize = core::mem::offset_of!(prewire_abi::ChipCallableHeader, binary_size);
const CHILD_COUNT: usize = core::mem::offset_of!(prewire_abi::ChipCallableHeader, child_count);
const CHILD_OFFSETS: usize = core::mem::offset_of!(prewire_abi::ChipCallableHeader, child_offsets);
const KERNEL_BINARY_SIZE: usize = core::mem::offset_of!(prewire_abi::CoreCallableHeader, binary_size);

/// What tells contents apart, the same in every process: FNV-1a, 64 bits.
///
/// ```
/// assert_eq!(host_runtime::host::content_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
/// ```
#[must_use]
pub fn content_hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use prewire_abi::{ArgDirection, ChipCallableParts};

    fn callable() -> Vec<u8> {
        let kernel = CoreCallable::encode(&[ArgDirection::In], b"kernel").unwrap();
        ChipCallable::encode(&ChipCallableParts {
            signature: &[ArgDirection::In],
            binary: b"library",
            func_name: "main",
            children: &[(3, &kernel), (9, &kernel)],
            ..ChipCallableParts::default()
        })
        .unwrap()
    }

    #[test]
    fn a_callable_is_copied_from_memory_whole() {
        let bytes = callable();
        assert_eq!(at(bytes.as_ptr() as u64).unwrap(), bytes);
        assert_eq!(bytes_of(&&bytes[..]).unwrap(), bytes);
    }

    #[test]
    fn memory_that_is_not_there_is_an_error() {
        for addr in [0, 16, 1 << 62, u64::MAX - 7] {
            assert!(matches!(at(addr), Err(HostError::Unreadable { .. })), "{addr:#x}");
        }
        // A callable at the end of what is mapped, whose header promises more.
        let bytes = callable();
        let pages = prewire_os::Mapping::new(64 << 10).unwrap();
        let end = pages.as_ptr() as usize + pages.len();
        let mut lies = bytes.clone();
        lies[BINARY_SIZE..BINARY_SIZE + 4].copy_from_slice(&0x7fff_ffffu32.to_ne_bytes());
        lies[CHILD_COUNT..CHILD_COUNT + 4].fill(0);
        let start = end - lies.len();
        // SAFETY: inside of the mapping, which nobody else has.
        unsafe {
            core::ptr::copy_nonoverlapping(
                lies.as_ptr(),
                core::ptr::with_exposed_provenance_mut(start),
                lies.len(),
            );
        }
        assert!(at(start as u64).is_err());
    }

    #[test]
    fn every_cut_and_every_lie_of_a_count_is_an_error() {
        let bytes = callable();
        for len in (0..bytes.len()).rev().step_by(7) {
            assert!(bytes_of(&&bytes[..len]).is_err(), "{len}");
        }
        for (at, value) in [
            (BINARY_SIZE, u32::MAX),
            (CHILD_COUNT, u32::MAX),
            (CHILD_COUNT, 1025),
            (CHILD_OFFSETS, u32::MAX),
            (CHILD_OFFSETS + 4, 0),
            (CHILD_OFFSETS + 4, 65),
            (1024, 257),
            (1024, u32::MAX),
        ] {
            let mut lies = bytes.clone();
            lies[at..at + 4].copy_from_slice(&value.to_ne_bytes());
            assert!(bytes_of(&&lies[..]).is_err(), "{at}: {value}");
        }
    }
}
