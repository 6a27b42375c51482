//! What is given back, and when: slots in order, heap bytes to the last one, edges with their task.

use prewire_abi::{EdgeKind, TaskId, TensorArgType};
use prewire_ring::{Class, RingSizes, Verdict};

use crate::rig::{Rig, after, existing, memory, nothing, outputs, tensors};

#[test]
fn the_watermark_stops_at_the_oldest_that_lives_and_passes_all_that_ended_behind_it() {
    let mut rig = Rig::new(&RingSizes::default());
    let ids: Vec<TaskId> = (0..5).map(|_| rig.submit(&mut nothing()).id).collect();
    let slots: Vec<_> = core::iter::from_fn(|| rig.runner.ready.queue(Class::Aiv).pop()).collect();
    assert_eq!(slots, ids.iter().map(|&id| rig.slot_of(id)).collect::<Vec<_>>());
    for (i, seen) in [(1, 0), (3, 0), (0, 2), (4, 2), (2, 5)] {
        rig.runner.complete(slots[i]);
        assert_eq!(rig.runner.rings.watermark(0), seen, "after task {i}");
        // Another look finds nothing new, and takes nothing back.
        rig.runner.rings.advance(0);
        assert_eq!(rig.runner.rings.watermark(0), seen);
    }
}

#[test]
fn a_slot_that_is_used_again_knows_nothing_of_its_last_task() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    rig.open();
    let producer = rig.submit(&mut outputs(&[64])).id;
    let failed = rig.submit(&mut after(&[producer], EdgeKind::BOTH)).id;
    let poisoned = rig.submit(&mut after(&[failed], EdgeKind::BOTH)).id;
    rig.state(failed).fail();
    assert_eq!(rig.runner.run_all(), 1, "the others end with the producer and the failure");
    let slots = [producer, failed, poisoned].map(|id| rig.slot_of(id));
    rig.close();
    let mut reused = 0;
    for _ in 0..8 {
        let made = rig.submit(&mut nothing());
        let state = rig.state(made.id);
        assert_eq!((state.waits(), rig.holds(made.id), state.done()), (0, 1, 0), "{made:?}");
        assert_eq!((state.verdict(), state.id()), (Verdict::Sound, made.id));
        assert_eq!(rig.edges(made.id), []);
        reused += usize::from(slots.contains(&rig.slot_of(made.id)));
        assert_eq!(rig.runner.run_all(), 1);
    }
    assert_eq!(reused, 6, "each of the three slots twice");
}

/// The oldest task of a shared ring belongs to a scope that is closed, and only has not ended: that will pass, although
/// the scope around it is open and holds all the rest.
#[test]
fn what_a_closed_scope_left_running_is_waited_for_although_its_parent_is_open() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    (0..4).for_each(|_| rig.open());
    rig.open();
    let left = rig.submit(&mut outputs(&[64]));
    rig.close();
    let held = [rig.submit(&mut outputs(&[64])), rig.submit(&mut outputs(&[64]))];
    assert_eq!(held.each_ref().map(|made| made.id.ring()), [left.id.ring(); 2]);
    let next = rig.submit(&mut outputs(&[64]));
    assert_eq!((rig.runner.waits, rig.runner.looks), (1, 2), "one task had to end");
    // Now all of them are the parent's, and the oldest ends before anybody looks: that will not pass.
    assert!(rig.runner.run_all() >= 2, "{next:?}");
    let error = rig.try_submit(&mut outputs(&[64])).unwrap_err();
    assert_eq!(error.code(), Some(prewire_abi::ErrorCode::ScopeDeadlock), "{error:?}");
    assert_eq!((rig.runner.waits, rig.runner.looks), (2, 3), "told at the first look");
}

#[test]
fn a_heap_is_filled_to_its_last_byte_and_starts_over() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(4096));
    let mut at = |bytes: &[u32]| {
        rig.open();
        let made = rig.submit(&mut outputs(bytes));
        rig.close();
        assert_eq!((rig.runner.run_all(), rig.runner.waits), (1, 0), "{bytes:?}");
        made.outputs[0].buffer_addr() & 0xFFFF
    };
    // It fits before the end exactly; the next begins at the start.
    assert_eq!([at(&[3072]), at(&[1024]), at(&[1024])], [0, 3072, 0]);
    // 3072 bytes are left before the end, 4096 in all: an empty heap takes them whole, from the start.
    assert_eq!([at(&[4096]), at(&[4096])], [0, 0]);
    // No bytes at all, then all of them: what has no bytes keeps none.
    assert_eq!(at(&[1]), 0);
    rig.submit(&mut nothing());
    rig.open();
    assert_eq!(rig.submit(&mut outputs(&[4096])).outputs[0].buffer_addr() & 0xFFFF, 0);
}

/// Tasks of one ring retire, those of another do not: a lookup passes over the first and finds the others.
#[test]
fn accesses_of_a_ring_that_moved_on_do_not_hide_those_of_another() {
    let mut rig = Rig::new(&RingSizes::default());
    let read = || tensors(&[existing(memory(0), TensorArgType::Input)]);
    let outer = [rig.submit(&mut read()).id, rig.submit(&mut read()).id];
    // Taken, and not complete.
    let running: Vec<_> = core::iter::from_fn(|| rig.runner.ready.queue(Class::Aiv).pop()).collect();
    rig.open();
    rig.open();
    let inner = [rig.submit(&mut read()).id, rig.submit(&mut read()).id];
    assert_eq!(inner.map(TaskId::ring), [1, 1]);
    assert_eq!(rig.runner.run_all(), 2);
    assert_eq!((rig.runner.rings.watermark(0), rig.runner.rings.watermark(1)), (0, 2));
    let late = rig.submit(&mut read()).id;
    let writer = rig.submit(&mut tensors(&[existing(memory(0), TensorArgType::InOut)]));
    let mut edges = rig.edges(writer.id);
    edges.sort_unstable_by_key(|edge| edge.0);
    assert_eq!(edges, [outer[0], outer[1], late].map(|id| (id, EdgeKind::WAIT)));
    running.into_iter().for_each(|slot| rig.runner.complete(slot));
    assert_eq!(rig.runner.run_all(), 2, "the late reader and the writer");
}

#[test]
fn what_was_complete_from_birth_makes_way_behind_what_ends() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    rig.open();
    for first in [0, 1] {
        (0..first).for_each(|_| drop(rig.submit(&mut nothing())));
        for _ in first..3 {
            rig.try_alloc(0).unwrap();
        }
        rig.runner.run_all();
        // One that runs for long does not keep the next one waiting.
        rig.submit(&mut nothing());
        let long = Class::ALL.into_iter().find_map(|class| rig.runner.ready.queue(class).pop()).unwrap();
        rig.submit(&mut nothing());
        rig.runner.complete(long);
        rig.runner.run_all();
    }
}
