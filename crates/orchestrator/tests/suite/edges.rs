//! From tags to edges.

use prewire_abi::TensorArgType::{InOut, Input, NoDep, OutputExisting};
use prewire_abi::{DataType, EdgeKind, ScopeMode, TensorArgType};
use prewire_orchestrator::{Arg, ScopeKey, SubmitError};
use prewire_ring::RingSizes;

use crate::rig::{Rig, after, existing, memory, nothing, outputs, tensors};

#[test]
fn each_pair_of_tags_has_its_edge_or_none() {
    let ordered = |first: TensorArgType, second: TensorArgType| {
        first != NoDep && second != NoDep && (first, second) != (Input, Input)
    };
    let mut rig = Rig::new(&RingSizes::default());
    // From the first of these on, nothing waits for the order that it gives up.
    rig.submit(&mut tensors(&[existing(memory(99), NoDep)]));
    let tags = [Input, InOut, OutputExisting, NoDep];
    for (n, (first, second)) in tags.iter().flat_map(|&a| tags.map(|b| (a, b))).enumerate() {
        let tensor = memory(n as u64);
        let a = rig.submit(&mut tensors(&[existing(tensor, first)]));
        let b = rig.submit(&mut tensors(&[existing(tensor, second)]));
        let expected = if ordered(first, second) { vec![(a.id, EdgeKind::WAIT)] } else { vec![] };
        assert_eq!(rig.edges(b.id), expected, "{first:?} then {second:?}");
    }
    assert_eq!((rig.runner.waits, rig.runner.looks), (1, 1), "to give up the order of nothing");
}

#[test]
fn only_regions_that_overlap_are_ordered() {
    let mut rig = Rig::new(&RingSizes::default());
    let whole = memory(0);
    let half = |at: u32| whole.view(&[512], &[at]).unwrap();
    let left = rig.submit(&mut tensors(&[existing(half(0), OutputExisting)]));
    let right = rig.submit(&mut tensors(&[existing(half(512), InOut)]));
    assert_eq!(rig.edges(right.id), []);
    let both = rig.submit(&mut tensors(&[existing(whole, Input)]));
    let mut edges = rig.edges(both.id);
    edges.sort_unstable_by_key(|edge| edge.0);
    assert_eq!(edges, [(left.id, EdgeKind::WAIT), (right.id, EdgeKind::WAIT)]);
    // A write waits for the readers since, and everything later for that write alone.
    let again = rig.submit(&mut tensors(&[existing(half(0), OutputExisting)]));
    assert!(rig.edges(again.id).contains(&(both.id, EdgeKind::WAIT)));
    let reader = rig.submit(&mut tensors(&[existing(half(0), Input)]));
    assert_eq!(rig.edges(reader.id), [(again.id, EdgeKind::WAIT)]);
    assert_eq!(rig.runner.run_all(), 5);
}

#[test]
fn readers_do_not_wait_for_one_another() {
    let mut rig = Rig::new(&RingSizes::default());
    let writer = rig.submit(&mut tensors(&[existing(memory(0), OutputExisting)]));
    let readers: Vec<_> =
        (0..10).map(|_| rig.submit(&mut tensors(&[existing(memory(0), Input)])).id).collect();
    for &reader in &readers {
        assert_eq!(rig.edges(reader), [(writer.id, EdgeKind::WAIT)]);
    }
    let next = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    let mut producers: Vec<_> = rig.edges(next.id).into_iter().map(|edge| edge.0).collect();
    producers.retain(|id| *id != writer.id);
    producers.sort_unstable();
    assert_eq!(producers, readers);
}

/// Whoever uses an output waits for its creator and keeps it alive, whatever the tag and whatever the scope.
#[test]
fn a_creator_is_waited_for_and_retained() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.submit(&mut tensors(&[existing(memory(99), NoDep)]));
    rig.open();
    let creator = rig.submit(&mut outputs(&[64]));
    for tag in [Input, NoDep] {
        let user = rig.submit(&mut tensors(&[creator.output(tag)]));
        assert_eq!(rig.edges(user.id), [(creator.id, EdgeKind::BOTH)], "{tag:?}");
    }
    rig.try_open(ScopeMode::Manual).unwrap();
    let user = rig.submit(&mut tensors(&[creator.output(InOut)]));
    assert_eq!(rig.edges(user.id), [(creator.id, EdgeKind::BOTH)], "in a manual scope");
    rig.close();
    rig.close();
    assert_eq!(rig.holds(creator.id), 4);
    let _ = rig.runner.run_all();
    assert_eq!(rig.runner.rings.usage(0).live, 0);
}

#[test]
fn a_tensor_whose_creator_sees_to_it_makes_no_hazard() {
    let mut rig = Rig::new(&RingSizes::default());
    let tensor = memory(0).with_manual_dep(true);
    rig.submit(&mut tensors(&[existing(tensor, InOut)]));
    let second = rig.submit(&mut tensors(&[existing(tensor, InOut)]));
    assert_eq!(rig.edges(second.id), []);
}

#[test]
fn a_manual_scope_has_explicit_edges_only() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let before = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    rig.try_open(ScopeMode::Manual).unwrap();
    // What was submitted in the belief in its order ends first: one look finds it running, the next one complete.
    assert_eq!((rig.runner.waits, rig.runner.looks), (1, 2));
    assert_eq!(rig.orch.rings().watermark(0), 1, "{before:?}");
    let first = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    let second = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert_eq!(rig.edges(second.id), []);
    let mut args = after(&[first.id], EdgeKind::WAIT);
    args.push(&existing(memory(0), InOut));
    let third = rig.submit(&mut args);
    assert_eq!(rig.edges(third.id), [(first.id, EdgeKind::WAIT)]);
    assert_eq!(rig.try_open(ScopeMode::Auto), Err(SubmitError::AutoInManual));
    rig.close();
    // What was done in it left no trace in the map.
    let auto = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert_eq!(rig.edges(auto.id), []);
    rig.try_open(ScopeMode::Manual).unwrap();
    assert_eq!(rig.runner.waits, 1, "order was given up once");
}

/// What somebody else reads for a task is an access of that task.
#[test]
fn a_read_for_a_predicate_is_ordered_like_an_input() {
    let mut rig = Rig::new(&RingSizes::default());
    let writer = rig.submit(&mut tensors(&[existing(memory(0), OutputExisting)]));
    let mut args = nothing();
    args.read(&memory(0), ScopeKey::NONE);
    let reader = rig.submit(&mut args);
    assert_eq!(rig.edges(reader.id), [(writer.id, EdgeKind::WAIT)]);
    let next = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert!(rig.edges(next.id).contains(&(reader.id, EdgeKind::WAIT)));
}

#[test]
fn two_arguments_that_touch_the_same_bytes_are_refused_if_one_is_written() {
    let mut rig = Rig::new(&RingSizes::default());
    let whole = memory(0);
    let part = whole.view(&[10], &[1000]).unwrap();
    let error = rig.try_submit(&mut tensors(&[existing(whole, Input), existing(part, InOut)])).unwrap_err();
    assert_eq!(error, SubmitError::ArgsOverlap { first: 0, second: 1 });
    let _ = rig.submit(&mut tensors(&[existing(whole, Input), existing(part, Input)]));
    assert_eq!(rig.orch.tasks(), 1);
}

/// Whichever of the two is written, and whatever else there is: what is apart in one buffer, another that is written, and
/// what is to be created, which is nowhere yet.
#[test]
fn arguments_that_touch_are_found_among_others() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let whole = memory(0);
    let (low, high) = (whole.view(&[10], &[0]).unwrap(), whole.view(&[10], &[1000]).unwrap());
    let other = || existing(memory(1), InOut);
    for (tags, overlaps) in [
        ([InOut, Input], true),
        ([Input, OutputExisting], true),
        ([OutputExisting, InOut], true),
        ([Input, Input], false),
    ] {
        let [first, second] = tags;
        let mut args = tensors(&[existing(high, first), other(), existing(whole, second)]);
        args.output(&[64], DataType::U8).unwrap();
        let refused = rig.try_submit(&mut args).err();
        assert_eq!(refused, overlaps.then_some(SubmitError::ArgsOverlap { first: 0, second: 2 }), "{tags:?}");
        let _ = rig.submit(&mut tensors(&[existing(high, first), other(), existing(low, second)]));
    }
}

/// Sixteen producers are compared as they come; what comes after them is sorted and merged at the end. Either way an
/// edge is one, and of every kind that was asked for: here, by name before and after the sixteenth, as creators, and as
/// what was last written.
#[test]
fn kinds_are_merged_among_more_producers_than_are_compared_as_they_come() {
    for many in [15, 16, 17, 65, 200] {
        let mut rig = Rig::new(&RingSizes::default());
        rig.open();
        let made: Vec<_> = (0..many).map(|_| rig.submit(&mut outputs(&[64]))).collect();
        let writers: Vec<_> =
            (0..4).map(|n| rig.submit(&mut tensors(&[existing(memory(n), OutputExisting)])).id).collect();
        let kinds = [EdgeKind::WAIT, EdgeKind::RETAIN, EdgeKind::BOTH];
        let mut args = nothing();
        made.iter().enumerate().for_each(|(i, made)| args.after(made.id, kinds[i % 3]));
        // The other kind of each second one, and again what it has.
        made.iter().enumerate().step_by(2).for_each(|(i, made)| args.after(made.id, kinds[(i + 1) % 3]));
        made.iter().enumerate().for_each(|(i, made)| args.after(made.id, kinds[i % 3]));
        // Inferred to be waited for, and asked to be retained.
        writers.iter().for_each(|&id| args.after(id, EdgeKind::RETAIN));
        (0..4).for_each(|n| args.push(&existing(memory(n), Input)));
        // The creators of two, wherever they stand.
        [&made[1], &made[many - 1]].iter().for_each(|made| args.push(&made.output(Input)));
        let consumer = rig.submit(&mut args);
        let mut expected: Vec<_> = made
            .iter()
            .enumerate()
            .map(|(i, made)| {
                let merged = if i % 2 == 0 { kinds[i % 3] | kinds[(i + 1) % 3] } else { kinds[i % 3] };
                let created = i == 1 || i == many - 1;
                (made.id, if created { EdgeKind::BOTH } else { merged })
            })
            .collect();
        expected.extend(writers.iter().map(|&id| (id, EdgeKind::BOTH)));
        let mut edges = rig.edges(consumer.id);
        edges.sort_unstable_by_key(|edge| edge.0);
        assert_eq!(edges, expected, "{many} producers");
        let count = |kind: EdgeKind| expected.iter().filter(|edge| edge.1 | kind == edge.1).count();
        assert_eq!(rig.state(consumer.id).waits() as usize, count(EdgeKind::WAIT));
        for (id, kind) in expected {
            let retained = u32::from(kind | EdgeKind::RETAIN == kind);
            assert_eq!(rig.holds(id), 1 + retained, "{id}: {kind:?}");
        }
        // The holds are given back when the consumer is complete, all of them.
        rig.close();
        assert_eq!(rig.runner.run_all(), many + 5);
        assert_eq!(rig.runner.rings.usage(0).live, 0);
    }
}

#[test]
fn a_task_that_is_refused_has_read_nothing() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    let readers = || [existing(memory(0), Input), existing(memory(1), Input), existing(memory(0), Input)];
    rig.open();
    let held: Vec<_> = (0..3).map(|_| rig.submit(&mut outputs(&[4]))).collect();
    let error = rig.try_submit(&mut tensors(&readers())).unwrap_err();
    assert!(matches!(error, SubmitError::ScopeDeadlock { .. }), "{error:?}");
    rig.close();
    // A later argument is refused.
    let mut stale = readers().to_vec();
    stale.push(held[0].output(Input));
    let error = rig.try_submit(&mut tensors(&stale)).unwrap_err();
    assert!(matches!(error, SubmitError::StaleTensor { arg: 3, .. }), "{error:?}");
    rig.runner.run_all();
    // The number that it would have had is that of a task that does not read.
    for n in 0..2 {
        let writer = rig.submit(&mut tensors(&[existing(memory(n), InOut)]));
        assert_eq!(rig.edges(writer.id), [], "memory {n}");
    }
}

#[test]
fn a_task_that_waits_for_room_has_read_what_it_reads() {
    let mut rig = Rig::new(&RingSizes::default().with_heap(4096));
    for n in 0..8 {
        rig.open();
        let output = Arg::output(&[2048], DataType::U8).unwrap();
        let args = [existing(memory(n), Input), output, existing(memory(n + 100), Input)];
        let reader = rig.submit(&mut tensors(&args));
        rig.close();
        for read in [n, n + 100] {
            let writer = rig.submit(&mut tensors(&[existing(memory(read), InOut)]));
            assert_eq!(rig.edges(writer.id), [(reader.id, EdgeKind::WAIT)], "memory {read}");
        }
    }
    assert!(rig.runner.waits > 0);
}

#[test]
fn a_task_waits_for_those_that_it_reads_and_writes_after_and_not_for_itself() {
    let mut rig = Rig::new(&RingSizes::default());
    let earlier = rig.submit(&mut tensors(&[existing(memory(0), Input)]));
    let mut args = tensors(&[existing(memory(0), Input), existing(memory(0), InOut)]);
    args.foreign();
    let both = rig.submit(&mut args);
    assert_eq!(rig.edges(both.id), [(earlier.id, EdgeKind::WAIT)]);
    let later = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert_eq!(rig.edges(later.id), [(both.id, EdgeKind::WAIT)]);
    assert_eq!(rig.runner.run_all(), 3);
}
