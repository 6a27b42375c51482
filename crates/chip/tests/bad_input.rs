//! Mistakes in the arguments of a submit: each is an error of its own that says what, where and what to do, and nothing
//! of the task exists: the same run goes on with what comes after.
mod common;

use common::bench::Bench;
use common::{copy, dog, here, next_line, refused};
use prewire_chip::{Chip, ChipBuilder, DataType, EdgeKind, Error, Param, PredicateOp, RingSizes};

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2).domains(1)
}

fn rings() -> RingSizes {
    RingSizes::default().with_window(64).with_heap(64 << 10)
}

#[test]
fn a_view_outside_of_its_tensor_cannot_be_made() {
    let chip = small().build().unwrap();
    let x = chip.zeros::<i32>(&[4, 6]).unwrap();
    refused(x.view(&[2, 0], &[3, 6]), &["takes indices 2..5 of dimension 0, which has 4"]);
    refused(x.view(&[0], &[3]), &["for a tensor of 2 dimensions"]);
    refused(x.slice(1, 3..9), &["3..9 of dimension 1, which has 6"]);
    #[expect(clippy::reversed_empty_ranges, reason = "the mistake that is tested")]
    refused(x.slice(1, 3..2), &["3..2 of dimension 1 ends before it starts"]);
    refused(x.slice(2, 0..1), &["dimension 2 of a tensor of 2 dimensions"]);
    refused(x.transpose(0, 2), &["dimension 2 of a tensor of 2 dimensions"]);
    refused(x.permute(&[1, 1]), &["dimension 1 twice"]);
    refused(x.reshape(&[5, 5]), &["24 elements cannot become one of 25"]);
    refused(x.transpose(0, 1).unwrap().reshape(&[24]), &["only a contiguous tensor can be reshaped"]);
    refused(x.view(&[u32::MAX, 0], &[u32::MAX, 6]), &["dimension 0, which has 4"]);
}

#[test]
fn a_shape_that_is_none_is_refused_by_the_host_and_in_a_run() {
    let _dog = dog();
    let bench = Bench::new(small());
    refused(bench.chip.zeros::<i32>(&[]), &["a tensor of 0 dimensions; allowed are 1 to 5"]);
    refused(bench.chip.zeros::<i32>(&[1; 6]), &["a tensor of 6 dimensions; allowed are 1 to 5"]);
    refused(bench.chip.zeros::<i32>(&[u32::MAX; 5]), &["in dimension 2; allowed are 1 to 4294967295"]);
    refused(bench.chip.zeros::<i32>(&[u32::MAX, 1 << 16, 1 << 15]), &["do not fit in 64 bits"]);
    refused(
        bench.chip.tensor(&[1i32, 2, 3], &[2, 2]),
        &["number of elements", "the tensor has 4 (shape [2, 2])", "the call has 3"],
    );
    bench.run(0, |orch| {
        let (site, made) = (here!(), orch.alloc(&[1; 6], DataType::F32));
        refused(made, &[site, "an allocation", "6 dimensions"]);
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(
            submit.output(&[], DataType::F32).go(),
            &[site, "argument 0: a tensor of 0 dimensions; allowed are 1 to 5"],
        );
        refused(
            orch.submit(&bench.nop).output(&[u32::MAX, 1 << 16, 1 << 15], DataType::I64).go(),
            &["argument 0", "do not fit in 64 bits"],
        );
    });
}

#[test]
fn a_copy_of_the_wrong_type_or_length_names_both_sides() {
    let chip = small().build().unwrap();
    let x = chip.zeros::<f32>(&[2, 3]).unwrap();
    refused(chip.read::<i32>(&x), &["dtype: the tensor has float32, the call has int32"]);
    refused(chip.write(&x, &[1u8; 6]), &["dtype: the tensor has float32, the call has uint8"]);
    refused(chip.write(&x, &[1.0f32; 5]), &["number of elements", "6 (shape [2, 3])", "the call has 5"]);
    assert_eq!(chip.read::<f32>(&x).unwrap(), [0.0; 6], "a refused copy changed nothing");
}

#[test]
fn a_host_access_inside_a_run_needs_an_element_of_the_right_type() {
    let _dog = dog();
    let bench = Bench::new(small());
    let x = bench.chip.tensor(&[5i32; 6], &[2, 3]).unwrap();
    let f = bench.chip.zeros::<f32>(&[2]).unwrap();
    bench.run(0, |orch| {
        let (site, read) = (here!(), orch.read::<f32>(&x, &[0, 0]));
        refused(read, &[site, "a host read", "element [0, 0]", "shape [2, 3] and dtype int32", "type"]);
        let (site, written) = (here!(), orch.write(&x, &[2, 0], 1i32));
        refused(written, &[site, "a host write", "element [2, 0]", "there is no such element"]);
        refused(orch.read::<i32>(&x, &[0]), &["element [0]", "there is no such element"]);
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        let predicated = submit.predicate(&f, &[0], PredicateOp::Eq, 0).go();
        refused(predicated, &[site, "dtype float32", "a predicate compares integers"]);
        refused(
            orch.submit(&bench.nop).predicate(&x, &[0, 3], PredicateOp::Eq, 0).go(),
            &["element [0, 3]", "there is no such element"],
        );
        assert_eq!(orch.read::<i32>(&x, &[1, 2]).unwrap(), 5);
    });
}

#[test]
fn a_kernel_a_tensor_or_a_task_of_another_chip_is_refused() {
    let _dog = dog();
    let (bench, other) = (Bench::new(small()), Bench::new(small()));
    let theirs = other.chip.zeros::<i32>(&[4]).unwrap();
    let mut their_task = None;
    other
        .chip
        .run(|orch| {
            their_task = Some(orch.submit(&other.nop).go()?);
            Ok(())
        })
        .unwrap();
    let their_task = their_task.unwrap();
    refused(bench.chip.read::<i32>(&theirs), &["a tensor of another chip", "that chip's read"]);
    refused(bench.chip.write(&theirs, &[1i32; 4]), &["a tensor of another chip"]);
    bench.run(1, |orch| {
        let (site, submit) = (here!(), orch.submit(&other.nop));
        refused(submit.go(), &[site, "kernel \"nop\"", "registered with another chip"]);
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        let refusal = submit.scalar(1).input(&theirs).go();
        refused(refusal, &[site, "argument 0 is a tensor of another chip"]);
        refused(orch.read::<i32>(&theirs, &[0]), &["a tensor of another chip"]);
        refused(
            orch.submit(&bench.nop).predicate(&theirs, &[0], PredicateOp::Eq, 0).go(),
            &["a tensor of another chip"],
        );
        // The first task of the first run of either chip: the same number.
        let mine = orch.submit(&bench.nop).go().unwrap();
        assert_eq!(mine.id(), their_task.id());
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(submit.after(&their_task).go(), &[site, "another run, or on another chip"]);
    });
}

#[test]
fn a_task_or_a_tensor_of_another_run_is_refused() {
    let _dog = dog();
    let bench = Bench::new(small());
    let mut kept = None;
    bench
        .chip
        .run(|orch| {
            kept = Some(orch.submit(&bench.nop).output(&[4], DataType::I32).go()?);
            Ok(())
        })
        .unwrap();
    let kept = kept.unwrap();
    let tensor = kept.tensor().unwrap();
    bench.run(0, |orch| {
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(submit.after(&kept).go(), &[site, "task 0:0 was submitted in another run"]);
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(
            submit.after_kind(&kept, EdgeKind::WAIT).input(&tensor).go(),
            &[site, "task 0:0 was submitted in another run"],
        );
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(
            submit.input(&tensor).go(),
            &[site, "argument 0 is an output of an earlier run", "keep what outlives a run in a buffer"],
        );
        refused(orch.read::<i32>(&kept, &[0]), &["an output of an earlier run"]);
    });
    refused(bench.chip.read::<i32>(&tensor), &["an output of an earlier run"]);
}

#[test]
fn a_tensor_that_is_kept_past_its_scope_is_stale_and_the_scope_is_named() {
    let _dog = dog();
    let bench = Bench::new(small().rings(rings()));
    bench.run(1, |orch| {
        let mut made = None;
        let scope = next_line!();
        let opened = orch.scope(|orch| {
            made = Some(orch.submit(&bench.nop).output(&[4], DataType::I32).go()?);
            orch.alloc(&[4], DataType::I32)
        });
        let (task, allocated) = (made.unwrap(), opened.unwrap());
        let owner = format!("the output of task {}", task.id());
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(
            submit.scalar(1).input(&task).go(),
            &[site, "argument 0", &owner, &scope, "is closed", "use the tensor inside its scope"],
        );
        refused(orch.submit(&bench.nop).output_into(&allocated).go(), &["is closed", &scope]);
        refused(orch.submit(&bench.nop).no_dep(&task).go(), &["is closed", &scope]);
        refused(orch.read::<i32>(&task, &[0]), &["is closed", &scope]);
        refused(
            orch.submit(&bench.nop).predicate(&task, &[0], PredicateOp::Eq, 1).go(),
            &["is closed", &scope],
        );
        // Also from inside a later scope of the same depth.
        orch.scope(|orch| {
            refused(orch.submit(&bench.nop).input(&task).go(), &["is closed", &scope]);
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn arguments_that_touch_the_same_bytes_are_refused_if_one_is_written() {
    let _dog = dog();
    let bench = Bench::new(small());
    let copy = copy(&bench.chip);
    let x = bench.chip.zeros::<i32>(&[4, 4]).unwrap();
    let (left, middle, right) =
        (x.slice(1, 0..2).unwrap(), x.slice(1, 1..3).unwrap(), x.slice(1, 2..4).unwrap());
    bench.run(2, |orch| {
        let (site, submit) = (here!(), orch.submit(&copy));
        let text = "arguments 0 and 1 touch the same bytes";
        refused(
            submit.input(&left).output_into(&middle).go(),
            &[site, text, "pass the memory once, as inout"],
        );
        refused(orch.submit(&copy).inout(&x).input(&x).go(), &[text]);
        refused(orch.submit(&copy).no_dep(&x).output_into(&right).go(), &[text]);
        orch.submit(&copy).input(&left).output_into(&right).go().unwrap();
        orch.submit(&bench.nop).input(&left).input(&middle).go().unwrap();
    });
}

#[test]
fn a_task_with_no_or_several_outputs_is_no_tensor() {
    let _dog = dog();
    let bench = Bench::new(small());
    bench.run(2, |orch| {
        let none = orch.submit(&bench.nop).go().unwrap();
        let two = orch.submit(&bench.nop).output(&[1], DataType::I8).output(&[2], DataType::I8).go().unwrap();
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        refused(submit.input(&none).go(), &[site, "argument 0 is task 0:0, which has 0 outputs"]);
        refused(
            orch.submit(&bench.nop).input(&two.output(0).unwrap()).input(&two).go(),
            &["argument 1 is task 0:1, which has 2 outputs", "task.output(i)"],
        );
        let (site, tensor) = (here!(), two.tensor());
        refused(tensor, &[site, "has 2 outputs"]);
        refused(two.output(2), &["has 2 outputs"]);
    });
}

#[test]
fn a_buffer_that_was_dropped_is_refused_and_one_dropped_while_in_use_is_kept() {
    let _dog = dog();
    let bench = Bench::new(small());
    let buffer = bench.chip.tensor(&[7i32; 4], &[4]).unwrap();
    let (whole, part) = (buffer.tensor(), buffer.slice(0, 1..3).unwrap());
    bench.run(1, |orch| {
        let reader = orch.submit(&bench.nop).input(&part).go();
        reader.unwrap();
        drop(buffer);
        // It was seen alive in this run, and lives until the run has ended.
        assert_eq!(orch.read::<i32>(&whole, &[3]).unwrap(), 7);
    });
    let again = bench.chip.zeros::<i32>(&[4]).unwrap();
    bench.run(0, |orch| {
        for tensor in [&whole, &part] {
            let (site, submit) = (here!(), orch.submit(&bench.nop));
            refused(submit.input(tensor).go(), &[site, "argument 0 is a view of a buffer that was dropped"]);
        }
        refused(orch.write(&whole, &[0], 1i32), &["a buffer that was dropped"]);
    });
    let (site, read) = (here!(), bench.chip.read::<i32>(&whole));
    refused(read, &[site, "a copy", "a buffer that was dropped; keep the buffer"]);
    refused(bench.chip.write(&whole, &[1i32; 4]), &["a buffer that was dropped"]);
    assert_eq!(bench.chip.read::<i32>(&again).unwrap(), [0; 4]);
}

#[test]
fn an_error_that_the_program_passes_on_ends_the_run_and_is_what_the_run_returns() {
    let _dog = dog();
    let bench = Bench::new(small());
    let mut place = "";
    let error = bench.chip.run(|orch| {
        orch.submit(&bench.nop).go()?;
        let (site, submit) = (here!(), orch.submit(&bench.nop));
        place = site;
        submit.blocks(0).go()?;
        unreachable!("the error is passed on");
    });
    let error = refused(error, &["0 blocks were asked for"]);
    common::says(&error, &[place]);
    assert!(matches!(error, Error::Submit(_)));
    bench.run(0, |_| ());
}

#[test]
fn arguments_that_a_kernel_said_it_does_not_take_are_refused_at_submit() {
    let _dog = dog();
    let bench = Bench::new(small());
    let (ints, floats) = (bench.chip.zeros::<i32>(&[4]).unwrap(), bench.chip.zeros::<f32>(&[4]).unwrap());
    let takes = [Param::In(DataType::F32), Param::InOut(DataType::F32), Param::Out(DataType::I32)];
    let nop = bench.nop.clone().takes(&takes, 1);
    bench.run(1, |orch| {
        let cases: [(_, &[&str]); 5] = [
            (orch.submit(&nop).input(&floats).go(), &["1 tensors and 0 scalars", "takes 3 and 1"]),
            (
                orch.submit(&nop).input(&ints).inout(&floats).output(&[4], DataType::I32).scalar(1).go(),
                &["argument 0 is an input of int32", "an input of float32"],
            ),
            (
                orch.submit(&nop).input(&floats).input(&floats).output(&[4], DataType::I32).scalar(1).go(),
                &["argument 1 is an input of float32", "an inout of float32"],
            ),
            (
                orch.submit(&nop).input(&floats).inout(&floats).output(&[4], DataType::F32).scalar(1).go(),
                &["argument 2 is an output of float32", "an output of int32"],
            ),
            (orch.dummy().blocks(2).go(), &["a dummy task runs nothing"]),
        ];
        for (result, words) in cases {
            refused(result, words);
        }
        let other = bench.chip.zeros::<f32>(&[4]).unwrap();
        orch.submit(&nop).input(&floats).inout(&other).output_into(&ints).scalar(1).go().unwrap();
    });
}
