//! The cells that one size of regions of one buffer is found by.

use crate::footprint::{Footprint, Kind, Layout, Rect, Scale, decompose};
use crate::reciprocal::Reciprocal;
use crate::region::{DIMS, Form, Region};

/// Regions of one buffer and layout, none longer than a cell on any axis, each kept in the cell of its lowest corner.
///
/// A region that is aligned to the cells lies in one cell. One that is not straddles into the next cell of an axis
/// and no further; while there are such, whoever looks at a cell looks at the one before as well.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Grid {
    pub(crate) buffer: u32,
    /// The next grid of the buffer.
    pub(crate) next: u32,
    /// The first of its regions.
    pub(crate) head: u32,
    /// How many regions it has.
    pub(crate) count: u32,
    /// How many of them lie in more than one cell.
    pub(crate) straddlers: u32,
    /// How many of them were written.
    pub(crate) writers: u32,
    pub(crate) layout: Layout,
    axes: [Axis; DIMS],
}

/// One axis: cell `i` is `i * cell - shift .. (i + 1) * cell - shift`.
#[derive(Clone, Copy, Debug)]
struct Axis {
    stride: Reciprocal,
    /// How many times the stride goes into the one outside it.
    limit: u64,
    cell: Reciprocal,
    shift: u64,
    /// A cell's bucket is the sum of its coordinates, each times this, and of the seed of its grid. It is 1 on the
    /// last axis: tiles that follow each other along a row are in buckets that follow each other.
    spread: u64,
    /// No region ends above.
    reach: u64,
}

/// Where a region is in a grid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) rect: Rect,
    /// The bucket of the cell of its lowest corner.
    pub(crate) bucket: u64,
    /// Whether it lies in that cell alone.
    pub(crate) inside: bool,
}

/// The cell of a lowest corner, as far as its axes are known.
struct Cell<'a> {
    axes: &'a [Axis; DIMS],
    bucket: u64,
    inside: bool,
}

/// A box of cells, both ends included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells {
    lo: [u64; DIMS],
    hi: [u64; DIMS],
    axes: usize,
    spread: [u64; DIMS],
    seed: u64,
}

impl Grid {
    /// A grid with a cell whose low corner is that of `rect`, and whose length on each axis is what `cell` makes of
    /// that of `rect`: not less.
    pub(crate) fn new(buffer: u32, layout: Layout, rect: &Rect, cell: impl Fn(u64) -> u64) -> Self {
        let used = layout.separating();
        let mut axes = [Axis::UNUSED; DIMS];
        for (number, axis) in axes.iter_mut().enumerate().take(used) {
            let (lo, end) = rect.axis(number);
            axis.stride = Reciprocal::new(u64::from(layout.axes.strides[number].max(1)));
            axis.limit = u64::from(layout.axes.strides[number.saturating_sub(1)]) / axis.stride.divisor();
            axis.cell = Reciprocal::new(cell(end - lo));
            axis.spread = SPREAD[used - 1 - number];
            let over = lo - axis.cell.quotient(lo) * axis.cell.divisor();
            axis.shift = if over == 0 { 0 } else { axis.cell.divisor() - over };
        }
        Self { buffer, next: 0, head: 0, count: 0, straddlers: 0, writers: 0, layout, axes }
    }

    /// Where `region` is, if it is a box of this layout.
    #[inline(always)]
    pub(crate) fn locate(&self, grid: u32, region: &Region) -> Option<Spot> {
        if self.layout.axes != region.axes {
            return None;
        }
        let mut cell = Cell { axes: &self.axes, bucket: seed(grid), inside: true };
        let (rect, residue) = match (self.layout.kind, region.axes.form) {
            (Kind::Bytes, Form::Interval) => {
                cell.place(0, region.start, region.first);
                (Rect::interval(region.start, region.start + region.first), 0)
            }
            (Kind::Boxes, Form::Strided) => decompose(region, &mut cell)?,
            _ => return None,
        };
        let Cell { bucket, inside, .. } = cell;
        (residue == self.layout.residue).then_some(Spot { rect, bucket, inside })
    }

    /// Where `rect` of this layout is.
    pub(crate) fn spot(&self, grid: u32, rect: &Rect) -> Spot {
        let mut cell = Cell { axes: &self.axes, bucket: seed(grid), inside: true };
        for number in 0..self.layout.separating() {
            let (lo, end) = rect.axis(number);
            cell.place(number, lo, end - lo);
        }
        Spot { rect: *rect, bucket: cell.bucket, inside: cell.inside }
    }

    /// Whether regions of the size of `rect` are kept here: no longer than a cell, and more than a quarter of it on
    /// each axis. What is small may have a cell for itself, such as the tiles at the edge of a matrix: then `alone`.
    #[inline]
    pub(crate) fn suits(&self, rect: &Rect, alone: bool) -> bool {
        (0..self.layout.separating()).all(|axis| {
            let (lo, end) = rect.axis(axis);
            let cell = self.axes[axis].cell.divisor();
            end - lo <= cell && (alone || end - lo > cell / 4)
        })
    }

    /// From now on `rect` is one of its regions.
    #[inline]
    pub(crate) fn reach_to(&mut self, rect: &Rect) {
        for axis in 0..self.layout.separating() {
            self.axes[axis].reach = self.axes[axis].reach.max(rect.axis(axis).1);
        }
    }

    /// The cells that keep the regions that `query` can meet; none if there is no such cell.
    pub(crate) fn cells(&self, grid: u32, query: &Footprint<'_>) -> Option<Cells> {
        let (alike, axes) = (self.layout == query.layout, self.layout.separating());
        let spread = self.axes.map(|axis| axis.spread);
        let mut cells = Cells { lo: [0; DIMS], hi: [0; DIMS], axes, spread, seed: seed(grid) };
        for (number, axis) in self.axes.iter().enumerate().take(axes) {
            let (lo, end) = match (alike, number) {
                (true, _) => query.rect.axis(number),
                (false, 0) => self.layout.first_axis(query.bytes()),
                (false, _) => (0, u64::MAX),
            };
            let end = end.min(axis.reach);
            if lo >= end {
                return None;
            }
            cells.lo[number] = axis.cell_of(lo).saturating_sub(u64::from(self.straddlers > 0));
            cells.hi[number] = axis.cell_of(end - 1);
        }
        Some(cells)
    }
}

impl Axis {
    const UNUSED: Self =
        Self { stride: Reciprocal::ONE, limit: 0, cell: Reciprocal::ONE, shift: 0, spread: 0, reach: 0 };

    /// Saturates at the top, where cells run into one; they stay in order.
    #[inline]
    fn cell_of(&self, at: u64) -> u64 {
        self.cell.quotient(at.saturating_add(self.shift))
    }
}

impl Scale for Cell<'_> {
    #[inline(always)]
    fn divide(&self, axis: usize, n: u64) -> (u64, u64) {
        (self.axes[axis].stride.quotient(n), self.axes[axis].limit)
    }

    #[inline(always)]
    fn place(&mut self, axis: usize, at: u64, length: u64) {
        let axis = &self.axes[axis];
        let at = at.saturating_add(axis.shift);
        let number = axis.cell.quotient(at);
        self.bucket = self.bucket.wrapping_add(number.wrapping_mul(axis.spread));
        self.inside &= length <= axis.cell.divisor() - (at - number * axis.cell.divisor());
    }
}

impl Cells {
    /// How many.
    #[inline]
    pub(crate) fn total(&self) -> u64 {
        (0..self.axes).fold(1, |total: u64, axis| total.saturating_mul(self.hi[axis] - self.lo[axis] + 1))
    }

    /// Calls `visit` with the bucket of each.
    #[inline]
    pub(crate) fn buckets(&self, mut visit: impl FnMut(u64)) {
        let mut at = self.lo;
        loop {
            let terms =
                at.iter().zip(self.spread).take(self.axes).map(|(cell, spread)| cell.wrapping_mul(spread));
            visit(terms.fold(self.seed, u64::wrapping_add));
            let mut axis = self.axes;
            loop {
                let Some(outer) = axis.checked_sub(1) else { return };
                axis = outer;
                if at[axis] < self.hi[axis] {
                    at[axis] += 1;
                    break;
                }
                at[axis] = self.lo[axis];
            }
        }
    }
}

/// The spread of the last axis, of the one before it, and so on.
const SPREAD: [u64; DIMS] =
    [1, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03, 0xabc9_8388_fb8f_ac03, 0x8cb9_2ba7_2f3d_8dd7];

#[inline]
fn seed(grid: u32) -> u64 {
    u64::from(grid).wrapping_mul(0x2545_f491_4f6c_dd1d)
}
