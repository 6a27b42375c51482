//! Arguments that nothing here can serve are refused by number, and leave nothing behind.

use core::panic::Location;
use prewire_abi::TensorArgType::{InOut, Input};
use prewire_abi::{DataType, TaskId, TensorCreateInfo};
use prewire_orchestrator::{Arg, Args, ScopeKey, SubmitError};
use prewire_ring::RingSizes;
use prewire_tensormap::Access;

use crate::rig::{Rig, existing, memory, outputs, tensors};

fn create() -> Arg {
    Arg::output(&[64], DataType::U8).unwrap()
}

#[test]
fn an_output_with_an_initial_value_is_refused_and_not_left_unwritten() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    // Zero is a value like any other.
    for value in [0, 7, u64::MAX] {
        let initial = TensorCreateInfo::new(&[64], DataType::U8).unwrap().with_initial_value(value);
        let mut args = tensors(&[existing(memory(0), InOut), create()]);
        args.create(&initial).unwrap();
        let error = rig.try_submit(&mut args).unwrap_err();
        assert_eq!(error, SubmitError::InitialValue { arg: 2 });
        let text = error.to_string();
        assert!(text.contains("argument 2") && text.contains("let a task fill it"), "{text}");
        let mut args = Args::default();
        args.create(&initial).unwrap();
        let alloc = rig.orch.alloc(&mut rig.runner, &mut args, Location::caller());
        assert_eq!(alloc.unwrap_err(), SubmitError::InitialValue { arg: 0 });
    }
    assert_eq!((rig.orch.tasks(), rig.runner.rings.usage(0).live), (0, 0));
    // Nothing was recorded for the refused ones, and the next one has the first number.
    let made = rig.submit(&mut tensors(&[existing(memory(0), InOut), create()]));
    assert_eq!((made.id, rig.edges(made.id)), (TaskId::new(0, 0), vec![]));
}

#[test]
fn an_allocation_of_memory_that_exists_is_refused() {
    let mut rig = Rig::new(&RingSizes::default());
    rig.open();
    let made = rig.submit(&mut outputs(&[64]));
    let mut refused = |args: &mut Args, arg| {
        let error = rig.orch.alloc(&mut rig.runner, args, Location::caller()).unwrap_err();
        assert_eq!(error, SubmitError::AllocOfExisting { arg });
        let text = error.to_string();
        assert!(text.contains(&format!("argument {arg} of an allocation is memory that exists")), "{text}");
    };
    refused(&mut tensors(&[existing(memory(0), Input)]), 0);
    refused(&mut tensors(&[create(), create(), existing(memory(0), InOut)]), 2);
    refused(&mut tensors(&[create(), made.output(InOut)]), 1);
    assert_eq!(rig.runner.rings.usage(0).live, 1);
    // No access was recorded, and no hold taken.
    let writer = rig.submit(&mut tensors(&[existing(memory(0), InOut)]));
    assert_eq!(rig.edges(writer.id), []);
    assert_eq!(rig.try_alloc(64).unwrap().id, TaskId::new(0, 2));
}

/// Submits what reads `memory(1)` and is refused, after it was put on record and sorted in.
fn refuse_a_read(rig: &mut Rig) {
    let (tags, numbers) = ([Input, InOut, Input], [1, 5, 5]);
    let args = tags.into_iter().zip(numbers).map(|(tag, number)| existing(memory(number), tag));
    let error = rig.try_submit(&mut tensors(&args.collect::<Vec<_>>())).unwrap_err();
    assert_eq!(error, SubmitError::ArgsOverlap { first: 1, second: 2 });
}

#[test]
fn what_a_refused_task_reads_is_not_on_record() {
    // Among so many readers, some of them of another ring.
    for (before, inner) in [(0, false), (5, false), (6, false), (20, false), (1, true), (9, true)] {
        let mut rig = Rig::new(&RingSizes::default().with_window(64));
        rig.open();
        rig.submit(&mut tensors(&[existing(memory(9), Input)]));
        for _ in 0..before {
            rig.submit(&mut tensors(&[existing(memory(1), Input)]));
        }
        if inner {
            rig.open();
        }
        refuse_a_read(&mut rig);
        let next = rig.submit(&mut tensors(&[existing(memory(1), InOut)]));
        assert_eq!(rig.edges(next.id).len(), before, "one for each reader");
        assert!(rig.edges(next.id).iter().all(|edge| edge.0 != next.id), "it waits for itself");
        refuse_a_read(&mut rig);
        let all = memory(1);
        rig.orch.wait_for(&mut rig.runner, &all, ScopeKey::NONE, Access::Write).unwrap();
    }
}
