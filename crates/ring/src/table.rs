//! Tables that cost nothing until they are touched.
//!
//! An allocator hands large zeroed tables out untouched, but only with the alignment that it has anyway: for more it
//! would write the zeros. So a table asks for plain words, one cache line more than it needs, and starts at the first
//! line.

use core::fmt;
use core::ops::Deref;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub(crate) use words::{Table, Zeroed};

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod words {
    use alloc::boxed::Box;
    use core::marker::PhantomData;

    use prewire_sync::atomic::AtomicU64;

    const WORD: usize = size_of::<AtomicU64>();
    const LINE: usize = 64;

    /// What a table of zeros can be made of: plain data that threads share.
    pub(crate) trait Zeroed: bytemuck::Zeroable + Sync {}
    impl<T: bytemuck::Zeroable + Sync> Zeroed for T {}

    /// `len` elements that were zero when the table was made, the first one at the start of a cache line.
    pub(crate) struct Table<T> {
        /// The memory: shared words, so that elements may change behind a shared reference.
        words: Box<[AtomicU64]>,
        /// The word at which the first element starts.
        first: usize,
        len: usize,
        of: PhantomData<T>,
    }

    impl<T: Zeroed> Table<T> {
        const FITS: () = assert!(
            align_of::<T>() <= LINE && size_of::<T>().is_multiple_of(WORD) && !core::mem::needs_drop::<T>()
        );

        pub(crate) fn new(len: usize) -> Self {
            let () = Self::FITS;
            let words = len * size_of::<T>() / WORD + LINE / WORD;
            let words: Box<[AtomicU64]> = bytemuck::allocation::zeroed_slice_box(words);
            let first = words.as_ptr().addr().wrapping_neg() % LINE / WORD;
            Self { words, first, len, of: PhantomData }
        }

        pub(super) fn elements(&self) -> &[T] {
            let first = self.words[self.first..].as_ptr().cast::<T>();
            // SAFETY:
            // - the `len` elements from `first` on lie inside `words`: `new` asked for their bytes and a line more, of
            //   which at most one is skipped, and `words` lives as long as the borrow of `self`;
            // - `first` is aligned: it is at the start of a line, and `FITS` bounds the alignment of `T`;
            // - zeros are a `T` (`Zeroable`), and only `T`s are written since, through this slice;
            // - the memory is made of atomics, so it may change behind a shared reference; nobody uses it as words.
            unsafe { core::slice::from_raw_parts(first, self.len) }
        }
    }
}

#[cfg(any(prewire_loom, prewire_shuttle))]
pub(crate) use boxed::{Table, Zeroed};

#[cfg(any(prewire_loom, prewire_shuttle))]
mod boxed {
    use alloc::boxed::Box;

    /// What a table can be made of in a model, whose atomics are not bytes.
    pub(crate) trait Zeroed: Default {}
    impl<T: Default> Zeroed for T {}

    /// `len` elements.
    pub(crate) struct Table<T>(Box<[T]>);

    impl<T: Zeroed> Table<T> {
        pub(crate) fn new(len: usize) -> Self {
            Self((0..len).map(|_| T::default()).collect())
        }

        pub(super) fn elements(&self) -> &[T] {
            &self.0
        }
    }
}

impl<T: Zeroed> Deref for Table<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.elements()
    }
}

impl<T: Zeroed> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} elements)", self.len())
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use prewire_sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn elements_are_aligned_zeroed_and_apart() {
        for len in [0, 1, 7, 4096] {
            let table = Table::<crate::Slot>::new(len);
            assert_eq!(table.len(), len);
            assert_eq!(table.as_ptr().addr() % 64, 0);
            let words = Table::<AtomicU64>::new(len);
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            words.iter().enumerate().for_each(|(i, word)| word.store(i as u64, Ordering::Relaxed));
            assert!(words.iter().enumerate().all(|(i, word)| word.load(Ordering::Relaxed) == i as u64));
        }
    }
}
