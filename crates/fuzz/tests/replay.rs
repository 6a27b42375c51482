//! The inputs that the fuzzer kept, replayed: each target has some, and each promise holds on all of them.
#![forbid(unsafe_code)]

use prewire_abi::{BlobView, ChipTensor};
use prewire_fuzz::{TARGETS, Target};

/// The kept inputs of a target, with their names, in the order of their names.
fn inputs(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = target.corpus();
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, std::fs::read(&path).expect("an input can be read"))
        })
        .collect();
    inputs.sort();
    inputs
}

#[test]
fn every_kept_input_keeps_the_promise_of_its_target() {
    for target in TARGETS {
        let inputs = inputs(target);
        assert!(inputs.len() >= 10, "only {} inputs are kept for {}", inputs.len(), target.name);
        for (name, bytes) in inputs {
            // The test's output names the input that a panic is about.
            println!("{}/{name}", target.name);
            (target.check)(&bytes);
        }
    }
}

#[test]
fn every_kept_input_with_a_few_bytes_changed_keeps_it_too() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = |end: usize| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 33) as usize % end.max(1)
    };
    for target in TARGETS {
        for (name, bytes) in inputs(target) {
            for _ in 0..50 {
                let mut bytes = bytes.clone();
                for _ in 0..=draw(3) {
                    let at = draw(bytes.len());
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte = draw(256) as u8;
                    }
                }
                bytes.truncate(bytes.len() - draw(3).min(bytes.len()));
                println!("{}/{name}: {bytes:?}", target.name);
                (target.check)(&bytes);
            }
        }
    }
}

/// Inputs that every decoder refuses would show nothing.
#[test]
fn some_kept_inputs_are_accepted() {
    let kept = |name| inputs(prewire_fuzz::target(name).expect("it is a target"));
    let blobs = kept("blob").into_iter().filter(|(_, bytes)| {
        BlobView::parse(bytes)
            .is_ok_and(|blob| blob.args().tensor_count() > 0 && blob.args().validate().is_ok())
    });
    assert!(blobs.count() > 0, "no blob with a valid tensor is kept");
    let raw = kept("chip_tensor").into_iter().filter(|(_, bytes)| {
        let record = bytes.get(1..129).filter(|_| bytes[0].is_multiple_of(4));
        record.is_some_and(|record| bytemuck::pod_read_unaligned::<ChipTensor>(record).validate().is_ok())
    });
    assert!(raw.count() > 0, "no valid record of a chip tensor is kept");
}

#[test]
fn a_target_is_found_by_its_name_alone() {
    for target in TARGETS {
        assert_eq!(prewire_fuzz::target(target.name).map(|found| found.name), Some(target.name));
    }
    assert!(prewire_fuzz::target("blobs").is_none());
}
