//! Reads that are only noted, as nothing else is remembered of what they read: they count as any other.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A map whose tasks end in order, all before one of them; some of them, by number, failed or outlive that.
struct Bench {
    map: TensorMap,
    over: u32,
    others: BTreeMap<u32, Life>,
}

impl Bench {
    fn new(capacity: u32) -> Self {
        Self { map: TensorMap::new(capacity, Hazards::All), over: 0, others: BTreeMap::new() }
    }

    fn life(over: u32, others: &BTreeMap<u32, Life>) -> impl Fn(TaskId) -> Life + '_ {
        move |id| match others.get(&id.local()) {
            Some(&life) => life,
            None if id.local() < over => Life::Retired,
            None => Life::Live,
        }
    }

    /// Notes a read, or records it where more is remembered; false if there is no room.
    fn read(&mut self, region: &Region, task: u32) -> bool {
        let life = Self::life(self.over, &self.others);
        self.map.takes_reads(1) && {
            let waits = RefCell::new(0);
            let place = self.map.read(region, id(task), &life, |_| *waits.borrow_mut() += 1);
            assert_eq!(waits.into_inner(), 0, "nobody writes");
            place.is_none_or(|place| self.map.record_at(place, region, Access::Read, id(task), &life).is_ok())
        }
    }

    /// Whom a write waits for, each once.
    fn write(&mut self, region: &Region) -> Vec<u32> {
        let mut found = Vec::new();
        let life = Self::life(self.over, &self.others);
        self.map.find(region, Access::Write, life, |id| found.push(id.local()));
        found.sort_unstable();
        found
    }

    fn reserve(&mut self, n: u32) -> bool {
        self.map.reserve(n, &Self::life(self.over, &self.others))
    }
}

fn id(task: u32) -> TaskId {
    TaskId::new(1, task)
}

/// All of buffer number `n`.
fn buffer(n: u32) -> Region {
    Region::new(0x10000 + u64::from(n) * 1024, 4, 0, &[256], &[1])
}

#[test]
fn a_write_waits_for_every_reader_that_lives_however_many_came_before() {
    for count in (200_u32..900).chain([30_000]) {
        let mut bench = Bench::new(1 << 16);
        for task in 0..count {
            assert!(bench.read(&buffer(task % 7), task));
            bench.over = oldest(task + 1);
            assert!(bench.map.len() < 600, "{} entries at task {task}", bench.map.len());
        }
        let readers = |of: u32| (oldest(count)..count).filter(move |task| task % 7 == of);
        let (one, other) = (count % 7, (count + 3) % 7);
        assert_eq!(bench.write(&buffer(one)), readers(one).collect::<Vec<_>>());
        // A part of another one, and what comes after the reads were sorted in.
        assert!(bench.read(&buffer(other), count));
        let part = Region::new(0x10000 + u64::from(other) * 1024, 4, 17, &[9], &[1]);
        assert_eq!(bench.write(&part), readers(other).chain([count]).collect::<Vec<_>>());
        assert_eq!(bench.write(&buffer(7)), [0u32; 0]);
    }
}

/// The first task that lives when `count` were submitted: they retire by the dozen.
fn oldest(count: u32) -> u32 {
    count.saturating_sub(40) / 12 * 12
}

#[test]
fn one_that_lives_long_holds_back_no_more_than_itself() {
    let mut bench = Bench::new(1 << 16);
    bench.others.insert(0, Life::Live);
    for task in 0..50_000 {
        assert!(bench.read(&buffer(task % 900), task));
        bench.over = task.saturating_sub(30);
        assert!(bench.map.len() < 2000, "{} entries at task {task}", bench.map.len());
    }
    assert!(bench.map.visited() < 200_000, "{} looks", bench.map.visited());
    assert_eq!(bench.write(&buffer(0)), [0]);
}

#[test]
fn they_take_an_entry_each_until_their_tasks_retire() {
    let mut bench = Bench::new(1000);
    let taken = (0..).take_while(|&task| bench.read(&buffer(task), task)).count();
    assert_eq!((taken, bench.map.len()), (1000, 1000));
    assert!(!bench.reserve(1));
    bench.over = 10;
    assert!(!bench.reserve(11) && bench.reserve(10));
    assert_eq!(bench.map.len(), 990);
    bench.map.clear();
    assert!(bench.map.is_empty() && bench.write(&buffer(500)).is_empty());
}

#[test]
fn many_that_failed_do_not_fill_the_map_and_one_is_told() {
    let mut bench = Bench::new(700);
    bench.others.extend((0..20_000).map(|task| (task, Life::Failed)));
    for task in 0..40_000_u32 {
        bench.over = task.saturating_sub(100);
        // What failed is of some buffers, what came later of others.
        let of = task % 3 + task / 20_000 * 3;
        let room = bench.read(&buffer(of), task) || bench.reserve(1) && bench.read(&buffer(of), task);
        assert!(room, "task {task} finds no room beside {}", bench.map.len());
    }
    assert!(!bench.write(&buffer(1)).is_empty());
}

#[test]
fn new_memory_at_their_address_has_no_past() {
    let mut bench = Bench::new(700);
    for task in 0..30 {
        assert!(bench.read(&buffer(task % 3), task));
    }
    bench.map.forget(0x10000 + 1024);
    assert!(bench.write(&buffer(1)).is_empty());
    assert_eq!((bench.write(&buffer(2)).len(), bench.map.len()), (10, 20));
}

#[test]
fn what_is_taken_back_is_as_if_it_had_not_been() {
    let mut bench = Bench::new(16);
    let (x, y) = (buffer(1), buffer(2));
    assert!(bench.read(&x, 4) && bench.read(&x, 5) && bench.read(&y, 5));
    assert!(!bench.map.unread(&Region::new(0x10000 + 1024, 4, 0, &[0], &[1]), id(5)), "nothing of it");
    assert!(bench.map.unread(&x, id(5)) && !bench.map.unread(&x, id(5)));
    assert_eq!(bench.map.len(), 2);
    assert_eq!((bench.write(&x), bench.write(&y)), (vec![4], vec![5]));
    assert!(bench.map.unread(&y, id(5)), "sorted in or not");
    assert_eq!((bench.map.len(), bench.write(&y).len()), (1, 0));
}
