//! Strided memory as kernels see it, and whether two pieces of it touch.

use prewire_abi::{ChipTensor, MAX_TENSOR_DIMS};
use prewire_orchestrator::ArgTensor;

/// A rectangular piece of memory, by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The address of the first element.
    pub(crate) addr: u64,
    /// Bytes of an element.
    pub(crate) size: u64,
    pub(crate) ndims: usize,
    pub(crate) shape: [u32; MAX_TENSOR_DIMS],
    pub(crate) strides: [u32; MAX_TENSOR_DIMS],
    /// Whether it is known that the elements lie row after row without gaps; else [`is_packed`](Span::is_packed) looks.
    pub(crate) packed: bool,
}

impl Span {
    /// All of a tensor argument.
    #[must_use]
    #[inline]
    pub fn of(tensor: &ArgTensor) -> Self {
        let &ArgTensor { addr, dtype, ndims, shape, strides, packed, .. } = tensor;
        Self { addr, size: u64::from(dtype.size()), ndims, shape, strides, packed }
    }

    /// Elements of `size` bytes from `addr` on. Shape and strides are of the same length, 5 at most.
    pub(crate) fn new(addr: u64, size: u64, shape: &[u32], strides: &[u32]) -> Self {
        let mut span = Self {
            addr,
            size,
            ndims: shape.len(),
            shape: [0; MAX_TENSOR_DIMS],
            strides: [0; MAX_TENSOR_DIMS],
            packed: false,
        };
        span.shape[..shape.len()].copy_from_slice(shape);
        span.strides[..strides.len()].copy_from_slice(strides);
        span
    }

    /// What a tensor of a chip covers.
    pub(crate) fn over(tensor: &ChipTensor) -> Self {
        Self::new(tensor.start_addr(), tensor.element_size().into(), tensor.shape(), tensor.strides())
    }

    /// `n` elements of `size` bytes from `addr` on, one after the other.
    #[must_use]
    pub fn dense(addr: u64, size: u64, n: u32) -> Self {
        let (mut shape, mut strides) = ([0; MAX_TENSOR_DIMS], [0; MAX_TENSOR_DIMS]);
        (shape[0], strides[0]) = (n, 1);
        Self { addr, size, ndims: 1, shape, strides, packed: true }
    }

    /// The address of its first byte, and of the one after its last.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.addr, self.addr + self.extent() * self.size)
    }

    /// The runs of elements that lie one after the other, row after row: the address of each, and how many.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u32)> {
        let span = *self;
        let (mut inner, mut outer) = (1u32, span.ndims);
        while let Some(dim) = outer.checked_sub(1)
            && (span.shape[dim] == 1 || span.strides[dim] == inner)
            && let Some(merged) = inner.checked_mul(span.shape[dim])
        {
            (outer, inner) = (dim, merged);
        }
        let count = if inner == 0 { 0 } else { span.len() as u64 / u64::from(inner) };
        (0..count).map(move |run| {
            let (mut rest, mut at) = (run, 0);
            for dim in (0..outer).rev() {
                at += rest % u64::from(span.shape[dim]) * u64::from(span.strides[dim]);
                rest /= u64::from(span.shape[dim]);
            }
            (span.addr + at * span.size, inner)
        })
    }

    #[inline]
    pub(crate) fn shape(&self) -> &[u32] {
        &self.shape[..self.ndims]
    }

    pub(crate) fn strides(&self) -> &[u32] {
        &self.strides[..self.ndims]
    }

    #[inline]
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

    #[inline]
    pub(crate) fn is_packed(&self) -> bool {
        self.packed || self.lies_packed()
    }

    fn lies_packed(&self) -> bool {
        let mut step = 1u64;
        self.shape().iter().zip(self.strides()).rev().all(|(&n, &s)| {
            let right = n == 1 || u64::from(s) == step;
            step *= u64::from(n);
            right
        }) || self.len() == 0
    }

    /// Whether a byte belongs to both. Exact for pieces of one element size, so that what the tensor map finds apart, or
    /// has no reason to order, is not refused; only for pieces of many dimensions and odd strides that would take too
    /// long, and then it says yes where their extents meet.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let (a, b) = (self.extent() * self.size, other.extent() * other.size);
        if a == 0 || b == 0 || self.addr + a <= other.addr || other.addr + b <= self.addr {
            return false;
        }
        let shift = self.addr as i64 - other.addr as i64;
        let size = self.size as i64;
        if self.size != other.size || shift % size != 0 {
            return true;
        }
        // Element i of this and j of the other are the same where their places, i and j weighted with the strides,
        // differ by the shift: look for such i and j, largest stride first. Axes of one stride count as one.
        let mut axes = [Axis::default(); 2 * MAX_TENSOR_DIMS];
        let mut used = 0;
        let mut add = |stride: u32, low: i64, high: i64| {
            let stride = i64::from(stride);
            let at = axes[..used].iter().position(|axis| axis.stride <= stride).unwrap_or(used);
            if at == used || axes[at].stride != stride {
                axes[at..=used].rotate_right(1);
                axes[at] = Axis { stride, ..Axis::default() };
                used += 1;
            }
            axes[at].low += low;
            axes[at].high += high;
        };
        for (&stride, &n) in self.strides().iter().zip(self.shape()).filter(|(_, n)| **n > 1) {
            add(stride, 1 - i64::from(n), 0);
        }
        for (&stride, &n) in other.strides().iter().zip(other.shape()).filter(|(_, n)| **n > 1) {
            add(stride, 0, i64::from(n) - 1);
        }
        let mut steps = STEPS;
        reachable(&axes[..used], shift / size, &mut steps)
    }
}

/// Steps after which two pieces are taken to meet.
const STEPS: u32 = 4096;

/// A stride, and how often it may be taken.
#[derive(Clone, Copy, Debug, Default)]
struct Axis {
    stride: i64,
    low: i64,
    high: i64,
}

/// Whether `shift` is a sum of strides, each taken as often as it may be; or the steps do not suffice to tell.
fn reachable(axes: &[Axis], shift: i64, steps: &mut u32) -> bool {
    let Some((&Axis { stride, low, high }, rest)) = axes.split_first() else { return shift == 0 };
    if *steps == 0 {
        return true;
    }
    *steps -= 1;
    let least: i64 = rest.iter().map(|axis| axis.stride * axis.low).sum();
    let most: i64 = rest.iter().map(|axis| axis.stride * axis.high).sum();
    // What the rest can make up for bounds this one from both sides.
    let from = (shift - most).div_euclid(stride) + i64::from((shift - most).rem_euclid(stride) != 0);
    let to = (shift - least).div_euclid(stride);
    (from.max(low)..=to.min(high)).any(|times| reachable(rest, shift - times * stride, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(addr: u64, size: u64, shape: &[u32], strides: &[u32]) -> Span {
        let mut span = Span { addr, size, ndims: shape.len(), shape: [0; 5], strides: [0; 5], packed: false };
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
    fn runs_are_the_elements_in_order() {
        let mut next = draw();
        for _ in 0..5_000 {
            let dims = 1 + next(3) as usize;
            let shape: Vec<u32> = (0..dims).map(|_| next(4) as u32).collect();
            let mut strides: Vec<u32> = (0..dims).map(|_| next(9) as u32 + 1).collect();
            if next(2) == 0 {
                strides[dims - 1] = 1;
            }
            let s = span(64 + 4 * next(40), 4, &shape, &strides);
            let all: Vec<u64> =
                s.runs().flat_map(|(addr, n)| (0..u64::from(n)).map(move |i| addr + 4 * i)).collect();
            assert_eq!(all, elements(&s), "{s:?}");
        }
        assert_eq!(span(0, 4, &[2, 3, 4], &[12, 4, 1]).runs().count(), 1, "packed");
        assert_eq!(span(0, 4, &[2, 3, 4], &[24, 4, 1]).runs().count(), 2);
    }

    /// Numbers below an end, the same in every run.
    fn draw() -> impl FnMut(u64) -> u64 {
        let mut seed = 1u64;
        move |n| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (seed >> 33) % n
        }
    }

    #[test]
    fn the_same_strides_are_exact() {
        let mut next = draw();
        for _ in 0..20_000 {
            let strides = [next(12) as u32 + 1, next(4) as u32 + 1];
            let a = span(64 + 4 * next(40), 4, &[next(4) as u32, next(5) as u32 + 1], &strides);
            let b = span(64 + 4 * next(40), 4, &[next(4) as u32 + 1, next(5) as u32], &strides);
            let (ea, eb) = (elements(&a), elements(&b));
            assert_eq!(a.meets(&b), ea.iter().any(|e| eb.contains(e)), "{a:?} {b:?}");
        }
    }

    #[test]
    fn other_strides_and_other_dimensions_are_exact() {
        let mut next = draw();
        for _ in 0..20_000 {
            let mut any = || {
                let dims = 1 + next(3) as usize;
                let shape: Vec<u32> = (0..dims).map(|_| next(4) as u32 + 1).collect();
                let strides: Vec<u32> = (0..dims).map(|_| next(9) as u32 + 1).collect();
                span(64 + 4 * next(40), 4, &shape, &strides)
            };
            let (a, b) = (any(), any());
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
        // The same columns as a matrix of other strides, and transposed.
        assert!(!left.meets(&span(1024 + 16, 4, &[4], &[1])));
        assert!(!left.meets(&span(1024 + 16, 4, &[4, 8], &[1, 8])));
        // Elements of another size: their extents meet, so yes.
        assert!(left.meets(&span(1024 + 16, 2, &[4], &[1])));
    }

    #[test]
    fn what_takes_too_long_is_taken_to_meet() {
        // Even places and odd ones, in five dimensions each.
        let strides = [30_006, 10_006, 3_006, 1_006, 306];
        let even = span(0, 4, &[60; 5], &strides);
        let odd = span(4, 4, &[60; 5], &strides.map(|stride| stride + 2));
        assert!(even.meets(&odd));
    }

    #[test]
    fn packed_is_row_after_row() {
        assert!(span(0, 4, &[2, 3], &[3, 1]).is_packed());
        assert!(span(0, 4, &[1, 3], &[99, 1]).is_packed());
        assert!(!span(0, 4, &[2, 3], &[4, 1]).is_packed());
        assert!(!span(0, 4, &[3, 2], &[1, 3]).is_packed());
    }
}
