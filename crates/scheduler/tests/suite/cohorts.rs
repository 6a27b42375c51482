//! Tasks whose blocks start together: all of them or none, on idle lanes of every domain.

use prewire_abi::LaneMask;
use prewire_ring::{Attrs, Cold, RingSizes};
use std::collections::BTreeSet;

use crate::rig::{Rig, on, spec};

fn together(lanes: LaneMask, blocks: u16) -> Cold {
    Cold { attrs: Attrs { sync_start: true, ..Attrs::default() }, ..on(lanes, blocks) }
}

#[test]
fn it_starts_when_the_last_of_its_lanes_is_idle_and_not_before() {
    let mut rig = Rig::new(spec(3, 3), &RingSizes::default());
    rig.submit(on(LaneMask::AIC, 3), &[]);
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.chip.busy(), [0, 1, 2]);
    let cohort = rig.submit(together(LaneMask::AIC, 3), &[]);
    let single = rig.submit(on(LaneMask::AIC, 1), &[]);
    for lane in [2, 0] {
        let _ = rig.machine.poll_all();
        rig.machine.chip.finish(lane);
        let _ = rig.machine.poll_all();
        assert!(rig.machine.placed(cohort.slot).is_empty(), "part of it has started");
        assert!(rig.machine.placed(single.slot).is_empty(), "somebody took a lane from under it");
    }
    rig.machine.chip.finish(1);
    let _ = rig.machine.poll(1);
    let placed = rig.machine.placed(cohort.slot);
    assert_eq!(placed.len(), 3, "one poll by the domain that frees the last lane starts it everywhere");
    assert_eq!(placed.iter().map(|p| p.0).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert_eq!(placed.iter().map(|p| p.1).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    let log = rig.machine.chip.log();
    assert!(log.iter().all(|d| d.work.slot != cohort.slot.raw() || !d.behind), "on idle lanes only");
    assert_eq!(rig.machine.drain(), 2);
}

#[test]
fn it_takes_every_vector_core_or_whole_clusters() {
    let mut rig = Rig::new(spec(4, 3), &RingSizes::default());
    let vectors = rig.submit(together(LaneMask::AIV0, 8), &[]);
    let clusters = rig.submit(together(LaneMask::ALL, 4), &[]);
    let _ = rig.machine.poll(2);
    assert_eq!(rig.machine.placed(vectors.slot).len(), 8);
    assert_eq!(rig.machine.placed(clusters.slot), [], "the vector cores are not idle");
    for lane in 4..12 {
        rig.machine.chip.finish(lane);
    }
    let _ = rig.machine.poll_all();
    let placed = rig.machine.placed(clusters.slot);
    assert_eq!(placed.len(), 12);
    for cluster in 0..4u16 {
        let of = |lane: u16| placed.iter().find(|p| p.0 == lane).unwrap().1;
        assert_eq!(of(cluster), of(4 + 2 * cluster), "one block on all lanes of a cluster");
        assert_eq!(of(cluster), of(5 + 2 * cluster));
    }
    assert_eq!(rig.machine.drain(), 1);
}

#[test]
fn many_cohorts_of_all_widths_follow_one_another() {
    let mut rig = Rig::new(spec(5, 3), &RingSizes::default());
    let mut tasks = Vec::new();
    for round in 0..60u16 {
        tasks.push(rig.submit(together(LaneMask::AIC, 2 + round % 4), &[]));
        tasks.push(rig.submit(together(LaneMask::AIC | LaneMask::AIV1, 2 + round % 3), &[]));
    }
    assert_eq!(rig.machine.drain(), 120);
    assert_eq!(rig.machine.order(), tasks.iter().map(|t| t.slot).collect::<Vec<_>>());
    for task in tasks {
        let cold = rig.machine.rings.slot(task.slot).cold();
        let placed = rig.machine.placed(task.slot);
        assert_eq!(placed.len() as u32, cold.total());
        assert_eq!(
            placed.iter().map(|p| p.1).collect::<BTreeSet<_>>(),
            (0..u32::from(cold.blocks)).collect()
        );
    }
}

/// A cohort gathers although single-core tasks keep coming, and they go on once it has started.
#[test]
fn it_starts_under_a_stream_of_single_core_tasks() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    for _ in 0..8 {
        rig.submit(on(LaneMask::AIC, 1), &[]);
    }
    let _ = rig.machine.poll_all();
    let cohort = rig.submit(together(LaneMask::AIC, 2), &[]);
    let mut finished = 0;
    while rig.machine.placed(cohort.slot).is_empty() {
        assert!(finished < 6, "starved: two lanes of two places have finished {finished} tasks");
        rig.submit(on(LaneMask::AIC, 1), &[]);
        let lane = *rig.machine.chip.busy().first().unwrap();
        rig.machine.chip.finish(lane);
        let _ = rig.machine.poll_all();
        finished += 1;
    }
    let submitted = rig.allocator.next(0);
    let _ = rig.machine.drain();
    assert_eq!(rig.machine.rings.watermark(0), submitted);
}

/// A run that is ended while a cohort gathers: the cohort gets its lanes back, and the run drains.
#[test]
fn a_run_that_is_ended_while_one_gathers_drains() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    rig.submit(on(LaneMask::AIC, 1), &[]);
    let _ = rig.machine.poll_all();
    let cohort = rig.submit(together(LaneMask::AIC, 2), &[]);
    let _ = rig.machine.poll_all();
    let after = rig.submit(on(LaneMask::AIC, 1), &[cohort.id]);
    rig.machine.rings.end();
    let _ = rig.machine.drain();
    assert_eq!(rig.machine.rings.usage(0).live, 0);
    assert_eq!(rig.machine.placed(after.slot), []);
    let blocks = rig.machine.placed(cohort.slot).len();
    assert!(blocks == 0 || blocks == 2, "all of it or nothing: {blocks}");
}

#[test]
fn a_cohort_that_is_poisoned_or_skipped_takes_no_lane() {
    let mut rig = Rig::new(spec(2, 2), &RingSizes::default());
    let failing = rig.submit(on(LaneMask::AIC, 1), &[]);
    let poisoned = rig.submit(together(LaneMask::AIV0, 4), &[failing.id]);
    let predicated = Attrs { sync_start: true, predicated: true, unordered: false };
    let skipped = rig.submit(Cold { attrs: predicated, ..on(LaneMask::AIV0, 4) }, &[]);
    rig.machine.predicates.refuse(skipped.slot);
    rig.machine.rings.slot(failing.slot).fail();
    let next = rig.submit(together(LaneMask::AIV0, 4), &[]);
    assert_eq!(rig.machine.drain(), 4);
    assert_eq!(rig.machine.placed(poisoned.slot), []);
    assert_eq!(rig.machine.placed(skipped.slot), []);
    assert_eq!(rig.machine.placed(next.slot).len(), 4, "the next one has the chip");
}
