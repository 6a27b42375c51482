//! Where the elements of a view are.
//!
//! Invariant: of a tensor whose elements lie row after row nothing is worked out before somebody asks: most kernels take
//! it as one slice, which is its address and its length.

use std::cell::OnceCell;

use prewire_abi::MAX_TENSOR_DIMS;
use prewire_orchestrator::{PackedArg, packed_strides};

use crate::error::KernelError;
use crate::span::Span;

/// The elements of a view: the first one, how many there are, and how they lie.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    addr: u64,
    len: usize,
    shape: [u32; MAX_TENSOR_DIMS],
    ndims: u32,
    /// Whether they lie row after row without gaps.
    packed: bool,
    /// From one element to the next, by dimension. Where it is not set they lie packed.
    strides: OnceCell<[u32; MAX_TENSOR_DIMS]>,
}

impl Extent {
    /// All of an argument.
    #[inline(always)]
    pub(crate) fn of(tensor: &PackedArg) -> Self {
        let shape = tensor.shape();
        // No loop for the usual ones: it would end where no processor expects it.
        let len = match tensor.ndims() {
            1 => shape[0] as usize,
            2 => shape[0] as usize * shape[1] as usize,
            ndims => product(shape, ndims),
        };
        let strides = OnceCell::new();
        Self { addr: tensor.addr(), len, shape, ndims: tensor.ndims() as u32, packed: true, strides }
    }

    pub(crate) const fn addr(&self) -> u64 {
        self.addr
    }

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn shape(&self) -> &[u32] {
        &self.shape[..self.ndims as usize]
    }

    pub(crate) fn strides(&self) -> &[u32] {
        &self.strides.get_or_init(|| packed_strides(self.shape()))[..self.ndims as usize]
    }

    /// The address and the number of all elements, if they lie one after the other.
    #[inline(always)]
    pub(crate) fn slice(&self) -> Result<(u64, usize), KernelError> {
        // What goes into the message is a copy, so that nothing here has to lie in memory.
        if self.packed { Ok((self.addr, self.len)) } else { Err(self.clone().not_contiguous()) }
    }

    #[cold]
    #[inline(never)]
    fn not_contiguous(self) -> KernelError {
        KernelError::NotContiguous { shape: self.shape().to_vec(), strides: self.strides().to_vec() }
    }

    /// The place of a checked index.
    pub(crate) fn offset(&self, index: &[usize]) -> Option<usize> {
        let shape = self.shape();
        if index.len() != shape.len() || !index.iter().zip(shape).all(|(&i, &n)| i < n as usize) {
            return None;
        }
        Some(if self.packed {
            index.iter().zip(shape).fold(0, |at, (&i, &n)| at * n as usize + i)
        } else {
            index.iter().zip(self.strides()).map(|(&i, &s)| i * s as usize).sum()
        })
    }

    /// The place of the first element of row `r`, if its elements lie one after the other, and their number.
    pub(crate) fn row(&self, r: usize) -> Result<(usize, usize), KernelError> {
        let Some((&columns, outer)) = self.shape().split_last() else {
            return Err(self.clone().not_contiguous());
        };
        // Of no elements not even packed ones have to be a row.
        let packed = self.packed && self.len > 0;
        if !packed && columns > 1 && self.strides().last() != Some(&1) {
            return Err(self.clone().not_contiguous());
        }
        if r >= self.rows() {
            return Err(KernelError::OutOfBounds { index: vec![r], shape: self.shape().to_vec() });
        }
        let columns = columns as usize;
        if packed {
            return Ok((r * columns, columns));
        }
        let (mut rest, mut at) = (r, 0);
        for (&n, &s) in outer.iter().zip(self.strides()).rev() {
            at += rest % n as usize * s as usize;
            rest /= n as usize;
        }
        Ok((at, columns))
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.shape().split_last().map_or(0, |(_, outer)| outer.iter().map(|&n| n as usize).product())
    }

    /// The places of the elements, row after row.
    pub(crate) fn places(&self) -> Places {
        let (mut shape, mut strides) = ([0; MAX_TENSOR_DIMS], [0; MAX_TENSOR_DIMS]);
        shape[..self.shape().len()].copy_from_slice(self.shape());
        strides[..self.shape().len()].copy_from_slice(self.strides());
        let ndims = self.shape().len();
        Places { ndims, shape, strides, index: [0; MAX_TENSOR_DIMS], at: 0, left: self.len }
    }
}

/// How many elements there are in that many dimensions. Of a copy: nobody else needs to have the shape in memory.
#[inline(never)]
fn product(shape: [u32; MAX_TENSOR_DIMS], ndims: usize) -> usize {
    shape.iter().take(ndims).map(|&n| n as usize).product()
}

impl From<Span> for Extent {
    fn from(span: Span) -> Self {
        let &Span { addr, ndims, shape, strides, .. } = &span;
        let (len, packed) = (span.len(), span.is_packed());
        Self { addr, len, shape, ndims: ndims as u32, packed, strides: OnceCell::from(strides) }
    }
}

/// The places of elements, row after row.
#[derive(Debug)]
pub(crate) struct Places {
    ndims: usize,
    shape: [u32; MAX_TENSOR_DIMS],
    strides: [u32; MAX_TENSOR_DIMS],
    index: [u32; MAX_TENSOR_DIMS],
    at: usize,
    left: usize,
}

impl Iterator for Places {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        for dim in (0..self.ndims).rev() {
            let stride = self.strides[dim] as usize;
            self.index[dim] += 1;
            if self.index[dim] < self.shape[dim] {
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
