//! Views of a small buffer, with the bytes that each touches, worked out one by one.

use prewire_tensormap::Region;
use proptest::prelude::*;

/// Columns and rows of the matrix that most views are views of.
pub(crate) const SIDE: u32 = 24;
/// Bytes of an element of the matrix.
pub(crate) const ELEM: u32 = 2;
const BYTES: usize = (4 * SIDE * SIDE * ELEM) as usize;

/// A region and the bytes that it touches.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) region: Region,
    bytes: Vec<u64>,
}

impl View {
    /// The bytes by counting: every index of the shape.
    pub(crate) fn new(buffer: u64, elem: u32, start: u32, shape: &[u32], strides: &[u32]) -> Self {
        let mut bytes = vec![0; BYTES.div_ceil(64)];
        let total: u32 = shape.iter().product();
        for mut number in 0..total {
            let mut at = start;
            for (length, stride) in shape.iter().zip(strides).rev() {
                at += number % length * stride;
                number /= length;
            }
            for byte in at * elem..(at + 1) * elem {
                bytes[byte as usize / 64] |= 1 << (byte % 64);
            }
        }
        let region = Region::new(0x1000 * (buffer + 1), elem, u64::from(start), shape, strides);
        Self { region, bytes }
    }

    /// Whether the two have a common byte of one buffer.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        self.region.buffer() == other.region.buffer()
            && self.bytes.iter().zip(&other.bytes).any(|(a, b)| a & b != 0)
    }

    /// Whether it has every byte of the other.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.region.buffer() == other.region.buffer()
            && self.bytes.iter().zip(&other.bytes).all(|(a, b)| a & b == *b)
    }

    /// Forgets the bytes that `other` touches as well.
    pub(crate) fn remove(&mut self, other: &Self) {
        if self.region.buffer() == other.region.buffer() {
            self.bytes.iter_mut().zip(&other.bytes).for_each(|(a, b)| *a &= !b);
        }
    }
}

/// Rectangles of the matrix: tiles of a grid, with the smaller ones at its edge, and any.
pub(crate) fn plain() -> impl Strategy<Value = View> {
    let tile = (0..2_u64, 0..5_u32, 0..5_u32).prop_map(|(buffer, row, column)| {
        let (row, column) = (row * 5, column * 5);
        rectangle(buffer, row, column, 5.min(SIDE - row), 5.min(SIDE - column))
    });
    let halo = (0..2_u64, 0..4_u32, 0..4_u32)
        .prop_map(|(buffer, row, column)| rectangle(buffer, row * 5, column * 5, 7.min(SIDE - row * 5), 7));
    let any =
        (0..2_u64, 0..SIDE, 0..SIDE, 1..=SIDE, 1..=SIDE).prop_map(|(buffer, row, column, height, width)| {
            rectangle(buffer, row, column, height.min(SIDE - row), width.min(SIDE - column))
        });
    let dot =
        (0..2_u64, 0..SIDE, 0..SIDE).prop_map(|(buffer, row, column)| rectangle(buffer, row, column, 1, 1));
    let whole = (0..2_u64).prop_map(|buffer| rectangle(buffer, 0, 0, SIDE, SIDE));
    prop_oneof![8 => tile, 2 => halo, 3 => any, 1 => dot, 1 => whole]
}

/// Views of every kind, plain ones among them.
pub(crate) fn any_view() -> impl Strategy<Value = View> {
    let at = 0..SIDE * SIDE;
    let flat = (0..2_u64, at.clone(), 0..80_u32)
        .prop_map(|(buffer, start, length)| View::new(buffer, ELEM, start, &[length], &[1]));
    let bytes = (0..2_u64, at.clone(), 0..80_u32)
        .prop_map(|(buffer, start, length)| View::new(buffer, 1, start, &[length], &[1]));
    let transposed = (0..2_u64, at.clone(), 1..6_u32, 1..6_u32).prop_map(|(buffer, start, width, height)| {
        View::new(buffer, ELEM, start, &[width, height], &[1, SIDE])
    });
    // Wrapping rows, windows that overlap themselves, steps, padding: any small strides at all.
    let strided = (0..2_u64, at.clone(), prop::collection::vec((0..4_u32, 0..SIDE * 2), 0..5), 1..3_u32)
        .prop_map(|(buffer, start, axes, elem)| {
            let (shape, strides): (Vec<_>, Vec<_>) = axes.into_iter().unzip();
            View::new(buffer, elem, start, &shape, &strides)
        });
    let wrapping = (0..2_u64, at.clone(), 1..4_u32, 1..=SIDE)
        .prop_map(|(buffer, start, rows, width)| View::new(buffer, ELEM, start, &[rows, width], &[SIDE, 1]));
    let six = (0..2_u64, at, 1..3_u32).prop_map(|(buffer, start, length)| {
        View::new(buffer, ELEM, start, &[length; 6], &[SIDE * 3, SIDE * 2, SIDE, 4, 2, 1])
    });
    prop_oneof![10 => plain(), 3 => flat, 2 => bytes, 2 => transposed, 3 => strided, 2 => wrapping, 1 => six]
}

fn rectangle(buffer: u64, row: u32, column: u32, height: u32, width: u32) -> View {
    let width = width.min(SIDE - column);
    View::new(buffer, ELEM, row * SIDE + column, &[height, width], &[SIDE, 1])
}
