//! Which bytes a strided view touches, by arithmetic that shares nothing with the product's.

use std::collections::BTreeSet;

/// More elements than this are not listed.
const FEW: u128 = 4096;

/// A view as its record says it: start in bytes, shape, strides in elements, bytes of an element.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    pub(crate) start: u128,
    pub(crate) shape: Vec<u32>,
    pub(crate) strides: Vec<u32>,
    pub(crate) element: u128,
}

impl Reach {
    pub(crate) fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// The end of the last byte touched; the start, if there is none.
    pub(crate) fn end(&self) -> u128 {
        if self.is_empty() {
            return self.start;
        }
        let last = |(&n, &stride): (&u32, &u32)| u128::from(n - 1) * u128::from(stride);
        let last: u128 = self.shape.iter().zip(&self.strides).map(last).sum();
        self.start + (last + 1) * self.element
    }

    /// How many elements there are; it saturates.
    pub(crate) fn count(&self) -> u128 {
        if self.is_empty() {
            return 0;
        }
        self.shape.iter().fold(1, |product, &n| product.saturating_mul(n.into()))
    }

    /// Where each element starts, in the order of its index, if there are few.
    pub(crate) fn places(&self) -> Option<Vec<u128>> {
        if self.count() > FEW {
            return None;
        }
        if self.is_empty() {
            return Some(Vec::new());
        }
        let mut places = vec![self.start];
        for (&n, &stride) in self.shape.iter().zip(&self.strides) {
            let step = u128::from(stride) * self.element;
            places = places.iter().flat_map(|at| (0..u128::from(n)).map(move |i| at + i * step)).collect();
        }
        Some(places)
    }

    /// Whether the two touch a common byte, if both are small enough to be listed.
    pub(crate) fn meets(&self, other: &Self) -> Option<bool> {
        let bytes = |reach: &Self| -> Option<BTreeSet<u128>> {
            Some(reach.places()?.into_iter().flat_map(|at| at..at + reach.element).collect())
        };
        let (mine, others) = (bytes(self)?, bytes(other)?);
        Some(mine.intersection(&others).next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_matrix_do_not_meet_and_rows_do() {
        let view =
            |start, shape: [u32; 2]| Reach { start, shape: shape.into(), strides: vec![4, 1], element: 2 };
        let (left, right, row) = (view(0, [3, 2]), view(4, [3, 2]), view(8, [1, 4]));
        assert_eq!(left.end(), 2 * (2 * 4 + 1 + 1));
        assert_eq!(
            (left.meets(&right), left.meets(&row), right.meets(&row)),
            (Some(false), Some(true), Some(true))
        );
        assert_eq!(view(0, [0, 4]).meets(&row), Some(false));
        assert_eq!(view(0, [u32::MAX, 4]).meets(&row), None, "too many to list");
    }
}
