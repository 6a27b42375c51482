//! A region in the coordinates of its own strides: a box. Boxes of one layout are compared exactly; footprints of
//! different layouts by their bytes.

use crate::region::{Axes, DIMS, Form, Region};

/// A box: half open, outermost axis first. Unused axes are `0..1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) lo_first: u64,
    pub(crate) end_first: u64,
    pub(crate) lo: [u32; DIMS - 1],
    pub(crate) end: [u32; DIMS - 1],
}

/// What the axes of a box are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One axis a stride. The box is the region, exactly.
    Boxes,
    /// One axis, in bytes. The interval is the region, exactly.
    Bytes,
    /// One axis, in bytes, from the first to the last: views that wrap around a row. The inner axes hold the inner
    /// lengths from 0, so that equal boxes are equal regions and the inner axes always meet.
    Hull,
    /// As `Hull`, but not even equal boxes are equal regions.
    Unknown,
}

/// What makes boxes comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) axes: Axes,
    /// What is left of the start below the last stride.
    pub(crate) residue: u32,
    pub(crate) kind: Kind,
}

/// How a region lies to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meet {
    /// No common byte.
    Apart,
    /// Common bytes, or not known to have none.
    Partly,
    /// It has every byte of the entry.
    Covers,
    /// It is the entry's region.
    Same,
}

/// A region with its box.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint<'a> {
    region: &'a Region,
    pub(crate) layout: Layout,
    pub(crate) rect: Rect,
}

impl Rect {
    /// The box that is one everywhere.
    pub(crate) const UNIT: Self = Self { lo_first: 0, end_first: 1, lo: [0; DIMS - 1], end: [1; DIMS - 1] };

    /// That of an interval.
    #[inline]
    pub(crate) const fn interval(from: u64, end: u64) -> Self {
        Self { lo_first: from, end_first: end, ..Self::UNIT }
    }

    /// Axis `axis` as a half-open range.
    #[inline]
    pub(crate) fn axis(&self, axis: usize) -> (u64, u64) {
        match axis.checked_sub(1) {
            None => (self.lo_first, self.end_first),
            Some(inner) => (u64::from(self.lo[inner]), u64::from(self.end[inner])),
        }
    }

    #[inline]
    fn meets(&self, other: &Self) -> bool {
        let inner = |axis: usize| (self.lo[axis] < other.end[axis]) & (other.lo[axis] < self.end[axis]);
        let first = (self.lo_first < other.end_first) & (other.lo_first < self.end_first);
        first & inner(0) & inner(1) & inner(2) & inner(3)
    }

    #[inline]
    fn contains(&self, other: &Self) -> bool {
        let inner = |axis: usize| (self.lo[axis] <= other.lo[axis]) & (other.end[axis] <= self.end[axis]);
        let first = (self.lo_first <= other.lo_first) & (other.end_first <= self.end_first);
        first & inner(0) & inner(1) & inner(2) & inner(3)
    }

    /// Whether it is `other`. Field by field: as a whole it would be loaded wider than it was just stored.
    #[inline(always)]
    pub(crate) fn is(&self, other: &Self) -> bool {
        (self.lo_first == other.lo_first)
            & (self.end_first == other.end_first)
            & (0..DIMS - 1)
                .all(|axis| (self.lo[axis] == other.lo[axis]) & (self.end[axis] == other.end[axis]))
    }

    /// How it lies to `other`, where both are of a layout of `kind`. Most are told by axis 0: tiles behind each other are apart
    /// there, and intervals have no other.
    #[inline]
    pub(crate) fn meet(&self, kind: Kind, other: &Self) -> Meet {
        if self.lo_first >= other.end_first || other.lo_first >= self.end_first {
            Meet::Apart
        } else if kind != Kind::Bytes {
            self.meet_inside(kind, other)
        } else if self.lo_first > other.lo_first || other.end_first > self.end_first {
            Meet::Partly
        } else if self.lo_first == other.lo_first && self.end_first == other.end_first {
            Meet::Same
        } else {
            Meet::Covers
        }
    }

    /// As `meet`, of what has more axes.
    #[inline(never)]
    fn meet_inside(&self, kind: Kind, other: &Self) -> Meet {
        if self.is(other) && kind != Kind::Unknown {
            Meet::Same
        } else if !self.meets(other) {
            Meet::Apart
        } else if kind == Kind::Boxes && self.contains(other) {
            Meet::Covers
        } else {
            Meet::Partly
        }
    }

    /// Whether it and `other` have a common point. By value, so that a box in registers may stay there.
    #[inline(never)]
    pub(crate) fn touches(self, other: &Self) -> bool {
        self.meets(other)
    }
}

impl Layout {
    /// Of intervals whose every byte is touched.
    pub(crate) const BYTES: Self = Self { axes: Axes::INTERVAL, residue: 0, kind: Kind::Bytes };

    /// How many axes separate its boxes.
    #[inline]
    pub(crate) fn separating(&self) -> usize {
        if self.kind == Kind::Boxes { usize::from(self.axes.dims).min(DIMS) } else { 1 }
    }

    /// Whether regions of the two are apart whatever their boxes: the same strides, started off each other.
    #[inline]
    fn interleaves(&self, other: &Self) -> bool {
        self.residue != other.residue && *self == Self { residue: self.residue, ..*other }
    }

    /// Which range of axis 0 the bytes `from..end` can touch.
    pub(crate) fn first_axis(&self, (from, end): (u64, u64)) -> (u64, u64) {
        if self.kind != Kind::Boxes {
            return (from, end);
        }
        let row = |byte: u64| byte / u64::from(self.axes.elem) / u64::from(self.axes.strides[0]);
        (row(from), row(end - 1) + 1)
    }

    /// From the first to the last byte of `rect`.
    fn bytes(&self, rect: &Rect) -> (u64, u64) {
        if self.kind != Kind::Boxes {
            return (rect.lo_first, rect.end_first);
        }
        let (mut first, mut last) = (u64::from(self.residue), u64::from(self.residue));
        for (axis, stride) in self.axes.strides.iter().enumerate() {
            let (lo, end) = rect.axis(axis);
            first += lo * u64::from(*stride);
            last += (end - 1) * u64::from(*stride);
        }
        (first * u64::from(self.axes.elem), (last + 1) * u64::from(self.axes.elem))
    }
}

impl<'a> Footprint<'a> {
    /// Of a region that is not empty.
    #[inline(never)]
    pub(crate) fn of(region: &'a Region) -> Self {
        let boxed = match region.axes.form {
            Form::Strided => decompose(region, &mut Division(&region.axes)),
            _ => None,
        };
        match boxed {
            Some((rect, residue)) => {
                Self { region, layout: Layout { axes: region.axes, residue, kind: Kind::Boxes }, rect }
            }
            None => Self::interval(region),
        }
    }

    /// Of a region that was found to be `rect` of `layout`.
    #[inline]
    pub(crate) fn located(region: &'a Region, layout: Layout, rect: Rect) -> Self {
        Self { region, layout, rect }
    }

    /// Of a region that is no box: the bytes from first to last.
    fn interval(region: &'a Region) -> Self {
        let (bytes, axes) = (region.bytes(), region.axes);
        let mut rect = Rect::interval(bytes.start, bytes.end);
        let layout = if axes.form == Form::Unknown {
            Layout { axes, residue: 0, kind: Kind::Unknown }
        } else if region.is_dense() {
            Layout::BYTES
        } else {
            rect.end = region.inner;
            Layout { axes, residue: 0, kind: Kind::Hull }
        };
        Self { region, layout, rect }
    }

    /// From the first to the last byte.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let bytes = self.region.bytes();
        (bytes.start, bytes.end)
    }

    /// How it lies to `rect` of `layout`.
    pub(crate) fn meet(&self, layout: &Layout, rect: &Rect) -> Meet {
        self.meets(layout)(rect)
    }

    /// How it lies to boxes of `layout`.
    #[inline]
    pub(crate) fn meets(&self, layout: &Layout) -> impl Fn(&Rect) -> Meet + Copy {
        let alike = self.layout == *layout;
        move |rect| if alike { self.rect.meet(layout.kind, rect) } else { self.meet_bytes(layout, rect) }
    }

    #[inline(never)]
    fn meet_bytes(&self, layout: &Layout, rect: &Rect) -> Meet {
        let ((from, end), (other_from, other_end)) = (self.bytes(), layout.bytes(rect));
        if from >= other_end || other_from >= end || self.layout.interleaves(layout) {
            Meet::Apart
        } else if from <= other_from && other_end <= end && self.region.is_dense() {
            Meet::Covers
        } else {
            Meet::Partly
        }
    }
}

/// Knows how to divide by strides, and is told the box that comes of it.
pub(crate) trait Scale {
    /// `n` divided by the stride of `axis`, and how many times that goes into the stride outside it.
    fn divide(&self, axis: usize, n: u64) -> (u64, u64);

    /// On `axis`, the box starts at `at` and is `length` long.
    fn place(&mut self, axis: usize, at: u64, length: u64);
}

/// Division as it comes.
struct Division<'a>(&'a Axes);

impl Scale for Division<'_> {
    fn divide(&self, axis: usize, n: u64) -> (u64, u64) {
        let stride = u64::from(self.0.strides[axis]);
        (n / stride, u64::from(self.0.strides[axis.saturating_sub(1)]) / stride)
    }

    fn place(&mut self, _: usize, _: u64, _: u64) {}
}

/// The box of a strided region and what its start leaves below the last stride, or none if the region wraps around a
/// row.
///
/// Greedy division takes every element to one tuple of coordinates. If on each inner axis the box ends before its
/// stride reaches the next one, the tuples of its elements are those of the box; so common elements are common tuples.
#[inline(always)]
pub(crate) fn decompose(region: &Region, scale: &mut impl Scale) -> Option<(Rect, u32)> {
    let Axes { strides, dims, .. } = &region.axes;
    let (at, _) = scale.divide(0, region.start);
    scale.place(0, at, region.first);
    let mut rect = Rect { lo_first: at, end_first: at + region.first, ..Rect::UNIT };
    let mut rest = region.start - at * u64::from(strides[0]);
    // A loop of a fixed length, so that it is unrolled and the box stays in registers.
    for inner in 0..DIMS - 1 {
        if inner + 1 >= usize::from(*dims) {
            break;
        }
        let (at, limit) = scale.divide(inner + 1, rest);
        let length = region.inner[inner];
        if at + u64::from(length) > limit {
            return None;
        }
        scale.place(inner + 1, at, u64::from(length));
        // Neither is above `limit`, which is the quotient of two strides.
        rect.lo[inner] = at as u32;
        rect.end[inner] = at as u32 + length;
        rest -= at * u64::from(strides[inner + 1]);
    }
    Some((rect, rest as u32))
}
