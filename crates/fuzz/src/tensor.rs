//! Wire tensors: what validates is inside its buffer, there and on the chip, and overlap misses no common byte.

use crate::reach::Reach;
use crate::source::Source;
use prewire_abi::{AccessMode, BufferDescriptor, BufferIdentity, DataType, Tensor};

pub(crate) fn check(bytes: &[u8]) {
    let mut source = Source::new(bytes);
    let raw = source.u8().is_multiple_of(4);
    let (a, b) =
        if raw { (read(&mut source), read(&mut source)) } else { (build(&mut source), build(&mut source)) };
    let addr = source.u64();
    let reaches = [a, b].map(|tensor| tensor.and_then(|tensor| inside(&tensor, addr)));
    let [Some(first), Some(second)] = reaches else { return };
    let (a, b) = (a.expect("it was checked"), b.expect("it was checked"));
    assert_eq!(a.may_overlap(&b), b.may_overlap(&a), "{a:?} and {b:?}");
    assert!(a.may_overlap(&a), "{a:?} does not overlap itself");
    if a.buffer().identity() == b.buffer().identity() && first.meets(&second) == Some(true) {
        assert!(a.may_overlap(&b), "a common byte was missed: {a:?} and {b:?}");
    }
}

/// A record of any bytes.
fn read(source: &mut Source<'_>) -> Option<Tensor> {
    Some(bytemuck::pod_read_unaligned(&source.array::<144>()))
}

/// A record out of a constructor, with small numbers, over one of two buffers.
fn build(source: &mut Source<'_>) -> Option<Tensor> {
    let which = u64::from(source.u8().is_multiple_of(4));
    let identity = BufferIdentity::new(*b"instance", which, 1);
    let size = source.size();
    let buffer = BufferDescriptor::posix_shm(identity, "s", size.into(), AccessMode::ReadWrite).ok()?;
    let dtype = DataType::ALL[source.below(DataType::ALL.len())];
    let ndims = source.below(6);
    let (offset, shape, strides) = (source.size(), source.sizes(ndims), source.sizes(ndims));
    if source.u8().is_multiple_of(2) {
        Tensor::contiguous(buffer, offset.into(), &shape, dtype).ok()
    } else {
        Tensor::strided(buffer, offset.into(), &shape, &strides, dtype).ok()
    }
}

/// Where the tensor is, if it is valid: then it is inside its buffer.
fn inside(tensor: &Tensor, addr: u64) -> Option<Reach> {
    // The getters hold on any bytes.
    let (range, shape, strides) = (tensor.byte_range(), tensor.shape(), tensor.strides());
    assert!(range.start <= range.end && shape.len() == strides.len() && shape.len() <= 5);
    let again: Tensor = bytemuck::pod_read_unaligned(bytemuck::bytes_of(tensor));
    assert_eq!(again.validate(), tensor.validate());
    tensor.validate().ok()?;

    let element = u128::from(tensor.dtype().expect("it is valid").size());
    let start = u128::from(tensor.byte_offset());
    let reach = Reach { start, shape: shape.to_vec(), strides: strides.to_vec(), element };
    assert!(!reach.is_empty() && reach.end() <= u128::from(tensor.buffer().nbytes()), "{tensor:?}");
    assert_eq!((u128::from(range.start), u128::from(range.end)), (start, reach.end()), "{tensor:?}");

    let overflows = addr.checked_add(tensor.buffer().nbytes()).is_none();
    match tensor.to_chip(addr) {
        Ok(chip) => {
            assert!(!overflows && chip.validate().is_ok(), "{chip:?}");
            assert_eq!((chip.byte_range(), chip.buffer_size()), (range, tensor.buffer().nbytes()));
            assert_eq!(chip.start_addr(), addr + tensor.byte_offset());
            assert_eq!((chip.shape(), chip.strides()), (shape, strides));
        }
        // A buffer may be longer than the view: only its own end can be past that of the address space.
        Err(error) => assert!(overflows, "a valid tensor was refused: {error}"),
    }
    Some(reach)
}
