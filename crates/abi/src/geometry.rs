//! Arithmetic on shapes and strides, without overflow: whatever the numbers, the answer is exact or an error.

use crate::{DataType, MAX_TENSOR_DIMS, TensorError};

/// The rank of a shape, checked.
#[inline]
pub(crate) fn rank(ndims: usize) -> Result<usize, TensorError> {
    if ndims == 0 || ndims > MAX_TENSOR_DIMS {
        return Err(TensorError::Rank { ndims: ndims as u64 });
    }
    Ok(ndims)
}

/// A shape or strides in the place that records have for them, the rest 0. `dims` has at most 5.
#[inline]
pub(crate) fn padded(dims: &[u32]) -> [u32; MAX_TENSOR_DIMS] {
    let mut out = [0; MAX_TENSOR_DIMS];
    for (to, from) in out.iter_mut().zip(dims) {
        *to = *from;
    }
    out
}

/// How many elements; `None` above `u64`.
#[inline]
pub(crate) fn numel(shape: &[u32]) -> Option<u64> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1u64, |product, &d| product.checked_mul(u64::from(d)))
}

/// The strides, in elements, that the shape implies when its elements lie row after row, and how many elements there
/// are. A dimension of 0 counts as 1 for the strides, so that they are never 0. `shape` has at most 5 numbers.
#[inline]
pub(crate) fn pack(shape: &[u32]) -> Result<([u32; MAX_TENSOR_DIMS], u64), TensorError> {
    let mut strides = [0; MAX_TENSOR_DIMS];
    // Cannot overflow: it is below 2^32 before each product, or the function has returned.
    let mut next = 1u64;
    let mut empty = false;
    for (dim, (&d, stride)) in shape.iter().zip(&mut strides).enumerate().rev() {
        *stride = u32::try_from(next).map_err(|_| TensorError::Stride { dim, stride: u128::from(next) })?;
        next *= u64::from(d.max(1));
        empty |= d == 0;
    }
    Ok((strides, if empty { 0 } else { next }))
}

/// The strides of [`pack`].
pub(crate) fn packed_strides(shape: &[u32]) -> Result<[u32; MAX_TENSOR_DIMS], TensorError> {
    Ok(pack(shape)?.0)
}

/// The first dimension whose stride is not the one that the shape implies; `None` when the elements lie row after
/// row. The stride of a dimension of one element moves nothing, so any is right; so is any of an empty tensor.
pub(crate) fn unpacked_dim(shape: &[u32], strides: &[u32]) -> Option<(usize, u128)> {
    if shape.contains(&0) {
        return None;
    }
    let mut implied = 1u128;
    for (dim, (&d, &s)) in shape.iter().zip(strides).enumerate().rev() {
        if d != 1 && u128::from(s) != implied {
            return Some((dim, implied));
        }
        implied *= u128::from(d);
    }
    None
}

/// What a shape with strides comes to, in elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measure {
    /// How many elements.
    pub(crate) numel: u64,
    /// Elements from the first to the last one touched, both included; 0 when there is none.
    pub(crate) extent: u64,
    /// Whether each stride is the one that the shape implies, or there is no element.
    pub(crate) packed: bool,
}

/// Checks rank, strides and sizes, and measures, in one pass: each submitted argument comes through here. `shape`
/// and `strides` have the same length. A stride of 0 is an error only where there are elements.
#[inline]
pub(crate) fn measure(shape: &[u32], strides: &[u32]) -> Result<Measure, TensorError> {
    rank(shape.len())?;
    let (mut numel, mut too_many, mut packed, mut empty) = (1u64, false, true, false);
    // Five products of 32 by 32 bits: 128 bits hold any sum of them.
    let mut reach = 1u128;
    let mut zero_stride = None;
    for (dim, (&d, &s)) in shape.iter().zip(strides).enumerate().rev() {
        packed &= u64::from(s) == numel;
        let (product, over) = numel.overflowing_mul(u64::from(d));
        numel = product;
        too_many |= over;
        reach += u128::from(u64::from(d.saturating_sub(1)) * u64::from(s));
        if s == 0 {
            zero_stride = Some(dim);
        }
        empty |= d == 0;
    }
    if empty {
        return Ok(Measure { numel: 0, extent: 0, packed: true });
    }
    if let Some(dim) = zero_stride {
        return Err(TensorError::Stride { dim, stride: 0 });
    }
    let extent = u64::try_from(reach).map_err(|_| TensorError::TooManyElements)?;
    if too_many {
        return Err(TensorError::TooManyElements);
    }
    Ok(Measure { numel, extent, packed })
}

/// Bytes of `elements` elements.
#[inline]
pub(crate) fn bytes(elements: u64, dtype: DataType) -> Result<u64, TensorError> {
    elements.checked_mul(u64::from(dtype.size())).ok_or(TensorError::TooManyElements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_strides_count_an_empty_dimension_as_one() {
        assert_eq!(packed_strides(&[2, 3, 4]).unwrap()[..3], [12, 4, 1]);
        assert_eq!(packed_strides(&[2, 0, 4]).unwrap()[..3], [4, 4, 1]);
    }

    #[test]
    fn a_stride_above_32_bits_is_refused() {
        let error = packed_strides(&[2, 1 << 16, 1 << 16]).unwrap_err();
        assert_eq!(error, TensorError::Stride { dim: 0, stride: 1 << 32 });
        assert!(packed_strides(&[u32::MAX; 5]).is_err());
    }

    #[test]
    fn the_largest_numbers_are_measured_without_overflow() {
        assert_eq!(numel(&[u32::MAX; 5]), None);
        assert_eq!(numel(&[u32::MAX, 0, u32::MAX]), Some(0));
        assert_eq!(
            measure(&[u32::MAX], &[u32::MAX]).unwrap().extent,
            1 + (u64::from(u32::MAX) - 1) * u64::from(u32::MAX)
        );
        assert_eq!(measure(&[u32::MAX; 5], &[u32::MAX; 5]), Err(TensorError::TooManyElements));
    }

    #[test]
    fn a_stride_of_zero_is_an_error_only_where_there_are_elements() {
        assert_eq!(measure(&[2, 3], &[0, 1]), Err(TensorError::Stride { dim: 0, stride: 0 }));
        assert_eq!(measure(&[2, 0], &[0, 1]), Ok(Measure { numel: 0, extent: 0, packed: true }));
    }

    #[test]
    fn packed_is_strict_about_every_stride() {
        assert!(measure(&[2, 1, 3], &[3, 3, 1]).unwrap().packed);
        assert!(!measure(&[2, 1, 3], &[3, 9, 1]).unwrap().packed);
        assert_eq!(measure(&[2, 3], &[1, 1]).unwrap(), Measure { numel: 6, extent: 4, packed: false });
    }

    #[test]
    fn the_stride_of_a_single_element_is_free() {
        assert_eq!(unpacked_dim(&[1, 4], &[99, 1]), None);
        assert_eq!(unpacked_dim(&[2, 4], &[5, 1]), Some((0, 4)));
        assert_eq!(unpacked_dim(&[2, 0], &[7, 9]), None);
    }
}
