//! Bytes of a frame: copied in, copied out, read in place, each by whoever owns the frame.
//!
//! A process that has gone wild may write anywhere in what it shares, also while this one reads: so what a child wrote is
//! copied out first and decoded after, and nothing that decodes trusts a length.

use prewire_sync::cell::UnsafeCell;

/// Copies as much of `from` as there is room for to the start of the cell; how much that is.
///
/// # Safety
///
/// The caller owns the frame of `cell`, and nothing refers to the content.
pub(crate) unsafe fn copy_in<const N: usize>(cell: &UnsafeCell<[u8; N]>, from: &[u8]) -> usize {
    let len = from.len().min(N);
    // SAFETY: `from` has `len` bytes and so has the cell, which the caller owns; a reference to bytes elsewhere does not
    // overlap it.
    cell.with_mut(|to| unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to.cast(), len) });
    len
}

/// Copies the first `len` bytes out, or all if there are fewer.
///
/// # Safety
///
/// The caller owns the frame of `cell`.
pub(crate) unsafe fn copy_out<const N: usize>(cell: &UnsafeCell<[u8; N]>, len: usize) -> Vec<u8> {
    let mut out = vec![0; len.min(N)];
    // SAFETY: the cell has at least as many bytes as `out`, which is new and not part of it; nobody writes them while the
    // caller owns the frame.
    cell.with(|from| unsafe { core::ptr::copy_nonoverlapping(from.cast(), out.as_mut_ptr(), out.len()) });
    out
}

/// The content, in place.
///
/// # Safety
///
/// The caller owns the frame of `cell` for as long as it uses the reference, and nobody writes the content meanwhile.
pub(crate) unsafe fn in_place<T>(cell: &UnsafeCell<T>) -> &T {
    // SAFETY: the pointer is that of a live cell, and the caller answers for the rest.
    cell.with(|content| unsafe { &*content })
}
