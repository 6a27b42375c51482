//! From drawn bytes to shapes, views and indices. Invariant: what comes out is inside of what went in.

use crate::oracle::program::{Span, Step};
use crate::oracle::raw::RawExternal;

/// The shape of a buffer or an allocation.
pub(crate) fn shape(raw: &RawExternal) -> Vec<u32> {
    let most: &[u8] = match raw.rank {
        0 => &[24],
        1 => &[6, 6],
        _ => &[4, 3, 3],
    };
    raw.dims.iter().zip(most).map(|(&n, &most)| u32::from(n % most) + 1).collect()
}

/// An element of a span that has some.
pub(crate) fn index(span: &Span, at: u8) -> Option<Vec<u32>> {
    let mut rest = u32::from(at) % span.len().max(1);
    let mut index: Vec<u32> = span
        .shape
        .iter()
        .rev()
        .map(|&n| {
            let i = rest % n.max(1);
            rest /= n.max(1);
            i
        })
        .collect();
    index.reverse();
    (span.len() > 0).then_some(index)
}

/// A step that the span allows.
pub(crate) fn cut(span: &Span, (how, a, b): (u8, u8, u8)) -> Option<Step> {
    let rank = span.shape.len();
    let narrow = |dims: std::ops::Range<usize>| {
        let (mut offsets, mut shape) = (vec![0; rank], span.shape.clone());
        for dim in dims.filter(|&dim| span.shape[dim] > 0) {
            let n = span.shape[dim];
            offsets[dim] = u32::from(a.rotate_left(3 * dim as u32)) % n;
            shape[dim] = u32::from(b.rotate_left(3 * dim as u32)) % (n - offsets[dim]) + 1;
        }
        Step::View { offsets, shape }
    };
    Some(match how {
        255 => {
            let mut shape = span.shape.clone();
            shape[0] = 0;
            Step::View { offsets: vec![0; rank], shape }
        }
        _ => match how % 8 {
            0..3 => narrow(0..rank),
            3 => narrow(rank - 1..rank),
            4 | 5 => narrow(0..1),
            6 if rank > 1 => Step::Transpose(usize::from(a) % rank, usize::from(b) % rank),
            7 if span.is_packed() => {
                let n = span.len();
                let rows = (1..=n.max(1))
                    .filter(|rows| n.is_multiple_of(*rows))
                    .nth(usize::from(a) % 3)
                    .unwrap_or(1);
                if b % 2 == 0 { Step::Reshape(vec![n]) } else { Step::Reshape(vec![rows, n / rows]) }
            }
            _ => return None,
        },
    })
}
