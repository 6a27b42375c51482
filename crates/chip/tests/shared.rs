//! Shared memory on chips: tasks work on it in place, hazards are found in it, and nobody in the process conflicts there.
mod common;

use common::{Gate, add, copy, dog, failure, fill, nop, refused, says};
use prewire_abi::{AccessMode, BackendKind, BufferDescriptor, BufferIdentity, Tensor as Wire};
use prewire_chip::{
    Adopted, Check, Chip, ChipBuilder, Core, DataType, Error, HostArgs, KernelCtx, KernelError, PredicateOp,
    Segments, SharedError, SharedMemory,
};
use std::sync::Arc;

const BYTES: usize = 1 << 20;
const ORIGIN: u64 = 0x7000_0000;

fn small() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3()).clusters(4).domains(2)
}

fn memory() -> SharedMemory {
    SharedMemory::new(prewire_os::Mapping::new(BYTES).unwrap())
}

fn identity(generation: u32) -> BufferIdentity {
    BufferIdentity::new(*b"tests  1", 3, generation)
}

fn segments(memory: &SharedMemory) -> Segments {
    let mut segments = Segments::new();
    segments.add(identity(1), ORIGIN, memory).unwrap();
    segments
}

/// A wire tensor of `i32` over a buffer from byte `start` on.
fn wire(segments: &Segments, start: u64, shape: &[u32], access: AccessMode) -> Wire {
    let bytes = shape.iter().map(|&n| u64::from(n)).product::<u64>() * 4;
    let buffer = segments.describe(identity(1), start, bytes, access).unwrap();
    Wire::contiguous(buffer, 0, shape, DataType::I32).unwrap()
}

fn ints(memory: &SharedMemory, start: u64, n: u32) -> Vec<i32> {
    memory.view::<i32>(start, n).unwrap().to_vec()
}

fn i32s(adopted: &Adopted, start: u64, shape: &[u32]) -> prewire_chip::Buffer {
    adopted.tensor(start, shape, DataType::I32).unwrap()
}

#[test]
fn tasks_work_in_place_and_in_the_order_of_what_they_touch() {
    let _dog = dog();
    for builder in [small(), small().seed(3), small().check(Check::Races)] {
        let (chip, memory) = (builder.build().unwrap(), memory());
        let (add, copy, fill) = (add(&chip), copy(&chip), fill(&chip));
        let adopted = chip.adopt(&memory).unwrap();
        let (x, y) = (i32s(&adopted, 4096, &[4, 4]), i32s(&adopted, 8192, &[4, 2]));
        memory.write(4096, &7i32.to_le_bytes()).unwrap();
        chip.run(|orch| {
            // Reads and writes of halves, through views, and through a buffer of the chip.
            let (left, right) = (x.view(&[0, 0], &[4, 2])?, x.view(&[0, 2], &[4, 2])?);
            assert_eq!(orch.read::<i32>(&x, &[0, 0])?, 7);
            orch.submit(&fill).output_into(&right).scalar(5i32).go()?;
            for _ in 0..50 {
                orch.submit(&add).inout(&left).scalar(1i32).go()?;
                orch.submit(&add).inout(&right).scalar(2i32).go()?;
            }
            orch.submit(&copy).input(&right).output_into(&y).go()?;
            orch.submit(&add).inout(&right).scalar(1000i32).go()?;
            // Off: the element is 57 by then.
            orch.submit(&add).inout(&y).scalar(9i32).predicate(&left, &[0, 0], PredicateOp::Eq, 7).go()?;
            orch.submit(&add).inout(&y).scalar(3i32).predicate(&left, &[0, 0], PredicateOp::Eq, 57).go()?;
            assert_eq!(orch.read::<i32>(&y, &[3, 1])?, 108);
            orch.write::<i32>(&y, &[3, 1], -1)
        })
        .unwrap();
        let mut expected = [[50, 50, 1105, 1105]; 4].concat();
        expected[0] = 57;
        assert_eq!(ints(&memory, 4096, 16), expected);
        assert_eq!(ints(&memory, 8192, 8), [108, 108, 108, 108, 108, 108, 108, -1]);
        // And between runs.
        chip.write(&y, &[1i32; 8]).unwrap();
        assert_eq!(ints(&memory, 8192, 8), [1; 8]);
        assert_eq!(chip.read::<i32>(&x.view(&[0, 1], &[2, 2]).unwrap()).unwrap(), [50, 1105, 50, 1105]);
    }
}

#[test]
fn buffers_over_the_same_bytes_share_their_hazards_and_others_must_not_overlap() {
    let _dog = dog();
    let (chip, memory) = (small().build().unwrap(), memory());
    let (adopted, add, gate) = (chip.adopt(&memory).unwrap(), add(&chip), Gate::new());
    let (first, again) = (i32s(&adopted, 64, &[16]), i32s(&adopted, 64, &[4, 4]));
    let slow = {
        let gate = Arc::clone(&gate);
        chip.kernel("slow", Core::Aiv, move |k| {
            gate.wait(1);
            k.output::<i32>(0)?.fill(1);
            Ok(())
        })
        .unwrap()
    };
    chip.run(|orch| {
        orch.submit(&slow).output_into(&first).go()?;
        for _ in 0..20 {
            orch.submit(&add).inout(&again).scalar(1i32).go()?;
        }
        gate.pass();
        Ok(())
    })
    .unwrap();
    assert_eq!(ints(&memory, 64, 16), [21; 16]);

    for (start, n) in [(60u64, 2u32), (124, 2), (64, 8), (0, 64), (68, 4)] {
        refused(
            adopted.tensor(start, &[n], DataType::I32),
            &["overlap with bytes 64 to 128", "views of one buffer"],
        );
    }
    // Those beside it do not, and bytes are free again once nobody has them.
    drop((i32s(&adopted, 60, &[1]), i32s(&adopted, 128, &[8])));
    drop(first);
    refused(adopted.tensor(68, &[1], DataType::I32), &["overlap"]);
    drop(again);
    let _other = i32s(&adopted, 68, &[1]);
    refused(adopted.tensor(BYTES as u64 - 4, &[2], DataType::I32), &["1048576"]);
    refused(adopted.tensor(66, &[2], DataType::I32), &["cannot start at byte 66"]);
    refused(adopted.tensor(0, &[2, 0], DataType::I32), &["dimension 1"]);
}

#[test]
fn what_is_dropped_in_a_run_stays_until_the_run_has_ended() {
    let _dog = dog();
    let (chip, memory) = (small().build().unwrap(), memory());
    let (add, gate) = (add(&chip), Gate::new());
    let slow = {
        let gate = Arc::clone(&gate);
        chip.kernel("slow", Core::Aiv, move |k| {
            gate.wait(1);
            k.output::<i32>(0)?.fill(41);
            Ok(())
        })
        .unwrap()
    };
    let adopted = chip.adopt(&memory).unwrap();
    let x = i32s(&adopted, 0, &[8]);
    let tensor = x.tensor();
    chip.run(|orch| {
        orch.submit(&slow).output_into(&x).go()?;
        drop((x, adopted));
        // Somebody runs on it.
        let early = chip.adopt(&memory);
        let after = orch.submit(&add).inout(&tensor).scalar(1i32).go();
        gate.pass();
        refused(early, &["1048576 bytes", "adopt memory once"]);
        after.map(drop)
    })
    .unwrap();
    assert_eq!(ints(&memory, 0, 8), [42; 8]);
    refused(chip.run(|orch| orch.submit(&add).inout(&tensor).go().map(drop)), &["was dropped"]);
    refused(chip.read::<i32>(&tensor), &["was dropped"]);

    let adopted = chip.adopt(&memory).unwrap();
    refused(chip.adopt(&memory.clone()), &["overlap"]);
    let x = i32s(&adopted, 0, &[8]);
    let mut again = None;
    // A buffer that is dropped and made again in a run is the same one, with the same hazards.
    chip.run(|orch| {
        orch.submit(&add).inout(&x).scalar(1i32).go()?;
        drop(x);
        let x = again.insert(i32s(&adopted, 0, &[8]));
        refused(adopted.tensor(4, &[1], DataType::I32), &["overlap"]);
        orch.submit(&add).inout(x).scalar(1i32).go().map(drop)
    })
    .unwrap();
    assert_eq!(ints(&memory, 0, 8), [44; 8]);
    // And stays, as somebody has it.
    refused(adopted.tensor(4, &[1], DataType::I32), &["overlap"]);
    assert_eq!(chip.read::<i32>(&again.take().unwrap()).unwrap(), [44; 8]);
    drop(adopted.tensor(4, &[1], DataType::I32).unwrap());
    // They outlive the chip.
    let x = i32s(&adopted, 0, &[8]);
    drop(chip);
    drop((x, adopted));
}

#[test]
fn chips_and_host_functions_of_one_process_never_conflict() {
    let _dog = dog();
    let (one, two, memory) = (small().build().unwrap(), small().build().unwrap(), memory());
    let (here, there) = (one.adopt(&memory).unwrap(), two.adopt(&memory).unwrap());
    let (inside, leave) = (Gate::new(), Gate::new());
    let holds = {
        let (inside, leave) = (Arc::clone(&inside), Arc::clone(&leave));
        one.kernel("holds", Core::Aiv, move |k| {
            let mut view = k.output::<i32>(0)?;
            assert!(matches!(k.input::<i32>(0), Err(KernelError::Borrowed { arg: 0 })));
            inside.pass();
            leave.wait(1);
            view.fill(6);
            Ok(())
        })
        .unwrap()
    };
    let (x, tensor) = (i32s(&here, 0, &[8]), i32s(&here, 0, &[8]).tensor());
    let run = one.launch(move |orch| orch.submit(&holds).inout(&tensor).go().map(drop)).unwrap();
    inside.wait(1);

    // Another chip: its kernels, its predicates, its copies and the accesses of its orchestrations.
    let (copy, y) = (copy(&two), i32s(&there, 0, &[8]));
    let beside = i32s(&there, 64, &[8]);
    let copied = two.run(|orch| orch.submit(&copy).input(&y).output_into(&beside).go().map(drop));
    let failure = failure(copied);
    let KernelError::Conflict { arg: 0, other } = failure.error else { panic!("{}", failure.error) };
    assert!(other.starts_with("task 0:0") && other.ends_with("of another chip of this process"), "{other}");
    let off = two.run(|orch| orch.submit(&nop(&two)).predicate(&y, &[1], PredicateOp::Eq, 0).go().map(drop));
    says(&off.unwrap_err(), &["its predicate reads what task 0:0", "of another chip"]);
    refused(two.run(|orch| orch.read::<i32>(&y, &[2]).map(drop)), &["holds a view of the element"]);
    refused(two.read::<i32>(&y), &["task 0:0", "holds a view of the same bytes"]);
    refused(two.write(&y, &[1i32; 8]), &["holds a view of the same bytes"]);
    // A host function.
    let segments = segments(&memory);
    let tensors = [wire(&segments, 0, &[8], AccessMode::Read), wire(&segments, 64, &[8], AccessMode::Read)];
    let args = prewire_abi::TaskArgsView::new(bytemuck::cast_slice(&tensors), &[]);
    let args = HostArgs::new(args, &segments);
    let conflict = args.input::<i32>(0).unwrap_err();
    assert!(matches!(&conflict, KernelError::Conflict { arg: 0, other } if other.starts_with("task 0:0")));
    assert_eq!(args.input::<i32>(1).unwrap().to_vec(), [0; 8]);
    // What is beside it is nobody's concern.
    assert_eq!(two.read::<i32>(&beside).unwrap(), [0; 8]);

    leave.pass();
    run.wait().unwrap();
    assert_eq!(args.input::<i32>(0).unwrap().to_vec(), [6; 8]);
    two.run(|orch| orch.submit(&copy).input(&y).output_into(&beside).go().map(drop)).unwrap();
    assert_eq!(one.read::<i32>(&x).unwrap(), ints(&memory, 64, 8));
}

fn leaks_a_view(k: &KernelCtx<'_>) -> Result<(), KernelError> {
    std::mem::forget(k.output::<i32>(0)?);
    Ok(())
}

#[test]
fn a_view_that_a_kernel_leaked_keeps_nobody_away() {
    let _dog = dog();
    let (chip, memory) = (small().build().unwrap(), memory());
    let adopted = chip.adopt(&memory).unwrap();
    let x = i32s(&adopted, 0, &[8]);
    let leaks = |k: &mut KernelCtx<'_>| {
        leaks_a_view(k)?;
        if k.scalar::<u32>(0)? == 1 { panic!("on purpose") } else { Ok(()) }
    };
    let leaks = chip.kernel("leaks", Core::Aiv, leaks).unwrap();
    chip.run(|orch| orch.submit(&leaks).inout(&x).scalar(0u32).go().map(drop)).unwrap();
    memory.write(0, &[1]).unwrap();
    let failed = chip.run(|orch| orch.submit(&leaks).inout(&x).scalar(1u32).go().map(drop));
    assert!(matches!(failure(failed).error, KernelError::Panicked(_)));
    memory.write(0, &[1]).unwrap();
}

#[test]
fn the_race_checker_sees_shared_memory() {
    let _dog = dog();
    let (chip, memory) = (small().check(Check::Races).build().unwrap(), memory());
    let (add, adopted) = (add(&chip), chip.adopt(&memory).unwrap());
    let x = i32s(&adopted, 256, &[8]);
    let error = chip
        .run(|orch| {
            orch.submit(&add).no_dep(&x).scalar(1i32).go()?;
            orch.submit(&add).no_dep(&x).scalar(1i32).go().map(drop)
        })
        .unwrap_err();
    says(&error, &["1 race", "\"add\""]);
    let scribble = |k: &mut KernelCtx<'_>| {
        let first = k.input::<i32>(0)?.as_ptr().cast_mut();
        // SAFETY: the first element of a view that is not empty; one kernel runs at a time, without a view by now.
        unsafe { first.write(77) };
        Ok(())
    };
    let scribble = chip.kernel("scribble", Core::Aiv, scribble).unwrap();
    let error = chip.run(|orch| orch.submit(&scribble).input(&x).go().map(drop)).unwrap_err();
    says(&error, &["1 undeclared write", "\"scribble\""]);
}

#[test]
fn a_tensor_from_elsewhere_is_one_of_the_chip() {
    let _dog = dog();
    let (chip, memory) = (small().build().unwrap(), memory());
    let (add, copy, adopted) = (add(&chip), copy(&chip), chip.adopt(&memory).unwrap());
    let each = |k: &mut KernelCtx<'_>| {
        let (by, mut x) = (k.scalar::<i32>(0)?, k.output::<i32>(0)?);
        (0..x.len()).try_for_each(|i| {
            let old = x.get(&[i]).unwrap_or(0);
            x.set(&[i], old + by)
        })
    };
    let each = chip.kernel("each", Core::Aiv, each).unwrap();
    let segments = segments(&memory);
    // Two views of one buffer that do not start where its rows do: the columns of a matrix of 3 at an odd place.
    let buffer = segments.describe(identity(1), 20, 4 * 12, AccessMode::ReadWrite).unwrap();
    let column = |i: u64| Wire::strided(buffer, 4 * i, &[4], &[3], DataType::I32).unwrap();
    let columns = [0, 1, 2].map(|i| chip.import(&column(i), &segments).unwrap());
    let ranks = [&columns[0], &columns[1]].map(|c| c.strides().to_vec());
    assert_eq!(ranks, [[3], [3]]);
    chip.run(|orch| {
        for (i, column) in columns.iter().enumerate() {
            orch.submit(&each).inout(&column.view(&[0], &[4])?).scalar(i as i32 + 1).go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(ints(&memory, 20, 12), [1, 2, 3].repeat(4));
    drop(columns);

    // What was handed out to be read stays as it is.
    let read = chip.import(&wire(&segments, 20, &[12], AccessMode::Read), &segments).unwrap();
    let out = chip.import(&wire(&segments, 4096, &[12], AccessMode::Write), &segments).unwrap();
    chip.run(|orch| {
        let only = ["argument 0 was handed to this chip to be read", "inout"];
        refused(orch.submit(&add).inout(&read).scalar(1i32).go(), &only);
        refused(orch.submit(&add).output_into(&read.view(&[1], &[2])?).scalar(1i32).go(), &only);
        refused(orch.submit(&add).no_dep(&read).scalar(1i32).go(), &only);
        refused(orch.write::<i32>(&read, &[0], 1), &only[..1]);
        assert_eq!(orch.read::<i32>(&read, &[2])?, 3);
        orch.submit(&copy).input(&read).output_into(&out).go().map(drop)
    })
    .unwrap();
    refused(chip.write(&read, &[0i32; 12]), &["to be read"]);
    assert_eq!(ints(&memory, 4096, 12), [1, 2, 3].repeat(4));
    drop(adopted);
}

#[test]
fn a_tensor_that_names_nothing_here_is_refused() {
    let _dog = dog();
    let (chip, memory) = (small().build().unwrap(), memory());
    let known = segments(&memory);
    let good = wire(&known, 64, &[4], AccessMode::ReadWrite);
    let shared = |result: Result<prewire_chip::Buffer, Error>| match result {
        Err(Error::Shared(error)) => error,
        other => panic!("it was to be refused: {other:?}"),
    };
    assert_eq!(shared(chip.import(&good, &known)), SharedError::NotAdopted);
    let _adopted = chip.adopt(&memory).unwrap();
    let _held = chip.import(&good, &known).unwrap();
    assert!(matches!(shared(chip.import(&good, &Segments::new())), SharedError::Unknown { known: 0, .. }));

    let fork = |identity, addr, bytes| {
        let buffer =
            BufferDescriptor::at_address(identity, BackendKind::ForkShm, addr, bytes, AccessMode::ReadWrite);
        Wire::contiguous(buffer.unwrap(), 0, &[4], DataType::I32).unwrap()
    };
    let stale = shared(chip.import(&fork(identity(7), ORIGIN, 16), &known));
    assert_eq!(stale, SharedError::Stale { segment: 3, named: 7, here: 1 });
    for addr in [1, ORIGIN - 1, ORIGIN + BYTES as u64 - 15, u64::MAX] {
        let outside = shared(chip.import(&fork(identity(1), addr, 16), &known));
        assert!(matches!(outside, SharedError::Outside { size: 0x10_0000, .. }), "{addr:#x}: {outside}");
    }
    let long = shared(chip.import(&fork(identity(1), ORIGIN, u64::MAX), &known));
    assert!(matches!(long, SharedError::Outside { .. }));
    let odd = shared(chip.import(&fork(identity(1), ORIGIN + 2, 16), &known));
    assert_eq!(odd, SharedError::Misaligned { start: 2, size: 4 });
    let cut = shared(chip.import(&fork(identity(1), ORIGIN + 68, 16), &known));
    let overlap = SharedError::Overlap { start: 68, end: 84, other_start: 64, other_end: 80 };
    assert_eq!(cut, overlap);

    let cow = BufferDescriptor::at_address(identity(1), BackendKind::ForkCow, ORIGIN, 16, AccessMode::Read);
    let cow = Wire::contiguous(cow.unwrap(), 0, &[4], DataType::I32).unwrap();
    assert_eq!(shared(chip.import(&cow, &known)), SharedError::Backend { backend: BackendKind::ForkCow });
    // As many elements as one likes, all of them the same few bytes.
    let buffer = *good.buffer();
    let many = Wire::strided(buffer, 0, &[4, 1 << 30], &[1, 1], DataType::I32);
    assert!(many.is_err(), "it is longer than its buffer");
    let many = Wire::strided(buffer, 0, &[2, 2, 2], &[1, 1, 1], DataType::I32).unwrap();
    assert_eq!(shared(chip.import(&many, &known)), SharedError::SelfOverlap { elements: 8, extent: 4 });
    let junk: Wire = bytemuck::pod_read_unaligned(&[0xA5; 144]);
    assert!(matches!(shared(chip.import(&junk, &known)), SharedError::Tensor(_)));
}
