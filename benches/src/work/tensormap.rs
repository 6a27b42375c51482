//! The tensor map alone: a find and a record among many buffers, and among the tiles of one buffer. The cost must not grow
//! with the number of tiles that do not overlap.

use prewire_abi::TaskId;
use prewire_tensormap::{Access, Hazards, Life, Region, TensorMap};

use crate::Case;

const SUITE: &str = "tensor map";
/// Accesses of a round.
const ACCESSES: u32 = 2048;

fn live(_: TaskId) -> Life {
    Life::Live
}

/// The tiles of a square buffer of `side * side` tiles, 32 x 32 elements each.
fn tiles(side: u32) -> Vec<Region> {
    let pitch = side * 32;
    (0..side * side)
        .map(|tile| {
            let start = u64::from(tile / side * 32 * pitch + tile % side * 32);
            Region::new(1 << 30, 4, start, &[32, 32], &[pitch, 1])
        })
        .collect()
}

/// As many whole buffers of 4 KiB.
fn buffers(count: u32) -> Vec<Region> {
    (0..count).map(|at| Region::new((1 << 30) + u64::from(at) * 4096, 4, 0, &[32, 32], &[32, 1])).collect()
}

/// A map in which each of the regions was written once.
fn written(regions: &[Region]) -> TensorMap {
    let mut map = TensorMap::new(1 << 17, Hazards::All);
    for (task, region) in regions.iter().enumerate() {
        map.record(region, Access::Write, TaskId::new(0, task as u32), live).expect("there is room");
    }
    map
}

/// Finds what `access` of a region must wait for, and records it at the place found if `recorded`, as a submit does. Each
/// region has its turn.
fn access(name: String, regions: impl Fn() -> Vec<Region> + 'static, access: Access, recorded: bool) -> Case {
    Case::new(SUITE, name, ACCESSES.into(), move || {
        let regions = regions();
        let mut map = written(&regions);
        let mut next = 0usize;
        move |clock| {
            let mut found = 0u32;
            clock.time(|| {
                for _ in 0..ACCESSES {
                    let region = &regions[next * 7 % regions.len()];
                    let place = map.find(region, access, live, &mut |_| found += 1);
                    if recorded {
                        let task = TaskId::new(0, next as u32);
                        map.record_at(place, region, access, task, live).expect("there is room");
                    }
                    next = next.wrapping_add(1);
                }
            });
            assert!(found >= ACCESSES, "each region was written");
        }
    })
}

/// Records the first write of each region of an empty map.
fn insert(name: String, regions: impl Fn() -> Vec<Region> + 'static, count: u32) -> Case {
    Case::new(SUITE, name, count.into(), move || {
        let regions = regions();
        let mut map = written(&regions);
        move |clock| {
            map.clear();
            clock.time(|| {
                for (task, region) in regions.iter().enumerate() {
                    let task = TaskId::new(0, task as u32);
                    map.record(region, Access::Write, task, live).expect("there is room");
                }
            });
        }
    })
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for side in [4, 16, 32, 128] {
        let count = side * side;
        let make = move || tiles(side);
        cases.push(access(format!("hit, {count} tiles"), make, Access::Read, false));
        cases.push(access(format!("write, {count} tiles"), make, Access::Write, true));
        cases.push(insert(format!("insert, {count} tiles"), make, count));
    }
    let make = || buffers(2048);
    cases.push(access("hit, 2048 buffers".into(), make, Access::Read, false));
    cases.push(access("write, 2048 buffers".into(), make, Access::Write, true));
    cases.push(insert("insert, 2048 buffers".into(), make, 2048));
    cases
}
