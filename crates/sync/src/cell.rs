//! A cell whose content is reached through a closure, so that loom can watch each access.
#![allow(clippy::disallowed_types, reason = "this is the crate that may name them")]

#[cfg(prewire_loom)]
use loom::cell::UnsafeCell as Imp;

#[cfg(not(prewire_loom))]
#[derive(Debug, Default)]
struct Imp<T: ?Sized>(core::cell::UnsafeCell<T>);

#[cfg(not(prewire_loom))]
impl<T> Imp<T> {
    const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    #[inline(always)]
    fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    #[inline(always)]
    fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// A place that its owner may change through a shared reference. Nothing here says who the owner is: the type that
/// holds the cell does, and whoever dereferences the pointer proves it.
///
/// ```
/// let cell = prewire_sync::cell::UnsafeCell::new(1);
/// // SAFETY: no other reference to the content exists.
/// cell.with_mut(|p| unsafe { *p += 1 });
/// assert_eq!(cell.into_inner(), 2);
/// ```
#[derive(Debug)]
pub struct UnsafeCell<T>(Imp<T>);

impl<T> UnsafeCell<T> {
    /// A cell with `value` in it.
    #[cfg(not(prewire_loom))]
    pub const fn new(value: T) -> Self {
        Self(Imp::new(value))
    }

    /// A cell with `value` in it.
    #[cfg(prewire_loom)]
    pub fn new(value: T) -> Self {
        Self(Imp::new(value))
    }

    /// Hands `f` a pointer to read through; under loom a concurrent write is reported.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    /// Hands `f` a pointer to write through; under loom any concurrent access is reported.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }

    /// The content.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}
