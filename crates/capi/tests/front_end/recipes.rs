//! The orchestrations of the fixtures, through the symbols of both copies of the library: what they read is staged in, and
//! what they write is staged out.

#[allow(dead_code, reason = "another test uses the rest")]
#[path = "../orchestration/compile.rs"]
mod sources;

use std::path::{Path, PathBuf};

use prewire_abi::{Arch, ArgDirection, CallConfig, ChipTensor, DataType};

use crate::api::{Api, built};
use crate::worker::{Worker, args, callable};

/// A callable of the fixtures that takes so many tensors, all of them read and written.
fn program(dump: bool, tensors: usize) -> Vec<u8> {
    let kernels = sources::kernels();
    let kernels: Vec<(u32, &[u8])> = kernels.iter().map(|(id, bytes)| (*id, &bytes[..])).collect();
    let signature = vec![ArgDirection::InOut; tensors];
    callable(&signature, &sources::recipes(dump), "aicpu_orchestration_entry", &kernels)
}

/// The library for chips of `arch`, in a file of its own.
fn copy_for(arch: Arch) -> PathBuf {
    let mut bytes = std::fs::read(built()).unwrap();
    arch.mark(&mut bytes).unwrap();
    let copy = built().with_file_name(format!("recipes-{}-{}.so", arch.name(), std::process::id()));
    std::fs::write(&copy, bytes).unwrap();
    copy
}

/// Runs recipe `number` on these words, and returns what they are then. Callable `n` takes `n` tensors.
#[track_caller]
fn play<const N: usize>(worker: &mut Worker<'_>, number: u64, words: [&[u32]; N]) -> [Vec<u32>; N] {
    let mut words = words.map(<[u32]>::to_vec);
    let tensors = words.each_mut().map(|words| {
        let addr = words.as_mut_ptr().expose_provenance() as u64;
        ChipTensor::contiguous(addr, &[words.len() as u32], DataType::U32).unwrap()
    });
    let status = worker.run(N as i32, &args(&tensors, &[number, 0]), &CallConfig::default());
    assert_eq!(status, 0, "recipe {number}");
    std::hint::black_box(words)
}

/// `x * 2 + by`, one after the other.
fn bumped(start: u32, by: impl Iterator<Item = u32>) -> u32 {
    by.fold(start, |x, by| x * 2 + by)
}

fn all(worker: &mut Worker<'_>) {
    // SPMD over more blocks than cores, and clusters that start together, meet, and know who they are.
    let clusters = 8;
    let [single, mixed, counter] = play(worker, 1, [&[0; 120], &[0; 3 * 8], &[0]]);
    for block in 0..40 {
        assert_eq!(single[3 * block..3 * block + 3], [400_001 + 10 * block as u32, 0, 0]);
    }
    for block in 0..clusters {
        let own = 10_000 * clusters as u32 + 10 * block as u32;
        assert_eq!(mixed[3 * block..3 * block + 3], [0, own + 2, own + 3]);
    }
    assert_eq!(counter, [3 * clusters as u32]);
    // Predicates.
    assert_eq!(play(worker, 2, [&[0], &[0; 6]]), [vec![5], vec![1, 0, 1, 0, 1, 0]]);
    // A manual scope with named producers, scopes past the depth of the rings, elements, dummy tasks, and both ways to name
    // no producers.
    assert_eq!(play(worker, 3, [&[0; 16]]), [vec![bumped(0, 1..=8); 16]]);
    assert_eq!(play(worker, 4, [&[1; 4]]), [vec![bumped(1, (0..=12).rev()); 4]]);
    assert_eq!(play(worker, 5, [&[4; 3]]), [vec![111, 19, 11]]);
    assert_eq!(play(worker, 6, [&[0; 2]]), [vec![bumped(0, 1..=6); 2]]);
    // Deferred completion.
    for _ in 0..5 {
        let [_, counter, seen] = play(worker, 9, [&[0], &[0], &[0]]);
        assert_eq!((counter[0], seen[0]), (1, 1));
    }
    // Stale tensors, and records of which half was filled in.
    assert_eq!(play(worker, 10, [&[3; 2]]), [vec![7; 2]]);
    assert_eq!(play(worker, 11, [&[7; 2]]), [vec![87, 83]]);
}

fn on(library: &Path) {
    let api = Api::load(library);
    std::fs::remove_file(library).unwrap();
    let mut worker = Worker::new(&api, 0);
    for dump in [true, false] {
        for tensors in 1..=3 {
            assert_eq!(worker.register(tensors, &program(dump, tensors as usize)), 0);
        }
        for _ in 0..3 {
            all(&mut worker);
        }
        (1..=3).for_each(|tensors| assert_eq!(worker.unregister(tensors), 0));
    }
}

pub(crate) fn orchestrations_compute_what_they_say_on_both_chips() {
    if let Some(missing) = sources::missing() {
        eprintln!("ignored: the fixtures need {missing}");
        return;
    }
    Arch::ALL.map(copy_for).iter().for_each(|library| on(library));
}
