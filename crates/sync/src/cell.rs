//! A cell whose content is reached through a closure, so that loom and shuttle can watch each access.
#![allow(clippy::disallowed_types, reason = "this is the crate that may name them")]

#[cfg(prewire_loom)]
use loom::cell::UnsafeCell as Imp;
#[cfg(prewire_shuttle)]
use watched::Imp;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
#[derive(Debug, Default)]
#[repr(transparent)]
struct Imp<T: ?Sized>(core::cell::UnsafeCell<T>);

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
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

#[cfg(prewire_shuttle)]
mod watched {
    use core::cell::{Cell, UnsafeCell};

    /// Shuttle has no cell of its own. It runs its threads one at a time on one thread of the system and changes between
    /// them at atomic operations, so accesses overlap where one begins inside the closure of another; they are counted.
    #[derive(Debug)]
    pub(super) struct Imp<T> {
        value: UnsafeCell<T>,
        /// Readers inside, or -1 for a writer. Touched by whichever thread has its turn.
        inside: Cell<i32>,
    }

    /// Counts an access as over, when the closure panics too. The number is what it added.
    struct Leave<'a>(&'a Cell<i32>, i32);

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - self.1);
        }
    }

    impl<T> Imp<T> {
        pub(super) const fn new(value: T) -> Self {
            Self { value: UnsafeCell::new(value), inside: Cell::new(0) }
        }

        pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            assert!(self.inside.get() >= 0, "a cell is read while another thread writes it");
            self.inside.set(self.inside.get() + 1);
            let _leave = Leave(&self.inside, 1);
            f(self.value.get())
        }

        pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            assert!(self.inside.get() == 0, "a cell is written while another thread is in it");
            self.inside.set(-1);
            let _leave = Leave(&self.inside, -1);
            f(self.value.get())
        }

        pub(super) fn into_inner(self) -> T {
            self.value.into_inner()
        }
    }
}

/// A place that its owner may change through a shared reference. Nothing here says who the owner is: the type that
/// holds the cell does, and whoever dereferences the pointer proves it. Outside of models it has the layout of its
/// content, so that memory between processes can hold it.
///
/// ```
/// let cell = prewire_sync::cell::UnsafeCell::new(1);
/// // SAFETY: no other reference to the content exists.
/// cell.with_mut(|p| unsafe { *p += 1 });
/// assert_eq!(cell.into_inner(), 2);
/// ```
#[derive(Debug)]
#[cfg_attr(not(any(prewire_loom, prewire_shuttle)), repr(transparent))]
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

    /// Hands `f` a pointer to read through; under loom and shuttle a concurrent write is reported.
    #[inline(always)]
    pub fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }

    /// Hands `f` a pointer to write through; under loom and shuttle any concurrent access is
    /// reported.
    #[inline(always)]
    pub fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }

    /// The content.
    pub fn into_inner(self) -> T {
        self.0.into_inner()
    }
}
