//! How regions lie to each other, against counting their bytes, and by example.

use crate::views::{any_view, plain};
use prewire_abi::{ChipTensor, DataType};
use prewire_tensormap::{Overlap, Region};
use proptest::prelude::*;

const BASE: u64 = 0x1000;

/// A rectangle of a matrix of 100 columns of f32.
fn rectangle(row: u64, column: u64, height: u32, width: u32) -> Region {
    Region::new(BASE, 4, row * 100 + column, &[height, width], &[100, 1])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn no_common_byte_is_missed_and_no_cover_is_made_up(a in any_view(), b in any_view()) {
        let found = a.region.overlap(&b.region);
        prop_assert_eq!(found == Overlap::None, b.region.overlap(&a.region) == Overlap::None);
        prop_assert!(found != Overlap::None || !a.meets(&b), "{:?} misses {:?}", a.region, b.region);
        prop_assert!(found != Overlap::Covers || a.contains(&b), "{:?} does not cover {:?}", a.region, b.region);
    }

    #[test]
    fn rectangles_of_one_matrix_are_exact(a in plain(), b in plain()) {
        let expected = match (a.meets(&b), a.contains(&b)) {
            (false, _) => Overlap::None,
            (true, false) => Overlap::Partial,
            (true, true) => Overlap::Covers,
        };
        prop_assert_eq!(a.region.overlap(&b.region), expected);
    }

    #[test]
    fn any_input_is_taken(
        buffer: u64, elem: u32, start: u64,
        shape in prop::collection::vec(prop_oneof![0..3_u32, Just(u32::MAX), any::<u32>()], 0..8),
        strides in prop::collection::vec(prop_oneof![0..3_u32, Just(u32::MAX), any::<u32>()], 0..8),
    ) {
        let region = Region::new(buffer, elem, start, &shape, &strides);
        let whole = Region::new(buffer, 0, 0, &[1], &[1]);
        prop_assert_eq!(region.is_empty(), shape.contains(&0));
        prop_assert!(region.bytes().start <= region.bytes().end);
        prop_assert_eq!(region.is_empty(), region.overlap(&region) == Overlap::None);
        prop_assert_eq!(region.is_empty(), region.overlap(&whole) == Overlap::None);
        prop_assert_eq!(region.is_empty(), whole.overlap(&region) == Overlap::None);
    }
}

#[test]
fn the_same_or_a_larger_rectangle_covers_and_a_smaller_one_does_not() {
    let tile = rectangle(10, 10, 20, 20);
    assert_eq!(tile.overlap(&tile), Overlap::Covers);
    assert_eq!(rectangle(9, 10, 21, 30).overlap(&tile), Overlap::Covers);
    assert_eq!(tile.overlap(&rectangle(9, 10, 21, 30)), Overlap::Partial);
    assert_eq!(rectangle(29, 29, 2, 2).overlap(&tile), Overlap::Partial);
}

#[test]
fn column_blocks_interleave_without_meeting() {
    assert_eq!(rectangle(0, 0, 50, 50).overlap(&rectangle(0, 50, 50, 50)), Overlap::None);
    assert_eq!(rectangle(0, 0, 50, 51).overlap(&rectangle(0, 50, 50, 50)), Overlap::Partial);
}

#[test]
fn steps_that_miss_each_other_do_not_meet() {
    let third = |start| Region::new(BASE, 8, start, &[20], &[3]);
    assert_eq!(third(0).overlap(&third(1)), Overlap::None);
    assert_eq!(third(0).overlap(&third(3)), Overlap::Partial);
}

#[test]
fn padded_rows_whose_strides_do_not_divide_are_exact() {
    // Rows of 3 pairs at strides 17 and 5.
    let part =
        |row: u64, from: u64, length| Region::new(BASE, 4, row * 17 + from * 5, &[1, length, 2], &[17, 5, 1]);
    assert_eq!(part(0, 0, 2).overlap(&part(0, 2, 1)), Overlap::None);
    assert_eq!(part(0, 0, 3).overlap(&part(0, 2, 1)), Overlap::Covers);
    assert_eq!(part(0, 0, 3).overlap(&part(1, 0, 3)), Overlap::None);
}

#[test]
fn a_transposed_view_is_the_same_region() {
    let view = Region::new(BASE, 4, 30, &[4, 6], &[100, 1]);
    assert_eq!(view, Region::new(BASE, 4, 30, &[6, 4], &[1, 100]));
}

#[test]
fn an_axis_of_one_element_may_have_any_stride() {
    let column = |start, length| Region::new(BASE, 4, start, &[1, length, 1], &[1, 1, 1]);
    assert_eq!(column(0, 8).overlap(&column(3, 4)), Overlap::Covers);
    assert_eq!(column(0, 8).overlap(&column(8, 4)), Overlap::None);
}

#[test]
fn a_view_of_six_dimensions_covers_nothing_for_sure() {
    let six = |steps: [u32; 6]| Region::new(BASE, 4, 0, &[2; 6], &steps);
    let (one, other) = (six([32, 16, 8, 4, 2, 1]), six([58, 1, 1, 1, 1, 1]));
    assert_eq!(one.bytes(), other.bytes());
    assert_eq!(other.overlap(&one), Overlap::Partial);
    assert_eq!(one.overlap(&one), Overlap::Partial);
    assert_eq!(Region::new(BASE, 4, 0, &[64], &[1]).overlap(&other), Overlap::Covers);
}

#[test]
fn views_of_other_strides_are_compared_by_their_bytes() {
    let rows = rectangle(10, 0, 10, 100);
    let flat = |start, length| Region::new(BASE, 4, start, &[length], &[1]);
    assert_eq!(flat(0, 1000).overlap(&rows), Overlap::None);
    assert_eq!(flat(0, 1001).overlap(&rows), Overlap::Partial);
    assert_eq!(flat(1000, 1000).overlap(&rows), Overlap::Covers);
    assert_eq!(rows.overlap(&flat(1000, 1000)), Overlap::Covers);
    assert_eq!(rectangle(10, 0, 10, 99).overlap(&flat(1000, 900)), Overlap::Partial);
}

#[test]
fn the_type_of_the_elements_of_a_dense_interval_does_not_matter() {
    let halves = Region::new(BASE, 2, 100, &[50], &[1]);
    let words = Region::new(BASE, 4, 50, &[25], &[1]);
    assert_eq!(halves, words);
    assert_eq!(halves.overlap(&Region::new(BASE, 4, 75, &[25], &[1])), Overlap::None);
}

#[test]
fn intervals_above_four_giga_elements_are_exact() {
    let far = |start: u64| Region::new(BASE, 2, (1 << 40) + start, &[1 << 20], &[1]);
    assert_eq!(far(0).overlap(&far(1 << 20)), Overlap::None);
    assert_eq!(far(0).overlap(&far((1 << 20) - 1)), Overlap::Partial);
}

#[test]
fn other_buffers_and_empty_regions_do_not_meet() {
    let all = Region::new(BASE, 4, 0, &[100, 100], &[100, 1]);
    let empty = Region::new(BASE, 4, 0, &[100, 0], &[100, 1]);
    assert_eq!(all.overlap(&Region::new(BASE + 4, 4, 0, &[100, 100], &[100, 1])), Overlap::None);
    assert_eq!(all.overlap(&empty), Overlap::None);
    assert_eq!(empty.overlap(&all), Overlap::None);
    assert!(empty.is_empty() && empty.bytes().is_empty());
}

#[test]
fn a_tensor_is_the_region_of_its_view() {
    let tensor = ChipTensor::contiguous(BASE, &[100, 100], DataType::F32).expect("a valid tensor");
    assert_eq!(Region::from(&tensor), rectangle(0, 0, 100, 100));
    let view = tensor.view(&[20, 30], &[5, 7]).expect("a view inside it");
    assert_eq!(Region::from(&view), rectangle(5, 7, 20, 30));
}
