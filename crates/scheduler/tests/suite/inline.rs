//! What needs no lane: dummies, predicates that do not hold, what a failure takes along, and a run that was ended.

use prewire_abi::LaneMask;
use prewire_ring::{Attrs, Cold, RingSizes, SlotRef, Verdict};
use prewire_scheduler::Progress;

use crate::rig::{Rig, on, spec};

/// So long a chain that a call for each task of it would not fit into the stack below.
const CHAIN: u32 = if cfg!(miri) { 500 } else { 100_000 };
const STACK: usize = 256 << 10;

fn long() -> RingSizes {
    let room = (CHAIN + 2).next_power_of_two();
    RingSizes::default().with_window(room).with_deps(room)
}

/// Runs `body` on a small stack.
fn on_a_small_stack(body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(body).unwrap().join().unwrap();
}

/// A chain of `cold` behind a task on an AIC, which one poll has dispatched.
fn chain(cold: Cold) -> (Rig, SlotRef) {
    let mut rig = Rig::new(spec(1, 1), &long());
    let head = rig.submit(on(LaneMask::AIC, 1), &[]);
    let mut last = head.id;
    for _ in 0..CHAIN {
        last = rig.submit(cold, &[last]).id;
    }
    assert_eq!(rig.machine.poll(0).dispatched, 1);
    (rig, head.slot)
}

#[test]
fn a_chain_of_dummies_completes_in_one_poll() {
    on_a_small_stack(|| {
        let (rig, _) = chain(Cold::default());
        rig.machine.chip.finish(0);
        let all = Progress { completed: CHAIN + 1, failed: 0, dispatched: 0, retired: true };
        assert_eq!(rig.machine.poll(0), all);
        assert_eq!(rig.machine.rings.watermark(0), CHAIN + 1);
    });
}

#[test]
fn a_failure_takes_a_chain_along_in_one_poll() {
    on_a_small_stack(|| {
        let (rig, head) = chain(on(LaneMask::AIV0, 3));
        rig.machine.rings.slot(head).fail();
        rig.machine.chip.finish(0);
        let all = Progress { completed: CHAIN + 1, failed: CHAIN + 1, dispatched: 0, retired: true };
        assert_eq!(rig.machine.poll(0), all);
        assert!(rig.machine.rings.has_failed());
        assert_eq!(rig.machine.rings.watermark(0), CHAIN + 1);
    });
}

#[test]
fn a_run_that_was_ended_drains_without_a_dispatch() {
    on_a_small_stack(|| {
        let (mut rig, _) = chain(on(LaneMask::AIV0, 3));
        let attrs = Attrs { sync_start: true, ..Attrs::default() };
        rig.submit(Cold { attrs, ..on(LaneMask::AIV0, 2) }, &[]);
        rig.machine.rings.end();
        // What was ready goes at once; what runs is waited for, and then takes along what waits for it.
        assert_eq!(rig.machine.poll(0), Progress { completed: 1, failed: 1, dispatched: 0, retired: false });
        rig.machine.chip.finish(0);
        let rest = rig.machine.poll(0);
        assert_eq!((rest.completed, rest.dispatched), (CHAIN + 1, 0));
        assert_eq!((rig.machine.chip.log().len(), rig.machine.rings.usage(0).live), (1, 0));
    });
}

#[test]
fn a_dummy_that_is_ready_completes_in_the_next_poll() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let dummy = rig.submit(Cold::default(), &[]);
    let after = rig.submit(on(LaneMask::AIC, 1), &[dummy.id]);
    let progress = rig.machine.poll(0);
    assert_eq!(progress, Progress { completed: 1, failed: 0, dispatched: 1, retired: false });
    assert_eq!(rig.machine.order(), [after.slot]);
    assert_eq!(rig.machine.drain(), 1);
}

#[test]
fn a_predicate_decides_once_when_the_task_is_ready() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let attrs = Attrs { predicated: true, ..Attrs::default() };
    let producer = rig.submit(on(LaneMask::AIC, 1), &[]);
    let skipped = rig.submit(Cold { attrs, ..on(LaneMask::AIV0, 5) }, &[producer.id]);
    let taken = rig.submit(Cold { attrs, ..on(LaneMask::AIV0, 5) }, &[producer.id]);
    let after = rig.submit(on(LaneMask::AIC, 1), &[skipped.id]);
    rig.machine.predicates.refuse(skipped.slot);
    let _ = rig.machine.poll(0);
    assert_eq!(rig.machine.predicates.asked(), 0, "its writers are not complete");
    rig.machine.chip.finish(0);
    let progress = rig.machine.poll(0);
    assert_eq!((progress.completed, progress.failed), (2, 0), "the producer and what was skipped");
    assert_eq!(rig.machine.drain(), 2);
    assert_eq!(rig.machine.predicates.asked(), 2, "once a task, however many blocks");
    assert_eq!(rig.machine.placed(skipped.slot), []);
    assert_eq!(rig.machine.placed(taken.slot).len(), 5);
    assert_eq!(rig.machine.placed(after.slot).len(), 1, "a skipped task is complete, not failed");
    assert_eq!(rig.machine.rings.slot(skipped.slot).verdict(), Verdict::Sound);
}

/// The task of many blocks behind it becomes ready when the queues have been looked at, and nobody polls again.
#[test]
fn what_a_skipped_task_makes_ready_is_dispatched_by_the_same_poll() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let attrs = Attrs { predicated: true, ..Attrs::default() };
    let skipped = rig.submit(Cold { attrs, ..on(LaneMask::AIV0, 1) }, &[]);
    let after = rig.submit(on(LaneMask::AIV0, 3), &[skipped.id]);
    rig.machine.predicates.refuse(skipped.slot);
    assert_eq!(rig.machine.poll(0), Progress { completed: 1, failed: 0, dispatched: 3, retired: false });
    assert_eq!(rig.machine.placed(after.slot).len(), 3);
    assert_eq!(rig.machine.drain(), 1);
}

#[test]
fn after_a_failed_block_the_others_do_not_start() {
    let mut rig = Rig::new(spec(1, 1), &RingSizes::default());
    let task = rig.submit(on(LaneMask::AIC, 100), &[]);
    let after = rig.submit(on(LaneMask::AIV0, 1), &[task.id]);
    let _ = rig.machine.poll(0);
    rig.machine.rings.slot(task.slot).fail();
    rig.machine.chip.finish(0);
    assert_eq!(rig.machine.poll(0).completed, 0, "one block still runs");
    rig.machine.chip.finish(0);
    assert_eq!(rig.machine.poll(0), Progress { completed: 2, failed: 2, dispatched: 0, retired: true });
    assert_eq!(rig.machine.placed(task.slot).len(), 2);
    assert_eq!(rig.machine.rings.slot(after.slot).verdict(), Verdict::Poisoned);
    assert_eq!(rig.machine.rings.usage(0).live, 0);
}
