//! Tables that cost nothing until they are touched.

use alloc::boxed::Box;
#[cfg(prewire_loom)]
use alloc::vec::Vec;

/// What a table of zeros can be made of.
#[cfg(not(prewire_loom))]
pub(crate) trait Zeroed: bytemuck::Zeroable {}
#[cfg(not(prewire_loom))]
impl<T: bytemuck::Zeroable> Zeroed for T {}

/// What a table of zeros can be made of: under loom, whose atomics are not bytes, of defaults.
#[cfg(prewire_loom)]
pub(crate) trait Zeroed: Default {}
#[cfg(prewire_loom)]
impl<T: Default> Zeroed for T {}

/// `len` zeroed elements. The allocator hands large tables out untouched, so an unused ring holds no memory.
pub(crate) fn zeroed<T: Zeroed>(len: usize) -> Box<[T]> {
    #[cfg(not(prewire_loom))]
    return bytemuck::allocation::zeroed_slice_box(len);
    #[cfg(prewire_loom)]
    return (0..len).map(|_| T::default()).collect::<Vec<_>>().into_boxed_slice();
}
