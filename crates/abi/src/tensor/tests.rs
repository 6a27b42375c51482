//! Wire tensors: validation, and overlap against enumeration.

use super::*;
use crate::{AccessMode, AddressSpace, BackendKind, BufferError, BufferIdentity};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

fn buffer(nbytes: u64) -> BufferDescriptor {
    let identity = BufferIdentity::new(*b"instance", 7, 1);
    BufferDescriptor::at_address(identity, BackendKind::DeviceMalloc, 0x4000, nbytes, AccessMode::ReadWrite)
        .unwrap()
}

fn matrix() -> Tensor {
    Tensor::contiguous(buffer(256), 128, &[4, 8], DataType::F32).unwrap()
}

#[test]
fn it_becomes_a_chip_tensor_where_its_buffer_is() {
    let chip = matrix().to_chip(0x9000).unwrap();
    assert_eq!((chip.buffer_addr(), chip.buffer_size(), chip.start_offset()), (0x9000, 256, 32));
    assert_eq!(chip.address_space().unwrap(), AddressSpace::Device);
    assert_eq!(chip.byte_range(), matrix().byte_range());
    chip.validate().unwrap();
    assert!(matches!(matrix().to_chip(u64::MAX - 100), Err(TensorError::AddressOverflow { .. })));
}

#[test]
fn each_wrong_field_has_its_error() {
    use TensorError as E;
    let broken = |change: fn(&mut Tensor)| {
        let mut t = matrix();
        change(&mut t);
        t.validate().unwrap_err()
    };
    assert_eq!(broken(|t| t.ndims = 6), E::Rank { ndims: 6 });
    assert!(matches!(broken(|t| t.dtype = 200), E::Code(error) if error.value == 200));
    assert_eq!(broken(|t| t.shapes[1] = 0), E::Empty { dim: 1 });
    assert_eq!(broken(|t| t.strides[1] = 0), E::Stride { dim: 1, stride: 0 });
    assert_eq!(broken(|t| t.shapes[4] = 1), E::Reserved { field: "shapes", index: 4 });
    assert_eq!(broken(|t| t.strides[2] = 1), E::Reserved { field: "strides", index: 2 });
    assert_eq!(broken(|t| t.byte_offset = 2), E::Misaligned { offset: 2, element: 4 });
    assert_eq!(broken(|t| t.byte_offset = 132), E::OutsideBuffer { start: 132, end: 260, size: 256 });
    assert!(matches!(broken(|t| t.byte_offset = !3), E::OutsideBuffer { .. }));
    assert!(matches!(
        broken(|t| bytemuck::bytes_of_mut(&mut t.buffer)[0] = 0),
        E::Buffer(BufferError::Magic { .. })
    ));
    assert_eq!(
        Tensor::strided(buffer(256), 0, &[1], &[1, 1], DataType::F32).unwrap_err(),
        E::RankMismatch { shape: 1, strides: 2 }
    );
}

#[test]
fn disjoint_tiles_do_not_overlap_though_their_ranges_do() {
    let tile = |row: u64, col: u64| {
        Tensor::strided(buffer(1024), (row * 16 + col) * 4, &[4, 4], &[16, 1], DataType::F32).unwrap()
    };
    assert!(!tile(0, 0).may_overlap(&tile(0, 4)));
    assert!(tile(0, 0).may_overlap(&tile(3, 3)));
    assert!(!tile(0, 0).may_overlap(&tile(4, 0)));
    // A tile that runs over the end of a row of the grid is no rectangle of it.
    assert!(tile(0, 14).may_overlap(&tile(0, 4)));
}

#[test]
fn a_column_of_pairs_does_not_overlap_the_column_between() {
    let column = |at: u64| Tensor::strided(buffer(1024), at, &[4, 3], &[16, 2], DataType::U8).unwrap();
    assert!(!column(0).may_overlap(&column(1)));
    assert!(column(0).may_overlap(&column(4)));
}

#[test]
fn the_largest_numbers_overlap_without_overflow() {
    let mut t = matrix();
    (t.byte_offset, t.dtype, t.ndims, t.strides[0]) = (u64::MAX - 1, DataType::U8.code(), 1, 1);
    assert!(t.may_overlap(&t) && t.validate().is_err());
}

#[test]
fn another_generation_is_another_buffer() {
    let identity = BufferIdentity::new(*b"instance", 7, 2);
    let other =
        BufferDescriptor::at_address(identity, BackendKind::DeviceMalloc, 0x4000, 256, AccessMode::Read)
            .unwrap();
    let other = Tensor::contiguous(other, 128, &[4, 8], DataType::F32).unwrap();
    assert!(matrix().may_overlap(&matrix()) && !matrix().may_overlap(&other));
}

fn touched(t: &Tensor) -> BTreeSet<u64> {
    let size = u64::from(t.dtype().unwrap().size());
    let mut out = vec![t.byte_offset()];
    for (&d, &s) in t.shape().iter().zip(t.strides()) {
        out =
            out.iter().flat_map(|&at| (0..u64::from(d)).map(move |i| at + i * u64::from(s) * size)).collect();
    }
    out.into_iter().flat_map(|at| at..at + size).collect()
}

fn region() -> impl Strategy<Value = Tensor> {
    let grid = prop::sample::select(vec![
        [64u32, 8, 1],
        [32, 8, 1],
        [8, 4, 1],
        [6, 3, 1],
        [7, 3, 1],
        [48, 8, 2],
        [1, 1, 1],
    ]);
    let dtype = prop::sample::select(vec![DataType::F32, DataType::F32, DataType::U8]);
    (grid, prop::collection::vec(1u32..5, 3), 0u64..200, dtype).prop_map(|(strides, shape, start, dtype)| {
        let at = start * u64::from(dtype.size());
        Tensor::strided(buffer(4096), at, &shape, &strides, dtype).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_overlap_is_missed(a in region(), b in region()) {
        let common = !touched(&a).is_disjoint(&touched(&b));
        prop_assert!(a.may_overlap(&b) || !common);
        prop_assert_eq!(a.may_overlap(&b), b.may_overlap(&a));
        if a.strides() == b.strides() && a.dtype == b.dtype && a.on_grid().is_some() && b.on_grid().is_some() {
            prop_assert_eq!(a.may_overlap(&b), common);
        }
    }

    #[test]
    fn no_bytes_make_a_getter_panic(
        bytes in prop::collection::vec(any::<u8>(), 144),
        good in any::<bool>(),
        ndims in 0u32..7,
    ) {
        let mut t: Tensor = bytemuck::pod_read_unaligned(&bytes);
        if good {
            (t.buffer, t.ndims, t.dtype) = (buffer(u64::MAX), ndims, t.dtype % 16);
        }
        let _ = (t.shape(), t.strides(), t.byte_range(), t.may_overlap(&t), t.dtype());
        if t.validate().is_ok() {
            prop_assert!(t.byte_range().end <= t.buffer().nbytes());
            prop_assert!(t.to_chip(0).unwrap().validate().is_ok());
        }
    }

    #[test]
    fn a_changed_byte_is_found_or_makes_another_valid_tensor(at in 0usize..144, to in any::<u8>()) {
        let mut bytes: Vec<u8> = bytemuck::bytes_of(&matrix()).into();
        bytes[at] = to;
        let t: Tensor = bytemuck::pod_read_unaligned(&bytes);
        if t.validate().is_ok() {
            let again = Tensor::strided(*t.buffer(), t.byte_offset(), t.shape(), t.strides(), t.dtype().unwrap());
            let (mut a, mut b): (Vec<u8>, Vec<u8>) =
                (bytemuck::bytes_of(&again.unwrap()).into(), bytes);
            // The three bytes of padding at the end are nobody's.
            a.truncate(141);
            b.truncate(141);
            prop_assert_eq!(a, b);
        }
    }
}
