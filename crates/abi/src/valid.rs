//! A tensor that was checked: what no later step has to check again.

use core::fmt;
use core::ops::Deref;

use crate::{ChipTensor, DataType, TaskId, TensorError, ViewError};

/// A [`ChipTensor`] that is valid, whoever made it: every index inside its shape is inside its buffer, and its element
/// type is known. Past its dimensions its shape and its strides are 0.
///
/// A record of bytes can hold anything and is checked each time it arrives; this is not such a record, and nothing but
/// these functions makes one.
///
/// ```
/// use prewire_abi::{ChipTensor, DataType, ValidTensor};
///
/// let arrived = ChipTensor::contiguous(0x1000, &[4, 8], DataType::F32)?;
/// let matrix = ValidTensor::new(arrived)?;
/// let row = matrix.view(&[1, 8], &[2, 0])?;
/// assert_eq!((row.start_addr(), row.element_type()), (0x1040, DataType::F32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct ValidTensor(ChipTensor);

/// Of a kind: the tensor is all of its buffer.
const WHOLE: u32 = 1 << 25;
/// Where a kind has the bytes of an element.
const SIZE_SHIFT: u32 = 28;

/// What [`ValidTensor::kind`] returns.
#[inline]
pub(crate) const fn kind(dtype: DataType, ndims: usize, contiguous: bool, whole: bool) -> u32 {
    let strided = if contiguous { 0 } else { ValidTensor::STRIDED };
    let whole = if whole { WHOLE } else { 0 };
    dtype.code() as u32 | (ndims as u32) << 8 | strided | whole | dtype.size() << SIZE_SHIFT
}

impl ValidTensor {
    /// Of a [kind](ValidTensor::kind): the elements do not lie row after row, so strides say where they are.
    pub const STRIDED: u32 = 1 << 24;

    /// `tensor`, which is valid.
    #[inline]
    fn noted(mut tensor: ChipTensor) -> Self {
        tensor.note();
        Self(tensor)
    }

    /// `tensor`, once it is checked.
    ///
    /// # Errors
    ///
    /// As [`ChipTensor::validate`].
    #[inline]
    pub fn new(tensor: ChipTensor) -> Result<Self, TensorError> {
        tensor.validate()?;
        Ok(Self::noted(tensor.without_rest()))
    }

    /// A tensor over the whole of a buffer at `addr`, its elements row after row.
    ///
    /// # Errors
    ///
    /// As [`ChipTensor::contiguous`].
    #[inline]
    pub fn contiguous(addr: u64, shape: &[u32], dtype: DataType) -> Result<Self, TensorError> {
        ChipTensor::contiguous(addr, shape, dtype).map(Self::noted)
    }

    /// Checks `tensor`; one of which only the first line was filled in, and whose elements lie row after row, is first
    /// [`repacked`](ChipTensor::repacked).
    ///
    /// # Errors
    ///
    /// What is wrong with it as it is.
    pub fn mended(tensor: &ChipTensor) -> Result<Self, TensorError> {
        Self::new(*tensor).or_else(|error| {
            if !tensor.is_contiguous() {
                return Err(error);
            }
            tensor.repacked().and_then(Self::new).map_err(|_| error)
        })
    }

    /// Makes it `tensor`, once that is checked: as [`new`](ValidTensor::new), in place.
    ///
    /// # Errors
    ///
    /// As there; then it stays what it is.
    #[inline]
    pub fn set(&mut self, tensor: &ChipTensor) -> Result<(), TensorError> {
        if self.0.set_plain(tensor) { Ok(()) } else { self.set_any(tensor) }
    }

    /// As `set`, of any tensor.
    #[inline(never)]
    fn set_any(&mut self, tensor: &ChipTensor) -> Result<(), TensorError> {
        tensor.validate()?;
        self.0.copy_from(tensor);
        self.0.clear_rest();
        self.0.note();
        Ok(())
    }

    /// Makes it what [`contiguous`](ValidTensor::contiguous) at address 0 returns.
    ///
    /// # Errors
    ///
    /// As there; then it stays what it is.
    #[inline]
    pub fn set_contiguous(&mut self, shape: &[u32], dtype: DataType) -> Result<(), TensorError> {
        self.0.set_contiguous(shape, dtype)
    }

    /// Makes it what `other` is, as an assignment does, without the padding.
    #[inline]
    pub fn copy_from(&mut self, other: &Self) {
        self.0.copy_from(&other.0);
    }

    /// The record.
    #[must_use]
    #[inline]
    pub const fn get(&self) -> &ChipTensor {
        &self.0
    }

    /// The elements in each dimension, 0 past the last, as words: `head` and the first, the second and third, the others.
    #[must_use]
    #[inline]
    pub const fn shape_words(&self, head: u32) -> [u64; 3] {
        let [a, b, c, d, e] = *self.0.shapes();
        [pair(head, a), pair(b, c), pair(d, e)]
    }

    /// The strides, likewise: the first two, the next two, the last.
    #[must_use]
    #[inline]
    pub const fn stride_words(&self) -> [u64; 3] {
        let [a, b, c, d, e] = *self.0.all_strides();
        [pair(a, b), pair(c, d), e as u64]
    }

    /// Everything in the record, as [`ChipTensor::words`].
    #[must_use]
    #[inline]
    pub fn words(&self) -> [u64; ChipTensor::WORDS] {
        self.0.words()
    }

    /// The element type.
    #[must_use]
    #[inline]
    pub fn element_type(&self) -> DataType {
        // Known, or there would be no such tensor.
        self.0.dtype().unwrap_or(DataType::U8)
    }

    /// What it is, in a word, known since it was made: the number of the element type in the lowest byte, the number of
    /// dimensions in the next; and [`STRIDED`](ValidTensor::STRIDED). Byte 2 is 0. What the upper byte says besides is
    /// not told.
    ///
    /// ```
    /// use prewire_abi::{DataType, ValidTensor};
    ///
    /// let matrix = ValidTensor::contiguous(0x1000, &[4, 8], DataType::F16)?;
    /// let column = matrix.slice(1, 2, 3, 1).expect("it is inside");
    /// assert_eq!(matrix.kind() & (ValidTensor::STRIDED | 0xFF_FFFF), 2 << 8 | 1);
    /// assert_eq!(column.kind() & ValidTensor::STRIDED, ValidTensor::STRIDED);
    /// # Ok::<(), prewire_abi::TensorError>(())
    /// ```
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> u32 {
        self.0.known()
    }

    /// Bytes of one element.
    #[must_use]
    #[inline]
    pub const fn element_size(&self) -> u32 {
        self.0.known() >> SIZE_SHIFT
    }

    /// As [`ChipTensor::start_addr`].
    #[must_use]
    #[inline]
    pub fn start_addr(&self) -> u64 {
        let bytes = self.0.start_offset().wrapping_mul(self.element_size().into());
        self.0.buffer_addr().wrapping_add(bytes)
    }

    /// The bytes of its buffer if it is known to be all of that, as [`ChipTensor::is_whole`] says, and else 0.
    #[must_use]
    #[inline]
    pub fn whole_bytes(&self) -> u64 {
        if self.0.known() & WHOLE == 0 { 0 } else { self.0.buffer_size() }
    }

    /// The same, owned by `task`.
    #[must_use]
    #[inline]
    pub fn with_owner(self, task: TaskId) -> Self {
        Self(self.0.with_owner(task))
    }

    /// The same, with the choice whether its creator sees to dependencies.
    #[must_use]
    #[inline]
    pub fn with_manual_dep(self, manual: bool) -> Self {
        Self(self.0.with_manual_dep(manual))
    }

    /// The same, as this version of the buffer's content.
    #[must_use]
    #[inline]
    pub fn with_version(self, version: i32) -> Self {
        Self(self.0.with_version(version))
    }

    /// Moves it to a buffer at `addr` that `task` owns. One that would go past the end of the address space is put
    /// before it.
    #[inline]
    pub fn place(&mut self, addr: u64, task: TaskId) {
        self.0.place(addr.min(u64::MAX - self.0.buffer_size()), task);
    }

    /// As [`ChipTensor::view`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn view(&self, shapes: &[u32], offsets: &[u32]) -> Result<Self, ViewError> {
        self.0.view(shapes, offsets).map(Self::noted)
    }

    /// As [`ChipTensor::slice`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn slice(&self, dim: usize, start: u32, stop: u32, step: u32) -> Result<Self, ViewError> {
        self.0.slice(dim, start, stop, step).map(Self::noted)
    }

    /// As [`ChipTensor::transpose`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn transpose(&self, d0: usize, d1: usize) -> Result<Self, ViewError> {
        self.0.transpose(d0, d1).map(Self::noted)
    }

    /// As [`ChipTensor::permute`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn permute(&self, order: &[usize]) -> Result<Self, ViewError> {
        self.0.permute(order).map(Self::noted)
    }

    /// As [`ChipTensor::reshape`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn reshape(&self, shape: &[u32]) -> Result<Self, ViewError> {
        self.0.reshape(shape).map(Self::noted)
    }
}

#[inline]
const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

impl TryFrom<ChipTensor> for ValidTensor {
    type Error = TensorError;

    fn try_from(tensor: ChipTensor) -> Result<Self, TensorError> {
        Self::new(tensor)
    }
}

impl Deref for ValidTensor {
    type Target = ChipTensor;

    #[inline]
    fn deref(&self) -> &ChipTensor {
        &self.0
    }
}

impl fmt::Debug for ValidTensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_TENSOR_DIMS, geometry};
    use proptest::prelude::*;

    /// What is promised of it.
    fn check(tensor: &ValidTensor) {
        tensor.validate().unwrap();
        assert_eq!(tensor.dtype().unwrap(), tensor.element_type());
        let strided = if tensor.is_contiguous() { 0 } else { ValidTensor::STRIDED };
        let kind = u32::from(tensor.element_type().code()) | (tensor.ndims() as u32) << 8 | strided;
        assert_eq!(tensor.kind() & (ValidTensor::STRIDED | 0xFF_FFFF), kind);
        assert_eq!(tensor.element_size(), tensor.get().element_size());
        assert_eq!(tensor.start_addr(), tensor.get().start_addr());
        assert_eq!(tensor.whole_bytes(), if tensor.is_whole() { tensor.buffer_size() } else { 0 });
        let mut copy = ValidTensor::contiguous(1, &[7; 5], DataType::I8).unwrap();
        copy.copy_from(tensor);
        assert_eq!((copy.get(), copy.kind()), (tensor.get(), tensor.kind()));
        let [a, b, c, d, e] = geometry::padded(tensor.shape()).map(u64::from);
        assert_eq!(tensor.shape_words(7), [7 | a << 32, b | c << 32, d | e << 32]);
        let [a, b, c, d, e] = geometry::padded(tensor.strides()).map(u64::from);
        assert_eq!(tensor.stride_words(), [a | b << 32, c | d << 32, e]);
    }

    #[test]
    fn what_is_not_a_tensor_is_refused() {
        let zeros: ChipTensor = bytemuck::Zeroable::zeroed();
        assert_eq!(ValidTensor::new(zeros).unwrap_err(), TensorError::Rank { ndims: 0 });
    }

    #[test]
    fn what_is_placed_stays_inside_the_address_space() {
        let mut tensor = ValidTensor::contiguous(0, &[3], DataType::I64).unwrap();
        tensor.place(0x4000, TaskId::new(2, 9));
        assert_eq!((tensor.buffer_addr(), tensor.owner_task_id()), (0x4000, TaskId::new(2, 9)));
        tensor.place(u64::MAX - 23, TaskId::new(2, 9));
        assert_eq!(tensor.buffer_addr(), u64::MAX - 24);
        check(&tensor);
    }

    proptest! {
        #[test]
        fn records_of_any_bytes_are_valid_once_they_are_one(
            bytes in proptest::collection::vec(any::<u8>(), 128),
            shape in proptest::collection::vec(1u32..9, 1..=MAX_TENSOR_DIMS),
            junk in any::<u32>(),
        ) {
            // Any bytes, but for rank and bounds, which would nearly always be refused; and junk past the dimensions.
            let mut words: [u32; 32] = bytemuck::pod_read_unaligned(&bytes);
            let sound = ChipTensor::contiguous(0x1000, &shape, DataType::F16).unwrap();
            let good: [u32; 32] = bytemuck::cast(sound);
            words[0..4].copy_from_slice(&good[0..4]);
            words[6..23].copy_from_slice(&good[6..23]);
            words[11 + shape.len()..16].fill(junk);
            words[18 + shape.len()..23].fill(junk);
            let tensor = ValidTensor::new(bytemuck::cast(words)).unwrap();
            prop_assert_eq!(tensor.shape(), &shape);
            check(&tensor);
        }

        #[test]
        fn what_is_set_is_what_is_made(
            shape in proptest::collection::vec(prop_oneof![0u32..9, any::<u32>(), Just(1 << 16)], 0..=MAX_TENSOR_DIMS + 1),
            dtype in proptest::sample::select(DataType::ALL),
        ) {
            let former = ValidTensor::contiguous(0x1000, &[2, 3, 4, 5, 6], DataType::F16).unwrap().slice(1, 1, 2, 1).unwrap();
            let mut tensor = former.with_owner(TaskId::new(1, 2)).with_manual_dep(true);
            let before = tensor;
            let set = tensor.set_contiguous(&shape, dtype);
            let made = ValidTensor::contiguous(0, &shape, dtype);
            let expected = made.unwrap_or(before);
            prop_assert_eq!(set.err(), made.err());
            prop_assert_eq!(bytemuck::bytes_of(tensor.get()), bytemuck::bytes_of(expected.get()));
        }

        #[test]
        fn views_of_what_is_valid_are_valid(
            shape in proptest::collection::vec(1u32..9, 2..=MAX_TENSOR_DIMS),
            cut in 0u32..9,
            step in 1u32..4,
        ) {
            let tensor = ValidTensor::contiguous(0x1000, &shape, DataType::F32).unwrap();
            let last = shape.len() - 1;
            let part = tensor.slice(0, cut.min(shape[0]), shape[0], step).unwrap();
            let turned = part.transpose(0, last).unwrap();
            let order: alloc::vec::Vec<usize> = (0..=last).rev().collect();
            let permuted = turned.permute(&order).unwrap();
            let flat = tensor.reshape(&[shape.iter().product()]).unwrap();
            let view = tensor.view(&shape, &[0; MAX_TENSOR_DIMS][..=last]).unwrap();
            for tensor in [tensor, part, turned, permuted, flat, view, view.with_manual_dep(true)] {
                check(&tensor);
            }
        }
    }
}
