//! What an access costs, by counting the entries that it looks at, and what the map holds.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Read, Region, TensorMap};

/// Tasks run to their end `window` tasks after they were submitted.
fn window(now: u32, window: u32) -> impl Fn(TaskId) -> Life {
    move |task| if task.local() + window >= now { Life::Live } else { Life::Retired }
}

/// A map with a count of the tasks submitted, each of one access, of which the last `live` live.
struct Flow {
    map: TensorMap,
    now: u32,
    live: u32,
}

impl Flow {
    fn new(capacity: u32, live: u32) -> Self {
        Self { map: TensorMap::new(capacity, Hazards::All), now: 1_000_000, live }
    }

    /// How many tasks the access waits for, and how many entries were looked at for it.
    fn submit(&mut self, region: &Region, access: Access) -> (u32, u64) {
        self.now += 1;
        let (life, before) = (window(self.now, self.live), self.map.visited());
        assert!(self.map.reserve(1, &life), "{} entries, {} live tasks", self.map.len(), self.live);
        let mut found = 0;
        self.map.find(region, access, &life, |_| found += 1);
        self.map.record(region, access, TaskId::new(0, self.now), &life).expect("an entry is reserved");
        (found, self.map.visited() - before)
    }
}

/// Tile `(row, column)` of a matrix of `side` x `side` tiles of 24 x 40 elements.
fn tile(side: u32, row: u32, column: u32) -> Region {
    let start = u64::from(row * 24) * u64::from(side * 40) + u64::from(column * 40);
    Region::new(0x4000, 2, start, &[24, 40], &[side * 40, 1])
}

/// The cost of the dearest exact repeat among `side` x `side` tiles.
fn dearest(side: u32, regions: impl Fn(u32, u32) -> Region) -> u64 {
    let mut flow = Flow::new(65536, u32::MAX / 2);
    let all = |flow: &mut Flow, access| {
        let tiles = (0..side * side).map(|i| flow.submit(&regions(i / side, i % side), access));
        tiles.collect::<Vec<_>>()
    };
    all(&mut flow, Access::Write);
    let reads = all(&mut flow, Access::Read);
    let writes = all(&mut flow, Access::Write);
    assert!(reads.iter().all(|(found, _)| *found == 1) && writes.iter().all(|(found, _)| *found == 1));
    reads.iter().chain(&writes).map(|(_, visited)| *visited).max().expect("there are tiles")
}

#[test]
fn the_cost_of_a_tile_does_not_depend_on_the_number_of_tiles() {
    for side in [4, 16, 32, 128] {
        assert!(dearest(side, |row, column| tile(side, row, column)) <= 12, "{side} x {side} tiles");
        let chunk = |row, column| Region::new(0x4000, 4, u64::from(row * side + column) * 768, &[768], &[1]);
        assert!(dearest(side, chunk) <= 12, "{side} x {side} chunks");
        let shifted = |row: u32, column: u32| {
            let start = u64::from(row * 24 + 7) * u64::from(side * 40 + 99) + u64::from(column * 40 + 13);
            Region::new(0x4000, 2, start, &[24, 40], &[side * 40 + 99, 1])
        };
        assert!(dearest(side, shifted) <= 12, "{side} x {side} tiles that start off a corner");
    }
}

#[test]
fn the_size_that_comes_first_does_not_matter() {
    let width = 32 * 40;
    for shape in [[1, 1], [3, 1], [32 * 24, width], [24, width]] {
        let mut flow = Flow::new(65536, u32::MAX / 2);
        flow.submit(&Region::new(0x4000, 2, 0, &shape, &[width, 1]), Access::Write);
        let mut dearest = 0;
        for round in 0..3 {
            for i in 0..1024 {
                let (_, visited) = flow.submit(&tile(32, i / 32, i % 32), Access::Write);
                dearest = if round == 0 { 0 } else { dearest.max(visited) };
            }
        }
        assert!(dearest <= 12, "{shape:?} first: {dearest} entries looked at");
    }
}

#[test]
fn tiles_are_found_at_once_again_when_what_lay_across_them_is_gone() {
    let mut flow = Flow::new(65536, u32::MAX / 2);
    let across = Region::new(0x4000, 2, 12 * 32 * 40 + 20, &[24, 40], &[32 * 40, 1]);
    // The tiles far from what lies across.
    let all = |flow: &mut Flow| {
        let tiles = (128..1024).map(|i| flow.submit(&tile(32, i / 32, i % 32), Access::Write).1);
        tiles.max().expect("there are tiles")
    };
    let alone = all(&mut flow).max(all(&mut flow));
    for i in 0..128 {
        flow.submit(&tile(32, i / 32, i % 32), Access::Write);
    }
    assert_eq!(flow.submit(&across, Access::Write).0, 4);
    assert!(all(&mut flow) > alone, "who looks at a cell looks at those before it");
    assert_eq!(flow.submit(&Region::new(0x4000, 2, 0, &[48, 80], &[32 * 40, 1]), Access::Write).0, 5);
    all(&mut flow);
    assert_eq!(all(&mut flow), alone);
}

#[test]
fn tiles_with_a_halo_look_at_their_neighbours_only() {
    let side = 64_u32;
    let stride = side * 32;
    let part = |row: u32, column: u32, halo: u32| {
        let (top, left) = ((row * 32).saturating_sub(halo), (column * 32).saturating_sub(halo));
        let (bottom, right) = ((row * 32 + 32 + halo).min(stride), (column * 32 + 32 + halo).min(stride));
        Region::new(0x4000, 4, u64::from(top * stride + left), &[bottom - top, right - left], &[stride, 1])
    };
    let mut flow = Flow::new(65536, u32::MAX / 2);
    let mut dearest = 0;
    for round in 0..3 {
        for (halo, access) in [(1, Access::Read), (0, Access::Write)] {
            for i in 0..side * side {
                let (_, visited) = flow.submit(&part(i / side, i % side, halo), access);
                dearest = if round == 0 { 0 } else { dearest.max(visited) };
            }
        }
    }
    assert!(dearest <= 120, "{dearest} entries looked at");
}

/// Tasks that read three rows of one field and write one of another, in turns: no write ever covers what is read.
#[test]
fn what_is_read_with_a_halo_has_few_readers_however_many_tasks_live() {
    const ROWS: u32 = 16;
    for live in [2, 20, 1000] {
        let mut map = TensorMap::new(65536, Hazards::All);
        let field = |step: u32| 0x4000 + 0x10000 * u64::from(step & 1);
        let mut dearest = 0;
        for now in 0..200 * ROWS {
            let (step, row) = (now / ROWS, now % ROWS);
            let (top, bottom) = (row.saturating_sub(1), (row + 2).min(ROWS));
            let read = Region::new(field(step), 4, u64::from(top * 8), &[bottom - top, 8], &[8, 1]);
            let write = Region::new(field(step + 1), 4, u64::from(row * 8), &[1, 8], &[8, 1]);
            let (life, before, task) = (window(now, live), map.visited(), TaskId::new(0, now));
            let (mut writers, mut readers) = (0, 0);
            let from = map.find(&read, Access::Read, &life, |_| writers += 1);
            let to = map.find(&write, Access::Write, &life, |_| readers += 1);
            map.record_at(from, &read, Access::Read, task, &life).expect("there is room");
            map.record_at(to, &write, Access::Write, task, &life).expect("there is room");
            assert!(
                writers <= 3 && readers <= 6,
                "task {now} of {live}: {writers} writers, {readers} readers"
            );
            dearest = dearest.max(map.visited() - before);
        }
        assert!(dearest <= 40, "{dearest} entries looked at, where {live} tasks live");
        assert!(map.high_water() <= 100, "{} entries, where {live} tasks live", map.high_water());
    }
}

#[test]
fn edge_tiles_and_ever_new_sizes_stay_cheap() {
    let mut flow = Flow::new(65536, 64);
    let mut visited = 0;
    for i in 0..20_000_u32 {
        let length = 1 + i % 5000;
        visited +=
            flow.submit(&Region::new(0x4000, 1, u64::from(i) * 5000, &[length], &[1]), Access::Write).1;
    }
    assert!(visited < 20_000 * 24, "{} entries a write", visited / 20_000);
}

#[test]
fn many_readers_of_one_region_cost_the_same_as_few() {
    let weights = Region::new(0x4000, 2, 0, &[4096, 4096], &[4096, 1]);
    let part = Region::new(0x4000, 2, 77, &[40, 80], &[4096, 1]);
    let mut flow = Flow::new(4096, 1000);
    flow.submit(&weights, Access::Write);
    for i in 0..100_000 {
        let (_, visited) = flow.submit(if i % 2 == 0 { &weights } else { &part }, Access::Read);
        assert!(visited <= 40, "read {i} looks at {visited} entries");
    }
    assert!(flow.map.high_water() < 4096, "{}", flow.map.high_water());
    let (found, _) = flow.submit(&weights, Access::Write);
    assert!(found >= 1000, "all that live are found: {found}");
    assert_eq!((flow.map.len(), flow.submit(&weights, Access::Write).0), (1, 1), "and once");
}

/// Parts that live tasks have written, and many that read the whole: each comes behind the writers, and no reader before them.
#[test]
fn many_readers_of_parts_that_are_being_written_cost_the_same_as_few() {
    let mut flow = Flow::new(65536, u32::MAX / 2);
    for part in 0..4 {
        flow.submit(&Region::new(0x4000, 4, 64 * part, &[64], &[1]), Access::Write);
    }
    let whole = Region::new(0x4000, 4, 0, &[256], &[1]);
    for i in 0..10_000 {
        let (found, visited) = flow.submit(&whole, Access::Read);
        assert!(found == 4 && visited <= 40, "read {i} waits for {found} and looks at {visited} entries");
    }
    assert!(flow.submit(&whole, Access::Write).0 >= 10_000, "all readers");
}

#[test]
fn what_does_not_come_again_is_not_kept() {
    for (capacity, length) in [(64, 8), (1024, 8), (1024, 64)] {
        let mut flow = Flow::new(capacity, 0);
        let mut visited = 0;
        for i in 0..20_000 {
            visited += flow.submit(&Region::new(0x4000, 4, i * 4, &[length], &[1]), Access::Write).1;
        }
        assert!(visited <= 10 * 20_000, "{} entries looked at for each", visited / 20_000);
        let most = u64::from(capacity) * TensorMap::MOST_BYTES_AN_ENTRY;
        assert!(flow.map.memory() as u64 <= most, "{} bytes of {most}", flow.map.memory());
    }
}

#[test]
fn readers_that_end_in_any_order_are_dropped() {
    let weights = Region::new(0x4000, 2, 0, &[512], &[1]);
    let mut map = TensorMap::new(300, Hazards::All);
    // Every hundredth reader lives for ever.
    let life = |now: u32| {
        move |task: TaskId| match task.local() {
            task if task.is_multiple_of(100) || task + 20 > now => Life::Live,
            _ => Life::Retired,
        }
    };
    for now in 1..10_000 {
        map.record(&weights, Access::Read, TaskId::new(0, now), life(now)).expect("there is room");
        assert!(map.len() <= 2 * (now / 100 + 20) + 4, "{} entries of {now} readers", map.len());
    }
}

#[test]
fn ever_new_buffers_take_constant_memory() {
    let mut flow = Flow::new(65536, 100);
    let mut memory = 0;
    for round in 0..600_000_u64 {
        let region = Region::new(0x10_0000 + round / 3 * 4096, 4, 0, &[32, 32], &[32, 1]);
        let access = if round * round % 7 < 3 { Access::Read } else { Access::Write };
        flow.submit(&region, access);
        if round == 50_000 {
            memory = flow.map.memory();
        }
    }
    assert_eq!(flow.map.memory(), memory, "bytes");
    assert!(flow.map.high_water() < 20_000, "{} entries for 100 live tasks", flow.map.high_water());
}

#[test]
fn reads_that_are_taken_back_take_constant_memory() {
    let (capacity, task) = (16, TaskId::new(0, 5));
    let mut map = TensorMap::new(capacity, Hazards::All);
    for n in 0..20_000_u64 {
        let region = Region::new(0x1000 + n * 64, 1, 0, &[64], &[1]);
        assert!(map.takes_reads(1));
        map.record(&region, Access::Write, task, |_| Life::Live).unwrap();
        assert!(matches!(map.read(&region, task, |_| Life::Live, |_| ()), Read::Recorded));
        assert!(map.unread(&region, task));
        map.forget(region.buffer());
        assert!(map.is_empty());
    }
    let most = u64::from(capacity) * TensorMap::MOST_BYTES_AN_ENTRY;
    assert!(map.memory() as u64 <= most, "{} bytes of {most}", map.memory());
}

#[test]
fn memory_follows_use_not_capacity() {
    let tables = |map: &TensorMap, capacity: usize| map.memory() - capacity * 4;
    let map = TensorMap::new(1 << 20, Hazards::All);
    assert!(tables(&map, 1 << 20) < 40 * 1024, "a table of 8192 heads, whatever the capacity");
    assert!(TensorMap::new(16, Hazards::All).memory() < 2048);
}

#[test]
fn a_full_map_looks_at_each_entry_once_before_it_says_so() {
    let mut map = TensorMap::new(1000, Hazards::All);
    for task in 0..1000 {
        let region = Region::new(0x1000 + u64::from(task) * 64, 1, 0, &[64], &[1]);
        let access = if task % 2 == 0 { Access::Read } else { Access::Write };
        map.record(&region, access, TaskId::new(0, task), |_| Life::Live).expect("there is room");
    }
    let before = map.visited();
    assert!(!map.reserve(1, &|_| Life::Live));
    assert!(map.visited() - before <= 1500 + 2, "500 writes, 500 places of readers, 500 readers");
}
