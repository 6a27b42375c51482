//! Arguments that nothing here can serve are refused by number, and leave nothing behind.

use core::panic::Location;
use prewire_abi::TensorArgType::{InOut, Input};
use prewire_abi::{DataType, TaskId, TensorCreateInfo};
use prewire_orchestrator::{Arg, Args, SubmitError};
use prewire_ring::RingSizes;

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
