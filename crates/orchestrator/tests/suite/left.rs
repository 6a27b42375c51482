//! Reads of which the tensor map is told only when somebody writes: whoever writes comes after them all the same, however many
//! there are, wherever their records are by then, and whether they failed.

use crate::rig::{Made, Rig, existing, memory, nothing, outputs, tensors};
use prewire_abi::TensorArgType::{InOut, Input, NoDep, OutputExisting};
use prewire_abi::{ChipTensor, DataType, EdgeKind, ErrorCode, PredicateOp, ScopeMode, TaskId, ValidTensor};
use prewire_orchestrator::{Arg, Args, Predicate, ScopeKey, SubmitError};
use prewire_ring::{Class, RingSizes, Verdict};
use prewire_tensormap::Access;

fn reads(numbers: impl IntoIterator<Item = u64>) -> Args {
    tensors(&numbers.into_iter().map(|n| existing(memory(n), Input)).collect::<Vec<_>>())
}

fn writes(n: u64) -> Args {
    tensors(&[existing(memory(n), InOut)])
}

/// Whom a task waits for, in order.
fn waits(rig: &Rig, id: TaskId) -> Vec<TaskId> {
    let mut edges = rig.edges(id);
    edges.sort_unstable_by_key(|edge| edge.0);
    assert!(edges.iter().all(|edge| edge.1 == EdgeKind::WAIT));
    edges.into_iter().map(|edge| edge.0).collect()
}

#[test]
fn as_many_are_read_as_there_are_slots_and_a_write_waits_for_its_readers() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(1024));
    rig.open();
    let readers: Vec<TaskId> = (0..500).map(|n| rig.submit(&mut reads([n, n % 7 + 1000])).id).collect();
    assert_eq!(rig.orch.usage().tensor_map.high, 2, "what one task asks for");
    let writer = rig.submit(&mut writes(1003)).id;
    assert_eq!(waits(&rig, writer), readers.iter().copied().skip(3).step_by(7).collect::<Vec<_>>());
    assert_eq!(rig.orch.usage().tensor_map.high, 1001, "all that was read, and what is written");
    // What comes after is recorded at once, or left again.
    let more = [rig.submit(&mut reads([1003])).id, rig.submit(&mut reads([2000])).id];
    assert_eq!(waits(&rig, more[0]), [writer]);
    let writers = [1003, 2000, 1004].map(|n| rig.submit(&mut writes(n)).id);
    assert_eq!(waits(&rig, writers[0]), more[..1]);
    assert_eq!(waits(&rig, writers[1]), more[1..]);
    assert_eq!(waits(&rig, writers[2]), readers.iter().copied().skip(4).step_by(7).collect::<Vec<_>>());
    assert_eq!((rig.runner.waits, rig.runner.run_all()), (0, 506));
}

#[test]
fn what_a_scope_holds_too_much_of_for_the_map_is_told_when_somebody_writes() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
    rig.open();
    rig.try_alloc(4).unwrap();
    (0..22).for_each(|n| drop(rig.submit(&mut reads([3 * n, 3 * n + 1, 3 * n + 2]))));
    assert_eq!(rig.runner.run_all(), 22);
    for mut args in [writes(64), tensors(&[existing(memory(70), Input), existing(memory(64), InOut)])] {
        let (looks, tasks) = (rig.runner.looks, rig.orch.tasks());
        let error = rig.try_submit(&mut args).unwrap_err();
        assert_eq!(error, SubmitError::TensorMapDeadlock { wanted: 1, capacity: 64 });
        assert_eq!((error.code(), rig.runner.looks), (Some(ErrorCode::TensorMapOverflow), looks + 1));
        assert_eq!(rig.orch.tasks(), tasks);
    }
    // What is read needs none, and the host takes none.
    rig.submit(&mut reads([80, 81]));
    rig.orch.wait_for(&mut rig.runner, &memory(64), ScopeKey::NONE, Access::Write).unwrap();
    assert_eq!(rig.runner.run_all(), 1);
    rig.close();
    let writer = rig.submit(&mut writes(64)).id;
    assert_eq!(waits(&rig, writer), []);
}

#[test]
fn what_runs_and_is_too_much_for_the_map_is_waited_for() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
    let readers: Vec<TaskId> = (0..80).map(|n| rig.submit(&mut reads([n, 100])).id).collect();
    assert_eq!(rig.runner.waits, 0);
    let writer = rig.submit(&mut writes(100)).id;
    assert!(rig.runner.waits > 0);
    // It had been found whom it waits for before.
    assert_eq!(waits(&rig, writer), readers);
    let ran = rig.runner.run_all();
    assert!(ran > 20 && ran < 40, "{ran}");
}

/// It frees its entries when it ends, whether they were known when somebody wrote or not.
#[test]
fn a_reader_that_runs_elsewhere_is_waited_for_though_a_scope_holds_the_rest() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
    rig.submit(&mut reads([0, 200, 100]));
    let runs = rig.runner.ready.queue(Class::Aiv).pop().unwrap();
    (0..2).for_each(|_| rig.open());
    rig.try_alloc(4).unwrap();
    (300..362).for_each(|n| drop(rig.submit(&mut writes(n))));
    let _ = rig.runner.run_all();
    rig.runner.ready.queue(Class::Aiv).push(runs);
    // Between what is read: nobody reads it.
    let writer = rig.submit(&mut writes(150)).id;
    assert_eq!((waits(&rig, writer), rig.runner.waits), (vec![], 1));
}

#[test]
fn what_the_first_task_of_a_scope_has_left_is_needed_too() {
    let mut rig = Rig::new(&RingSizes::default());
    for _ in 0..3 {
        rig.open();
        let mut first = reads(0..5);
        first.push(&Arg::output(&[4], DataType::U8).unwrap());
        rig.submit(&mut first);
    }
    (0..3).for_each(|_| rig.close());
    let map = rig.orch.usage().tensor_map;
    assert_eq!((map.needed, map.high), (15 + 5, 5), "of three scopes, and one task more");
}

/// Held writes, then held reads that are left, or that the host asks for: what is needed is enough.
#[test]
fn what_a_run_needs_of_the_map_is_enough_for_it() {
    fn run(entries: u32, host: bool) -> Result<u64, SubmitError> {
        let mut rig = Rig::new(&RingSizes::default().with_tensor_map(entries));
        rig.open();
        rig.try_alloc(4).unwrap();
        for n in 0..if host { 0 } else { 100 } {
            rig.try_submit(&mut writes(n))?;
        }
        for n in 0..50 {
            rig.try_submit(&mut reads([1000 + 3 * n, 1001 + 3 * n, 1002 + 3 * n]))?;
        }
        let _ = rig.runner.run_all();
        if host {
            rig.orch.wait_for(&mut rig.runner, &memory(1005), ScopeKey::NONE, Access::Write)?;
            rig.try_submit(&mut writes(2000))?;
        }
        rig.close();
        Ok(rig.orch.usage().tensor_map.needed)
    }
    for host in [false, true] {
        let needed = run(4096, host).unwrap();
        assert!((150..256).contains(&needed), "{needed}");
        assert_eq!(run(needed as u32, host), Ok(needed));
    }
}

#[test]
fn the_host_waits_for_readers_before_it_writes() {
    let mut rig = Rig::new(&RingSizes::default());
    (0..9).for_each(|n| drop(rig.submit(&mut reads([n % 3]))));
    let mut wait = |access| rig.orch.wait_for(&mut rig.runner, &memory(1), ScopeKey::NONE, access);
    wait(Access::Read).unwrap();
    wait(Access::Write).unwrap();
    assert_eq!((rig.runner.waits, rig.runner.queued()), (1, 1), "the last one reads another");
}

#[test]
fn a_task_that_has_left_what_it_reads_is_refused_if_it_writes_that_too() {
    for others in [false, true] {
        let mut rig = Rig::new(&RingSizes::default());
        if others {
            rig.submit(&mut reads([0, 1, 2, 3]));
        }
        for tag in [InOut, OutputExisting] {
            let mut both = reads([1, 2]);
            both.push(&existing(memory(1), tag));
            let error = rig.try_submit(&mut both).unwrap_err();
            assert_eq!(error, SubmitError::ArgsOverlap { first: 0, second: 2 });
        }
        // And what it has left beside is not forgotten for that.
        let mut apart = reads([4, 2]);
        apart.push(&existing(memory(1), InOut));
        let apart = rig.submit(&mut apart).id;
        for n in [4, 2, 1] {
            let writer = rig.submit(&mut writes(n)).id;
            assert!(waits(&rig, writer).contains(&apart), "{n}");
        }
    }
}

#[test]
fn a_record_of_any_form_says_what_was_read() {
    let flat = |n| existing(memory(n), Input);
    let deep = ValidTensor::contiguous(0x2000_0000, &[2, 3, 4, 5, 6], DataType::I64).unwrap();
    let strided = ChipTensor::strided(0x3000_0000, &[2, 3], &[10, 2], DataType::F16).unwrap();
    let strided = existing(ValidTensor::new(strided).unwrap(), Input);
    let condition = Predicate { addr: 0x10, dtype: DataType::I32, op: PredicateOp::Eq, target: 0 };
    for form in 0..8 {
        let mut rig = Rig::new(&RingSizes::default());
        let mut args = tensors(&[flat(0), existing(deep, Input), flat(1)]);
        if form & 1 != 0 {
            args.push(&strided);
        }
        if form & 2 != 0 {
            args.predicate(condition);
        }
        if form & 4 != 0 {
            args.keep_whole();
        }
        args.push(&flat(2));
        args.extend_scalars(&[7]);
        let reader = rig.submit(&mut args).id;
        // The last element of each, and what is behind it.
        for (tensor, elements) in [(memory(2), 1024), (deep, 720), (memory(0), 1024)] {
            let last = |tensor: &ValidTensor| {
                let flat =
                    ValidTensor::contiguous(tensor.buffer_addr(), &[elements], tensor.dtype().unwrap());
                existing(flat.unwrap().slice(0, elements - 1, elements, 1).unwrap(), InOut)
            };
            let behind = ChipTensor::in_buffer(
                tensor.buffer_addr(),
                tensor.buffer_size() + 64,
                u64::from(elements),
                &[1],
                &[1],
                tensor.dtype().unwrap(),
            );
            let behind =
                rig.submit(&mut tensors(&[existing(ValidTensor::new(behind.unwrap()).unwrap(), InOut)]));
            assert_eq!(waits(&rig, behind.id), [], "form {form}");
            let writer = rig.submit(&mut tensors(&[last(&tensor)])).id;
            assert_eq!(waits(&rig, writer), [reader], "form {form}");
        }
    }
}

#[test]
fn more_tensors_than_a_record_has_bits_for_are_recorded_at_once() {
    for count in [29, 30] {
        let mut rig = Rig::new(&RingSizes::default());
        let reader = rig.submit(&mut reads(0..count)).id;
        for n in [0, count - 1] {
            let writer = rig.submit(&mut writes(n)).id;
            assert_eq!(waits(&rig, writer), [reader], "{n} of {count}");
        }
    }
}

/// What a task that failed has read poisons who writes it, however late; but not who has new memory at its address, whether the
/// task failed before that was asked for, or while somebody waited for room.
#[test]
fn new_memory_where_a_task_read_that_failed_is_sound() {
    for (between, waited) in [(0, false), (1, false), (5, false), (0, true)] {
        let mut rig = Rig::new(&RingSizes::default().with_window(4).with_heap(4096));
        rig.open();
        let made = rig.submit(&mut outputs(&[4096]));
        let failing = rig.submit(&mut tensors(&[made.output(Input), existing(memory(1), Input)])).id;
        rig.runner.fails.insert(failing);
        rig.close();
        if !waited {
            assert_eq!(rig.runner.run_all(), 2);
        }
        for n in 0..between {
            // One or the other takes slots, and looks for nothing that was left.
            let _ = if n % 2 == 0 { rig.submit(&mut nothing()) } else { rig.try_alloc(4).unwrap() };
            let _ = rig.runner.run_all();
        }
        rig.open();
        let new = rig.submit(&mut outputs(&[4096]));
        let addr = |made: &Made| made.outputs[0].buffer_addr();
        assert_eq!((rig.runner.waits, addr(&new)), (usize::from(waited), addr(&made)));
        rig.close();
        let writer = rig.submit(&mut tensors(&[existing(new.outputs[0], InOut)])).id;
        assert_eq!(rig.state(writer).verdict(), Verdict::Sound, "{between}");
        let _ = rig.runner.run_all();
        let writer = rig.submit(&mut writes(1)).id;
        assert_eq!(rig.state(writer).verdict(), Verdict::Poisoned, "{between}");
    }
}

/// What failed takes no entry that a task was promised.
#[test]
fn what_is_recorded_when_something_fails_takes_no_entry_that_is_promised() {
    let mut rig = Rig::new(&RingSizes::default().with_tensor_map(64));
    rig.open();
    rig.try_alloc(4).unwrap();
    let failing = rig.submit(&mut reads([100])).id;
    rig.runner.fails.insert(failing);
    (200..263).for_each(|n| drop(rig.submit(&mut writes(n))));
    let _ = rig.runner.run_all();
    let last = rig.submit(&mut writes(150)).id;
    assert_eq!(rig.try_submit(&mut writes(151)).unwrap_err().code(), Some(ErrorCode::TensorMapOverflow));
    rig.close();
    let reader = rig.submit(&mut reads([150])).id;
    assert_eq!(waits(&rig, reader), [last]);
    let writer = rig.submit(&mut writes(100)).id;
    assert_eq!(rig.state(writer).verdict(), Verdict::Poisoned);
}

#[test]
fn a_record_of_what_ended_well_is_not_read_when_something_fails() {
    // Words are used again before slots are.
    let mut rig = Rig::new(&RingSizes::default().with_window(256));
    for _ in 0..120 {
        let mut args = reads(0..24);
        args.extend_scalars(&[u64::MAX; 16]);
        rig.submit(&mut args);
        assert_eq!(rig.runner.run_all(), 1);
    }
    let failing = rig.submit(&mut nothing()).id;
    rig.runner.fails.insert(failing);
    let _ = rig.runner.run_all();
    rig.submit(&mut nothing());
    let writer = rig.submit(&mut writes(7)).id;
    assert_eq!((waits(&rig, writer), rig.state(writer).verdict()), (vec![], Verdict::Sound));
    assert_eq!(rig.orch.usage().tensor_map.high, 24, "what one task asks for");
}

#[test]
fn a_run_knows_nothing_of_what_was_left_in_another() {
    for behind in [0, 2] {
        let mut rig = Rig::new(&RingSizes::default().with_window(16));
        // Of a run whose slots the next one does not come to.
        (0..7).for_each(|_| drop(rig.submit(&mut nothing())));
        let failing = rig.submit(&mut reads([5])).id;
        rig.runner.fails.insert(failing);
        let _ = rig.runner.run_all();
        (0..behind).for_each(|_| drop(rig.submit(&mut nothing())));
        rig.orch.finish_run(&mut rig.runner);
        rig.orch.start_run();
        // Something is left, and something else fails.
        rig.submit(&mut reads([4, 6]));
        let failing = rig.submit(&mut nothing()).id;
        rig.runner.fails.insert(failing);
        let _ = rig.runner.run_all();
        // The words of the record that failed are those of the new one by now.
        for n in 4..7 {
            let writer = rig.submit(&mut writes(n)).id;
            assert_eq!((rig.state(writer).verdict(), waits(&rig, writer)), (Verdict::Sound, vec![]), "{n}");
        }
    }
}

#[test]
fn what_makes_no_edges_is_not_left() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.submit(&mut tensors(&[existing(memory(1), Input), existing(memory(2), NoDep)]));
    rig.submit(&mut tensors(&[existing(memory(1), Input), existing(memory(3).with_manual_dep(true), Input)]));
    let _ = rig.runner.run_all();
    rig.try_open(ScopeMode::Manual).unwrap();
    let manual = rig.submit(&mut reads([4]));
    rig.close();
    for n in [2, 3, 4] {
        let writer = rig.submit(&mut writes(n)).id;
        assert!(!waits(&rig, writer).contains(&manual.id), "{n}");
        assert_eq!(waits(&rig, writer), [], "{n}");
    }
}
