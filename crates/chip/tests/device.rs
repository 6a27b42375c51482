//! Device memory by number: allocated, copied and freed for others, and used by tasks as tensors that arrive.
mod common;

use common::{Gate, add, dog, refused};
use prewire_abi::{AccessMode, BackendKind, BufferDescriptor, BufferIdentity, Tensor as Wire};
use prewire_chip::{Chip, Core, DataType, DeviceAddr, Segments, SharedMemory};
use std::sync::Arc;

fn chip() -> Chip {
    Chip::sim(prewire_a2a3::a2a3()).clusters(2).build().unwrap()
}

/// A tensor of `n` `i32` from byte `start` of an allocation on.
fn wire(at: DeviceAddr, start: u64, n: u32) -> Wire {
    let identity = BufferIdentity::new(*b"whatever", at.serial(), 1);
    let (addr, bytes, access) = (at.addr() + start, u64::from(n) * 4, AccessMode::ReadWrite);
    let buffer = BufferDescriptor::at_address(identity, BackendKind::DeviceMalloc, addr, bytes, access);
    Wire::contiguous(buffer.unwrap(), 0, &[n], DataType::I32).unwrap()
}

#[test]
fn bytes_go_in_and_out_of_slices_and_shared_memory() {
    let _dog = dog();
    let (chip, memory) = (chip(), SharedMemory::new(prewire_os::Mapping::new(1 << 16).unwrap()));
    let at = chip.allocate(1000).unwrap();
    memory.write(10, &[1, 2, 3, 4, 5]).unwrap();
    chip.upload(at, 995, &memory, 10..15).unwrap();
    chip.download(at, 990, &memory, 100..110).unwrap();
    let mut ten = [9; 10];
    memory.read(100, &mut ten).unwrap();
    assert_eq!(ten, [0, 0, 0, 0, 0, 1, 2, 3, 4, 5]);
    // Adopted memory is no different.
    let _adopted = chip.adopt(&memory).unwrap();
    chip.upload(at, 0, &memory, 12..15).unwrap();
    let mut three = [0; 3];
    chip.copy_from(at, 0, &mut three).unwrap();
    assert_eq!(three, [3, 4, 5]);

    refused(chip.copy_to(at, 999, &[0; 2]), &["bytes 999 to 1001", "has 1000"]);
    refused(chip.copy_from(at, u64::MAX, &mut three), &["has 1000"]);
    refused(chip.upload(at, 0, &memory, 65_530..65_540), &["shared memory has 65536"]);
    refused(chip.download(at, 991, &memory, 100..110), &["has 1000"]);
    let reads = memory.view::<u8>(105, 1).unwrap();
    refused(chip.download(at, 0, &memory, 100..110), &["holds a view of the same bytes"]);
    drop(reads);
    refused(chip.run(|_| chip.copy_to(at, 0, &[1])), &["Chip::copy_to was called inside a run"]);
    refused(chip.run(|_| chip.download(at, 0, &memory, 0..1)), &["Chip::download was called inside a run"]);
}

#[test]
fn an_address_that_was_freed_is_told_from_a_later_allocation_there() {
    let _dog = dog();
    let (chip, none) = (chip(), Segments::new());
    let at = chip.allocate(1 << 20).unwrap();
    drop(chip.import(&wire(at, 0, 8), &none).unwrap());
    chip.free(at).unwrap();
    let gone = [format!("allocation {} at {:#x}", at.serial(), at.addr()), "allocate anew".into()];
    let gone = [gone[0].as_str(), gone[1].as_str()];
    refused(chip.free(at), &gone);
    let next = chip.allocate(1 << 20).unwrap();
    refused(chip.copy_from(at, 0, &mut [0]), &gone);
    refused(chip.import(&wire(at, 0, 8), &none), &gone);
    // As if the system had mapped the new one where the old one was.
    refused(chip.free(DeviceAddr::new(next.addr(), at.serial())), &["there is no device allocation"]);
    refused(chip.free(DeviceAddr::new(next.addr() + 64, next.serial())), &["there is no device allocation"]);
    refused(chip.import(&wire(next, (1 << 20) - 16, 8), &none), &["bytes 1048560 to 1048592"]);
    refused(
        chip.import(&wire(DeviceAddr::new(next.addr() - 4, next.serial()), 0, 1), &none),
        &["has 1048576"],
    );
    refused(chip.import(&wire(next, 2, 1), &none), &["cannot start at byte 2"]);
    chip.free(next).unwrap();
    // What was freed does not count any more.
    let all = chip.allocate(1 << 30).unwrap();
    chip.free(all).unwrap();
}

#[test]
fn tasks_use_what_was_allocated_and_parts_of_it_share_its_hazards() {
    let _dog = dog();
    let (chip, none) = (chip(), Segments::new());
    let (add, gate) = (add(&chip), Gate::new());
    let slow = {
        let gate = Arc::clone(&gate);
        chip.kernel("slow", Core::Aiv, move |k| {
            gate.wait(1);
            k.output::<i32>(0)?.fill(3);
            Ok(())
        })
        .unwrap()
    };
    let at = chip.allocate(4096).unwrap();
    // Two buffers over the same allocation that overlap in four elements.
    let whole = chip.import(&wire(at, 0, 16), &none).unwrap();
    let part = chip.import(&wire(at, 48, 8), &none).unwrap();
    chip.run(|orch| {
        orch.submit(&slow).output_into(&whole).go()?;
        orch.submit(&add).inout(&part).scalar(10i32).go()?;
        // It is gone, and what works on it goes on.
        chip.free(at)?;
        drop((whole, part));
        gate.pass();
        let again = chip.import(&wire(at, 0, 16), &none);
        refused(again, &["it was freed"]);
        Ok(())
    })
    .unwrap();

    let at = chip.allocate(4096).unwrap();
    let whole = chip.import(&wire(at, 0, 16), &none).unwrap();
    let part = chip.import(&wire(at, 48, 8), &none).unwrap();
    chip.run(|orch| {
        orch.submit(&slow).output_into(&whole).go()?;
        orch.submit(&add).inout(&part).scalar(10i32).go().map(drop)
    })
    .unwrap();
    let mut bytes = [0; 4 * 20];
    chip.copy_from(at, 0, &mut bytes).unwrap();
    let ints: Vec<i32> = bytes.chunks(4).map(|b| i32::from_le_bytes(b.try_into().unwrap())).collect();
    assert_eq!(ints, [[3; 12].as_slice(), &[13; 4], &[10; 4]].concat());
    drop((whole, part));
    chip.free(at).unwrap();
}
