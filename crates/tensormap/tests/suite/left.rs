//! Reads of what nothing is remembered of: left to the caller, without an entry, until somebody writes.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Read, Region, TensorMap};
use std::cell::RefCell;

fn live(_: TaskId) -> Life {
    Life::Live
}

fn id(task: u32) -> TaskId {
    TaskId::new(1, task)
}

/// All of buffer number `n`.
fn buffer(n: u32) -> Region {
    Region::new(0x10000 + u64::from(n) * 1024, 4, 0, &[256], &[1])
}

/// What becomes of a read, and whom it waits for.
fn read(map: &mut TensorMap, region: &Region, task: u32) -> (Read, Vec<u32>) {
    assert!(map.takes_reads(1));
    let waits = RefCell::new(Vec::new());
    let read = map.read(region, id(task), live, |task| waits.borrow_mut().push(task.local()));
    (read, waits.into_inner())
}

/// Whom a write waits for, each once.
fn write(map: &mut TensorMap, region: &Region) -> Vec<u32> {
    let mut found = Vec::new();
    map.find(region, Access::Write, live, |id| found.push(id.local()));
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn they_take_no_entry_until_they_are_recorded() {
    let mut map = TensorMap::new(16, Hazards::All);
    for task in 0..1000 {
        let (read, waits) = read(&mut map, &buffer(task), task);
        assert!(matches!(read, Read::Left) && waits.is_empty(), "{read:?}");
    }
    assert_eq!((map.len(), map.high_water(), map.visited()), (0, 0, 0));
    // All that is between the first and the last may be among them.
    let has_left = |map: &TensorMap, n| map.has_left(buffer(n).buffer());
    assert!(has_left(&map, 0) && has_left(&map, 999) && !has_left(&map, 1000));
    assert!(!map.has_left(0xFFFF) && map.has_left(0x10001));
    for task in [7, 8] {
        map.record_left(&buffer(7), id(task), live);
    }
    map.all_recorded();
    assert!(!has_left(&map, 7) && !has_left(&map, 0));
    assert_eq!((write(&mut map, &buffer(7)), map.len()), (vec![7, 8], 2));
    map.leave(buffer(3).buffer());
    assert!(has_left(&map, 3) && !has_left(&map, 4));
    map.clear();
    assert!(!has_left(&map, 3));
}

#[test]
fn there_is_an_entry_for_each_that_is_recorded_and_for_nothing_else_then() {
    let mut map = TensorMap::new(5, Hazards::All);
    (0..40).for_each(|task| map.record_left(&buffer(task % 8), id(task), live));
    assert_eq!((map.len(), map.capacity()), (40, 5));
    assert!(!map.reserve(1, &live) && map.record(&buffer(9), Access::Write, id(40), live).is_err());
    // What is left takes none.
    assert!(!map.takes_reads(1) && map.leaves(&buffer(20)) && !map.leaves(&buffer(1)));
    assert!(map.has_left(buffer(20).buffer()) && map.len() == 40);
    assert_eq!(write(&mut map, &buffer(1)), [1, 9, 17, 25, 33]);
    let some = |id: TaskId| if id.local() < 36 { Life::Retired } else { Life::Live };
    assert!(!map.reserve(2, &some) && map.reserve(1, &some));
    assert_eq!(map.len(), 4);
    map.record(&buffer(9), Access::Write, id(40), some).unwrap();
    assert!(map.record(&buffer(10), Access::Write, id(40), some).is_err());
}

#[test]
fn nothing_more_is_left_once_that_was_said() {
    let mut map = TensorMap::new(16, Hazards::All);
    assert!(matches!(read(&mut map, &buffer(1), 1).0, Read::Left));
    map.leave_none();
    assert!(map.has_left(buffer(1).buffer()));
    for _ in 0..2 {
        assert!(matches!(read(&mut map, &buffer(2), 1).0, Read::Declined) && !map.leaves(&buffer(2)));
        map.all_recorded();
        assert!(!map.has_left(buffer(1).buffer()));
    }
    map.clear();
    assert!(matches!(read(&mut map, &buffer(2), 1).0, Read::Left));
}

#[test]
fn what_something_is_remembered_of_is_recorded_at_once_while_readers_are_few() {
    let mut map = TensorMap::new(64, Hazards::All);
    map.record(&buffer(1), Access::Write, id(1), live).unwrap();
    let (mut recorded, mut later) = (0, 0);
    for task in 2..22 {
        let (read, waits) = read(&mut map, &buffer(1), task);
        assert_eq!(waits, [1], "who has written it");
        match read {
            Read::Recorded => recorded += 1,
            Read::Later(place) => {
                map.record_at(place, &buffer(1), Access::Read, id(task), live).unwrap();
                later += 1;
            }
            read => panic!("{read:?}"),
        }
    }
    assert!(recorded > 3 && later > 3, "{recorded} recorded, {later} later");
    assert!(!map.has_left(buffer(1).buffer()));
    assert_eq!(write(&mut map, &buffer(1)), (2..22).collect::<Vec<_>>());
}

#[test]
fn what_takes_a_search_is_declined() {
    let mut map = TensorMap::new(64, Hazards::All);
    let part = Region::new(0x10000 + 1024, 4, 17, &[9], &[1]);
    let none = Region::new(0x10000 + 1024, 4, 0, &[0], &[1]);
    for region in [&part, &none] {
        assert!(matches!(read(&mut map, region, 1).0, Read::Declined) && !map.leaves(region), "{region:?}");
    }
    assert!(map.is_empty() && !map.has_left(buffer(1).buffer()));
    // Of a buffer of which a part is remembered.
    map.record(&part, Access::Write, id(2), live).unwrap();
    let (read, waits) = read(&mut map, &buffer(1), 3);
    assert!(matches!(read, Read::Declined) && waits.is_empty(), "a find tells whom it waits for: {read:?}");
    assert_eq!(map.len(), 1);
}

#[test]
fn what_is_taken_back_is_as_if_it_had_not_been() {
    let mut map = TensorMap::new(16, Hazards::All);
    let (x, y) = (buffer(1), buffer(2));
    // The first reader of a buffer is recorded where another one is known already.
    map.record(&x, Access::Read, id(4), live).unwrap();
    assert!(matches!(read(&mut map, &x, 5).0, Read::Recorded));
    assert!(matches!(read(&mut map, &y, 5).0, Read::Left));
    assert!(!map.unread(&y, id(5)), "that is the caller's");
    assert!(!map.unread(&Region::new(0x10000 + 1024, 4, 0, &[0], &[1]), id(5)), "nothing of it");
    assert!(map.unread(&x, id(5)) && !map.unread(&x, id(5)));
    assert_eq!((map.len(), write(&mut map, &x)), (1, vec![4]));
    // What was left to others and is recorded behind it.
    assert!(matches!(read(&mut map, &x, 6).0, Read::Recorded));
    for task in 7..30 {
        let room = map.len() < map.capacity() && map.record(&x, Access::Read, id(task), live).is_ok();
        assert!(room || task > 18, "{task}");
    }
    let before = map.len();
    assert!(map.unread(&x, id(6)) && !map.unread(&x, id(6)));
    assert_eq!(map.len(), before - 1);
    assert!(!write(&mut map, &x).contains(&6));
}
