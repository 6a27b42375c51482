//! Elements of raw tensors: where they are, and how they are read and written.

use prewire_abi::ValidTensor;

/// The address of the element at `index` and its size; why there is none.
pub(crate) fn element(tensor: &ValidTensor, index: &[u32]) -> Result<(u64, u32), &'static str> {
    let size = tensor.element_size();
    if tensor.buffer_addr() == 0 {
        return Err("the tensor has no memory");
    }
    if size == 0 {
        return Err("the elements are of an unknown type");
    }
    if index.len() != tensor.ndims() {
        return Err("there are not as many indices as dimensions");
    }
    if index.iter().zip(tensor.shape()).any(|(i, dim)| i >= dim) {
        return Err("an index is beyond its dimension");
    }
    let elements = index
        .iter()
        .zip(tensor.strides())
        .fold(0_u64, |sum, (&i, &stride)| sum.wrapping_add(u64::from(i) * u64::from(stride)));
    Ok((tensor.start_addr().wrapping_add(elements.wrapping_mul(u64::from(size))), size))
}

/// The bits of the element of `size` bytes at `addr`. Kernels write such memory by rules of their own, so each byte is
/// read as it is at that moment.
///
/// # Safety
///
/// As many bytes are readable there.
pub(crate) unsafe fn read(addr: u64, size: u32) -> u64 {
    let at = addr as *const u8;
    if !addr.is_multiple_of(u64::from(size.max(1))) {
        return (0..size.min(8)).fold(0, |bits, byte| {
            // SAFETY: the caller's word: the byte is one of those of the element.
            let value = unsafe { read_as::<u8>(at.wrapping_add(byte as usize)) };
            bits | u64::from(value) << (8 * byte)
        });
    }
    match size {
        // SAFETY: the caller's word, and it is aligned.
        1 => u64::from(unsafe { read_as::<u8>(at) }),
        // SAFETY: as above.
        2 => u64::from(unsafe { read_as::<u16>(at.cast()) }),
        // SAFETY: as above.
        4 => u64::from(unsafe { read_as::<u32>(at.cast()) }),
        // SAFETY: as above.
        8 => unsafe { read_as::<u64>(at.cast()) },
        _ => 0,
    }
}

/// # Safety
///
/// As [`std::ptr::read_volatile`].
unsafe fn read_as<T: Copy>(at: *const T) -> T {
    // SAFETY: the caller's word.
    unsafe { at.read_volatile() }
}

/// Writes the low bytes of `bits` to the element of `size` bytes at `addr`.
///
/// # Safety
///
/// As many bytes are writable there.
pub(crate) unsafe fn write(addr: u64, size: u32, bits: u64) {
    let from = bits.to_le_bytes();
    let size = (size as usize).min(from.len());
    // SAFETY: the caller's word; the bytes come from the stack, so nothing overlaps.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), addr as *mut u8, size) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use prewire_abi::{ChipTensor, DataType};

    #[test]
    fn an_element_is_where_its_strides_say() {
        let memory: Vec<u32> = (0..40).collect();
        let base = memory.as_ptr() as u64;
        let tensor = ChipTensor::in_buffer(base, 160, 3, &[3, 4], &[8, 2], DataType::U32).unwrap();
        let tensor = ValidTensor::new(tensor).unwrap();
        for (row, column) in [(0, 0), (1, 0), (0, 1), (2, 3)] {
            let (addr, size) = element(&tensor, &[row, column]).unwrap();
            // SAFETY: the element is one of `memory`.
            let bits = unsafe { read(addr, size) };
            assert_eq!(bits, u64::from(3 + row * 8 + column * 2));
        }
        for (index, why) in [(&[0][..], "as many"), (&[3, 0], "beyond"), (&[0, 4], "beyond")] {
            assert!(element(&tensor, index).unwrap_err().contains(why));
        }
    }

    #[test]
    fn each_size_is_read_and_written_and_nothing_beside_it() {
        for (size, at) in [(1, 3), (2, 2), (2, 5), (4, 4), (4, 1), (8, 8), (8, 3)] {
            let mut memory = [0x55_u8; 24];
            let addr = memory.as_mut_ptr() as u64 + at;
            let bits = 0x8877_6655_4433_2211_u64;
            // SAFETY: the bytes are inside of `memory`.
            unsafe { write(addr, size, bits) };
            // SAFETY: as above.
            let read = unsafe { read(addr, size) };
            let kept = if size == 8 { u64::MAX } else { (1 << (8 * size)) - 1 };
            assert_eq!(read, bits & kept, "{size} bytes at {at}");
            let beside = memory.iter().filter(|&&byte| byte == 0x55).count();
            let own = bits.to_le_bytes()[..size as usize].iter().filter(|&&byte| byte == 0x55).count();
            assert_eq!(beside - own, 24 - size as usize);
        }
    }
}
