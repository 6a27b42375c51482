//! What cannot come about is said at the first look; what can is waited for.

use prewire_abi::TensorArgType::{InOut, Input};
use prewire_abi::{EdgeKind, ErrorCode, ScopeMode, TaskId};
use prewire_orchestrator::SubmitError;
use prewire_ring::{Class, RingSizes, Shortage};

use crate::rig::{Rig, after, existing, memory, nothing, outputs, tensors};

fn small(window: u32) -> RingSizes {
    RingSizes::default().with_window(window)
}

#[test]
fn a_scope_that_outgrows_its_window_is_told_at_the_first_look() {
    let mut rig = Rig::new(&small(4));
    rig.open();
    for _ in 0..3 {
        rig.try_alloc(4).unwrap();
    }
    let error = rig.try_alloc(4).unwrap_err();
    assert!(matches!(error, SubmitError::ScopeDeadlock { ring: 0, window: 3, .. }), "{error:?}");
    assert_eq!((rig.runner.waits, rig.runner.looks), (1, 1));
    assert_eq!(error.code(), Some(ErrorCode::ScopeDeadlock));
    let text = error.to_string();
    assert!(text.contains(file!()) && text.contains("RingSizes::window[0]"), "{text}");
}

/// The same with tasks: it is known when the oldest is complete, whether the others are or not.
#[test]
fn a_scope_of_tasks_that_outgrows_its_window_is_told_while_they_run() {
    let mut rig = Rig::new(&small(4));
    rig.open();
    let results: Vec<_> = (0..8).map(|_| rig.try_submit(&mut outputs(&[4])).map(|made| made.id)).collect();
    assert!(results[..3].iter().all(Result::is_ok));
    for result in &results[3..] {
        assert_eq!(result.unwrap_err().code(), Some(ErrorCode::ScopeDeadlock));
    }
    // Their end would free nothing: the scope holds them.
    assert_eq!((rig.runner.waits, rig.runner.looks), (5, 5));
    assert_eq!(rig.orch.tasks(), 3);
    rig.close();
    rig.submit(&mut nothing());
}

#[test]
fn more_heap_than_there_is_is_refused_without_waiting() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(1024));
    rig.open();
    let error = rig.try_submit(&mut outputs(&[8192 * 4])).unwrap_err();
    let SubmitError::TooLarge { ring: 0, blocked } = error else { panic!("{error:?}") };
    assert_eq!((blocked.shortage, blocked.wanted, blocked.capacity), (Shortage::Heap, 32768, 1024));
    assert_eq!((error.code(), rig.runner.waits), (Some(ErrorCode::HeapRingDeadlock), 0));
}

#[test]
fn a_heap_that_only_a_scope_can_free_is_told_at_the_first_look() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(2048));
    rig.open();
    let first = rig.try_alloc(1024).unwrap();
    rig.try_alloc(1).unwrap();
    let error = rig.try_submit(&mut outputs(&[1])).unwrap_err();
    let SubmitError::RingDeadlock { ring: 0, blocked, oldest: Some(oldest) } = error else {
        panic!("{error:?}")
    };
    assert_eq!((blocked.wanted, blocked.used, blocked.capacity), (1024, 2048, 2048));
    assert_eq!((oldest.id, oldest.site.unwrap().file()), (first.id, file!()));
    assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::HeapRingDeadlock), 1));
    assert!(error.to_string().contains("RingSizes::heap[0]"), "{error}");
}

#[test]
fn nested_scopes_that_share_a_ring_fill_it() {
    let mut rig = Rig::new(&small(4));
    let mut error = None;
    for depth in 0..8 {
        rig.open();
        for _ in 0..3 {
            match rig.try_submit(&mut outputs(&[4])) {
                Ok(made) => assert_eq!(made.id.ring(), depth.min(3)),
                Err(e) => error = error.or(Some((depth, e))),
            }
        }
    }
    let (depth, error) = error.expect("ring 3 holds three tasks");
    assert_eq!(depth, 4, "the first scope that shares the ring");
    assert!(matches!(error, SubmitError::RingDeadlock { ring: 3, .. }), "{error:?}");
    assert_eq!(error.code(), Some(ErrorCode::FlowControlDeadlock));
}

/// Producers that are complete, and that the open scope holds, become no fewer.
#[test]
fn more_held_edges_than_the_pool_has_are_refused_at_the_first_look() {
    let mut rig = Rig::new(&RingSizes::default().with_deps(4));
    rig.open();
    let producers: Vec<TaskId> = (0..128).map(|_| rig.submit(&mut outputs(&[4])).id).collect();
    assert_eq!(rig.runner.run_all(), 128);
    let error = rig.try_submit(&mut after(&producers, EdgeKind::BOTH)).unwrap_err();
    let SubmitError::TooLarge { ring: 0, blocked } = error else { panic!("{error:?}") };
    assert_eq!((blocked.shortage, blocked.wanted, blocked.capacity), (Shortage::Deps, 128, 4));
    assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::DepPoolOverflow), 1));
    assert_eq!(rig.submit(&mut after(&producers[..4], EdgeKind::BOTH)).id, TaskId::new(0, 128));
}

/// It is known as soon as more of them are complete than the pool has entries.
#[test]
fn more_held_edges_than_the_pool_has_are_refused_while_their_tasks_run() {
    let mut rig = Rig::new(&RingSizes::default().with_deps(4));
    rig.open();
    let producers: Vec<TaskId> = (0..128).map(|_| rig.submit(&mut outputs(&[4])).id).collect();
    let error = rig.try_submit(&mut after(&producers, EdgeKind::BOTH)).unwrap_err();
    let SubmitError::TooLarge { ring: 0, blocked } = error else { panic!("{error:?}") };
    assert_eq!((blocked.shortage, blocked.wanted, blocked.capacity), (Shortage::Deps, 128, 4));
    assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::DepPoolOverflow), 1));
    assert_eq!(rig.orch.tasks(), 128);
}

/// Readers that end take no entry: a write is waited for until the rest of them fits.
#[test]
fn a_write_after_more_readers_than_the_pool_has_entries_waits_until_they_fit() {
    let mut rig = Rig::new(&RingSizes::default().with_deps(8));
    let readers: Vec<_> =
        (0..20).map(|_| rig.submit(&mut tensors(&[existing(memory(0), Input)])).id).collect();
    let writer = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert_eq!((rig.runner.waits, rig.runner.looks), (1, 1 + 12), "one step for each that does not fit");
    let mut edges = rig.edges(writer.id);
    edges.sort_unstable_by_key(|edge| edge.0);
    assert_eq!(edges, readers[12..].iter().map(|&id| (id, EdgeKind::WAIT)).collect::<Vec<_>>());
    assert_eq!(rig.runner.queued(), 8, "the writer waits for them");
    assert_eq!(rig.runner.run_all(), 9);
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn a_run_that_was_ended_ends_the_wait_for_readers() {
    let mut rig = Rig::new(&RingSizes::default().with_deps(8));
    for _ in 0..20 {
        rig.submit(&mut tensors(&[existing(memory(0), Input)]));
    }
    rig.runner.ends_in_wait = true;
    let error = rig.try_submit(&mut tensors(&[existing(memory(0), InOut)])).unwrap_err();
    assert_eq!((error, rig.runner.looks), (SubmitError::RunEnded, 1));
    rig.orch.finish_run(&mut rig.runner);
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn edges_of_tasks_that_a_scope_holds_are_a_deadlock() {
    let mut rig = Rig::new(&RingSizes::default().with_deps(4));
    rig.open();
    let producers: Vec<TaskId> = (0..3).map(|_| rig.submit(&mut outputs(&[4])).id).collect();
    rig.submit(&mut after(&producers, EdgeKind::WAIT));
    assert_eq!(rig.runner.run_all(), 4);
    let error = rig.try_submit(&mut after(&producers, EdgeKind::WAIT)).unwrap_err();
    assert!(matches!(error, SubmitError::RingDeadlock { .. }), "{error:?}");
    assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::DepPoolOverflow), 1));
}

#[test]
fn a_tensor_map_full_of_what_a_scope_holds_is_told() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
    rig.open();
    rig.try_alloc(4).unwrap();
    let mut last = Ok(());
    for n in 0..65 {
        last = rig.try_submit(&mut tensors(&[existing(memory(n), InOut)])).map(|_| ());
        let _ = rig.runner.run_all();
    }
    let error = last.unwrap_err();
    assert_eq!(error, SubmitError::TensorMapDeadlock { wanted: 1, capacity: 64 });
    assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::TensorMapOverflow), 1));
    rig.close();
    rig.submit(&mut tensors(&[existing(memory(65), InOut)]));
}

/// A task that runs in another ring, and that the map remembers nothing of, does not delay that; one that it remembers
/// might be enough, and is waited for.
#[test]
fn a_tensor_map_full_of_what_a_scope_holds_is_told_while_a_task_runs_elsewhere() {
    for remembered in [0, 1] {
        let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
        rig.submit(&mut tensors(&vec![existing(memory(100), InOut); remembered]));
        let runs = rig.runner.ready.queue(Class::Aiv).pop().unwrap();
        rig.open();
        rig.open();
        rig.try_alloc(4).unwrap();
        for n in 0..64 - remembered as u64 {
            rig.submit(&mut tensors(&[existing(memory(n), InOut)]));
        }
        assert_eq!(rig.runner.run_all(), 64 - remembered);
        // For the one that runs it waits until that is complete.
        if remembered == 1 {
            rig.runner.ready.queue(Class::Aiv).push(runs);
        }
        let last = rig.try_submit(&mut tensors(&[existing(memory(65), InOut)]));
        if remembered == 0 {
            let error = last.unwrap_err();
            assert_eq!(error, SubmitError::TensorMapDeadlock { wanted: 1, capacity: 64 });
            assert_eq!((rig.runner.waits, rig.runner.looks), (1, 1));
            rig.runner.complete(runs);
        } else {
            last.unwrap();
            assert_eq!((rig.runner.waits, rig.runner.looks), (1, 2));
        }
    }
}

/// A full window is waited for while a task runs: a thousand tasks go through one of three places.
#[test]
fn a_full_window_is_back_pressure_while_tasks_run() {
    let mut rig = Rig::new(&small(4));
    for _ in 0..1000 {
        rig.submit(&mut nothing());
    }
    assert_eq!(rig.orch.tasks(), 1000);
    assert_eq!((rig.runner.waits, rig.runner.looks), (997, 2 * 997), "one step each");
    assert_eq!(rig.runner.run_all(), 3);
}

#[test]
fn a_full_heap_or_map_is_back_pressure_while_tasks_run() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(4096).with_tensor_map(64));
    for n in 0..500 {
        rig.open();
        rig.submit(&mut outputs(&[2048]));
        rig.submit(&mut tensors(&[existing(memory(n), Input), existing(memory(n + 1000), Input)]));
        rig.close();
    }
    assert!(rig.runner.waits > 0);
    let _ = rig.runner.run_all();
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn a_run_that_was_ended_ends_the_wait() {
    let mut rig = Rig::new(&small(4));
    rig.open();
    for _ in 0..3 {
        rig.submit(&mut outputs(&[4]));
    }
    rig.runner.ends_in_wait = true;
    let error = rig.try_submit(&mut nothing()).unwrap_err();
    assert_eq!((error, rig.runner.looks), (SubmitError::RunEnded, 1));
    // From then on every call is refused without a look.
    rig.runner.ends_in_wait = false;
    assert_eq!(rig.try_submit(&mut nothing()).unwrap_err(), SubmitError::RunEnded);
    assert_eq!(rig.try_open(ScopeMode::Auto), Err(SubmitError::RunEnded));
    assert_eq!(rig.runner.looks, 1);
    assert_eq!(error.code(), None, "the root cause has the code");
    rig.orch.finish_run(&mut rig.runner);
    rig.orch.start_run();
    rig.submit(&mut nothing());
}
