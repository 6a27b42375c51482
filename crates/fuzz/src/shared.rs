//! Tensors that arrive in shared memory: a host function and a chip refuse one, or see the bytes that it names and no
//! others.

use std::sync::{Mutex, PoisonError};

use crate::reach::Reach;
use crate::source::Source;
use prewire_abi::{
    AccessMode, BackendKind, BufferDescriptor, BufferIdentity, DataType, TaskArgsView, Tensor,
};
use prewire_chip::{Adopted, Chip, HostArgs, KernelError, Segments, SharedMemory};

/// Bytes of the memory, and where its owner has it.
const SIZE: u64 = 4096;
const ORIGIN: u64 = 0x4000;
const ID: BufferIdentity = BufferIdentity::new(*b"instance", 1, 1);

/// What all inputs are tried on.
struct World {
    chip: Chip,
    segments: Segments,
    _adopted: Adopted,
}

/// One at a time: a chip that somebody holds a view of would refuse.
static WORLD: Mutex<Option<World>> = Mutex::new(None);

/// What is in the memory: the byte of a place tells the place from those near it.
fn byte(place: u64) -> u8 {
    (place ^ place >> 7 ^ place >> 11) as u8
}

impl World {
    fn new() -> Self {
        let pages = prewire_os::Mapping::new(SIZE as usize).expect("a page can be mapped");
        let memory = SharedMemory::new(pages);
        let bytes: Vec<u8> = (0..SIZE).map(byte).collect();
        memory.write(0, &bytes).expect("nobody uses it");
        let mut segments = Segments::new();
        segments.add(ID, ORIGIN, &memory).expect("it is the first");
        let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).domains(1).seed(0).build();
        let chip = chip.expect("a chip of one cluster can be built");
        let adopted = chip.adopt(&memory).expect("it is the first");
        Self { chip, segments, _adopted: adopted }
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let tensor = match source.u8() % 4 {
        0 => Some(bytemuck::pod_read_unaligned(&source.array::<144>())),
        _ => build(&mut source),
    };
    let Some(mut tensor) = tensor else { return };
    source.patch(bytemuck::bytes_of_mut(&mut tensor));
    let mut world = WORLD.lock().unwrap_or_else(PoisonError::into_inner);
    let world = world.get_or_insert_with(World::new);
    let expected = expected(&tensor);
    let one = [tensor];
    let args = TaskArgsView::new(bytemuck::cast_slice(&one), &[]);
    let args = HostArgs::new(args, &world.segments);
    // Not all element types: one of each size.
    let dtype = tensor.dtype().map(|dtype| (dtype, dtype.size()));
    let writable = tensor.buffer().access().is_ok_and(AccessMode::can_write);
    macro_rules! try_as {
        ($type:ty, $dtype:ident) => {
            if dtype == Ok((DataType::$dtype, size_of::<$type>() as u32)) {
                let seen = args.input::<$type>(0).map(|view| bytemuck::cast_slice(&view.to_vec()).to_vec());
                told(&tensor, seen, &expected);
                let written = args.output::<$type>(0).map(drop);
                assert_eq!(written.is_ok(), writable && expected.is_some(), "{tensor:?}: {written:?}");
                let imported = world.chip.import(&tensor, &world.segments);
                let seen = imported.and_then(|buffer| world.chip.read::<$type>(&buffer));
                told(&tensor, seen.map(|seen| bytemuck::cast_slice(&seen).to_vec()), &expected);
            }
        };
    }
    try_as!(u8, U8);
    try_as!(i16, I16);
    try_as!(f32, F32);
    try_as!(u64, U64);
    let other = if dtype.is_ok_and(|(dtype, _)| dtype == DataType::Bf16) {
        args.input::<u8>(0).err()
    } else {
        args.input::<prewire_chip::bf16>(0).err()
    };
    assert!(other.is_some_and(|error| !matches!(error, KernelError::Borrowed { .. })), "{tensor:?}");
}

/// A record out of a constructor, mostly of the memory.
fn build(source: &mut Source<'_>) -> Option<Tensor> {
    let access = [AccessMode::Read, AccessMode::ReadWrite, AccessMode::Write][source.below(3)];
    let (addr, size) = (ORIGIN + u64::from(source.size()) * 4, u64::from(source.size()) * 16);
    let buffer = BufferDescriptor::at_address(ID, BackendKind::ForkShm, addr, size, access).ok()?;
    let dtype = [DataType::U8, DataType::I16, DataType::F32, DataType::U64, DataType::Bf16][source.below(5)];
    let ndims = source.below(6);
    let (offset, shape, strides) = (source.size(), source.sizes(ndims), source.sizes(ndims));
    if source.u8().is_multiple_of(2) {
        Tensor::contiguous(buffer, offset.into(), &shape, dtype).ok()
    } else {
        Tensor::strided(buffer, offset.into(), &shape, &strides, dtype).ok()
    }
}

/// The bytes of the elements that a tensor names, row after row, if it names any in the memory.
fn expected(tensor: &Tensor) -> Option<Vec<u8>> {
    tensor.validate().ok()?;
    let (buffer, element) = (tensor.buffer(), u128::from(tensor.dtype().ok()?.size()));
    let known = buffer.identity() == ID;
    let first = match buffer.backend().ok()? {
        BackendKind::ForkShm => u128::from(buffer.address()?.checked_sub(ORIGIN)?),
        BackendKind::PosixShm => 0,
        _ => return None,
    };
    if !known || first + u128::from(buffer.nbytes()) > u128::from(SIZE) {
        return None;
    }
    let start = first + u128::from(tensor.byte_offset());
    let (shape, strides) = (tensor.shape().to_vec(), tensor.strides().to_vec());
    let reach = Reach { start, shape, strides, element };
    // Elements that are the same bytes are not passed on; nor are those between two places of an element.
    if reach.count() * element > reach.end() - start || !first.is_multiple_of(element) {
        return None;
    }
    let places = reach.places().expect("they are inside a page, once each");
    Some(places.into_iter().flat_map(|at| (at..at + element).map(|place| byte(place as u64))).collect())
}

fn told<E: std::fmt::Display>(tensor: &Tensor, seen: Result<Vec<u8>, E>, expected: &Option<Vec<u8>>) {
    match (seen, expected) {
        (Ok(seen), Some(expected)) => assert_eq!(seen, *expected, "{tensor:?}"),
        (Ok(_), None) => panic!("{tensor:?} was let in"),
        (Err(error), Some(_)) => panic!("{tensor:?} was refused: {error}"),
        (Err(error), None) => assert!(!error.to_string().is_empty()),
    }
}
