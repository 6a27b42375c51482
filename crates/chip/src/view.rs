//! What a kernel or a host function sees of its tensors: typed views.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;

use crate::element::Element;
use crate::error::KernelError;
use crate::lease::Leases;
use crate::shared_memory::SharedMemory;
use crate::span::Span;

/// What a view gives back when it is dropped.
#[derive(Debug)]
pub(crate) enum Guard<'k> {
    /// A mark in the kernel's own table: above 0 readers, -1 a writer.
    Mark(&'k Cell<i8>),
    /// A lease in the chip's table, or in that of memory which is borrowed.
    Lease(&'k Leases, u64),
    /// A lease in the table of memory that several share.
    Shared(SharedMemory, u64),
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        match self {
            Self::Mark(mark) => mark.set(if mark.get() < 0 { 0 } else { mark.get() - 1 }),
            Self::Lease(leases, id) => leases.give_back(*id),
            Self::Shared(memory, id) => memory.leases().give_back(*id),
        }
    }
}

/// The place of a checked index.
fn offset(span: &Span, index: &[usize]) -> Option<usize> {
    let shape = span.shape();
    (index.len() == shape.len() && index.iter().zip(shape).all(|(&i, &n)| i < n as usize))
        .then(|| index.iter().zip(span.strides()).map(|(&i, &s)| i * s as usize).sum())
}

/// The place of the first element of row `r`, if its elements lie one after the other, and their number.
fn row(span: &Span, r: usize) -> Result<(usize, usize), KernelError> {
    let Some((&columns, outer)) = span.shape().split_last() else { return Err(not_contiguous(span)) };
    if columns > 1 && span.strides().last() != Some(&1) {
        return Err(not_contiguous(span));
    }
    if r >= rows(span) {
        return Err(KernelError::OutOfBounds { index: vec![r], shape: span.shape().to_vec() });
    }
    let (mut rest, mut at) = (r, 0);
    for (&n, &s) in outer.iter().zip(span.strides()).rev() {
        at += rest % n as usize * s as usize;
        rest /= n as usize;
    }
    Ok((at, columns as usize))
}

fn rows(span: &Span) -> usize {
    span.shape().split_last().map_or(0, |(_, outer)| outer.iter().map(|&n| n as usize).product())
}

fn not_contiguous(span: &Span) -> KernelError {
    KernelError::NotContiguous { shape: span.shape().to_vec(), strides: span.strides().to_vec() }
}

/// The places of the elements of `span`, row after row.
#[derive(Debug, Clone)]
struct Places {
    span: Span,
    index: [u32; prewire_abi::MAX_TENSOR_DIMS],
    at: usize,
    left: usize,
}

impl Places {
    fn new(span: &Span) -> Self {
        Self { span: *span, index: [0; prewire_abi::MAX_TENSOR_DIMS], at: 0, left: span.len() }
    }
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for dim in (0..self.span.ndims).rev() {
            let stride = self.span.strides[dim] as usize;
            self.index[dim] += 1;
            if self.index[dim] < self.span.shape[dim] {
                self.at += stride;
                break;
            }
            self.at -= (self.index[dim] - 1) as usize * stride;
            self.index[dim] = 0;
        }
        Some(at)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

macro_rules! shared_methods {
    () => {
        /// Elements by dimension.
        #[must_use]
        pub fn shape(&self) -> &[u32] {
            self.span.shape()
        }

        /// Elements from one to the next, by dimension.
        #[must_use]
        pub fn strides(&self) -> &[u32] {
            self.span.strides()
        }

        /// How many elements there are.
        #[must_use]
        #[inline]
        pub fn len(&self) -> usize {
            self.span.len()
        }

        /// Whether there are none.
        #[must_use]
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// How many rows there are: the product of all dimensions but the last.
        #[must_use]
        pub fn rows(&self) -> usize {
            rows(&self.span)
        }

        /// Row `r`, counted over all dimensions but the last.
        ///
        /// # Errors
        ///
        /// There is no such row, or the elements of a row do not lie one after the other.
        pub fn row(&self, r: usize) -> Result<&[T], KernelError> {
            let (at, columns) = row(&self.span, r)?;
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
            if !self.span.is_packed() {
                return Err(not_contiguous(&self.span));
            }
            // SAFETY: the view is packed, so its elements are `len` from the first on; see `row` for the rest.
            Ok(unsafe { std::slice::from_raw_parts(self.first(), self.len()) })
        }

        /// The element at `index`, if there is one.
        #[must_use]
        pub fn get(&self, index: &[usize]) -> Option<T> {
            let at = offset(&self.span, index)?;
            // SAFETY: the place is inside the view.
            let element = unsafe { self.first().add(at) };
            // SAFETY: see `row`.
            Some(unsafe { element.read() })
        }

        /// The elements, row after row.
        pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
            Places::new(&self.span).map(|at| {
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
            std::ptr::with_exposed_provenance(self.span.addr as usize)
        }
    };
}

/// A tensor, or a part of one, that a kernel or a host function reads.
///
/// Invariant: every element of the span is inside one live allocation of the chip, or inside shared memory that is kept
/// alive, aligned for `T`; and nobody writes any of them while the view is alive, because an edge, a mark or a lease
/// keeps writers away.
pub struct View<'k, T> {
    span: Span,
    _guard: Guard<'k>,
    _type: PhantomData<&'k [T]>,
}

/// A tensor, or a part of one, that a kernel or a host function writes.
///
/// Invariant: as [`View`]'s, and nobody else reads any of the elements while the view is alive.
pub struct ViewMut<'k, T> {
    span: Span,
    _guard: Guard<'k>,
    _type: PhantomData<&'k mut [T]>,
}

impl<T> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("shape", &self.span.shape()).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ViewMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ViewMut").field("shape", &self.span.shape()).finish_non_exhaustive()
    }
}

impl<'k, T: Element> View<'k, T> {
    /// The caller has checked what the type's invariant says.
    #[inline]
    pub(crate) fn new(span: Span, guard: Guard<'k>) -> Self {
        Self { span, _guard: guard, _type: PhantomData }
    }

    shared_methods!();
}

impl<'k, T: Element> ViewMut<'k, T> {
    /// The caller has checked what the type's invariant says.
    #[inline]
    pub(crate) fn new(span: Span, guard: Guard<'k>) -> Self {
        Self { span, _guard: guard, _type: PhantomData }
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
        let (at, columns) = row(&self.span, r)?;
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
        if !self.span.is_packed() {
            return Err(not_contiguous(&self.span));
        }
        let len = self.len();
        // SAFETY: the view is packed, so its elements are `len` from the first on; see `row_mut` for the rest.
        Ok(unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), len) })
    }

    /// Writes the element at `index`.
    ///
    /// # Errors
    ///
    /// There is no such element.
    pub fn set(&mut self, index: &[usize], value: T) -> Result<(), KernelError> {
        let Some(at) = offset(&self.span, index) else {
            return Err(KernelError::OutOfBounds {
                index: index.to_vec(),
                shape: self.span.shape().to_vec(),
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
        for at in Places::new(&self.span) {
            // SAFETY: the place is inside the view.
            let element = unsafe { self.as_mut_ptr().add(at) };
            // SAFETY: see `row_mut`.
            unsafe { element.write(value) };
        }
    }
}
