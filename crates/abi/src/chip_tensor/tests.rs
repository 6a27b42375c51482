//! Tensors and views against an oracle that enumerates every index.

use super::ChipTensor;
use crate::{AddressSpace, DataType, TaskId, TensorError, ViewError};
use alloc::vec;
use alloc::vec::Vec;
use proptest::prelude::*;

/// The element offsets of a tensor in index order, the last dimension fastest.
fn offsets(tensor: &ChipTensor) -> Vec<u64> {
    let mut out = vec![tensor.start_offset()];
    for (&d, &s) in tensor.shape().iter().zip(tensor.strides()) {
        out = out.iter().flat_map(|&at| (0..u64::from(d)).map(move |i| at + i * u64::from(s))).collect();
    }
    out
}

/// What a tensor must be whatever made it: valid, and its measures those of the enumeration.
fn check(tensor: &ChipTensor) {
    tensor.validate().unwrap();
    let all = offsets(tensor);
    assert_eq!(tensor.numel(), all.len() as u64);
    assert_eq!(tensor.is_empty(), all.is_empty());
    let size = u64::from(tensor.element_size());
    match (all.iter().min(), all.iter().max()) {
        (Some(first), Some(last)) => {
            assert_eq!(tensor.extent(), last - first + 1);
            assert_eq!(tensor.byte_range(), first * size..(last + 1) * size);
            assert_eq!(tensor.start_addr(), tensor.buffer_addr() + first * size);
            assert!((last + 1) * size <= tensor.buffer_size());
        }
        _ => assert_eq!(tensor.extent(), 0),
    }
    if tensor.is_contiguous() {
        assert!(all.windows(2).all(|w| w[1] == w[0] + 1));
    }
}

fn tensor() -> impl Strategy<Value = ChipTensor> {
    let dtype = proptest::sample::select(DataType::ALL);
    (prop::collection::vec((0u32..5, 1u32..7), 1..=5), dtype, any::<bool>()).prop_map(
        |(dims, dtype, packed)| {
            let shape: Vec<u32> = dims.iter().map(|d| d.0).collect();
            let strides: Vec<u32> = dims.iter().map(|d| d.1).collect();
            if packed {
                ChipTensor::contiguous(0x1000, &shape, dtype).unwrap()
            } else {
                ChipTensor::strided(0x1000, &shape, &strides, dtype).unwrap()
            }
        },
    )
}

/// A tensor with some offset into a buffer: what a view of a view sees.
fn viewed() -> impl Strategy<Value = ChipTensor> {
    (tensor(), 0u64..50).prop_map(|(t, start)| {
        let size = t.buffer_size() + (start + 3) * 8;
        ChipTensor::in_buffer(t.buffer_addr(), size, start, t.shape(), t.strides(), t.dtype().unwrap())
            .unwrap()
    })
}

proptest! {
    #[test]
    fn a_tensor_measures_what_its_indices_touch(t in viewed()) {
        check(&t);
    }

    #[test]
    fn a_view_is_the_rectangle_of_its_parent(t in viewed(), raw in prop::collection::vec((0u32..6, 0u32..6), 5)) {
        let ndims = t.ndims();
        let shapes: Vec<u32> = raw[..ndims].iter().map(|r| r.0).collect();
        let starts: Vec<u32> = raw[..ndims].iter().map(|r| r.1).collect();
        let empty = shapes.contains(&0);
        let inside = (0..ndims).all(|d| starts[d] + shapes[d] <= t.shape()[d]);
        match t.view(&shapes, &starts) {
            Ok(view) => {
                prop_assert!(empty || inside);
                check(&view);
                prop_assert_eq!(view.shape(), &shapes[..]);
                let mut expected = vec![t.start_offset()];
                for d in 0..ndims {
                    let stride = u64::from(t.strides()[d]);
                    let range = u64::from(starts[d])..u64::from(starts[d] + shapes[d]);
                    expected = expected
                        .iter()
                        .flat_map(|&at| range.clone().map(move |i| at + i * stride))
                        .collect();
                }
                prop_assert_eq!(offsets(&view), expected);
            }
            Err(error) => {
                prop_assert!(!empty && !inside);
                let is_bounds = matches!(error, ViewError::OutOfBounds { .. });
                prop_assert!(is_bounds);
            }
        }
    }

    #[test]
    fn a_slice_takes_every_nth_index(t in viewed(), dim in 0usize..6, a in 0u32..6, b in 0u32..6, step in 0u32..4) {
        let good = dim < t.ndims() && step > 0 && a <= b && t.shape().get(dim).is_some_and(|&d| b <= d);
        let slice = t.slice(dim, a, b, step);
        prop_assert_eq!(slice.is_ok(), good, "{:?}", slice);
        if let Ok(slice) = slice {
            check(&slice);
            let inner: u64 = t.shape()[dim + 1..].iter().map(|&d| u64::from(d)).product();
            let expected: Vec<u64> = offsets(&t)
                .iter()
                .enumerate()
                .filter(|(i, _)| {
                    let index = (*i as u64 / inner.max(1)) as u32 % t.shape()[dim];
                    (a..b).contains(&index) && (index - a).is_multiple_of(step)
                })
                .map(|(_, &at)| at)
                .collect();
            prop_assert_eq!(offsets(&slice), expected);
        }
    }

    #[test]
    fn a_permutation_touches_the_same_elements(t in viewed(), order in prop::collection::vec(0usize..6, 0..=6)) {
        let mut seen = order.clone();
        seen.sort_unstable();
        let good = seen.iter().copied().eq(0..t.ndims());
        let moved = t.permute(&order);
        prop_assert_eq!(moved.is_ok(), good);
        if let Ok(moved) = moved {
            check(&moved);
            let (mut a, mut b) = (offsets(&t), offsets(&moved));
            a.sort_unstable();
            b.sort_unstable();
            prop_assert_eq!(a, b);
            for (i, &dim) in order.iter().enumerate() {
                prop_assert_eq!((moved.shape()[i], moved.strides()[i]), (t.shape()[dim], t.strides()[dim]));
            }
        }
    }

    #[test]
    fn a_transposition_undoes_itself(t in viewed(), d0 in 0usize..5, d1 in 0usize..5) {
        let turned = t.transpose(d0, d1);
        prop_assert_eq!(turned.is_ok(), d0 < t.ndims() && d1 < t.ndims());
        if let Ok(turned) = turned {
            check(&turned);
            prop_assert_eq!(turned.transpose(d0, d1).unwrap(), t);
        }
    }

    #[test]
    fn a_reshape_keeps_the_elements_in_order(t in viewed(), shape in prop::collection::vec(0u32..9, 0..=6)) {
        let count: u64 = shape.iter().map(|&d| u64::from(d)).product();
        let all = offsets(&t);
        let rows = all.windows(2).all(|w| w[1] == w[0] + 1);
        let good = rows && (1..=5).contains(&shape.len()) && count == t.numel();
        let shaped = t.reshape(&shape);
        prop_assert_eq!(shaped.is_ok(), good, "{:?} {:?}", t, shaped);
        if let Ok(shaped) = shaped {
            check(&shaped);
            prop_assert!(shaped.is_contiguous());
            prop_assert_eq!(offsets(&shaped), all);
        }
    }

    #[test]
    fn no_bytes_make_a_getter_or_a_view_panic(
        bytes in prop::collection::vec(any::<u8>(), 128),
        ndims in any::<Option<u8>>(),
        lists in prop::collection::vec(any::<u32>(), 0..=6),
    ) {
        let mut t: ChipTensor = bytemuck::pod_read_unaligned(&bytes);
        if let Some(ndims) = ndims {
            (t.ndims, t.dtype) = (u32::from(ndims) % 7, t.dtype % 16);
        }
        prop_assert!(t.shape().len() <= 5 && t.strides().len() <= 5);
        let _ = (t.numel(), t.extent(), t.byte_range(), t.start_addr(), alloc::format!("{t:?}"));
        let orders: Vec<usize> = lists.iter().map(|&l| l as usize % 6).collect();
        let dim = lists.len();
        for view in [
            t.view(&lists, &lists),
            t.slice(dim, 0, dim as u32, dim as u32),
            t.transpose(dim, 0),
            t.permute(&orders),
            t.reshape(&lists),
        ].into_iter().flatten() {
            prop_assert!(view.is_empty() || view.byte_range().end <= view.buffer_size());
        }
    }

    #[test]
    fn a_changed_byte_is_found_or_harmless(t in viewed(), at in 0usize..128, to in any::<u8>()) {
        let mut bytes: Vec<u8> = bytemuck::bytes_of(&t).into();
        bytes[at] = to;
        let changed: ChipTensor = bytemuck::pod_read_unaligned(&bytes);
        if changed.validate().is_ok() && changed.numel() < 100_000 && !changed.is_empty() {
            let all = offsets(&changed);
            let last = all.iter().max().unwrap();
            prop_assert!((last + 1) * u64::from(changed.element_size()) <= changed.buffer_size());
            prop_assert_eq!(last - all.iter().min().unwrap() + 1, changed.extent());
        }
        prop_assert_eq!(bytemuck::bytes_of(&changed), &bytes[..]);
    }
}

fn matrix() -> ChipTensor {
    ChipTensor::contiguous(0x1000, &[4, 8], DataType::F32).unwrap()
}

#[test]
fn a_constructor_refuses_what_cannot_be() {
    use TensorError as E;
    let make = |shape: &[u32], strides: &[u32]| ChipTensor::strided(0x1000, shape, strides, DataType::I64);
    assert_eq!(make(&[], &[]).unwrap_err(), E::Rank { ndims: 0 });
    assert_eq!(make(&[1; 6], &[1; 6]).unwrap_err(), E::Rank { ndims: 6 });
    assert_eq!(make(&[1, 2], &[1]).unwrap_err(), E::RankMismatch { shape: 2, strides: 1 });
    assert_eq!(make(&[0, 2], &[0, 1]).unwrap_err(), E::Stride { dim: 0, stride: 0 });
    assert_eq!(make(&[u32::MAX; 3], &[1; 3]).unwrap_err(), E::TooManyElements);
    assert_eq!(make(&[u32::MAX], &[u32::MAX]).unwrap_err(), E::TooManyElements);
    let high = ChipTensor::contiguous(u64::MAX - 7, &[8], DataType::U8);
    assert_eq!(high.unwrap_err(), E::AddressOverflow { addr: u64::MAX - 7, size: 8 });
    let outside = ChipTensor::in_buffer(0x1000, 64, 1, &[16], &[1], DataType::F32);
    assert_eq!(outside.unwrap_err(), E::OutsideBuffer { start: 4, end: 68, size: 64 });
    let by_a_byte = ChipTensor::in_buffer(0x1000, 64, 1, &[64], &[1], DataType::U8);
    assert_eq!(by_a_byte.unwrap_err(), E::OutsideBuffer { start: 1, end: 65, size: 64 });
}

#[test]
fn a_view_keeps_what_is_not_geometry() {
    let t =
        matrix().with_owner(TaskId::new(2, 3)).with_manual_dep(true).with_address_space(AddressSpace::Device);
    let view = t.view(&[2, 2], &[1, 1]).unwrap();
    assert_eq!(view.owner_task_id(), TaskId::new(2, 3));
    assert!(view.is_manual_dep());
    assert_eq!(view.address_space().unwrap(), AddressSpace::Device);
    assert_eq!(view.with_buffer_addr(0x2000).start_addr(), 0x2000 + (8 + 1) * 4);
}

#[test]
fn errors_of_views_name_the_dimension_and_the_numbers() {
    let t = matrix();
    assert_eq!(t.view(&[4, 8], &[0, 1]), Err(ViewError::OutOfBounds { dim: 1, start: 1, end: 9, size: 8 }));
    assert_eq!(t.view(&[4], &[0, 1]), Err(ViewError::Rank { what: "sizes", got: 1, ndims: 2 }));
    assert_eq!(t.slice(0, 3, 2, 1), Err(ViewError::Reversed { dim: 0, start: 3, stop: 2 }));
    assert_eq!(t.slice(0, 0, 2, 0), Err(ViewError::ZeroStep { dim: 0 }));
    assert_eq!(t.slice(2, 0, 1, 1), Err(ViewError::NoDim { dim: 2, ndims: 2 }));
    assert_eq!(t.permute(&[1, 1]), Err(ViewError::Repeated { dim: 1 }));
    assert_eq!(t.reshape(&[5, 5]), Err(ViewError::ElementCount { have: 32, want: Some(25) }));
    let turned = t.transpose(0, 1).unwrap();
    assert_eq!(turned.reshape(&[32]), Err(ViewError::NotContiguous { dim: 1, stride: 8, implied: 1 }));
}

#[test]
fn part_of_a_row_can_be_reshaped_though_its_flag_is_off() {
    let row = matrix().view(&[1, 8], &[2, 0]).unwrap();
    assert_eq!((row.strides(), row.is_contiguous()), (&[8, 1][..], true));
    let part = matrix().view(&[1, 4], &[2, 4]).unwrap();
    assert_eq!((part.strides(), part.is_contiguous()), (&[8, 1][..], false));
    assert_eq!(part.reshape(&[2, 2]).unwrap().strides(), &[2, 1]);
}

#[test]
fn an_empty_view_may_have_any_offset() {
    let view = matrix().view(&[0, 8], &[u32::MAX, u32::MAX]).unwrap();
    assert!(view.is_contiguous() && view.is_empty());
    assert_eq!((view.extent(), view.byte_range()), (0, 0..0));
    view.validate().unwrap();
}

#[test]
fn what_other_makers_write_is_let_through() {
    let mut empty = ChipTensor::contiguous(0, &[3, 0], DataType::F32).unwrap();
    empty.strides = [0, 1, 0, 0, 0];
    empty.start_offset = u64::MAX;
    empty.validate().unwrap();

    let mut huge = ChipTensor::contiguous(0, &[3, 1 << 31], DataType::U8).unwrap();
    huge.extent &= u64::from(u32::MAX);
    huge.validate().unwrap();
    assert_eq!(huge.extent(), 3 << 31);

    let mut stale = matrix();
    (stale.known, stale.pad) = (7, [7; 8]);
    stale.shapes[4] = 99;
    stale.validate().unwrap();
    assert_eq!(stale, matrix());
}

#[test]
fn each_wrong_field_has_its_error() {
    use TensorError as E;
    let broken = |change: fn(&mut ChipTensor)| {
        let mut t = matrix();
        change(&mut t);
        t.validate().unwrap_err()
    };
    assert_eq!(broken(|t| t.ndims = 0), E::Rank { ndims: 0 });
    assert_eq!(broken(|t| t.ndims = u32::MAX), E::Rank { ndims: u32::MAX.into() });
    assert!(matches!(broken(|t| t.dtype = 15), E::Code(error) if error.value == 15));
    assert!(matches!(broken(|t| t.address_space = 2), E::Code(error) if error.value == 2));
    assert_eq!(broken(|t| t.manual_dep = 2), E::Flag { field: "manual_dep", value: 2 });
    assert_eq!(broken(|t| t.is_contiguous = 9), E::Flag { field: "is_contiguous", value: 9 });
    assert_eq!(broken(|t| t.strides[0] = 0), E::Stride { dim: 0, stride: 0 });
    assert_eq!(broken(|t| t.extent = 33), E::Extent { cached: 33, actual: 32 });
    assert_eq!(
        broken(|t| (t.strides[0], t.extent) = (7, 29)),
        E::NotPacked { dim: 0, stride: 7, implied: 8 }
    );
    assert_eq!(broken(|t| t.start_offset = 1), E::OutsideBuffer { start: 4, end: 132, size: 128 });
    assert_eq!(broken(|t| t.buffer_addr = u64::MAX), E::AddressOverflow { addr: u64::MAX, size: 128 });
    assert!(matches!(broken(|t| t.start_offset = u64::MAX), E::OutsideBuffer { .. }));
}
