//! The arguments of a run on the device. Invariant: what a run reads and writes of host tensors is a copy, made when it is
//! launched, and taken back after it has ended well; the host's memory is touched at no other time.
//!
//! A place of the pipeline keeps its buffer between runs, and it grows to what the largest run needed: so a run of a
//! program that goes round and round allocates nothing.

use prewire_abi::{
    AddressSpace, ArgDirection, ArgsError, ChipStorageTaskArgs, ChipTensor, TaskId, TensorError,
};

use super::error::HostError;
use super::memory::{ALIGN, DeviceMemory};

/// The buffer that a place of the pipeline stages through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buffer {
    /// Where it is, or 0.
    pub(crate) addr: usize,
    bytes: usize,
}

/// Bytes on the host and their copy on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pair {
    host: usize,
    device: usize,
    bytes: usize,
    copied_in: bool,
    copied_back: bool,
}

/// The arguments of a run, with the addresses of the device.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) tensors: Box<[ChipTensor]>,
    pub(crate) scalars: Box<[u64]>,
    pairs: Vec<Pair>,
}

/// What is done with a tensor of the host.
#[derive(Clone, Copy)]
struct Part {
    /// Where it begins in the buffer.
    at: usize,
    /// The bytes of it that are touched.
    start: usize,
    end: usize,
    copied_in: bool,
    copied_back: bool,
}

impl Staged {
    /// Lays out the arguments of callable `id` in `buffer`, which grows if it must. Nothing is copied yet.
    ///
    /// A tensor that the signature calls IN is not copied back, and one that it calls OUT is not copied in, unless there
    /// are bytes between its elements. What the signature does not name is copied both ways.
    ///
    /// # Safety
    ///
    /// The host tensors are valid for reads, and those that are not IN for writes until the run is finalized; nobody else
    /// works on them meanwhile. Nothing else uses `buffer`.
    pub(crate) unsafe fn new(
        id: i32,
        args: &ChipStorageTaskArgs,
        signature: &[ArgDirection],
        memory: &DeviceMemory,
        buffer: &mut Buffer,
    ) -> Result<Self, HostError> {
        let tensors = args.tensors().map_err(|error| HostError::Args { id, error })?;
        let tensors: Vec<ChipTensor> = (tensors.iter().enumerate())
            .map(|(index, tensor)| {
                let whole = whole(tensor).map_err(|error| ArgsError::Tensor { index, error });
                whole.map_err(|error| HostError::Args { id, error })
            })
            .collect::<Result<_, HostError>>()?;
        let scalars = args.scalars().map_err(|error| HostError::Args { id, error })?;
        // Tensors and scalars are counted apart, wherever the signature names them.
        let directions: Vec<ArgDirection> =
            signature.iter().copied().filter(|&direction| direction != ArgDirection::Scalar).collect();
        let want = directions.len();
        if tensors.len() < want {
            return Err(HostError::Tensors { id, want, have: tensors.len() });
        }
        let mut total = 0;
        let parts: Vec<Option<Part>> = (tensors.iter().enumerate())
            .map(|(index, tensor)| {
                let part = part(id, index, tensor, directions.get(index).copied(), total)?;
                if part.is_some() {
                    let full = HostError::Memory { bytes: u64::MAX, committed: memory.committed() };
                    let end = usize::try_from(tensor.buffer_size()).ok().and_then(|n| total.checked_add(n));
                    total = end.and_then(|end| end.checked_next_multiple_of(ALIGN)).ok_or(full)?;
                }
                Ok(part)
            })
            .collect::<Result<_, HostError>>()?;
        if total > buffer.bytes {
            if buffer.addr != 0 {
                let old = std::mem::take(buffer);
                memory.free(old.addr)?;
            }
            *buffer = Buffer { addr: memory.allocate(total)?, bytes: total };
        }
        let mut pairs = Vec::new();
        let staged = tensors.iter().zip(&parts).map(|(tensor, part)| {
            let Some(part) = part else { return *tensor };
            let (device, host) = (buffer.addr + part.at, tensor.buffer_addr() as usize);
            let (copied_in, copied_back) = (part.copied_in, part.copied_back);
            let (host, at) = (host + part.start, device + part.start);
            pairs.push(Pair { host, device: at, bytes: part.end - part.start, copied_in, copied_back });
            tensor.with_buffer_addr(device as u64).with_owner(TaskId::INVALID)
        });
        let tensors = staged.collect();
        Ok(Self { tensors, scalars: scalars.into(), pairs })
    }

    /// Copies what is read to the device.
    ///
    /// # Safety
    ///
    /// As [`new`](Staged::new), of which the run has not begun.
    pub(crate) unsafe fn copy_in(&self) {
        for &Pair { host, device, bytes, .. } in self.pairs.iter().filter(|pair| pair.copied_in) {
            let from = core::ptr::with_exposed_provenance::<u8>(host);
            let to = core::ptr::with_exposed_provenance_mut::<u8>(device);
            // SAFETY: the caller says that the tensor can be read; the buffer has room for it, and nobody else uses it.
            unsafe { core::ptr::copy(from, to, bytes) };
        }
    }

    /// Copies what was written to the host.
    ///
    /// # Safety
    ///
    /// As [`new`](Staged::new), of which the run is over.
    pub(crate) unsafe fn copy_back(&self) {
        for &Pair { host, device, bytes, .. } in self.pairs.iter().filter(|pair| pair.copied_back) {
            let from = core::ptr::with_exposed_provenance::<u8>(device);
            let to = core::ptr::with_exposed_provenance_mut::<u8>(host);
            // SAFETY: the caller says that the tensor can be written, and that nobody uses the buffer any more.
            unsafe { core::ptr::copy(from, to, bytes) };
        }
    }
}

/// The tensor, valid. A front end fills in only the first half of a record whose elements lie row after row: the rest follows.
fn whole(tensor: &ChipTensor) -> Result<ChipTensor, TensorError> {
    if tensor.is_contiguous() { tensor.repacked() } else { tensor.validate().map(|()| *tensor) }
}

/// What is done with tensor `index`, which would begin at `at`; none if it is on the device or has no bytes.
fn part(
    id: i32,
    index: usize,
    tensor: &ChipTensor,
    direction: Option<ArgDirection>,
    at: usize,
) -> Result<Option<Part>, HostError> {
    let range = tensor.byte_range();
    if tensor.address_space() != Ok(AddressSpace::Host) || range.is_empty() {
        return Ok(None);
    }
    if tensor.buffer_addr() == 0 {
        return Err(HostError::NullTensor { id, index, bytes: range.end });
    }
    // A valid tensor ends where its buffer does, which ends inside of the address space.
    let (start, end) = (range.start as usize, range.end as usize);
    let out = direction == Some(ArgDirection::Out) && tensor.is_contiguous();
    let copied_back = direction != Some(ArgDirection::In);
    Ok(Some(Part { at, start, end, copied_in: !out, copied_back }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use prewire_abi::DataType;

    fn tensor(data: &[u32]) -> ChipTensor {
        ChipTensor::contiguous(data.as_ptr() as u64, &[data.len() as u32], DataType::U32).unwrap()
    }

    fn stage(
        tensors: &[ChipTensor],
        signature: &[ArgDirection],
        memory: &DeviceMemory,
        buffer: &mut Buffer,
    ) -> Result<Staged, HostError> {
        let mut args = ChipStorageTaskArgs::boxed();
        tensors.iter().for_each(|tensor| args.push_tensor(*tensor).unwrap());
        args.push_scalar(9).unwrap();
        // SAFETY: the tensors are those of the tests, which stay.
        let staged = unsafe { Staged::new(5, &args, signature, memory, buffer) }?;
        // SAFETY: as above.
        unsafe { staged.copy_in() };
        Ok(staged)
    }

    fn device<'d>(tensor: &ChipTensor) -> &'d mut [u32] {
        let at = core::ptr::with_exposed_provenance_mut(tensor.start_addr() as usize);
        // SAFETY: a staged tensor of that many elements, of which a test makes one reference at a time.
        unsafe { core::slice::from_raw_parts_mut(at, tensor.numel() as usize) }
    }

    #[test]
    fn the_signature_says_what_is_copied() {
        let (a, mut b, mut c, mut d) = ([1u32; 8], [2u32; 8], [3u32; 8], [4u32; 8]);
        let host = [tensor(&a), tensor(&b), tensor(&c), tensor(&d)];
        let (memory, mut buffer) = (DeviceMemory::default(), Buffer::default());
        let signature = [ArgDirection::In, ArgDirection::Out, ArgDirection::InOut];
        // Something else is there, which must not come to the host unless it is written.
        let dirt = stage(&[tensor(&[7; 1024])], &[], &memory, &mut buffer).unwrap();
        drop(dirt);
        let first = buffer.addr;
        let staged = stage(&host, &signature, &memory, &mut buffer).unwrap();
        assert_eq!(buffer.addr, first, "there was room");
        assert_eq!(&*staged.scalars, &[9]);
        for (index, want) in [1, 7, 3, 4].into_iter().enumerate() {
            let tensor = &staged.tensors[index];
            assert_eq!(tensor.buffer_addr() % 1024, 0);
            let data = device(tensor);
            assert!(data.iter().all(|&word| word == want), "tensor {index}: {data:?}");
            data.fill(50 + index as u32);
        }
        // SAFETY: nobody else works on the tensors; the compiler is told below that they were written.
        unsafe { staged.copy_back() };
        let seen = |data: &mut [u32; 8]| std::hint::black_box(data)[0];
        assert_eq!(std::hint::black_box(&a)[0], 1, "IN is not copied back");
        assert_eq!([seen(&mut b), seen(&mut c), seen(&mut d)], [51, 52, 53]);
    }

    #[test]
    fn what_follows_from_the_first_half_of_a_record_need_not_be_there() {
        let (a, half) = ([6u32; 8], size_of::<ChipTensor>() / 2);
        let mut bytes = bytemuck::bytes_of(&tensor(&a)).to_vec();
        bytes[half..].fill(0xa5);
        let (memory, mut buffer) = (DeviceMemory::default(), Buffer::default());
        let staged = stage(&[bytemuck::pod_read_unaligned(&bytes)], &[], &memory, &mut buffer).unwrap();
        let there = &staged.tensors[0];
        assert_eq!((there.strides(), there.extent(), there.validate()), (&[1][..], 8, Ok(())));
        assert_eq!(device(there), [6; 8]);
        let mut wrong = tensor(&a);
        bytemuck::bytes_of_mut(&mut wrong)[44..48].copy_from_slice(&9u32.to_ne_bytes());
        let error = stage(&[wrong], &[], &memory, &mut buffer).unwrap_err();
        assert!(matches!(error, HostError::Args { id: 5, .. }), "nine elements do not fit: {error}");
    }

    #[test]
    fn scalars_in_a_signature_move_no_tensor() {
        let (a, mut b) = ([1u32; 8], [2u32; 8]);
        let (memory, mut buffer) = (DeviceMemory::default(), Buffer::default());
        let signature = [ArgDirection::Scalar, ArgDirection::In, ArgDirection::Scalar, ArgDirection::InOut];
        let staged = stage(&[tensor(&a), tensor(&b)], &signature, &memory, &mut buffer).unwrap();
        staged.tensors.iter().for_each(|tensor| device(tensor).fill(9));
        // SAFETY: as in the test above.
        unsafe { staged.copy_back() };
        assert_eq!((std::hint::black_box(&a)[0], std::hint::black_box(&mut b)[0]), (1, 9));
    }

    #[test]
    fn bytes_between_and_before_the_elements_stay() {
        let mut data = [1u32; 16];
        let addr = data.as_mut_ptr() as u64;
        let host = ChipTensor::in_buffer(addr, 64, 4, &[3], &[2], DataType::U32).unwrap();
        let (memory, mut buffer) = (DeviceMemory::default(), Buffer::default());
        let staged = stage(&[host], &[ArgDirection::Out], &memory, &mut buffer).unwrap();
        let written = staged.tensors[0];
        let at = core::ptr::with_exposed_provenance_mut::<u32>(written.start_addr() as usize);
        for element in 0..3 {
            // SAFETY: the elements of the staged tensor, two words from one to the next.
            unsafe { at.wrapping_add(2 * element).write(8) };
        }
        // SAFETY: as in the test above.
        unsafe { staged.copy_back() };
        assert_eq!(std::hint::black_box(&mut data)[..], [1, 1, 1, 1, 8, 1, 8, 1, 8, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn what_is_on_the_device_stays_where_it_is_and_bad_tensors_are_named() {
        let (memory, mut buffer) = (DeviceMemory::default(), Buffer::default());
        let there = ChipTensor::contiguous(0x1000, &[4], DataType::F32).unwrap();
        let there = there.with_address_space(AddressSpace::Device);
        let staged = stage(&[there], &[], &memory, &mut buffer).unwrap();
        assert_eq!((staged.tensors[0].buffer_addr(), buffer.addr), (0x1000, 0));
        let null = ChipTensor::contiguous(0, &[4], DataType::F32).unwrap();
        let error = stage(&[there, null], &[], &memory, &mut buffer).unwrap_err();
        assert!(matches!(error, HostError::NullTensor { id: 5, index: 1, bytes: 16 }), "{error}");
        let error = stage(&[there], &[ArgDirection::In; 2], &memory, &mut buffer).unwrap_err();
        assert!(matches!(error, HostError::Tensors { want: 2, have: 1, .. }), "{error}");
        let huge = ChipTensor::contiguous(0x1000, &[u32::MAX, 1 << 20], DataType::F32).unwrap();
        let error = stage(&[huge], &[], &memory, &mut buffer).unwrap_err();
        assert!(matches!(error, HostError::Memory { .. }), "{error}");
        assert_eq!(memory.committed(), 0);
        assert!(stage(&[bytemuck::Zeroable::zeroed()], &[], &memory, &mut buffer).is_err());
    }
}
