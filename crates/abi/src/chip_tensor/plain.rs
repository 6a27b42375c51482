//! Tensors as most are: their elements lie row after row, and nothing stands past their dimensions. They are checked, and what
//! follows is noted, in one go, as each argument of a task that another runtime's program submits comes through here.
//!
//! Invariant: what is found to be plain is valid, and what is noted of it is what is noted of any valid tensor.

use super::ChipTensor;
use crate::{AddressSpace, DataType, MAX_TENSOR_DIMS, valid};

impl ChipTensor {
    /// What [`note`](ChipTensor::note) would keep, if it is valid and as most are: its elements lie row after row, and
    /// nothing stands past its dimensions. None says nothing.
    #[inline]
    fn plain_kind(&self) -> Option<u32> {
        match self.ndims {
            1 => self.plain_kind_of::<1>(),
            2 => self.plain_kind_of::<2>(),
            3 => self.plain_kind_of::<3>(),
            4 => self.plain_kind_of::<4>(),
            5 => self.plain_kind_of::<5>(),
            _ => None,
        }
    }

    /// As `plain_kind`, of `N` dimensions, from 1 to 5.
    #[inline(always)]
    fn plain_kind_of<const N: usize>(&self) -> Option<u32> {
        let dtype = DataType::try_from(self.dtype).ok()?;
        AddressSpace::try_from(self.address_space).ok()?;
        // What is not 0 in the end is to be looked at closely.
        let mut strange = u32::from(self.manual_dep >> 1) | u32::from(self.is_contiguous ^ 1);
        let mut numel = 1u64;
        for dim in (0..N).rev() {
            let (d, s) = (self.shapes[dim], self.strides[dim]);
            strange |= u32::from(u64::from(s) != numel) | u32::from(d == 0);
            // Where it is not the stride, which has 32 bits, what follows does not count.
            numel = numel.wrapping_mul(u64::from(d));
        }
        for dim in N..MAX_TENSOR_DIMS {
            strange |= self.shapes[dim] | self.strides[dim];
        }
        let size = u64::from(dtype.size());
        let end = self.start_offset.checked_add(numel)?.checked_mul(size)?;
        self.buffer_addr.checked_add(self.buffer_size)?;
        if strange != 0 || self.extent != numel || end > self.buffer_size {
            return None;
        }
        let whole = self.start_offset == 0 && end == self.buffer_size;
        Some(valid::kind(dtype, N, true, whole))
    }

    /// Makes it `other`, if that is valid and [as most are](ChipTensor::plain_kind), and notes what follows: whether it did.
    #[inline]
    pub(crate) fn set_plain(&mut self, other: &Self) -> bool {
        let Some(known) = other.plain_kind() else { return false };
        self.copy_from(other);
        self.known = known;
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{AddressSpace, ChipTensor, DataType, MAX_TENSOR_DIMS, ValidTensor};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// What is set is what is made in the other way, or is refused as that is.
    fn check(record: ChipTensor) -> bool {
        let former = ValidTensor::contiguous(0x1000, &[2, 3, 4, 5, 6], DataType::F16).unwrap();
        let mut tensor = former.slice(1, 1, 2, 1).unwrap();
        let before = tensor;
        let (set, made) = (tensor.set(&record), ValidTensor::new(record));
        let expected = made.unwrap_or(before);
        assert_eq!(set.err(), made.err());
        assert_eq!((tensor.words(), tensor.kind()), (expected.words(), expected.kind()));
        assert_eq!(tensor.whole_bytes(), expected.whole_bytes());
        made.is_ok()
    }

    #[test]
    fn most_are_plain_and_others_are_not() {
        let matrix = ChipTensor::contiguous(0x1000, &[4, 8], DataType::F32).unwrap();
        let rows = matrix.view(&[2, 8], &[1, 0]).unwrap();
        let column = matrix.slice(1, 2, 3, 1).unwrap();
        let large = ChipTensor::contiguous(0x1000, &[1 << 20, 1 << 20], DataType::F32).unwrap();
        for (tensor, plain) in [(matrix, true), (rows, true), (column, false), (large, true)] {
            assert_eq!(tensor.plain_kind().is_some(), plain, "{tensor:?}");
            assert!(check(tensor));
        }
        let end = matrix.with_buffer_addr(u64::MAX - 2);
        assert!(!check(end), "a buffer past the end of the address space");
    }

    #[test]
    fn a_start_whose_bytes_turn_round_is_outside() {
        let matrix = ChipTensor::contiguous(0x1000, &[4, 8], DataType::F32).unwrap();
        for start in [u64::MAX, u64::MAX - 31, 1 << 62, (1 << 62) - 32, 1 << 63] {
            assert!(!check(ChipTensor { start_offset: start, ..matrix }), "{start:#x}");
        }
    }

    #[test]
    fn every_number_of_a_byte_is_looked_at() {
        let matrix = ChipTensor::contiguous(0x1000, &[4, 8], DataType::U8).unwrap();
        for byte in 0..=u8::MAX {
            check(ChipTensor { dtype: byte, buffer_size: 1 << 10, ..matrix });
            assert_eq!(check(ChipTensor { manual_dep: byte, ..matrix }), byte <= 1);
            assert_eq!(check(ChipTensor { is_contiguous: byte, ..matrix }), byte <= 1);
            assert_eq!(
                check(ChipTensor { address_space: byte, ..matrix }),
                AddressSpace::try_from(byte).is_ok()
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_is_valid(
            shape in proptest::collection::vec(prop_oneof![Just(0u32), 1u32..9, Just(1 << 16), any::<u32>()], 1..=MAX_TENSOR_DIMS),
            dtype in proptest::sample::select(DataType::ALL),
            start in prop_oneof![Just(0u32), 0u32..4],
            // Words that are overwritten, with what.
            changes in proptest::collection::vec((0usize..24, prop_oneof![Just(0u32), 1u32..4, any::<u32>()]), 0..3),
        ) {
            let Ok(tensor) = ChipTensor::contiguous(0x1000, &shape, dtype) else { return Ok(()) };
            let part: Vec<u32> = shape.iter().enumerate().map(|(dim, &n)| if dim == 0 { n.saturating_sub(start) } else { n }).collect();
            let mut at = [0; MAX_TENSOR_DIMS];
            at[0] = start;
            let tensor = tensor.view(&part, &at[..part.len()]).unwrap_or(tensor);
            let mut words: [u32; 32] = bytemuck::cast(tensor);
            changes.iter().for_each(|&(word, value)| words[word] = value);
            check(bytemuck::cast(words));
        }
    }
}
