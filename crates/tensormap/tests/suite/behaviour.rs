//! What is found after what, by example.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Full, Hazards, Life, Place, Region, TensorMap};
use std::collections::BTreeMap;

use Access::{Read, Write};

/// A map and what has become of the tasks of ring 2.
struct Bench {
    map: TensorMap,
    ended: BTreeMap<u32, Life>,
}

impl Bench {
    fn new(capacity: u32, hazards: Hazards) -> Self {
        Self { map: TensorMap::new(capacity, hazards), ended: BTreeMap::new() }
    }

    fn life(ended: &BTreeMap<u32, Life>) -> impl Fn(TaskId) -> Life + '_ {
        |task| ended.get(&task.local()).copied().unwrap_or(Life::Live)
    }

    /// The numbers of the tasks that the access waits for, in order and once.
    fn find(&mut self, region: &Region, access: Access) -> Vec<u32> {
        self.find_place(region, access).0
    }

    /// As `find`, and where the map came across the region.
    fn find_place(&mut self, region: &Region, access: Access) -> (Vec<u32>, Place) {
        let mut found = Vec::new();
        let place = self.map.find(region, access, Self::life(&self.ended), |task| found.push(task.local()));
        found.sort_unstable();
        found.dedup();
        (found, place)
    }

    fn record(&mut self, region: &Region, access: Access, task: u32) -> Result<(), Full> {
        self.map.record(region, access, TaskId::new(2, task), Self::life(&self.ended))
    }

    /// Submits a task that writes and waits for nobody.
    fn beside(&mut self, region: &Region, task: u32) {
        let life = Self::life(&self.ended);
        self.map.record_beside(region, TaskId::new(2, task), &life).expect("there is room");
    }

    /// Submits a task with one access; gives whom it waits for.
    fn submit(&mut self, region: &Region, access: Access, task: u32) -> Vec<u32> {
        let found = self.find(region, access);
        self.record(region, access, task).expect("there is room");
        found
    }

    /// As `submit`, recorded where the map came across the region.
    fn submit_in_place(&mut self, region: &Region, access: Access, task: u32) -> Vec<u32> {
        let (found, place) = self.find_place(region, access);
        let life = Self::life(&self.ended);
        let recorded = self.map.record_at(place, region, access, TaskId::new(2, task), &life);
        recorded.expect("there is room");
        found
    }

    fn end(&mut self, tasks: impl IntoIterator<Item = u32>, life: Life) {
        self.ended.extend(tasks.into_iter().map(|task| (task, life)));
    }

    fn reserve(&mut self, n: u32) -> bool {
        self.map.reserve(n, &Self::life(&self.ended))
    }
}

fn chunk(start: u32, length: u32) -> Region {
    Region::new(0x4000, 4, u64::from(start), &[length], &[1])
}

fn buffer(number: u32) -> Region {
    Region::new(0x10_0000 + u64::from(number) * 4096, 4, 0, &[16, 16], &[16, 1])
}

#[test]
fn a_new_map_is_empty_and_finds_nothing() {
    let mut bench = Bench::new(100, Hazards::default());
    assert_eq!((bench.map.len(), bench.map.capacity(), bench.map.high_water()), (0, 100, 0));
    assert_eq!(bench.map.hazards(), Hazards::All);
    assert!(bench.map.is_empty());
    assert_eq!(bench.find(&chunk(0, 8), Write), []);
}

#[test]
fn a_read_waits_for_the_write_and_a_write_for_both() {
    let mut bench = Bench::new(100, Hazards::All);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 0), []);
    assert_eq!(bench.submit(&chunk(0, 8), Read, 1), [0]);
    assert_eq!(bench.submit(&chunk(0, 8), Read, 2), [0], "readers do not wait for readers");
    assert_eq!(bench.submit(&chunk(0, 8), Write, 3), [1, 2], "the readers have waited for the writer");
    assert_eq!(bench.submit(&chunk(0, 8), Write, 4), [3], "what a write covers is ordered through it");
    assert_eq!(bench.map.len(), 1);
}

#[test]
fn every_writer_of_a_part_is_found() {
    let mut bench = Bench::new(100, Hazards::All);
    for task in 0..20 {
        assert_eq!(bench.submit(&chunk(task * 8, 8), Write, task), []);
    }
    assert_eq!(bench.find(&chunk(0, 160), Read), (0..20).collect::<Vec<_>>());
    assert_eq!(bench.find(&chunk(12, 8), Read), [1, 2]);
}

#[test]
fn a_write_removes_what_it_covers_and_keeps_the_rest() {
    let mut bench = Bench::new(100, Hazards::All);
    for task in 0..4 {
        bench.submit(&chunk(task * 8, 8), Write, task);
    }
    assert_eq!(bench.submit(&chunk(0, 20), Write, 4), [0, 1, 2]);
    assert_eq!(bench.map.len(), 3, "two are covered, one in part, one not");
    assert_eq!(bench.find(&chunk(0, 32), Read), [2, 3, 4]);
}

#[test]
fn a_write_of_a_part_leaves_the_write_of_the_whole() {
    let mut bench = Bench::new(100, Hazards::All);
    bench.submit(&chunk(0, 32), Write, 0);
    assert_eq!(bench.submit(&chunk(8, 8), Write, 1), [0]);
    assert_eq!(bench.find(&chunk(0, 8), Read), [0]);
    assert_eq!(bench.find(&chunk(8, 8), Read), [0, 1]);
}

#[test]
fn retired_tasks_are_skipped_without_hiding_others() {
    let mut bench = Bench::new(100, Hazards::All);
    for task in 0..6 {
        bench.submit(&chunk(task, 4), Write, task);
    }
    bench.end([1, 3, 5], Life::Retired);
    assert_eq!(bench.find(&chunk(0, 16), Read), [0, 2, 4]);
    assert_eq!(bench.map.len(), 3, "those that were met are gone");
    assert_eq!(bench.find(&chunk(0, 16), Write), [0, 2, 4]);
}

#[test]
fn a_failed_writer_is_found_until_its_region_is_written() {
    let mut bench = Bench::new(100, Hazards::All);
    bench.submit(&chunk(0, 8), Write, 0);
    bench.end([0], Life::Failed);
    assert!(bench.reserve(99) && !bench.reserve(100), "it keeps its entry");
    assert_eq!(bench.find(&chunk(4, 8), Read), [0]);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 1), [0]);
    assert_eq!(bench.find(&chunk(4, 8), Read), [1]);
}

#[test]
fn one_of_many_failed_readers_is_kept() {
    let mut bench = Bench::new(100, Hazards::All);
    for task in 0..1000 {
        assert_eq!(bench.submit(&chunk(0, 8), Read, task), []);
        bench.end([task], Life::Failed);
        assert!(bench.map.len() <= 6, "as many as have a place with the region");
    }
    let found = bench.find(&chunk(4, 8), Write);
    assert_eq!(found.len(), 1, "one is enough to poison: {found:?}");
    assert_eq!(bench.submit(&chunk(0, 8), Write, 1000).len(), 1);
    assert_eq!(bench.find(&chunk(0, 8), Write), [1000]);
}

#[test]
fn a_reader_that_fails_takes_the_place_of_none_that_lives() {
    for failed in 0..24 {
        let mut bench = Bench::new(100, Hazards::All);
        for task in 0..24 {
            bench.submit(&chunk(0, 8), Read, task);
        }
        bench.end([failed], Life::Failed);
        for _ in 0..3 {
            assert_eq!(bench.find(&chunk(0, 8), Write), (0..24).collect::<Vec<_>>(), "{failed} failed");
        }
        bench.end((0..24).filter(|task| *task != failed), Life::Retired);
        assert_eq!((bench.find(&chunk(0, 8), Write), bench.map.len()), (vec![failed], 1));
    }
}

#[test]
fn a_task_that_reads_and_writes_the_same_counts_once() {
    let mut bench = Bench::new(100, Hazards::All);
    bench.submit(&chunk(0, 8), Read, 0);
    bench.record(&chunk(0, 8), Read, 0).expect("there is room");
    assert_eq!(bench.map.len(), 1);
    bench.record(&chunk(0, 8), Write, 0).expect("there is room");
    assert_eq!((bench.map.len(), bench.find(&chunk(0, 8), Write)), (1, vec![0]));
}

#[test]
fn a_place_that_is_no_longer_so_is_looked_for_again() {
    let mut bench = Bench::new(100, Hazards::All);
    let alive = |_: TaskId| Life::Live;
    for task in 0..2 {
        bench.submit(&chunk(64 + task * 8, 8), Write, task);
    }
    // Nothing is in the way of either, until the other is recorded.
    let places = [(); 2].map(|()| bench.map.find(&chunk(8, 8), Write, alive, |_| ()));
    for place in places {
        bench.map.record_at(place, &chunk(8, 8), Write, TaskId::new(2, 2), alive).expect("there is room");
    }
    assert_eq!((bench.map.len(), bench.find(&chunk(0, 100), Read)), (3, vec![0, 1, 2]));
    // The only region of its buffer, until it is forgotten and another buffer has taken its line.
    bench.submit(&buffer(1), Write, 3);
    let place = bench.map.find(&buffer(1), Write, alive, |_| ());
    bench.map.forget(buffer(1).buffer());
    bench.submit(&buffer(2), Write, 4);
    bench.map.record_at(place, &buffer(1), Write, TaskId::new(2, 5), alive).expect("there is room");
    assert_eq!((bench.find(&buffer(1), Read), bench.find(&buffer(2), Read)), (vec![5], vec![4]));
}

#[test]
fn no_more_than_the_capacity_is_recorded() {
    let mut bench = Bench::new(5, Hazards::All);
    for task in 0..5 {
        bench.submit(&buffer(task), if task % 2 == 0 { Read } else { Write }, task);
    }
    assert!(bench.reserve(0) && !bench.reserve(1));
    assert_eq!(bench.record(&buffer(9), Write, 9), Err(Full { capacity: 5 }));
    assert_eq!(bench.record(&buffer(9), Read, 9), Err(Full { capacity: 5 }));
    assert_eq!(bench.record(&buffer(0), Read, 9), Err(Full { capacity: 5 }));
    assert_eq!(bench.find(&buffer(9), Write), [], "nothing was recorded");
    assert_eq!(bench.find(&buffer(0), Write), [0]);
    assert_eq!(bench.record(&buffer(1), Write, 9), Ok(()), "a write in the place of another takes no entry");
    let text = Full { capacity: 5 }.to_string();
    assert!(text.contains("all 5 entries") && text.contains("raise the capacity"), "{text}");
}

#[test]
fn entries_of_retired_tasks_are_had_again() {
    let mut bench = Bench::new(8, Hazards::All);
    for task in 0..8 {
        bench.submit(&buffer(task), if task % 2 == 0 { Read } else { Write }, task);
    }
    bench.end([1, 2, 6], Life::Retired);
    assert!(bench.reserve(3) && !bench.reserve(4));
    for task in 10..13 {
        bench.submit(&buffer(task), Write, task);
    }
    assert_eq!(bench.find(&buffer(12), Read), [12], "an entry has its new owner");
    assert_eq!((bench.map.len(), bench.map.high_water()), (8, 8));
    assert!(!bench.reserve(9), "more than there are");
}

#[test]
fn new_memory_at_an_old_address_has_no_past() {
    let mut bench = Bench::new(100, Hazards::All);
    for task in 0..3 {
        bench.submit(&chunk(task * 8, 8), Write, task);
        bench.submit(&chunk(task * 8, 9), Read, task + 10);
        bench.submit(&buffer(task), Write, task + 20);
    }
    bench.end([0, 1, 2, 10, 11, 12], Life::Failed);
    bench.map.forget(0x4000);
    assert_eq!(bench.find(&chunk(0, 100), Write), []);
    assert_eq!((bench.map.len(), bench.find(&buffer(1), Read)), (3, vec![21]));
    bench.map.forget(0xdead);
    assert_eq!(bench.map.len(), 3);
}

#[test]
fn a_cleared_map_is_as_new() {
    let mut bench = Bench::new(1000, Hazards::All);
    for round in 0..3 {
        for task in 0..100 {
            let access = if task % 3 == 0 { Read } else { Write };
            assert_eq!(bench.submit(&buffer(task), access, task), [], "round {round}");
            assert_eq!(bench.submit(&chunk(task * 8, 8), access, task), [], "round {round}");
        }
        assert_eq!(bench.map.len(), 200);
        bench.map.clear();
        assert!(bench.map.is_empty());
    }
    assert_eq!(bench.map.high_water(), 200);
}

#[test]
fn an_empty_region_is_never_in_the_way() {
    let mut bench = Bench::new(100, Hazards::All);
    let empty = Region::new(0x4000, 4, 4, &[0, 8], &[8, 1]);
    assert_eq!(bench.submit(&empty, Write, 0), []);
    assert_eq!(bench.submit(&chunk(0, 100), Write, 1), []);
    assert_eq!(bench.submit(&empty, Write, 2), []);
    assert_eq!(bench.submit(&empty, Read, 3), []);
    assert_eq!(bench.map.len(), 1);
}

#[test]
fn without_reads_a_write_waits_for_writes_alone() {
    let mut bench = Bench::new(100, Hazards::RawWaw);
    bench.submit(&chunk(0, 8), Write, 0);
    assert_eq!(bench.submit(&chunk(0, 8), Read, 1), [0]);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 2), [0]);
    assert_eq!(bench.submit(&chunk(0, 4), Read, 3), [2]);
    assert_eq!(bench.map.len(), 1);
}

#[test]
fn with_reads_after_writes_alone_a_write_takes_the_place_of_its_equal() {
    let mut bench = Bench::new(100, Hazards::Raw);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 0), []);
    assert_eq!(bench.submit(&chunk(0, 8), Read, 1), [0]);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 2), []);
    assert_eq!(bench.find(&chunk(0, 8), Read), [2]);
    assert_eq!(bench.submit(&chunk(0, 16), Write, 3), []);
    assert_eq!(bench.find(&chunk(0, 8), Read), [2, 3], "nothing was ordered after the smaller one");
}

#[test]
fn sizes_above_each_other_find_each_other() {
    let mut bench = Bench::new(10_000, Hazards::All);
    let mut task = 0;
    for size in [1024, 1, 64, 7, 1000, 333, 2, 512, 3, 90, 128] {
        for start in (0..1024 - size + 1).step_by(size.max(100) as usize) {
            bench.submit(&chunk(start, size), Read, task);
            task += 1;
        }
    }
    assert_eq!(bench.find(&chunk(0, 1024), Write), (0..task).collect::<Vec<_>>());
    assert_eq!(bench.submit(&chunk(0, 1024), Write, task).len(), task as usize);
    assert_eq!(bench.find(&chunk(500, 1), Read), [task]);
    assert_eq!(bench.map.len(), 1);
}

#[test]
fn a_write_beside_others_waits_for_nobody_and_all_of_them_are_found() {
    let mut bench = Bench::new(100, Hazards::RawWaw);
    assert_eq!(bench.submit(&chunk(0, 8), Write, 0), []);
    for task in 1..6 {
        bench.beside(&chunk(0, 8), task);
    }
    bench.beside(&chunk(4, 8), 6);
    assert_eq!(bench.find(&chunk(0, 8), Read), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(bench.find(&chunk(8, 8), Read), [6]);
    bench.end([0, 2], Life::Retired);
    // A write that waits covers what it waited for.
    assert_eq!(bench.submit(&chunk(0, 8), Write, 7), [1, 3, 4, 5, 6]);
    assert_eq!(bench.find(&chunk(0, 4), Read), [7]);
    assert_eq!(bench.find(&chunk(0, 8), Read), [6, 7]);
    assert_eq!(bench.map.len(), 2);
}

/// Against a list of all writes: a third reads, a third waits and writes, a third writes beside.
#[test]
fn writes_beside_others_are_remembered_as_in_a_list() {
    let mut bench = Bench::new(4096, Hazards::RawWaw);
    let mut list: Vec<(u32, u32, u32)> = Vec::new();
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |n: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice % n) as u32
    };
    for task in 0..3000 {
        let (start, length) = if roll(3) == 0 { (0, 32) } else { (roll(28), 1 + roll(4)) };
        let end = start + length;
        let region = chunk(start, length);
        let mut expected: Vec<u32> =
            list.iter().filter(|&&(from, to, _)| from < end && start < to).map(|entry| entry.2).collect();
        expected.sort_unstable();
        match roll(3) {
            0 => assert_eq!(bench.find(&region, Read), expected, "task {task} reads {start}..{end}"),
            1 => {
                assert_eq!(bench.submit(&region, Write, task), expected, "task {task} writes {start}..{end}");
                list.retain(|&(from, to, _)| from < start || to > end);
                list.push((start, end, task));
            }
            _ => {
                bench.beside(&region, task);
                list.push((start, end, task));
            }
        }
        if roll(4) == 0 && !list.is_empty() {
            let (_, _, ended) = list.swap_remove(roll(list.len() as u64) as usize);
            list.retain(|entry| entry.2 != ended);
            bench.end([ended], Life::Retired);
        }
    }
}

/// What was written beside has not waited for what was there before: a read behind it stands in for nobody.
#[test]
fn a_read_stands_in_for_no_writer() {
    let mut bench = Bench::new(16, Hazards::RawWaw);
    let (left, right) = (Region::new(0x1000, 1, 32, &[32], &[1]), Region::new(0x1000, 1, 48, &[32], &[1]));
    bench.beside(&left, 1);
    bench.beside(&left, 2);
    bench.beside(&right, 3);
    for reader in 4..7 {
        assert_eq!(bench.submit_in_place(&left, Read, reader), [1, 2, 3], "before reader {reader}");
    }
}

/// Where it is known what a write goes to, it removes what it covers too.
#[test]
fn a_write_at_its_place_removes_what_it_covers() {
    let mut bench = Bench::new(16, Hazards::All);
    let part = |at: u64, length: u32| Region::new(0x1000, 1, at, &[length], &[1]);
    for (task, region) in [part(32, 32), part(36, 8), part(48, 32)].iter().enumerate() {
        bench.record(region, Write, task as u32).expect("there is room");
    }
    let found = bench.submit_in_place(&part(32, 32), Write, 3);
    assert_eq!((found.as_slice(), bench.map.len()), ([0, 1, 2].as_slice(), 2));
}
