//! Where the blocks of a task go: idle lanes first, clusters whole, and over all domains.

use prewire_abi::LaneMask;
use prewire_ring::{Class, RingSizes};
use std::collections::BTreeSet;

use crate::rig::{Rig, on, spec};

#[test]
fn the_pending_place_is_used_only_where_nothing_is_idle() {
    let mut rig = Rig::new(spec(2, 1), &RingSizes::default());
    for _ in 0..5 {
        rig.submit(on(LaneMask::AIC, 1), &[]);
    }
    assert_eq!(rig.machine.poll(0).dispatched, 4);
    let log = rig.machine.chip.log();
    assert_eq!(log.iter().map(|d| d.behind).collect::<Vec<_>>(), [false, false, true, true]);
    assert_eq!(log.iter().map(|d| d.lane).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
    // A lane that finishes has its next task already; the fifth takes the place that this frees.
    rig.machine.chip.finish(1);
    assert_eq!(rig.machine.poll(0).dispatched, 1);
    let last = rig.machine.chip.log()[4];
    assert_eq!((last.lane, last.behind), (1, true));
    assert_eq!(rig.machine.drain(), 4);
}

#[test]
fn an_idle_lane_of_another_domain_comes_before_a_pending_place() {
    let mut rig = Rig::new(spec(3, 3), &RingSizes::default());
    for _ in 0..3 {
        rig.submit(on(LaneMask::AIC, 1), &[]);
    }
    // One poll of one domain: the others are served with it, since they have lanes for what is ready.
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.chip.busy(), [0, 1, 2]);
    assert!(rig.machine.chip.log().iter().all(|d| !d.behind));
    rig.submit(on(LaneMask::AIC, 1), &[]);
    let _ = rig.machine.poll(0);
    assert!(rig.machine.chip.log()[3].behind, "nothing is idle now");
    assert_eq!(rig.machine.drain(), 4);
}

#[test]
fn a_cluster_task_takes_its_lanes_of_one_cluster() {
    let mut rig = Rig::new(spec(2, 1), &RingSizes::default());
    let part = rig.submit(on(LaneMask::AIC | LaneMask::AIV1, 2), &[]);
    let _ = rig.machine.poll(0);
    let mut placed = rig.machine.placed(part.slot);
    placed.sort_unstable();
    // Of clusters {0, 2, 3} and {1, 4, 5}: the AIC and the second AIV of each, one block a cluster.
    let (block0, block1) = (placed[0].1, placed[1].1);
    assert_eq!(placed, [(0, block0), (1, block1), (3, block0), (5, block1)]);
    assert_ne!(block0, block1);
    for dispatch in rig.machine.chip.log() {
        let place = [(0, 0), (1, 0), (3, 2), (5, 2)].into_iter().find(|p| p.0 == dispatch.lane).unwrap().1;
        assert_eq!(dispatch.work.place, place);
    }
    // The first vector cores are idle, and a task for the whole cluster goes behind.
    let whole = rig.submit(on(LaneMask::ALL, 1), &[]);
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.placed(whole.slot).len(), 3);
    assert_eq!(rig.machine.drain(), 2);
}

#[test]
fn a_cluster_task_waits_until_each_of_its_lanes_has_a_place() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    rig.submit(on(LaneMask::AIC, 2), &[]);
    let _ = rig.machine.poll(0);
    let mix: Vec<_> = (0..3).map(|_| rig.submit(on(LaneMask::ALL, 1), &[]).slot).collect();
    for _ in 0..4 {
        assert!(!rig.machine.poll(0).any(), "the AIC has two, there is no room for a third");
    }
    assert_eq!(rig.machine.ready.queue(Class::Mix).len(), 3);
    rig.machine.chip.finish(0);
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.drain(), 4);
    assert_eq!(rig.machine.order()[1..], mix, "they run in the order in which they became ready");
}

#[test]
fn the_blocks_of_a_task_spread_over_all_domains() {
    let mut rig = Rig::new(spec(6, 3), &RingSizes::default());
    let task = rig.submit(on(LaneMask::AIV0, 30), &[]);
    let _ = rig.machine.poll(1);
    let first = rig.machine.placed(task.slot);
    let lanes: BTreeSet<u16> = first[..12].iter().map(|p| p.0).collect();
    assert_eq!(lanes, (6..18).collect(), "each lane runs one before any has two");
    let _ = rig.machine.poll_all();
    assert_eq!(rig.machine.placed(task.slot).len(), 24, "12 vector cores with two places each");
    assert_eq!(rig.machine.drain(), 1);
    let blocks: Vec<u32> = rig.machine.placed(task.slot).iter().map(|p| p.1).collect();
    assert_eq!(blocks.len(), 30);
    assert_eq!(blocks.into_iter().collect::<BTreeSet<_>>(), (0..30).collect());
}

#[test]
fn a_task_is_complete_when_its_last_sub_task_is() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    let first = rig.submit(on(LaneMask::ALL, 2), &[]);
    let next = rig.submit(on(LaneMask::AIC, 1), &[first.id]);
    let _ = rig.machine.poll(0);
    let busy = rig.machine.chip.busy();
    assert_eq!(busy, [0, 1, 2, 3, 4, 5]);
    for &lane in &busy[..5] {
        rig.machine.chip.finish(lane);
        assert_eq!(rig.machine.poll_all().completed, 0);
        assert_eq!(rig.machine.rings.slot(next.slot).waits(), 1);
    }
    rig.machine.chip.finish(5);
    let progress = rig.machine.poll_all();
    assert_eq!((progress.completed, progress.dispatched), (1, 1));
    assert_eq!(rig.machine.drain(), 1);
}
