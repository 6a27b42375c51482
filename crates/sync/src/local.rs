//! Values that each thread has for itself: `std`'s, or loom's, whose threads all run on one.

/// Declares values that each thread has for itself, one `static` after another; each is reached by `with`. Their first
/// content must be constant.
///
/// ```
/// use core::cell::Cell;
///
/// prewire_sync::thread_local! {
///     /// How often this thread was here.
///     static VISITS: Cell<u32> = Cell::new(0);
/// }
/// VISITS.with(|visits| visits.set(visits.get() + 1));
/// assert_eq!(VISITS.with(Cell::get), 1);
/// ```
#[cfg(not(prewire_loom))]
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;)*) => {
        ::std::thread_local! { $($(#[$attr])* $vis static $name: $t = const { $init };)* }
    };
}

/// Declares values that each thread of a model has for itself.
#[cfg(prewire_loom)]
#[macro_export]
macro_rules! thread_local {
    ($($(#[$attr:meta])* $vis:vis static $name:ident: $t:ty = $init:expr;)*) => {
        $crate::loom_thread_local! { $($(#[$attr])* $vis static $name: $t = $init;)* }
    };
}

#[cfg(prewire_loom)]
#[doc(hidden)]
pub use loom::thread_local as loom_thread_local;
