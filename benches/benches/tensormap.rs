//! The tensor map: a find and a record of one tile among many disjoint ones. The cost must not grow with their number.

use criterion::{Criterion, criterion_group, criterion_main};
use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};

fn tiles(c: &mut Criterion) {
    let mut group = c.benchmark_group("tensor map");
    for side in [4u32, 16, 32, 128] {
        let pitch = side * 32;
        let regions: Vec<Region> = (0..side * side)
            .map(|i| {
                let start = u64::from(i / side * 32 * pitch + i % side * 32);
                Region::new(1 << 30, 4, start, &[32, 32], &[pitch, 1])
            })
            .collect();
        let mut map = TensorMap::new(1 << 17, Hazards::All);
        let live = |_: TaskId| Life::Live;
        for (i, region) in regions.iter().enumerate() {
            map.record(region, Access::Write, TaskId::new(0, i as u32), &live).expect("there is room");
        }
        let mut next = regions.len();
        group.bench_function(format!("write one of {} tiles", side * side), |b| {
            b.iter(|| {
                let region = &regions[next * 7 % regions.len()];
                let mut found = 0;
                map.find(region, Access::Write, &live, &mut |_| found += 1);
                map.record(region, Access::Write, TaskId::new(0, next as u32), &live).expect("there is room");
                next += 1;
                found
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tiles);
criterion_main!(benches);
