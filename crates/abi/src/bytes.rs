//! Numbers out of byte slices at any alignment. A read past the end is `None`, never a panic.

/// The `N` bytes at `offset`.
pub(crate) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// The `i32` at `offset`, in the byte order of this machine.
pub(crate) fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    array(bytes, offset).map(i32::from_ne_bytes)
}

/// The `u32` at `offset`, in the byte order of this machine.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_ne_bytes)
}

/// The `u64` at `offset`, in the byte order of this machine.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_at_any_alignment_and_never_past_the_end() {
        let mut bytes = [0u8; 13];
        bytes[5..].copy_from_slice(&0x0102_0304_0506_0708u64.to_ne_bytes());
        assert_eq!(u64_at(&bytes, 5), Some(0x0102_0304_0506_0708));
        assert_eq!(u64_at(&bytes, 6), None);
        assert_eq!(i32_at(&bytes, usize::MAX), None);
        assert_eq!(u32_at(&bytes, 0), Some(0));
    }
}
