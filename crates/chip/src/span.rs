//! Strided memory as kernels see it, and whether two pieces of it touch.

use prewire_abi::MAX_TENSOR_DIMS;

/// A rectangular piece of memory, by address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The address of the first element.
    pub(crate) addr: u64,
    /// Bytes of an element.
    pub(crate) size: u64,
    pub(crate) ndims: usize,
    pub(crate) shape: [u32; MAX_TENSOR_DIMS],
    pub(crate) strides: [u32; MAX_TENSOR_DIMS],
}

impl Span {
    pub(crate) fn shape(&self) -> &[u32] {
        &self.shape[..self.ndims]
    }

    pub(crate) fn strides(&self) -> &[u32] {
        &self.strides[..self.ndims]
    }

    pub(crate) fn len(&self) -> usize {
        self.shape().iter().map(|&n| n as usize).product()
    }

    /// Elements from the first to the last, both counted.
    fn extent(&self) -> u64 {
        if self.shape().contains(&0) {
            return 0;
        }
        1 + self
            .shape()
            .iter()
            .zip(self.strides())
            .map(|(&n, &s)| u64::from(n - 1) * u64::from(s))
            .sum::<u64>()
    }

    pub(crate) fn is_packed(&self) -> bool {
        let mut step = 1u64;
        self.shape().iter().zip(self.strides()).rev().all(|(&n, &s)| {
            let right = n == 1 || u64::from(s) == step;
            step *= u64::from(n);
            right
        }) || self.len() == 0
    }

    /// The stride and the length of each axis, largest stride first, so that a transposed piece has the same ones.
    fn axes(&self) -> [(u32, u32); MAX_TENSOR_DIMS] {
        let mut axes = [(0, 1); MAX_TENSOR_DIMS];
        for (axis, pair) in axes.iter_mut().zip(self.strides().iter().zip(self.shape())) {
            *axis = (*pair.0, *pair.1);
        }
        axes.sort_unstable_by(|a, b| b.cmp(a));
        axes
    }

    /// Whether a byte belongs to both. Exact for pieces with the same strides, in whatever order, and element size, and
    /// where one is a single element; otherwise it says yes where their extents meet. So it says no wherever the tensor
    /// map does, and what that does not order is not refused.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.extent() * self.size, other.extent() * other.size);
        if a == 0 || b == 0 || self.addr + a <= other.addr || other.addr + b <= self.addr {
            return false;
        }
        let shift = self.addr as i64 - other.addr as i64;
        let size = self.size as i64;
        if self.size != other.size || shift % size != 0 {
            return true;
        }
        let (mut a, mut b) = (self.axes(), other.axes());
        if a.iter().zip(&b).any(|(a, b)| a.0 != b.0) {
            // One element has no strides: it may take the other's.
            if self.len() == 1 {
                a = b.map(|(stride, _)| (stride, 1));
            } else if other.len() == 1 {
                b = a.map(|(stride, _)| (stride, 1));
            } else {
                return true;
            }
        }
        // Element i of this and j of the other are the same where the differences j - i, weighted with the strides,
        // add up to the shift. Look for such differences, largest stride first.
        let mut axes = [(0, 0, 0); MAX_TENSOR_DIMS];
        for (axis, (&(stride, n), &(_, m))) in axes.iter_mut().zip(a.iter().zip(&b)) {
            *axis = (i64::from(stride), 1 - i64::from(n), i64::from(m) - 1);
        }
        let used = axes.iter().position(|axis| axis.0 == 0).unwrap_or(axes.len());
        reachable(&axes[..used], shift / size)
    }
}

/// Whether `shift` is a sum of stride times difference, each difference in its range.
fn reachable(axes: &[(i64, i64, i64)], shift: i64) -> bool {
    let Some((&(stride, low, high), rest)) = axes.split_first() else { return shift == 0 };
    let least: i64 = rest.iter().map(|(s, low, _)| s * low).sum();
    let most: i64 = rest.iter().map(|(s, _, high)| s * high).sum();
    // What the rest can make up for bounds this difference from both sides.
    let from = (shift - most).div_euclid(stride) + i64::from((shift - most).rem_euclid(stride) != 0);
    let to = (shift - least).div_euclid(stride);
    (from.max(low)..=to.min(high)).any(|difference| reachable(rest, shift - difference * stride))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(addr: u64, size: u64, shape: &[u32], strides: &[u32]) -> Span {
        let mut span = Span { addr, size, ndims: shape.len(), shape: [0; 5], strides: [0; 5] };
        span.shape[..shape.len()].copy_from_slice(shape);
        span.strides[..shape.len()].copy_from_slice(strides);
        span
    }

    fn elements(s: &Span) -> Vec<u64> {
        let mut all = vec![0u64];
        for (&n, &stride) in s.shape().iter().zip(s.strides()) {
            all = all
                .iter()
                .flat_map(|&at| (0..n).map(move |i| at + u64::from(i) * u64::from(stride)))
                .collect();
        }
        all.into_iter().map(|at| s.addr + at * s.size).collect()
    }

    #[test]
    fn the_same_strides_are_exact() {
        let mut seed = 1u64;
        let mut next = |n: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        };
        for _ in 0..20_000 {
            let strides = [next(12) as u32 + 1, next(4) as u32 + 1];
            let a = span(64 + 4 * next(40), 4, &[next(4) as u32, next(5) as u32 + 1], &strides);
            let b = span(64 + 4 * next(40), 4, &[next(4) as u32 + 1, next(5) as u32], &strides);
            let (ea, eb) = (elements(&a), elements(&b));
            assert_eq!(a.meets(&b), ea.iter().any(|e| eb.contains(e)), "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_transposed_piece_and_a_single_element_are_exact() {
        // A 4 by 8 matrix; its left half, transposed; and its right half.
        let left = span(1024, 4, &[4, 4], &[1, 8]);
        let right = span(1024 + 16, 4, &[4, 4], &[8, 1]);
        assert!(!left.meets(&right) && !right.meets(&left));
        for column in 0..8 {
            let element = span(1024 + 4 * (8 + column), 4, &[1], &[1]);
            assert_eq!(element.meets(&left), column < 4, "column {column}");
            assert_eq!(right.meets(&element), column >= 4, "column {column}");
        }
        assert!(left.meets(&span(1024 + 4, 4, &[2, 2, 1], &[8, 1, 1])), "three strides and two: not known");
    }

    #[test]
    fn columns_of_a_matrix_do_not_meet() {
        let left = span(1024, 4, &[8, 4], &[8, 1]);
        let right = span(1024 + 16, 4, &[8, 4], &[8, 1]);
        assert!(!left.meets(&right));
        assert!(left.meets(&span(1024 + 12, 4, &[8, 1], &[8, 1])));
        // Other strides: their extents meet, so yes.
        assert!(left.meets(&span(1024 + 16, 4, &[4], &[1])));
    }

    #[test]
    fn packed_is_row_after_row() {
        assert!(span(0, 4, &[2, 3], &[3, 1]).is_packed());
        assert!(span(0, 4, &[1, 3], &[99, 1]).is_packed());
        assert!(!span(0, 4, &[2, 3], &[4, 1]).is_packed());
        assert!(!span(0, 4, &[3, 2], &[1, 3]).is_packed());
    }
}
