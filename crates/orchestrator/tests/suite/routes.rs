//! The three routes of a task: nothing to wait for, everything complete, something alive.

use prewire_abi::{EdgeKind, ErrorCode, TaskId, TensorArgType};
use prewire_orchestrator::{Args, SubmitError};
use prewire_ring::{Class, RingSizes, Verdict};

use crate::rig::{Rig, after, existing, memory, nothing, outputs, tensors};

#[test]
fn a_task_without_producers_is_queued_at_once() {
    let mut rig = Rig::new(&RingSizes::default());
    let made = rig.submit(&mut nothing());
    assert_eq!(rig.runner.ready.queue(Class::Aiv).pop(), Some(rig.slot_of(made.id)));
    assert_eq!((rig.state(made.id).waits(), rig.holds(made.id)), (0, 1));
    assert_eq!((rig.runner.published, rig.runner.waits), (1, 0));
    assert_eq!(rig.edges(made.id), []);
}

#[test]
fn producers_that_are_complete_but_alive_are_linked_and_not_waited_for() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    // Outputs keep them alive until the scope closes.
    let producers = [rig.submit(&mut outputs(&[64])).id, rig.submit(&mut outputs(&[64])).id];
    assert_eq!(rig.runner.run_all(), 2);
    let made = rig.submit(&mut after(&producers, EdgeKind::BOTH));
    assert_eq!(rig.runner.queued(), 1);
    assert_eq!(rig.state(made.id).waits(), 0);
    assert_eq!(rig.edges(made.id), producers.map(|id| (id, EdgeKind::BOTH)));
    assert_eq!(rig.holds(producers[0]), 1, "the consumer's");
}

#[test]
fn only_what_is_alive_is_waited_for() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let ids: Vec<TaskId> = (0..3).map(|_| rig.submit(&mut outputs(&[64])).id).collect();
    let _ = rig.runner.step();
    let _ = rig.runner.step();
    let made = rig.submit(&mut after(&ids, EdgeKind::WAIT));
    assert_eq!(rig.state(made.id).waits(), 1);
    assert_eq!(rig.runner.queued(), 1, "the third producer, and not the consumer");
    assert_eq!(rig.runner.step(), Some(rig.slot_of(ids[2])));
    assert_eq!(rig.runner.step(), Some(rig.slot_of(made.id)));
    assert_eq!(rig.runner.step(), None);
}

#[test]
fn retired_producers_take_no_entry() {
    let mut rig = Rig::new(&RingSizes::default());
    let ids: Vec<TaskId> = (0..3).map(|_| rig.submit(&mut nothing()).id).collect();
    assert_eq!(rig.runner.run_all(), 3);
    let made = rig.submit(&mut after(&ids, EdgeKind::BOTH));
    assert_eq!(rig.edges(made.id), []);
    assert_eq!(rig.runner.queued(), 1);
}

#[test]
fn the_kinds_of_duplicates_are_merged_into_one_edge() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let producer = rig.submit(&mut outputs(&[64]));
    let mut args = after(&[producer.id, producer.id], EdgeKind::WAIT);
    args.after(producer.id, EdgeKind::RETAIN);
    let explicit = rig.submit(&mut args);
    assert_eq!(rig.edges(explicit.id), [(producer.id, EdgeKind::BOTH)]);
    assert_eq!((rig.state(explicit.id).waits(), rig.holds(producer.id)), (1, 2));
    // Explicit, as its creator, and as what last wrote it.
    let mut args = tensors(&[producer.output(TensorArgType::Input)]);
    args.after(producer.id, EdgeKind::WAIT);
    let inferred = rig.submit(&mut args);
    assert_eq!(rig.edges(inferred.id), [(producer.id, EdgeKind::BOTH)]);
    // A kind that was asked for alone stays alone.
    let wait = rig.submit(&mut after(&[producer.id], EdgeKind::WAIT));
    assert_eq!(rig.edges(wait.id), [(producer.id, EdgeKind::WAIT)]);
    let retain = rig.submit(&mut after(&[producer.id], EdgeKind::RETAIN));
    assert_eq!(rig.edges(retain.id), [(producer.id, EdgeKind::RETAIN)]);
    assert_eq!(rig.state(retain.id).waits(), 0, "it does not wait");
    assert_eq!(rig.holds(producer.id), 4);
    rig.close();
    assert_eq!(rig.runner.run_all(), 5);
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn duplicates_are_found_among_more_edges_than_are_compared_in_place() {
    let mut rig = Rig::new(&RingSizes::default());
    let ids: Vec<TaskId> = (0..130).map(|_| rig.submit(&mut nothing()).id).collect();
    let mut args = after(&ids, EdgeKind::WAIT);
    ids.iter().rev().step_by(2).for_each(|&id| args.after(id, EdgeKind::RETAIN));
    ids.iter().for_each(|&id| args.after(id, EdgeKind::WAIT));
    let made = rig.submit(&mut args);
    let edges = rig.edges(made.id);
    assert_eq!(edges.iter().map(|edge| edge.0).collect::<Vec<_>>(), ids);
    assert_eq!(edges.iter().filter(|edge| edge.1 == EdgeKind::BOTH).count(), 65);
    assert_eq!(rig.state(made.id).waits(), 130);
    assert_eq!(rig.runner.run_all(), 131);
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

/// The mark of the pool is recorded on every route: behind tasks that were ready at once, with edges or without, their
/// entries come back.
#[test]
fn the_pool_is_reclaimed_behind_tasks_that_were_ready_at_once() {
    let mut rig = Rig::new(&RingSizes::default().with_window(8).with_deps(4));
    rig.open();
    let producers: Vec<TaskId> = (0..3).map(|_| rig.submit(&mut outputs(&[64])).id).collect();
    assert_eq!(rig.runner.run_all(), 3);
    rig.open();
    for _ in 0..50 {
        let made = rig.submit(&mut after(&producers, EdgeKind::WAIT));
        assert_eq!((made.id.ring(), rig.edges(made.id).len()), (1, 3));
        assert_eq!(rig.runner.run_all(), 1);
        let made = rig.submit(&mut nothing());
        assert_eq!(rig.edges(made.id), []);
        assert_eq!(rig.runner.run_all(), 1);
    }
    assert_eq!(rig.runner.waits, 0, "four entries were enough");
}

#[test]
fn ids_that_are_not_of_this_run_are_refused() {
    let mut rig = Rig::new(&RingSizes::default());
    let old = rig.submit(&mut nothing()).id;
    rig.orch.finish_run(&mut rig.runner);
    rig.orch.start_run();
    let new = rig.submit(&mut nothing()).id;
    let next = TaskId::new(0, new.local() + 1);
    for id in [old, next, TaskId::new(1, 0), TaskId::new(4, 0), TaskId::INVALID] {
        let error = rig.try_submit(&mut after(&[new, id], EdgeKind::BOTH)).unwrap_err();
        assert_eq!(error, SubmitError::UnknownProducer { id });
        assert_eq!(error.code(), Some(ErrorCode::InvalidArgs));
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
    assert_eq!(rig.orch.tasks(), 1, "nothing of a refused task exists");
    assert_eq!(rig.submit(&mut after(&[new], EdgeKind::BOTH)).id, next);
}

/// A tensor may name an owner that is no task of this run: memory that outlived a run, or a number that somebody made
/// up. It has nobody to wait for.
#[test]
fn an_owner_that_is_not_of_this_run_is_not_waited_for() {
    let mut rig = Rig::new(&RingSizes::default());
    for owner in [TaskId::new(0, 77), TaskId::new(3, 5), TaskId::new(9, 9)] {
        let tensor = memory(1).with_owner(owner);
        let made = rig.submit(&mut tensors(&[existing(tensor, TensorArgType::Input)]));
        assert_eq!((rig.edges(made.id), rig.state(made.id).waits()), (vec![], 0));
    }
    assert_eq!(rig.runner.run_all(), 3);
}

#[test]
fn a_failed_producer_poisons_however_late_its_consumer_comes() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    let failed = rig.submit(&mut nothing()).id;
    rig.state(failed).fail();
    assert_eq!(rig.runner.run_all(), 1);
    for round in 0..10 {
        let made = rig.submit(&mut after(&[failed], EdgeKind::WAIT));
        assert_eq!(rig.state(made.id).verdict(), Verdict::Poisoned, "{round} tasks later");
        assert_eq!(rig.runner.ready.queue(Class::Inline).len(), 1, "it is not to run");
        let sound = rig.submit(&mut Args::default());
        assert_eq!(rig.state(sound.id).verdict(), Verdict::Sound);
        assert_eq!(rig.runner.run_all(), 2);
    }
}
