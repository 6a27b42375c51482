//! How long an access takes: find and record of the exact repeat of a region, among more and more regions.
//!
//! Run it with `cargo run --release -p prewire-tensormap --example probe`. Each line is the best of several rounds,
//! in nanoseconds for one find and one record, with `life` a comparison; the number is for comparing the lines.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: usize = 15;
const OPS: usize = 200_000;

fn main() {
    for tiles in [16_u32, 256, 1024, 16384] {
        let chunks: Vec<_> =
            (0..tiles).map(|i| Region::new(0x10_0000, 4, u64::from(i) * 4096, &[4096], &[1])).collect();
        let side = tiles.isqrt();
        let width = side * 96;
        let squares: Vec<_> = (0..tiles).map(|i| tile(i / side * 96, i % side * 96, 96, width)).collect();
        for (shape, regions) in [("1-D", chunks), ("2-D", squares)] {
            report(&format!("{tiles} tiles {shape}, in order"), &regions);
            report(&format!("{tiles} tiles {shape}, shuffled"), &shuffled(&regions));
        }
    }
    let buffers: Vec<_> =
        (0..2048_u64).map(|i| Region::new(0x10_0000 + i * 65536, 4, 0, &[64, 64], &[64, 1])).collect();
    report("2048 buffers, in order", &buffers);
    report("2048 buffers, shuffled", &shuffled(&buffers));
    readers();
    fresh_buffers();
}

/// A square tile of a matrix whose rows have `width` elements of 4 bytes.
fn tile(row: u32, column: u32, side: u32, width: u32) -> Region {
    let start = u64::from(row) * u64::from(width) + u64::from(column);
    Region::new(0x10_0000, 4, start, &[side, side], &[width, 1])
}

fn shuffled(regions: &[Region]) -> Vec<Region> {
    let mut regions = regions.to_vec();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for i in (1..regions.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        regions.swap(i, (seed >> 33) as usize % (i + 1));
    }
    regions
}

/// The last `window` tasks live.
fn window(now: u32, window: u32) -> impl Fn(TaskId) -> Life {
    move |task| if task.local() + window >= now { Life::Live } else { Life::Retired }
}

fn report(what: &str, regions: &[Region]) {
    let mut found = 0_u64;
    let write = best(|map, i, now| {
        let region = black_box(&regions[i % regions.len()]);
        let life = window(now, 256);
        map.find(region, Access::Write, &life, &mut |_| found += 1);
        map.record(region, Access::Write, TaskId::new(0, now), &life).expect("the map is large enough");
    });
    let pair = best(|map, i, now| {
        let region = black_box(&regions[i / 2 % regions.len()]);
        let access = if i % 2 == 0 { Access::Write } else { Access::Read };
        let life = window(now, 256);
        map.find(region, access, &life, &mut |_| found += 1);
        map.record(region, access, TaskId::new(0, now), &life).expect("the map is large enough");
    });
    println!("{what:32} write {write:5.1} ns   write and read in turn {pair:5.1} ns   ({found} found)");
}

fn readers() {
    let weights = Region::new(0x10_0000, 2, 0, &[4096, 4096], &[4096, 1]);
    let read = best(|map, _, now| {
        let life = window(now, 1024);
        map.find(black_box(&weights), Access::Read, &life, &mut |_| ());
        map.record(&weights, Access::Read, TaskId::new(0, now), &life).expect("the map is large enough");
    });
    println!("{:32} read  {read:5.1} ns", "one region, 1024 readers live");
}

fn fresh_buffers() {
    let fresh = best(|map, _, now| {
        let region = Region::new(u64::from(now) << 12, 4, 0, &[16, 64], &[64, 1]);
        let life = window(now, 256);
        map.find(black_box(&region), Access::Write, &life, &mut |_| ());
        map.record(&region, Access::Write, TaskId::new(0, now), &life).expect("the map is large enough");
    });
    println!("{:32} write {fresh:5.1} ns", "ever new buffers");
}

/// Nanoseconds for one call of `op`, which is given the map, the number of the call and the number of the task.
fn best(mut op: impl FnMut(&mut TensorMap, usize, u32)) -> f64 {
    let mut map = TensorMap::new(65536, Hazards::All);
    let mut now = 1000;
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for i in 0..OPS {
            op(&mut map, i, now);
            now += 1;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / OPS as f64);
    }
    best
}
