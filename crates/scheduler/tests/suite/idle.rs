//! Where nothing may wait behind what a lane runs: each block begins when it is dispatched, and what needs a cluster gets
//! one.

use prewire_abi::LaneMask;
use prewire_ring::RingSizes;

use crate::rig::{Rig, on, spec};

/// A chip whose lanes take one thing at a time.
fn rig(clusters: u16, domains: u16) -> Rig {
    let rig = Rig::new(spec(clusters, domains), &RingSizes::default());
    rig.machine.scheduler.use_idle_lanes_only();
    rig
}

#[test]
fn nothing_goes_behind_what_runs() {
    let mut rig = rig(3, 3);
    let tasks: Vec<_> = [LaneMask::AIC, LaneMask::AIV0, LaneMask::ALL]
        .into_iter()
        .cycle()
        .take(30)
        .map(|lanes| rig.submit(on(lanes, 2), &[]).slot)
        .collect();
    let mut completed = rig.machine.poll_all().completed;
    while completed < 30 {
        for domain in 0..3 {
            assert!(!rig.machine.poll(domain).any(), "a second look finds nothing more to do");
        }
        let lane = rig.machine.chip.busy()[0];
        rig.machine.chip.finish(lane);
        completed += rig.machine.poll_all().completed;
    }
    assert!(rig.machine.chip.log().iter().all(|dispatch| !dispatch.behind));
    assert_eq!(rig.machine.order().len(), tasks.len());
}

/// As many blocks as there are lanes all run at the same time, however the domains learn of them.
#[test]
fn as_many_blocks_as_lanes_run_together() {
    let mut rig = rig(6, 3);
    for first in 0..3 {
        let task = rig.submit(on(LaneMask::AIV0, 12), &[]);
        let _ = rig.machine.poll(first);
        assert_eq!(rig.machine.placed(task.slot).len(), 12);
        assert_eq!(rig.machine.chip.busy().len(), 12);
        assert_eq!(rig.machine.drain(), 1);
    }
}

/// Single tasks keep coming, more than there are lanes: without a cluster that is kept, its lanes would never be idle at
/// the same time.
#[test]
fn a_stream_of_single_tasks_leaves_a_cluster_to_who_needs_one() {
    for (clusters, domains) in [(1, 1), (2, 1), (6, 3)] {
        let mut rig = rig(clusters, domains);
        let lanes = usize::from(3 * clusters);
        let more = |rig: &mut Rig| {
            rig.submit(on(LaneMask::AIC, 1), &[]);
            rig.submit(on(LaneMask::AIV0, 1), &[]);
            rig.submit(on(LaneMask::AIV0, 1), &[]);
        };
        (0..2 * lanes).for_each(|_| more(&mut rig));
        let _ = rig.machine.poll_all();
        assert_eq!(rig.machine.chip.busy().len(), lanes, "they have all of the chip");
        let wide = rig.submit(on(LaneMask::ALL, 1), &[]);
        let mut turns = 0;
        while rig.machine.placed(wide.slot).is_empty() {
            // One lane finishes at a time, the one that began first.
            let log = rig.machine.chip.log();
            let busy = rig.machine.chip.busy();
            let oldest = log.iter().rev().take(lanes).map(|d| d.lane).rfind(|lane| busy.contains(lane));
            rig.machine.chip.finish(oldest.unwrap());
            more(&mut rig);
            let _ = rig.machine.poll_all();
            turns += 1;
            assert!(turns <= 2 * lanes, "{clusters} clusters: it waits for ever");
        }
        let held = rig.machine.placed(wide.slot);
        assert_eq!(held.len(), 3);
        let rest = rig.machine.drain();
        assert!(rest > 0 && rig.machine.chip.busy().is_empty(), "and the others are not forgotten");
    }
}

/// The blocks of a task that has begun may wait for each other: a cluster that is kept for another is not kept from them.
#[test]
fn what_has_begun_is_given_the_lanes_that_are_kept() {
    for kept_in in [0, 1] {
        let mut rig = rig(2, 2);
        let others: Vec<_> = (0..4).map(|_| rig.submit(on(LaneMask::AIV0, 1), &[])).collect();
        let _ = rig.machine.poll_all();
        let lane_of = |rig: &Rig, of: usize| rig.machine.placed(others[of].slot)[0].0;
        // A lane of the first domain comes free, and the task begins there.
        let first = (0..4).find(|&of| rig.machine.chip.domain(lane_of(&rig, of)) == 0).unwrap();
        rig.machine.chip.finish(lane_of(&rig, first));
        let before = rig.submit(on(LaneMask::AIV0, 3), &[]);
        let _ = rig.machine.poll_all();
        assert_eq!(rig.machine.placed(before.slot).len(), 1);
        let wide = rig.submit(on(LaneMask::ALL, 1), &[]);
        let next = rig.submit(on(LaneMask::AIV0, 1), &[]);
        let _ = rig.machine.poll_all();
        let second =
            (0..4).find(|&of| of != first && rig.machine.chip.domain(lane_of(&rig, of)) == kept_in).unwrap();
        rig.machine.chip.finish(lane_of(&rig, second));
        let _ = rig.machine.poll(kept_in);
        assert_eq!(rig.machine.placed(before.slot).len(), 2, "kept in domain {kept_in}");
        assert!(
            rig.machine.placed(next.slot).is_empty(),
            "what has not begun goes behind what needs a cluster"
        );
        assert!(rig.machine.placed(wide.slot).is_empty());
        assert_eq!(rig.machine.drain(), 5);
    }
}

/// Who takes the last task that needs a cluster sees to it that the lanes kept for it elsewhere are used.
#[test]
fn what_is_kept_for_nobody_is_given_to_others() {
    let mut rig = rig(2, 2);
    let cubes: Vec<_> = (0..2).map(|_| rig.submit(on(LaneMask::AIC, 1), &[])).collect();
    let _ = rig.machine.poll_all();
    let wide = rig.submit(on(LaneMask::ALL, 1), &[]);
    let narrow: Vec<_> = (0..2).map(|_| rig.submit(on(LaneMask::AIV0, 1), &[])).collect();
    let _ = rig.machine.poll_all();
    assert_eq!(rig.machine.chip.busy().len(), 2, "both clusters are kept");
    let (lane, _) = rig.machine.placed(cubes[0].slot)[0];
    rig.machine.chip.finish(lane);
    let _ = rig.machine.poll(rig.machine.chip.domain(lane));
    assert_eq!(rig.machine.placed(wide.slot).len(), 3);
    for task in narrow {
        assert_eq!(rig.machine.placed(task.slot).len(), 1, "the other domain has lanes for it");
    }
    assert_eq!(rig.machine.drain(), 4);
}
