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

    /// Whether a byte belongs to both. Exact for pieces with the same strides and element size; otherwise it says yes
    /// where their extents meet.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.extent() * self.size, other.extent() * other.size);
        if a == 0 || b == 0 || self.addr + a <= other.addr || other.addr + b <= self.addr {
            return false;
        }
        let shift = self.addr as i64 - other.addr as i64;
        let size = self.size as i64;
        if self.strides() != other.strides() || self.size != other.size || shift % size != 0 {
            return true;
        }
        // Element i of this and j of the other are the same where the differences j - i, weighted with the strides,
        // add up to the shift. Look for such differences, largest stride first.
        let mut axes: Vec<(i64, i64, i64)> = self
            .strides()
            .iter()
            .zip(self.shape().iter().zip(other.shape()))
            .map(|(&s, (&n, &m))| (i64::from(s), 1 - i64::from(n), i64::from(m) - 1))
            .collect();
        axes.sort_unstable_by_key(|axis| std::cmp::Reverse(axis.0));
        reachable(&axes, shift / size)
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
