//! Which family of chips this library is for.
//!
//! It is built once. A note in it says a2a3, and `cargo xtask dist` writes a second copy with a note that says a5: so both are
//! the same code, and nothing depends on where a copy was put or what it is called.

use core::ptr;

use prewire_abi::Arch;

/// The note. Whoever makes a copy for another family changes these bytes.
#[used]
static NOTE: [u8; Arch::NOTE] = Arch::A2a3.note();

/// The family that the library is for.
///
/// ```
/// assert_eq!(host_runtime::arch::arch().name(), "a2a3");
/// ```
#[must_use]
pub fn arch() -> Arch {
    // SAFETY: it is a static of this library. It is read as it is in memory, since the compiler takes it for what it was when
    // it was built.
    let note = unsafe { ptr::read_volatile(&raw const NOTE) };
    // A note that was changed to something else is one of nothing that is known: the library is what it was built as.
    Arch::of_note(&note).unwrap_or(Arch::A2a3)
}
