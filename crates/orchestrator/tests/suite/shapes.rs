//! A task is refused where no lane could ever run it, or where more of its blocks start together than there are lanes.

use prewire_abi::{LaneMask, Shape};
use prewire_orchestrator::{Args, Capacity, SubmitError};
use prewire_ring::{Attrs, Class, Cold, RingSizes};

use crate::rig::Rig;

const SINGLE: [Cold; 3] = [core(LaneMask::AIC), core(LaneMask::AIV1), core(LaneMask::ALL)];

const fn core(lanes: LaneMask) -> Cold {
    let attrs = Attrs { sync_start: false, predicated: false, unordered: false };
    Cold { shape: lanes.shape(), lanes, blocks: 1, attrs, callable: 0 }
}

#[test]
fn a_chip_runs_nothing_for_workers_and_a_node_nothing_for_cores() {
    let mut chip = Rig::new(&RingSizes::default());
    for cold in [Cold::worker(1, 0), Cold::worker(2, 0), Cold::sub(1, 0)] {
        let error = chip.try_submit_as(cold, &mut Args::default()).unwrap_err();
        assert_eq!(error, SubmitError::NoLane { shape: cold.shape });
        assert!(error.to_string().contains(cold.shape.name()), "{error}");
    }
    let mut node = Rig::with(&RingSizes::default(), Capacity::node(2, 1));
    for cold in SINGLE {
        let error = node.try_submit_as(cold, &mut Args::default()).unwrap_err();
        assert_eq!(error, SubmitError::NoLane { shape: cold.shape });
    }
    for rig in [&chip, &node] {
        assert_eq!((rig.orch.tasks(), rig.runner.rings.usage(0).live), (0, 0));
    }
}

#[test]
fn a_task_of_a_node_goes_to_the_queue_of_its_kind() {
    let mut rig = Rig::with(&RingSizes::default(), Capacity::node(2, 1));
    let together = Attrs { sync_start: true, ..Attrs::default() };
    for (cold, class) in [
        (Cold::worker(1, 5), Class::Worker),
        (Cold { attrs: together, ..Cold::worker(2, 5) }, Class::Worker),
        // Pieces that any may run are no cohort: more of them than lanes are legal.
        (Cold { attrs: together, ..Cold::sub(9, 5) }, Class::Sub),
        (Cold { blocks: 9, ..Cold::default() }, Class::Inline),
    ] {
        let made = rig.try_submit_as(cold, &mut Args::default()).unwrap();
        let slot = rig.slot_of(made.id);
        assert_eq!(rig.runner.ready.queue(class).pop(), Some(slot), "{cold:?}");
        let kept = rig.runner.rings.slot(slot).cold();
        assert_eq!((kept.shape, kept.blocks, kept.total()), (cold.shape, cold.blocks, cold.total()));
    }
}

#[test]
fn a_group_has_no_more_members_than_there_are_workers() {
    let mut rig = Rig::with(&RingSizes::default(), Capacity::node(3, 8));
    let error = rig.try_submit_as(Cold::worker(4, 0), &mut Args::default()).unwrap_err();
    assert_eq!(error, SubmitError::GroupTooWide { members: 4, allowed: 3 });
    let text = error.to_string();
    assert!(text.contains("4 members") && text.contains("3 workers"), "{text}");
    assert!(rig.try_submit_as(Cold::worker(3, 0), &mut Args::default()).is_ok());
    for cold in [Cold::worker(0, 0), Cold::sub(0, 0)] {
        let error = rig.try_submit_as(cold, &mut Args::default()).unwrap_err();
        assert!(matches!(error, SubmitError::Blocks { observed: 0, .. }), "{error}");
    }
}

/// What a chip says of blocks that start together has not changed: more than its cores is an error, more that do not
/// start together is not.
#[test]
fn a_cohort_is_no_wider_than_the_chip() {
    let mut rig = Rig::new(&RingSizes::default());
    for (lanes, most) in [(LaneMask::AIC, 24), (LaneMask::ALL, 24), (LaneMask::AIV0, 48)] {
        let wide = Cold { blocks: most + 1, ..core(lanes) };
        assert!(rig.try_submit_as(wide, &mut Args::default()).is_ok());
        let together = Attrs { sync_start: true, ..Attrs::default() };
        let error = rig.try_submit_as(Cold { attrs: together, ..wide }, &mut Args::default()).unwrap_err();
        let (blocks, allowed) = (u32::from(most) + 1, u32::from(most));
        assert_eq!(error, SubmitError::SyncStartTooWide { blocks, allowed });
        assert!(
            rig.try_submit_as(Cold { attrs: together, blocks: most, ..wide }, &mut Args::default()).is_ok()
        );
    }
    assert_eq!(Capacity::chip(24, 48).of(Shape::Dummy), u32::MAX);
}
