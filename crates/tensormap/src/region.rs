//! What memory an access touches: a rectangular view of a buffer, in a form that any input is brought into.

use crate::footprint::{Footprint, Meet};
use core::fmt;
use core::ops::Range;
use prewire_abi::{ChipTensor, ValidTensor};

/// The most dimensions that are compared exactly.
pub(crate) const DIMS: usize = 5;

/// What memory an access touches: a rectangular view of a buffer, up to 5 dimensions, 64 bytes.
///
/// Dimensions are kept in the order of their strides, so a transposed view is the same region. A view whose rows lie
/// one after the other without gaps is an interval of bytes, whatever its shape and its elements are. What cannot be a view (lengths that do not match,
/// more than 5 dimensions, an element size of 0, an end past 64 bits) is not refused: it is taken for all the memory
/// that it could touch, which makes tasks wait more, never less.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region {
    buffer: u64,
    /// In elements.
    pub(crate) start: u64,
    /// The length of dimension 0, or of the interval.
    pub(crate) first: u64,
    /// The lengths of dimensions 1 to 4.
    pub(crate) inner: [u32; DIMS - 1],
    pub(crate) axes: Axes,
}

/// What makes the starts of regions comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axes {
    /// Not ascending; 0 past the last.
    pub(crate) strides: [u32; DIMS],
    /// Bytes of an element.
    pub(crate) elem: u16,
    /// How many.
    pub(crate) dims: u8,
    pub(crate) form: Form,
}

impl Axes {
    /// Those of all bytes of an interval.
    pub(crate) const INTERVAL: Self =
        Self { strides: [1, 0, 0, 0, 0], elem: 1, dims: 1, form: Form::Interval };
}

const _: () = assert!(size_of::<Region>() == 64);

/// What the fields of a region say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing.
    Empty,
    /// All bytes of an interval.
    Interval,
    /// `dims` dimensions, strides not ascending, none 0, and the last byte within 64 bits.
    Strided,
    /// Some bytes of an interval.
    Unknown,
}

/// How a region lies to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// No common byte.
    None,
    /// Common bytes, or not known to have none.
    Partial,
    /// It has every byte of the other.
    Covers,
}

impl Region {
    /// The view of `shape` and `strides`, both outermost first and in elements of `elem_bytes` bytes, that starts
    /// `start` elements into the buffer at address `buffer`. Views of the same `buffer` are compared; no other
    /// buffer overlaps it. A dimension of stride 0 repeats the same elements.
    ///
    /// ```
    /// use prewire_tensormap::{Overlap, Region};
    ///
    /// let even = Region::new(0x1000, 2, 0, &[50], &[2]);
    /// let odd = Region::new(0x1000, 2, 1, &[50], &[2]);
    /// let all = Region::new(0x1000, 2, 0, &[100], &[1]);
    /// assert_eq!(even.overlap(&odd), Overlap::None);
    /// assert_eq!(all.overlap(&odd), Overlap::Covers);
    /// ```
    #[must_use]
    #[inline]
    pub fn new(buffer: u64, elem_bytes: u32, start: u64, shape: &[u32], strides: &[u32]) -> Self {
        if shape.contains(&0) {
            return Self::interval(buffer, 0, 0, Form::Empty);
        }
        if elem_bytes == 0 {
            return Self::interval(buffer, 0, u64::MAX, Form::Unknown);
        }
        if shape.len() > DIMS || shape.len() != strides.len() || elem_bytes > u32::from(u16::MAX) {
            return Self::hull(buffer, elem_bytes, start, shape, strides);
        }
        let size = u64::from(elem_bytes);
        let given = strides.iter().copied().zip(shape.iter().copied());
        if let Some(bytes) = packed(given.clone()).and_then(|elements| elements.checked_mul(size))
            && let Some(start) = start.checked_mul(size)
            && start.checked_add(bytes).is_some()
        {
            return Self::interval(buffer, start, bytes, Form::Interval);
        }
        let mut dims = 0;
        let mut axes = [(0, 1); DIMS];
        for axis in given.filter(|axis| axis.0 != 0) {
            let mut at = dims;
            while at > 0 && axes[at - 1] < axis {
                axes[at] = axes[at - 1];
                at -= 1;
            }
            axes[at] = axis;
            dims += 1;
        }
        let mut last = Some(start);
        for (stride, length) in axes {
            last = last.and_then(|last| last.checked_add(u64::from(length - 1) * u64::from(stride)));
        }
        let Some(end) = last.and_then(|last| last.checked_add(1)?.checked_mul(size)) else {
            return Self::interval(buffer, 0, u64::MAX, Form::Unknown);
        };
        if packed(axes[..dims].iter().copied()).is_some() {
            return Self::interval(buffer, start * size, end - start * size, Form::Interval);
        }
        let first = u64::from(axes[0].1);
        let inner = [axes[1].1, axes[2].1, axes[3].1, axes[4].1];
        let strides = axes.map(|axis| axis.0);
        let axes = Axes { strides, elem: elem_bytes as u16, dims: dims as u8, form: Form::Strided };
        Self { buffer, start, first, inner, axes }
    }

    /// All `bytes` of the buffer at `buffer`; as good as none if they are 0.
    #[must_use]
    #[inline]
    pub fn whole(buffer: u64, bytes: u64) -> Self {
        Self::interval(buffer, 0, bytes, if bytes == 0 { Form::Empty } else { Form::Interval })
    }

    /// The address of the buffer.
    #[must_use]
    #[inline]
    pub const fn buffer(&self) -> u64 {
        self.buffer
    }

    /// Whether it touches nothing.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.axes.form == Form::Empty
    }

    /// From the first to the last byte touched, counted from the start of the buffer.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> Range<u64> {
        let size = u64::from(self.axes.elem);
        let mut last =
            self.start + (self.first - u64::from(self.first > 0)) * u64::from(self.axes.strides[0]);
        for (length, stride) in self.inner.iter().zip(&self.axes.strides[1..]) {
            last += u64::from(length - 1) * u64::from(*stride);
        }
        self.start * size..(last + u64::from(self.first > 0)) * size
    }

    /// How it lies to `other`. Exact for views of the same strides and element size that do not wrap around a row,
    /// and for dense ones; [`Partial`](Overlap::Partial) for the rest if the bytes from first to last intersect, and
    /// [`Covers`](Overlap::Covers) only if sure.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Overlap {
        if self.buffer != other.buffer || self.is_empty() || other.is_empty() {
            return Overlap::None;
        }
        let other = Footprint::of(other);
        match Footprint::of(self).meet(&other.layout, &other.rect) {
            Meet::Apart => Overlap::None,
            Meet::Partly => Overlap::Partial,
            Meet::Covers | Meet::Same => Overlap::Covers,
        }
    }

    /// Where it ends, in bytes, if it begins with the buffer and has no gap; 0 otherwise.
    #[inline]
    pub(crate) fn prefix_end(&self) -> u64 {
        if self.start == 0 && self.axes.form == Form::Interval { self.first } else { 0 }
    }

    /// Where it starts, in bytes.
    #[inline]
    pub(crate) fn first_byte(&self) -> u64 {
        self.start * u64::from(self.axes.elem)
    }

    /// Whether there is no gap between its first and its last byte.
    pub(crate) fn is_dense(&self) -> bool {
        let mut run = 1;
        for axis in (0..usize::from(self.axes.dims)).rev() {
            let length = if axis == 0 { self.first } else { u64::from(self.inner[axis - 1]) };
            if length != 1 && u64::from(self.axes.strides[axis]) != run {
                return false;
            }
            run *= length;
        }
        self.axes.form != Form::Unknown
    }

    /// `length` bytes from byte `start`.
    #[inline]
    fn interval(buffer: u64, start: u64, length: u64, form: Form) -> Self {
        Self { buffer, start, first: length, inner: [1; DIMS - 1], axes: Axes { form, ..Axes::INTERVAL } }
    }

    /// Some of the bytes between the first and the last that a view of any number of dimensions can touch.
    #[cold]
    fn hull(buffer: u64, elem_bytes: u32, start: u64, shape: &[u32], strides: &[u32]) -> Self {
        let reach = |length: u32, stride: u32| u64::from(length - 1) * u64::from(stride);
        let last = match shape.len() == strides.len() {
            true => shape.iter().zip(strides).try_fold(start, |last, (l, s)| last.checked_add(reach(*l, *s))),
            false => None,
        };
        let size = u64::from(elem_bytes);
        let end = last.and_then(|last| last.checked_add(1)?.checked_mul(size)).unwrap_or(u64::MAX);
        let start = start.checked_mul(size).filter(|start| *start < end).unwrap_or(0);
        Self::interval(buffer, start, end - start, Form::Unknown)
    }
}

/// What an access can be of: a region, or a tensor, whose region is worked out only where that matters.
pub trait Memory {
    /// The address of its buffer.
    fn buffer(&self) -> u64;

    /// Where it ends, in bytes, if it begins with its buffer and has no gap; 0 otherwise, or where that is not told at
    /// once.
    fn end_from_start(&self) -> u64;

    /// The region.
    fn region(&self) -> Region;
}

impl Memory for Region {
    #[inline]
    fn buffer(&self) -> u64 {
        self.buffer
    }

    #[inline]
    fn end_from_start(&self) -> u64 {
        self.prefix_end()
    }

    #[inline]
    fn region(&self) -> Region {
        *self
    }
}

impl Memory for ChipTensor {
    #[inline]
    fn buffer(&self) -> u64 {
        self.buffer_addr()
    }

    #[inline]
    fn end_from_start(&self) -> u64 {
        if self.is_whole() { self.buffer_size() } else { 0 }
    }

    #[inline]
    fn region(&self) -> Region {
        Region::from(self)
    }
}

impl Memory for ValidTensor {
    #[inline]
    fn buffer(&self) -> u64 {
        self.get().buffer()
    }

    #[inline]
    fn end_from_start(&self) -> u64 {
        self.whole_bytes()
    }

    #[inline]
    fn region(&self) -> Region {
        Region::from(self.get())
    }
}

impl From<&ChipTensor> for Region {
    /// What a task that is handed `tensor` can touch.
    fn from(tensor: &ChipTensor) -> Self {
        if tensor.is_whole() {
            return Self::whole(tensor.buffer_addr(), tensor.buffer_size());
        }
        Self::new(
            tensor.buffer_addr(),
            tensor.element_size(),
            tensor.start_offset(),
            tensor.shape(),
            tensor.strides(),
        )
    }
}

/// How many elements there are if the stride of each axis is what the lengths after it multiply to: then they lie one
/// after the other, and are whole rows of whatever has the same strides. Axes are strides and lengths, no length is 0.
#[inline]
fn packed(axes: impl DoubleEndedIterator<Item = (u32, u32)>) -> Option<u64> {
    let mut elements = 1u64;
    for (stride, length) in axes.rev() {
        if u64::from(stride) != elements {
            return None;
        }
        // It was equal to a stride: the product of two numbers of 32 bits.
        elements *= u64::from(length);
    }
    Some(elements)
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Region");
        out.field("buffer", &format_args!("{:#x}", self.buffer)).field("form", &self.axes.form);
        if self.axes.form == Form::Strided {
            let mut shape = [0; DIMS];
            shape[0] = self.first;
            shape[1..].iter_mut().zip(&self.inner).for_each(|(to, from)| *to = u64::from(*from));
            let dims = usize::from(self.axes.dims);
            out.field("elem_bytes", &self.axes.elem).field("start", &self.start);
            out.field("shape", &&shape[..dims]).field("strides", &&self.axes.strides[..dims]);
        }
        out.field("bytes", &self.bytes()).finish()
    }
}
