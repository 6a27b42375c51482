//! Tables that cost nothing until they are touched.
//!
//! Whoever makes rings may hand in where their memory comes from ([`Pages`]); else it is the allocator's. That hands large
//! zeroed tables out untouched as well, as long as it has nothing that was used before, and only with the alignment that it
//! has anyway: for more it would write the zeros. So a table asks for plain words, one cache line more than it needs, and
//! starts at the first line.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

use prewire_sync::atomic::AtomicU64;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
pub(crate) use words::{Table, View, Zeroed};

/// Zeroed words that somebody else has made. They stay where they are while this lives.
pub type Words = Box<dyn Deref<Target = [AtomicU64]> + Send + Sync>;

/// Where the memory of large tables comes from: so many zeroed words, or none, and then the allocator is asked.
pub type Pages<'a> = &'a dyn Fn(usize) -> Option<Words>;

/// From the allocator.
pub(crate) const HEAP: Pages<'static> = &|_| None;

#[cfg(not(any(prewire_loom, prewire_shuttle)))]
mod words {
    use alloc::boxed::Box;
    use core::marker::PhantomData;
    use core::ops::Range;
    use core::ptr::NonNull;

    use prewire_sync::atomic::AtomicU64;

    use super::{Pages, Words};

    const WORD: usize = size_of::<AtomicU64>();
    const LINE: usize = 64;
    /// Words from which on a table is worth pages of its own.
    const LARGE: usize = 8 << 10;

    /// What a table of zeros can be made of: plain data that threads share.
    pub(crate) trait Zeroed: bytemuck::Zeroable + Sync {}
    impl<T: bytemuck::Zeroable + Sync> Zeroed for T {}

    /// Words of the allocator, by address: a `Box` claims that nothing else points to what it owns.
    struct Heap(NonNull<[AtomicU64]>);

    impl Heap {
        fn new(words: usize) -> Self {
            Self(NonNull::from(Box::leak(bytemuck::allocation::zeroed_slice_box(words))))
        }
    }

    impl Drop for Heap {
        fn drop(&mut self) {
            // SAFETY: `new` leaked it from a box, and nobody else makes one of it again.
            drop(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }

    /// What keeps the words of a table.
    enum Memory {
        Heap(Heap),
        Given(Words),
    }

    /// A power of two of elements that were zero when the table was made, the first one at the start of a cache line.
    pub(crate) struct Table<T> {
        /// The memory: shared words, so that elements may change behind a shared reference.
        memory: Memory,
        /// The first element.
        first: NonNull<AtomicU64>,
        /// One less than there are.
        mask: usize,
        of: PhantomData<T>,
    }

    // SAFETY: a table is its memory, which may be sent, and the address of a place in it; its elements are shared by
    // reference only, which `Zeroed` allows.
    unsafe impl<T: Zeroed> Send for Table<T> {}
    // SAFETY: as above.
    unsafe impl<T: Zeroed> Sync for Table<T> {}

    impl<T: Zeroed> Table<T> {
        const FITS: () = assert!(
            align_of::<T>() <= LINE && size_of::<T>().is_multiple_of(4) && !core::mem::needs_drop::<T>()
        );

        /// As many elements as asked for, rounded up.
        pub(crate) fn new(len: usize, pages: Pages<'_>) -> Self {
            let () = Self::FITS;
            let len = len.next_power_of_two();
            let wanted = (len * size_of::<T>()).div_ceil(WORD) + LINE / WORD;
            let given =
                if wanted < LARGE { None } else { pages(wanted).filter(|words| words.len() >= wanted) };
            let memory = match given {
                Some(words) => Memory::Given(words),
                None => Memory::Heap(Heap::new(wanted)),
            };
            let start: NonNull<AtomicU64> = match &memory {
                Memory::Heap(words) => words.0.cast(),
                // The words themselves, and not the box or what it holds.
                Memory::Given(words) => {
                    let words: &[AtomicU64] = (**words).deref();
                    NonNull::from(words).cast()
                }
            };
            let skipped = start.addr().get().wrapping_neg() % LINE / WORD;
            // SAFETY: `wanted` words are there from `start` on, which are a line more than at most this.
            let first = unsafe { start.add(skipped) };
            Self { memory, first, mask: len - 1, of: PhantomData }
        }

        pub(super) fn elements(&self) -> &[T] {
            let first = self.first.cast::<T>();
            // SAFETY:
            // - the elements from `first` on, one more than `mask`, lie inside the memory: `new` asked for their bytes and a line more, of which at
            //   most one is skipped; its words stay where they are as long as `self` lives, moved or not;
            // - `first` is aligned: it is at the start of a line, and `FITS` bounds the alignment of `T`;
            // - zeros are a `T` (`Zeroable`), and only `T`s are written since, through this slice;
            // - the memory is made of atomics, so it may change behind a shared reference; nobody uses it as words.
            unsafe { NonNull::slice_from_raw_parts(first, self.mask + 1).as_ref() }
        }

        /// Where so many elements are, from `index` modulo their number on, up to the last one; if the table is in memory from elsewhere.
        pub(crate) fn bytes(&self, index: usize, count: usize) -> Option<Range<*const u8>> {
            if matches!(self.memory, Memory::Heap(_)) {
                return None;
            }
            let (all, at) = (self.elements(), index & self.mask);
            let Range { start, end } = all[at..all.len().min(at.saturating_add(count))].as_ptr_range();
            Some(start.cast()..end.cast())
        }

        /// Its elements, by a copy of where they are.
        #[inline(always)]
        pub(crate) fn view(&self) -> View<'_, T> {
            View { first: self.first.cast(), mask: self.mask, of: PhantomData }
        }
    }

    /// A power of two of elements of a table. Who looks at several takes this once: where they are would be read again after each
    /// access that is ordered.
    pub(crate) struct View<'a, T> {
        first: NonNull<T>,
        mask: usize,
        of: PhantomData<&'a T>,
    }

    impl<T> Clone for View<'_, T> {
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<T> Copy for View<'_, T> {}

    impl<'a, T: Zeroed> View<'a, T> {
        /// The element at `index` modulo their number.
        #[inline(always)]
        pub(crate) fn wrap(self, index: usize) -> &'a T {
            // SAFETY: `index & mask` is at most `mask`, and so many elements lie behind the first in the same memory, as
            // `elements` says.
            let element = unsafe { self.first.add(index & self.mask) };
            // SAFETY: an element of a table, initialised and shared for as long as the table is borrowed; see `elements`.
            unsafe { element.as_ref() }
        }
    }
}

#[cfg(any(prewire_loom, prewire_shuttle))]
pub(crate) use boxed::{Table, View, Zeroed};

#[cfg(any(prewire_loom, prewire_shuttle))]
mod boxed {
    use alloc::boxed::Box;
    use core::ops::Range;

    /// What a table can be made of in a model, whose atomics are not bytes.
    pub(crate) trait Zeroed: Default {}
    impl<T: Default> Zeroed for T {}

    /// A power of two of elements.
    pub(crate) struct Table<T>(Box<[T]>);

    impl<T: Zeroed> Table<T> {
        pub(crate) fn new(len: usize, _: super::Pages<'_>) -> Self {
            Self((0..len.next_power_of_two()).map(|_| T::default()).collect())
        }

        pub(super) fn elements(&self) -> &[T] {
            &self.0
        }

        /// In a model nothing is from elsewhere.
        pub(crate) fn bytes(&self, _: usize, _: usize) -> Option<Range<*const u8>> {
            None
        }

        pub(crate) fn view(&self) -> View<'_, T> {
            View(&self.0)
        }
    }

    /// A power of two of elements of a table.
    pub(crate) struct View<'a, T>(&'a [T]);

    impl<T> Clone for View<'_, T> {
        fn clone(&self) -> Self {
            *self
        }
    }

    impl<T> Copy for View<'_, T> {}

    impl<'a, T> View<'a, T> {
        /// The element at `index` modulo their number.
        pub(crate) fn wrap(self, index: usize) -> &'a T {
            &self.0[index & (self.0.len() - 1)]
        }
    }
}

impl<T: Zeroed> Table<T> {
    /// The element at `index` modulo their number.
    #[inline(always)]
    pub(crate) fn wrap(&self, index: usize) -> &T {
        self.view().wrap(index)
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
    use prewire_sync::atomic::{AtomicU32, Ordering};

    /// Words of somebody else, as bad for a table as can be: they start in the middle of a line.
    fn given(words: usize) -> Option<Words> {
        struct Odd(Box<[AtomicU64]>);
        impl Deref for Odd {
            type Target = [AtomicU64];
            fn deref(&self) -> &[AtomicU64] {
                let at = (self.0.as_ptr().addr().wrapping_neg() / 8 + 1) % 8;
                &self.0[at..]
            }
        }
        Some(Box::new(Odd((0..words + 8).map(|_| AtomicU64::new(0)).collect())))
    }

    #[test]
    fn elements_are_aligned_zeroed_and_apart() {
        let too_few = |_| given(1);
        let sizes = [0, 1, 7, 4096, 40_000].into_iter();
        for (len, pages) in sizes.flat_map(|len| [(len, HEAP), (len, &given), (len, &too_few as Pages<'_>)]) {
            let table = Table::<crate::Slot>::new(len, pages);
            assert_eq!(table.len(), len.next_power_of_two());
            for index in [0, len / 2, len.saturating_sub(1)] {
                assert!(core::ptr::eq(table.wrap(index), &raw const table[index]));
                assert!(core::ptr::eq(table.wrap(index + 3 * table.len()), &raw const table[index]));
            }
            assert_eq!(table.as_ptr().addr() % 64, 0);
            let moved = core::hint::black_box(Box::new(table));
            assert!(moved.iter().all(|slot| slot.waits() == 0));
            let words = Table::<AtomicU64>::new(len, pages);
            assert!(words.iter().all(|word| word.load(Ordering::Relaxed) == 0));
            words.iter().enumerate().for_each(|(i, word)| word.store(i as u64, Ordering::Relaxed));
            assert!(words.iter().enumerate().all(|(i, word)| word.load(Ordering::Relaxed) == i as u64));
            let halves = Table::<AtomicU32>::new(len, pages);
            assert!(halves.iter().all(|half| half.load(Ordering::Relaxed) == 0));
            halves.iter().enumerate().for_each(|(i, half)| half.store(i as u32, Ordering::Relaxed));
            assert!(halves.iter().enumerate().all(|(i, half)| half.load(Ordering::Relaxed) == i as u32));
        }
    }
}
