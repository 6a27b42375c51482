//! A tensor as the words that are stored of it: everything but the padding.

use super::ChipTensor;

/// What the last of the words has of the record: a stride, and then there is padding.
const LAST_WORD: u64 = if cfg!(target_endian = "little") { 0xFFFF_FFFF } else { 0xFFFF_FFFF << 32 };

impl ChipTensor {
    /// How many words [`words`](ChipTensor::words) are.
    pub const WORDS: usize = 12;

    /// Everything in the record but its padding, as words: the upper half of the last one is 0.
    ///
    /// ```
    /// use prewire_abi::{ChipTensor, DataType};
    ///
    /// let tensor = ChipTensor::strided(0x1000, &[4, 8], &[16, 2], DataType::F32)?;
    /// assert_eq!(ChipTensor::from_words(tensor.words()).words(), tensor.words());
    /// assert_eq!(tensor.words()[11] >> 32, 0);
    /// # Ok::<(), prewire_abi::TensorError>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn words(&self) -> [u64; Self::WORDS] {
        let all: &[u64; 16] = bytemuck::cast_ref(self);
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = *all;
        [a, b, c, d, e, f, g, h, i, j, k, l & LAST_WORD]
    }

    /// The record of which `words` are those. Whatever the words, it is one; the upper half of the last is ignored.
    #[must_use]
    #[inline]
    pub fn from_words(words: [u64; Self::WORDS]) -> Self {
        let mut all = [0u64; 16];
        all[..Self::WORDS].copy_from_slice(&words);
        all[Self::WORDS - 1] &= LAST_WORD;
        bytemuck::cast(all)
    }

    /// Makes it what `other` is, and what is kept of that one with it; not the padding.
    #[inline]
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let from: &[u64; 16] = bytemuck::cast_ref(other);
        let to: &mut [u64; 16] = bytemuck::cast_mut(self);
        to[..Self::WORDS].copy_from_slice(&from[..Self::WORDS]);
    }
}
