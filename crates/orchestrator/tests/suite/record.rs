//! The argument record: what was submitted is what is read, in as many words as it takes.

use core::panic::Location;
use prewire_abi::{ChipTensor, DataType, PredicateOp, TaskId, TensorArgType, ValidTensor};
use prewire_orchestrator::{Arg, ArgTensor, Predicate, Record, packed_strides};
use prewire_ring::RingSizes;

use crate::rig::{Made, Rig, existing, memory, nothing, outputs, tensors};

/// How many words the record of `made` takes.
fn words(rig: &Rig, made: &Made) -> u32 {
    rig.runner.rings.arg_count(rig.slot_of(made.id))
}

/// Tensor `i` as it is read where its elements lie row after row.
fn packed_at(record: &Record<'_>, i: usize) -> Option<ArgTensor> {
    let found: Vec<_> =
        DataType::ALL.iter().filter_map(|&dtype| Some((dtype, record.packed(i, dtype)?))).collect();
    assert!(found.len() < 2, "{found:?}");
    let &(dtype, arg) = found.first()?;
    let tag = record.tensor(i)?.tag;
    assert_eq!(arg.is_input(), tag == TensorArgType::Input);
    let (ndims, shape) = (arg.ndims(), arg.shape());
    let strides = packed_strides(&shape[..ndims]);
    Some(ArgTensor { addr: arg.addr(), dtype, tag, ndims, shape, strides, packed: true })
}

#[test]
fn a_strided_a_deep_and_a_packed_tensor_come_back_as_they_were() {
    let mut rig = Rig::new(&RingSizes::default());
    let strided = ChipTensor::in_buffer(0x9000, 4096, 3, &[4, 5], &[10, 2], DataType::F16).unwrap();
    let strided = ValidTensor::new(strided).unwrap();
    let deep = ChipTensor::strided(0xA000, &[2, 3, 4, 5, 6], &[1000, 300, 70, 10, 1], DataType::I8).unwrap();
    let deep = ValidTensor::new(deep).unwrap();
    let packed = ValidTensor::contiguous(0x20_0000, &[2, 3, 4, 5, 6], DataType::I64).unwrap();
    let mut args = tensors(&[
        existing(strided, TensorArgType::Input),
        existing(deep, TensorArgType::OutputExisting),
        Arg::output(&[7, 9], DataType::F32).unwrap(),
        existing(packed, TensorArgType::InOut),
    ]);
    args.extend_scalars(&[1, u64::MAX, f64::to_bits(0.5)]);
    let made = rig.submit(&mut args);
    assert_eq!(words(&rig, &made), 1 + 7 + 7 + 4 + 4 + 3);
    let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
    assert_eq!((record.tensors(), record.scalars(), record.predicate()), (4, 3, None));
    let expected = [
        (strided, TensorArgType::Input),
        (deep, TensorArgType::OutputExisting),
        (made.outputs[0], TensorArgType::Output),
        (packed, TensorArgType::InOut),
    ];
    for (i, (tensor, tag)) in expected.into_iter().enumerate() {
        let got = record.tensor(i).unwrap();
        assert_eq!(
            (got.addr, got.dtype, got.tag),
            (tensor.start_addr(), tensor.dtype().unwrap(), tag),
            "{i}"
        );
        assert_eq!((&got.shape[..got.ndims], &got.strides[..got.ndims]), (tensor.shape(), tensor.strides()));
        assert_eq!(got.packed, tensor.is_contiguous());
        assert_eq!(packed_at(&record, i), got.packed.then_some(got));
    }
    assert_eq!((record.tensor(4), packed_at(&record, 4)), (None, None));
    assert_eq!(
        [0, 1, 2, 3].map(|i| record.scalar(i)),
        [Some(1), Some(u64::MAX), Some(f64::to_bits(0.5)), None]
    );
}

#[test]
fn a_predicate_comes_back_for_every_operator() {
    for op in
        [PredicateOp::Eq, PredicateOp::Ne, PredicateOp::Gt, PredicateOp::Lt, PredicateOp::Ge, PredicateOp::Le]
    {
        let mut rig = Rig::new(&RingSizes::default());
        let predicate = Predicate { addr: 0xDEAD_0008, dtype: DataType::I32, op, target: i64::MIN };
        let mut args = tensors(&[existing(memory(0), TensorArgType::Input)]);
        args.scalar(42);
        args.predicate(predicate);
        let made = rig.submit(&mut args);
        assert_eq!(words(&rig, &made), 1 + 3 + 4 + 1);
        let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
        assert_eq!(record.predicate(), Some(predicate));
        assert_eq!(record.tensor(0).unwrap().addr, memory(0).buffer_addr());
        assert_eq!(record.scalar(0), Some(42));
        assert!(rig.state(made.id).cold().attrs.predicated);
    }
}

#[test]
fn four_packed_inputs_and_an_output_are_21_words() {
    let mut rig = Rig::new(&RingSizes::default());
    let mut args = tensors(&[0, 1, 2, 3].map(|n| existing(memory(n), TensorArgType::Input)));
    outputs(&[64]).tensors().iter().for_each(|arg| args.push(arg));
    let made = rig.submit(&mut args);
    assert_eq!(words(&rig, &made), 21);
    let made = rig.submit(&mut nothing());
    assert_eq!(words(&rig, &made), 0);
    let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
    assert_eq!((record.tensors(), record.scalars(), record.predicate()), (0, 0, None));
}

/// What a kernel of a library is to see is all that was submitted: a part of a buffer, flags, an owner.
#[test]
fn whole_tensors_come_back_with_everything() {
    let mut rig = Rig::new(&RingSizes::default());
    let part = ChipTensor::in_buffer(0x9000, 4096, 3, &[4, 5], &[10, 2], DataType::F16).unwrap();
    let part = ValidTensor::new(part).unwrap().with_manual_dep(true);
    let packed = ValidTensor::contiguous(0x20_0000, &[2, 3, 4, 5, 6], DataType::I64).unwrap();
    let mut args = tensors(&[
        existing(part, TensorArgType::OutputExisting),
        Arg::output(&[7, 9], DataType::F32).unwrap(),
        existing(packed, TensorArgType::NoDep),
    ]);
    args.extend_scalars(&[1, u64::MAX]);
    let predicate = Predicate { addr: 0xDEAD_0008, dtype: DataType::I32, op: PredicateOp::Eq, target: 1 };
    args.predicate(predicate);
    args.keep_whole();
    let made = rig.submit(&mut args);
    assert_eq!(words(&rig, &made), 1 + 3 + 12 * 3 + 2);
    let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
    assert_eq!((record.tensors(), record.scalars(), record.predicate()), (3, 2, Some(predicate)));
    let expected = [
        (part, TensorArgType::OutputExisting),
        (made.outputs[0], TensorArgType::Output),
        (packed, TensorArgType::NoDep),
    ];
    assert_eq!(made.outputs[0].owner_task_id(), made.id);
    let listed: Vec<_> = record.tensor_args().collect();
    for (i, (tensor, tag)) in expected.into_iter().enumerate() {
        assert_eq!(record.chip_tensor(i).unwrap().words(), tensor.words(), "{i}");
        let got = record.tensor(i).unwrap();
        assert_eq!(got, listed[i]);
        assert_eq!((got.addr, got.dtype, got.tag), (tensor.start_addr(), tensor.dtype().unwrap(), tag));
        assert_eq!((&got.shape[..got.ndims], &got.strides[..got.ndims]), (tensor.shape(), tensor.strides()));
        assert_eq!(got.packed, tensor.is_contiguous());
    }
    assert_eq!((record.chip_tensor(3), record.tensor(3)), (None, None));
    assert_eq!([0, 1, 2].map(|i| record.scalar(i)), [Some(1), Some(u64::MAX), None]);
    assert_eq!(record.scalar_words().collect::<Vec<_>>(), [1, u64::MAX]);
}

/// As most tasks of a library are submitted: with no condition before its tensors.
#[test]
fn every_word_of_whole_tensors_comes_back_without_a_condition_too() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    let strided = ValidTensor::contiguous(0x20_0000, &[3, 4, 5, 6, 7], DataType::I64).unwrap();
    let strided = strided.permute(&[4, 2, 0, 3, 1]).unwrap().with_owner(TaskId::new(9, 9));
    let kept = [
        (strided.with_manual_dep(true).with_version(-3), TensorArgType::OutputExisting),
        (memory(1), TensorArgType::NoDep),
        (memory(2).with_version(7), TensorArgType::InOut),
    ];
    for round in 0..500 {
        let mut args = tensors(&[]);
        kept.iter().for_each(|&(tensor, tag)| args.push(&existing(tensor, tag)));
        args.output(&[round % 3, 5], DataType::F16).unwrap();
        args.extend_scalars(&[u64::MAX, round.into()][..(round % 3) as usize]);
        args.keep_whole();
        let made = rig.submit(&mut args);
        let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
        let all = kept.into_iter().chain([(made.outputs[0], TensorArgType::Output)]);
        for (i, (tensor, tag)) in all.enumerate() {
            assert_eq!(record.chip_tensor(i).unwrap().words(), tensor.words(), "{i} of round {round}");
            assert_eq!(record.tensor(i).unwrap().tag, tag, "{i} of round {round}");
        }
        assert_eq!(record.scalar_words().collect::<Vec<_>>(), args.scalars(), "round {round}");
        let _ = rig.runner.run_all();
    }
}

/// A record may lie across the end of its ring: a small window, and many tasks of every length.
#[test]
fn records_survive_the_end_of_the_ring() {
    let mut rig = Rig::new(&RingSizes::default().with_window(4));
    for round in 0..3000u64 {
        let scalars: Vec<u64> = (0..round % 17).map(|i| round << 8 | i).collect();
        let all: Vec<Arg> = (0..round % 33).map(|n| existing(memory(n), TensorArgType::Input)).collect();
        let mut args = tensors(&all);
        args.extend_scalars(&scalars);
        if round % 2 == 1 {
            args.keep_whole();
        }
        let made = rig.submit(&mut args);
        let record = Record::of(&rig.runner.rings, rig.slot_of(made.id));
        for (i, scalar) in scalars.into_iter().enumerate() {
            assert_eq!(record.scalar(i), Some(scalar), "round {round}");
        }
        for n in 0..round % 33 {
            let got = record.tensor(n as usize).unwrap();
            assert_eq!(got.addr, memory(n).buffer_addr());
            assert_eq!(packed_at(&record, n as usize), if round % 2 == 1 { None } else { Some(got) });
        }
        let _ = rig.runner.run_all();
    }
}

#[test]
fn an_allocation_of_nothing_stores_no_word() {
    let mut rig = Rig::new(&RingSizes::default().with_window(128).with_args(32));
    let submit = |rig: &mut Rig, count: u64, scalars: u64| {
        let inputs: Vec<_> = (0..count).map(|n| existing(memory(n), TensorArgType::Input)).collect();
        let mut args = tensors(&inputs);
        (0..scalars).for_each(|scalar| args.scalar(scalar));
        rig.submit(&mut args)
    };
    // The ring of 8192 words is full: what comes next would be where the oldest task's are.
    let oldest = submit(&mut rig, 32, 16);
    (1..56).for_each(|_| drop(submit(&mut rig, 32, 16)));
    let last = submit(&mut rig, 14, 15);
    let words = |rig: &Rig, id| rig.runner.rings.arg_count(rig.slot_of(id));
    assert_eq!((56 * words(&rig, oldest.id) + words(&rig, last.id), rig.runner.waits), (8192, 0));
    rig.orch.alloc(&mut rig.runner, &mut nothing(), Location::caller()).unwrap();
    assert_eq!((rig.runner.rings.usage(0).live, rig.runner.waits), (58, 0));
    let record = Record::of(&rig.runner.rings, rig.slot_of(oldest.id));
    assert_eq!((record.tensors(), record.scalars()), (32, 16));
}
