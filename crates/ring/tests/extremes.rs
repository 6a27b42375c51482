//! Ids and sizes at the ends of their ranges: a task is alive only between the watermark and the head, however far
//! away its number is, and no size wraps around to a small one.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod common;

use common::complete;
use prewire_abi::{EdgeKind, LaneMask, Shape, TaskId};
use prewire_ring::{Allocator, Cold, Need, Placed, RingSizes, Rings, Routed, Shortage};
use std::sync::Arc;

const WINDOW: u32 = 16;

/// Rings after `retired` tasks, of which nothing is alive.
fn after(retired: u32) -> (Arc<Rings>, Allocator) {
    let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(WINDOW), 1).unwrap();
    for _ in 0..retired {
        let placed = place(&mut allocator, 0);
        rings.publish_unwired(placed.slot);
        complete(&rings, &placed);
    }
    (rings, allocator)
}

fn place(allocator: &mut Allocator, deps: u32) -> Placed {
    let need = Need { deps, ..Need::default() };
    allocator.try_reserve(0, &need).unwrap();
    allocator.commit(0, &need, Cold::default())
}

/// The numbers of tasks that many tasks ago: local numbers come around after 2^32, so those are as good as submitted.
fn long_ago(next: u32) -> impl Iterator<Item = TaskId> {
    let half = 1u32 << 31;
    [
        1,
        2,
        WINDOW,
        WINDOW + 1,
        1 << 30,
        half - 1,
        half,
        half + 1,
        half + WINDOW,
        half + (1 << 30),
        u32::MAX - WINDOW,
    ]
    .into_iter()
    .map(move |ago| TaskId::new(0, next.wrapping_sub(ago)))
}

/// Whatever the runs before have used, a run has all the room, and uses the memory that they have used: its slots, edges and arguments
/// begin where theirs began. The numbers that are left out for that are no tasks.
#[test]
fn a_run_has_all_the_room_and_begins_where_the_one_before_did() {
    const DEPS: u32 = 24;
    let sizes = RingSizes::default().with_window(WINDOW).with_deps(DEPS);
    let (rings, mut allocator) = Rings::new(&sizes, 1).unwrap();
    let (mut first, mut number) = (None, 0);
    for tasks in [1, 5, 0, 13, WINDOW, WINDOW + 1, 2] {
        allocator.start_run();
        assert_eq!((allocator.next(0), allocator.taken()), (number, 0), "before {tasks}");
        assert_eq!((rings.unfinished(), rings.usage(0).live), (0, 0), "before {tasks}");
        number += tasks.next_multiple_of(WINDOW);
        assert_eq!(allocator.try_reserve(0, &Need { deps: DEPS, args: 8192, ..Need::default() }), Ok(()));
        for task in 0..tasks {
            let need = Need { deps: 1, args: 600, ..Need::default() };
            allocator.try_reserve(0, &need).unwrap();
            let placed = allocator.commit(0, &need, Cold::default());
            assert_eq!(placed.args % 8192, task * 600 % 8192, "task {task} of {tasks}");
            assert!(allocator.wire(&placed, &[(placed.id, EdgeKind::NONE)]));
            let edge = rings.deps(placed.slot).next().map(|dep| core::ptr::from_ref(dep).addr());
            if task == 0 {
                assert_eq!(*first.get_or_insert((placed.slot, edge)), (placed.slot, edge), "of {tasks}");
            }
            complete(&rings, &placed);
        }
        assert_eq!((allocator.taken(), rings.unfinished()), (tasks.into(), 0));
    }
}

/// What failed in a run is known for as long as that goes on, whatever the slots still say of earlier runs.
#[test]
fn a_run_remembers_its_failures() {
    let (rings, mut allocator) = after(0);
    let mut run = |failing: u32, tasks: u32| {
        allocator.start_run();
        let ids = (0..tasks).map(|task| {
            let placed = place(&mut allocator, 0);
            rings.publish_unwired(placed.slot);
            if task < failing {
                rings.slot(placed.slot).fail();
            }
            complete(&rings, &placed);
            placed.id
        });
        let ids: Vec<TaskId> = ids.collect();
        ids.iter().map(|&id| allocator.retired(id)).collect::<Vec<_>>()
    };
    for (failing, tasks) in [(12, 12), (5, 5), (1, 3 * WINDOW), (0, WINDOW), (2, 2 * WINDOW + 3)] {
        let expected: Vec<_> = (0..tasks).map(|task| Some(task < failing)).collect();
        assert_eq!(run(failing, tasks), expected, "{failing} of {tasks}");
    }
}

/// As long as somebody has a number to tell, numbers go on without a gap: left out, they would have gone round sooner than he comes to it.
#[test]
fn no_number_is_left_out_while_one_is_to_be_told() {
    let (rings, mut allocator) = after(0);
    let mut late = None;
    for run in 0..5 * WINDOW {
        allocator.start_run();
        assert_eq!((allocator.next(0), rings.unfinished()), (run, run.min(1)));
        let placed = place(&mut allocator, 0);
        let routed = rings.complete(0, &mut vec![placed.slot], &mut |_| {});
        match &late {
            None => late = Some(routed),
            Some(_) => rings.retire(&routed),
        }
        rings.advance_all_in_turn();
    }
    rings.retire(&late.unwrap());
    assert!(allocator.is_drained(), "the watermark is at {}", rings.watermark(0));
    complete(&rings, &place(&mut allocator, 0));
    allocator.start_run();
    assert_eq!(allocator.next(0), 6 * WINDOW);
}

/// What a consumer in another ring lets go of moves the watermark as far as is known, and that is not to where the run before was.
#[test]
fn there_is_nothing_to_walk_over_in_numbers_that_are_left_out() {
    let (rings, mut allocator) = after(3);
    allocator.start_run();
    allocator.set_floor(0, Some(WINDOW));
    let born = place(&mut allocator, 0);
    allocator.complete_unwired(&born);
    let consumer = allocator.commit(1, &Need { deps: 1, ..Need::default() }, Cold::default());
    assert!(allocator.wire(&consumer, &[(born.id, EdgeKind::BOTH)]));
    allocator.set_floor(0, None);
    complete(&rings, &consumer);
    assert!(rings.watermark(0) <= allocator.next(0), "at {}, past what is there", rings.watermark(0));
    rings.advance(0);
    assert!(allocator.is_drained());
}

/// Each ring begins anew, whatever the others have had.
#[test]
fn every_ring_begins_at_its_start() {
    let sizes = RingSizes::default().with_window(WINDOW);
    let (rings, mut allocator) = Rings::new(&sizes, 1).unwrap();
    let mut firsts = [None; 4];
    for run in 0..5u32 {
        allocator.start_run();
        for (ring, first) in firsts.iter_mut().enumerate() {
            for task in 0..(run + ring as u32) % 4 * 5 {
                let placed = allocator.commit(ring, &Need::default(), Cold::default());
                if task == 0 {
                    assert_eq!(*first.get_or_insert(placed.slot), placed.slot, "ring {ring} in run {run}");
                }
                complete(&rings, &placed);
            }
        }
        assert_eq!(rings.unfinished(), 0);
        assert!((0..4).all(|ring| rings.usage(ring).live == 0));
    }
}

/// What was taken without a note is counted when an open scope holds it, with what may be skipped.
#[test]
fn what_nobody_noted_is_needed_too() {
    let (_, mut allocator) = after(0);
    let mut outputs = |bytes| {
        let need = Need { heap: bytes, ..Need::default() };
        allocator.try_reserve(0, &need).unwrap();
        let placed = allocator.commit(0, &need, Cold::default());
        allocator.complete_unwired(&placed);
        allocator.set_floor(0, Some(placed.id.local() + 1));
        allocator.marks(0).heap.needed
    };
    assert_eq!(outputs(4096), 4096);
    assert_eq!(outputs(1), 4096, "held since the floor was set");
    let need = |heap| Need { heap, ..Need::default() };
    for bytes in [4096, 1024] {
        allocator.try_reserve(0, &need(bytes)).unwrap();
        let _ = allocator.commit(0, &need(bytes), Cold::default());
    }
    allocator.set_floor(0, None);
    assert_eq!(allocator.marks(0).heap.needed, 5120 + 3072);
}

#[test]
fn a_task_is_retired_however_long_ago_it_was() {
    for retired in [0, 1, 5, WINDOW, 3 * WINDOW + 7] {
        let (rings, mut allocator) = after(retired);
        for id in long_ago(retired) {
            assert_eq!(allocator.retired(id), Some(false), "{id} after {retired}");
            assert_eq!(allocator.completed(id), Some(false), "{id} after {retired}");
        }
        // With some alive, those are, and no other.
        let live: Vec<Placed> = (0..5).map(|_| place(&mut allocator, 0)).collect();
        for placed in &live {
            assert_eq!(allocator.retired(placed.id), None);
            rings.publish_unwired(placed.slot);
        }
        for id in long_ago(retired) {
            assert_eq!(allocator.retired(id), Some(false), "{id} before five live ones from {retired} on");
        }
        live.iter().for_each(|placed| complete(&rings, placed));
        assert!(allocator.is_drained());
    }
}

/// What is told of the completion of a task with this number, of other rings.
fn told_of(number: u32) -> Routed {
    let (rings, mut allocator) = after(number);
    let placed = place(&mut allocator, 0);
    rings.publish_unwired(placed.slot);
    rings.complete(0, &mut vec![placed.slot], &mut |_| {})
}

/// What was consumed may be told so late that its number is taken for one that is still to come.
#[test]
fn what_is_told_very_late_moves_nothing_beyond_the_head() {
    let told = told_of(100);
    let (rings, mut allocator) = after(20);
    rings.retire(&told);
    assert!(allocator.is_drained(), "the watermark is at {}", rings.watermark(0));
    let live = place(&mut allocator, 0);
    rings.publish_unwired(live.slot);
    complete(&rings, &live);
    assert!(allocator.is_drained());
}

/// Nor does it hide what is told with it.
#[test]
fn what_is_told_very_late_hides_nothing_that_is_told_with_it() {
    let mut told = told_of(100);
    let (rings, mut allocator) = after(20);
    let last = place(&mut allocator, 0);
    rings.publish_unwired(last.slot);
    told.add(rings.complete(0, &mut vec![last.slot], &mut |_| {}));
    rings.retire(&told);
    assert!(allocator.is_drained(), "the watermark is at {}", rings.watermark(0));
}

/// What a consumer in another ring lets go of is retired with it, although whoever completes the consumer knows no number of that ring.
#[test]
fn what_is_let_go_of_in_another_ring_is_retired() {
    let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(WINDOW), 2).unwrap();
    let outer = place(&mut allocator, 0);
    rings.publish_unwired(outer.slot);
    let need = Need { deps: 1, ..Need::default() };
    let consumers = [0, 1].map(|_| {
        let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, ..Cold::default() };
        let placed = allocator.commit(1, &need, cold);
        assert!(!allocator.wire(&placed, &[(outer.id, EdgeKind::BOTH)]));
        placed
    });
    complete(&rings, &outer);
    assert_eq!((rings.holds(outer.id), rings.watermark(0)), (Some(2), 0));
    for (by, placed) in [1, 0].into_iter().zip(consumers) {
        let routed = rings.complete(by, &mut vec![placed.slot], &mut |_| {});
        rings.retire(&routed);
        let retired = u32::from(by == 0);
        assert_eq!(rings.watermark(0), retired);
        assert_eq!(rings.holds(outer.id), (by == 1).then_some(1));
    }
    assert!(allocator.is_drained());
}

/// The same of one that is complete from birth, and in no scope: nobody ever ended it.
#[test]
fn what_was_complete_from_birth_is_retired_when_it_is_let_go_of_in_another_ring() {
    let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(WINDOW), 1).unwrap();
    let born = place(&mut allocator, 0);
    allocator.complete_unwired(&born);
    let consumer = allocator.commit(1, &Need { deps: 1, ..Need::default() }, Cold::default());
    assert!(allocator.wire(&consumer, &[(born.id, EdgeKind::BOTH)]));
    assert_eq!(rings.holds(born.id), Some(1));
    complete(&rings, &consumer);
    assert_eq!((rings.watermark(0), rings.holds(born.id)), (1, None));
    assert!(allocator.is_drained());
}

/// Nobody holds what is not alive, however long ago it was, or what is still to come.
#[test]
fn only_what_is_alive_is_held() {
    let (rings, mut allocator) = after(40);
    let live = place(&mut allocator, 0);
    rings.publish_unwired(live.slot);
    for id in long_ago(40) {
        assert_eq!(rings.holds(id), None, "{id}");
    }
    assert_eq!((rings.holds(live.id), rings.holds(TaskId::new(0, 41))), (Some(1), None));
}

/// A task and its producer of long ago may have the same slot: nobody waits for itself.
#[test]
fn an_edge_to_a_task_of_long_ago_is_over() {
    for retired in [0, 5, WINDOW + 3] {
        let (rings, mut allocator) = after(retired);
        for kind in [EdgeKind::WAIT, EdgeKind::RETAIN, EdgeKind::BOTH] {
            for ago in [1u32 << 31, (1 << 31) + WINDOW, u32::MAX - 2 * WINDOW + 1] {
                let placed = place(&mut allocator, 1);
                let old = TaskId::new(0, placed.id.local().wrapping_sub(ago));
                assert!(allocator.wire(&placed, &[(old, kind)]), "{kind:?} to {old} from {}", placed.id);
                complete(&rings, &placed);
                assert!(allocator.is_drained(), "{kind:?}: it holds nothing");
            }
        }
    }
}

/// A run that fits fits again, wherever the run before has left the heap: it finds it at its start, all of it free.
#[test]
fn a_run_finds_its_heap_at_the_start_and_free() {
    let (rings, mut allocator) = Rings::new(&RingSizes::default().with_window(8).with_heap(4096), 1).unwrap();
    for run in 0..20 {
        allocator.start_run();
        let placed = [2048, 2048].map(|heap| {
            let need = Need { heap, ..Need::default() };
            allocator.try_reserve(0, &need).unwrap_or_else(|blocked| panic!("run {run}: {blocked}"));
            let placed = allocator.commit(0, &need, Cold::default());
            rings.publish_unwired(placed.slot);
            placed
        });
        assert_eq!(placed.map(|placed| placed.heap), [0, 2048], "run {run}");
        placed.iter().for_each(|placed| complete(&rings, placed));
        let last = Need { heap: 1024, ..Need::default() };
        allocator.try_reserve(0, &last).unwrap();
        let placed = allocator.commit(0, &last, Cold::default());
        rings.publish_unwired(placed.slot);
        complete(&rings, &placed);
        assert!(allocator.is_drained());
    }
}

/// Whoever records what happens sees a task complete before a task that waited for it can be anywhere.
#[test]
fn a_completion_is_told_before_what_follows_from_it() {
    let (rings, mut allocator) = after(0);
    let first = place(&mut allocator, 0);
    rings.publish_unwired(first.slot);
    let need = Need { deps: 1, ..Need::default() };
    let cold = Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, ..Cold::default() };
    allocator.try_reserve(0, &need).unwrap();
    let second = allocator.commit(0, &need, cold);
    assert!(!allocator.wire(&second, &[(first.id, EdgeKind::BOTH)]));
    let told = std::cell::RefCell::new(Vec::new());
    let routed = rings.complete_telling(
        0,
        &mut vec![first.slot],
        &mut |_, state| told.borrow_mut().push(("ready", state.id())),
        &mut |slot| told.borrow_mut().push(("done", rings.slot(slot).id())),
    );
    assert_eq!((routed.completed, routed.failed), (1, 0));
    assert_eq!(told.into_inner(), [("done", first.id), ("ready", second.id)]);
}

/// Said with the numbers asked for, and nothing is taken.
#[test]
fn a_size_that_no_multiple_of_the_alignment_reaches_is_hopeless_and_no_overflow() {
    let (_, mut allocator) = after(3);
    let size = allocator.heap_size(0);
    for heap in [size + 1, u64::MAX - 1024, u64::MAX - 1023, u64::MAX - 1, u64::MAX] {
        let blocked = allocator.try_reserve(0, &Need { heap, ..Need::default() }).unwrap_err();
        assert_eq!((blocked.shortage, blocked.wanted, blocked.capacity), (Shortage::Heap, heap, size));
        assert!(blocked.is_hopeless());
    }
    assert!(allocator.try_reserve(0, &Need { heap: size, ..Need::default() }).is_ok());
    assert_eq!(place(&mut allocator, 0).id, TaskId::new(0, 3));
}

/// What has completed is not unfinished, whether a scope still holds it or not; what is complete from birth never was.
#[test]
fn what_has_completed_is_not_unfinished() {
    let (rings, mut allocator) = after(3);
    assert_eq!(rings.unfinished(), 0);
    allocator.set_floor(0, Some(3));
    let held = place(&mut allocator, 0);
    let born = place(&mut allocator, 0);
    assert_eq!(rings.unfinished(), 2);
    allocator.complete_unwired(&born);
    assert_eq!(rings.unfinished(), 1);
    complete(&rings, &held);
    assert_eq!((rings.unfinished(), rings.usage(0).live), (0, 2), "alive, as the scope holds them");
}
