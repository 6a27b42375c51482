//! What a kernel or a host function sees of its tensors: typed views.

use std::fmt;
use std::marker::PhantomData;

use crate::element::Element;
use crate::error::KernelError;
use crate::extent::Extent;
use crate::guard::Guard;

macro_rules! shared_methods {
    () => {
        /// Elements by dimension.
        #[must_use]
        pub fn shape(&self) -> &[u32] {
            self.extent.shape()
        }

        /// Elements from one to the next, by dimension.
        #[must_use]
        pub fn strides(&self) -> &[u32] {
            self.extent.strides()
        }

        /// How many elements there are.
        #[must_use]
        #[inline]
        pub fn len(&self) -> usize {
            self.extent.len()
        }

        /// Whether there are none.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// How many rows there are: the product of all dimensions but the last.
        #[must_use]
        pub fn rows(&self) -> usize {
            self.extent.rows()
        }

        /// Row `r`, counted over all dimensions but the last.
        ///
        /// # Errors
        ///
        /// There is no such row, or the elements of a row do not lie one after the other.
        pub fn row(&self, r: usize) -> Result<&[T], KernelError> {
            let (at, columns) = self.extent.row(r)?;
            // SAFETY: the row lies inside the view (see the type's invariant), its elements one after the other.
            let first = unsafe { self.first().add(at) };
            // SAFETY: `first` is aligned and good for reads of `columns` elements, which are plain bytes; nobody
            // writes them while the view is alive, this view included as it is borrowed.
            Ok(unsafe { std::slice::from_raw_parts(first, columns) })
        }

        /// All elements, if they lie one after the other.
        ///
        /// # Errors
        ///
        /// They do not.
        #[inline]
        pub fn as_slice(&self) -> Result<&[T], KernelError> {
            let (first, len) = self.extent.slice()?;
            let first = std::ptr::with_exposed_provenance(first as usize);
            // SAFETY: the elements of the view are `len` from `first` on, as they lie packed; see `row` for the rest.
            Ok(unsafe { std::slice::from_raw_parts(first, len) })
        }

        /// The element at `index`, if there is one.
        #[must_use]
        pub fn get(&self, index: &[usize]) -> Option<T> {
            let at = self.extent.offset(index)?;
            // SAFETY: the place is inside the view.
            let element = unsafe { self.first().add(at) };
            // SAFETY: see `row`.
            Some(unsafe { element.read() })
        }

        /// The elements, row after row.
        pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
            self.extent.places().map(|at| {
                // SAFETY: the place is inside the view.
                let element = unsafe { self.first().add(at) };
                // SAFETY: see `row`.
                unsafe { element.read() }
            })
        }

        /// A copy of the elements, row after row.
        #[must_use]
        pub fn to_vec(&self) -> Vec<T> {
            self.as_slice().map_or_else(|_| self.iter().collect(), <[T]>::to_vec)
        }

        /// The address of the first element, for code that takes pointers and strides.
        #[must_use]
        pub fn as_ptr(&self) -> *const T {
            self.first()
        }

        fn first(&self) -> *const T {
            std::ptr::with_exposed_provenance(self.extent.addr() as usize)
        }
    };
}

/// A tensor, or a part of one, that a kernel or a host function reads.
///
/// Invariant: every element of the extent is inside one live allocation of the chip, or inside shared memory that is kept
/// alive, aligned for `T`; and nobody writes any of them while the view is alive, because an edge, a mark or a lease
/// keeps writers away.
pub struct View<'k, T> {
    extent: Extent,
    _guard: Guard<'k>,
    _type: PhantomData<&'k [T]>,
}

/// A tensor, or a part of one, that a kernel or a host function writes.
///
/// Invariant: as [`View`]'s, and nobody else reads any of the elements while the view is alive.
pub struct ViewMut<'k, T> {
    extent: Extent,
    _guard: Guard<'k>,
    _type: PhantomData<&'k mut [T]>,
}

impl<T> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("shape", &self.extent.shape()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ViewMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewMut").field("shape", &self.extent.shape()).finish_non_exhaustive()
    }
}

impl<'k, T: Element> View<'k, T> {
    /// The caller has checked what the type's invariant says.
    #[inline(always)]
    pub(crate) fn new(extent: impl Into<Extent>, guard: Guard<'k>) -> Self {
        Self { extent: extent.into(), _guard: guard, _type: PhantomData }
    }

    shared_methods!();
}

impl<'k, T: Element> ViewMut<'k, T> {
    /// The caller has checked what the type's invariant says.
    #[inline(always)]
    pub(crate) fn new(extent: impl Into<Extent>, guard: Guard<'k>) -> Self {
        Self { extent: extent.into(), _guard: guard, _type: PhantomData }
    }

    shared_methods!();

    /// The address of the first element, for code that takes pointers and strides.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut T {
        self.first().cast_mut()
    }

    /// Row `r`, to write.
    ///
    /// # Errors
    ///
    /// As [`row`](ViewMut::row).
    pub fn row_mut(&mut self, r: usize) -> Result<&mut [T], KernelError> {
        let (at, columns) = self.extent.row(r)?;
        // SAFETY: the row lies inside the view.
        let first = unsafe { self.as_mut_ptr().add(at) };
        // SAFETY: `first` is aligned and good for `columns` elements, which are plain bytes; nobody else touches them
        // while the view is alive, and this view is borrowed mutably.
        Ok(unsafe { std::slice::from_raw_parts_mut(first, columns) })
    }

    /// All elements, to write, if they lie one after the other.
    ///
    /// # Errors
    ///
    /// They do not.
    #[inline]
    pub fn as_mut_slice(&mut self) -> Result<&mut [T], KernelError> {
        let (first, len) = self.extent.slice()?;
        let first = std::ptr::with_exposed_provenance_mut(first as usize);
        // SAFETY: the elements of the view are `len` from `first` on, as they lie packed; see `row_mut` for the rest.
        Ok(unsafe { std::slice::from_raw_parts_mut(first, len) })
    }

    /// Writes the element at `index`.
    ///
    /// # Errors
    ///
    /// There is no such element.
    pub fn set(&mut self, index: &[usize], value: T) -> Result<(), KernelError> {
        let Some(at) = self.extent.offset(index) else {
            return Err(KernelError::OutOfBounds {
                index: index.to_vec(),
                shape: self.extent.shape().to_vec(),
            });
        };
        // SAFETY: the place is inside the view.
        let element = unsafe { self.as_mut_ptr().add(at) };
        // SAFETY: see `row_mut`.
        unsafe { element.write(value) };
        Ok(())
    }

    /// Writes `value` everywhere.
    pub fn fill(&mut self, value: T) {
        for at in self.extent.places() {
            // SAFETY: the place is inside the view.
            let element = unsafe { self.as_mut_ptr().add(at) };
            // SAFETY: see `row_mut`.
            unsafe { element.write(value) };
        }
    }
}
