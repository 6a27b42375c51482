//! Mistakes in setting up: chips, kernels, memory, and calls from the wrong place.
mod common;

use common::{add, dog, fill, nop, refused};
use prewire_chip::{Chip, ChipBuilder, Core, Error, Mix, RingSizes};
use std::sync::Arc;

fn a2a3() -> ChipBuilder {
    Chip::sim(prewire_a2a3::a2a3())
}

#[test]
fn a_chip_has_no_more_clusters_domains_or_threads_than_it_has() {
    refused(a2a3().clusters(0).build(), &["0 clusters", "1 to 24"]);
    refused(a2a3().clusters(25).build(), &["25 clusters", "24"]);
    refused(a2a3().clusters(99).build(), &["99 clusters", "24"]);
    refused(Chip::sim(prewire_a5::a5()).clusters(37).build(), &["37 clusters", "36"]);
    refused(a2a3().domains(0).build(), &["0 scheduler domains", "by 1 to 8"]);
    refused(a2a3().domains(9).build(), &["9 scheduler domains", "by 1 to 8"]);
    refused(
        a2a3().clusters(2).domains(3).build(),
        &["3 scheduler domains", "2 clusters are driven by 1 to 2"],
    );
    refused(a2a3().threads(0).build(), &["threads is 0, allowed are 1 to 72"]);
    refused(a2a3().threads(73).build(), &["threads is 73, allowed are 1 to 72"]);
    for clusters in [1, 24] {
        let chip = a2a3().clusters(clusters).build().unwrap();
        assert_eq!(chip.spec().clusters, clusters);
    }
}

#[test]
fn ring_sizes_that_are_not_legal_name_the_field_and_its_range() {
    let build = |sizes: RingSizes| a2a3().clusters(1).rings(sizes).build();
    let sizes = RingSizes::default();
    refused(build(sizes.with_window(2)), &["RingSizes::window[0] is 2", "a power of two from 4 to 16777216"]);
    refused(build(sizes.with_window(100)), &["RingSizes::window[0] is 100", "power of two"]);
    refused(build(sizes.with_heap(1023)), &["RingSizes::heap[0] is 1023", "from 1024 to"]);
    refused(build(sizes.with_deps(3)), &["RingSizes::deps[0] is 3", "from 4 to"]);
    refused(build(sizes.with_tensor_map(63)), &["RingSizes::tensor_map is 63", "from 64 to"]);
    let mut third = sizes;
    third.window[3] = 7;
    refused(build(third), &["RingSizes::window[3] is 7"]);
    build(RingSizes::smallest()).unwrap();
}

#[test]
fn memory_has_a_limit_that_the_message_tells() {
    refused(
        a2a3().memory_limit(1 << 20).build(),
        &["device memory is exhausted: 268435456 bytes wanted", "0 of 1048576 in use", "memory limit"],
    );
    let sizes = RingSizes::default().with_heap(1024);
    let chip = a2a3().rings(sizes).memory_limit(1 << 20).build().unwrap();
    refused(chip.zeros::<u8>(&[1 << 20]), &["1048576 bytes wanted", "4096 of 1048576 in use"]);
    let most = chip.zeros::<u8>(&[(1 << 20) - 4096]).unwrap();
    refused(chip.zeros::<u8>(&[1]), &["1048576 of 1048576 in use"]);
    drop(most);
    chip.zeros::<u8>(&[(1 << 20) - 4096]).unwrap();
}

#[test]
fn hardware_without_its_vendor_library_names_the_simulator() {
    for (spec, simulator) in [(prewire_a2a3::a2a3(), "a2a3sim"), (prewire_a5::a5(), "a5sim")] {
        let error = refused(Chip::hardware(spec), &[simulator, "libascendcl.so", spec.name]);
        assert!(matches!(error, Error::NoDriver { .. }));
    }
}

#[test]
fn kernels_have_names_of_their_own_and_mixes_have_parts_that_fit() {
    let (chip, other) = (a2a3().build().unwrap(), a2a3().build().unwrap());
    let vector = nop(&chip);
    let cube = chip.kernel("cube", Core::Aic, |_| Ok(())).unwrap();
    let theirs = nop(&other);
    let empty = Mix::default();
    refused(chip.kernel("nop", Core::Aic, |_| Ok(())), &["kernel \"nop\"", "registered already"]);
    refused(chip.kernel("", Core::Aic, |_| Ok(())), &["a kernel needs a name"]);
    refused(chip.mix("none", empty), &["kernel \"none\"", "two or three places"]);
    refused(chip.mix("one", Mix { aic: Some(&cube), ..empty }), &["two or three places"]);
    refused(
        chip.mix("swapped", Mix { aic: Some(&vector), aiv0: Some(&vector), ..empty }),
        &["part \"nop\" is not a kernel for an AIC core"],
    );
    refused(
        chip.mix("swapped", Mix { aic: Some(&cube), aiv1: Some(&cube), ..empty }),
        &["part \"cube\" is not a kernel for an AIV core"],
    );
    refused(
        chip.mix("foreign", Mix { aic: Some(&cube), aiv0: Some(&theirs), ..empty }),
        &["part \"nop\" was registered with another chip"],
    );
    let mix = chip.mix("both", Mix { aic: Some(&cube), aiv0: Some(&vector), ..empty }).unwrap();
    refused(
        chip.mix("nested", Mix { aic: Some(&cube), aiv0: Some(&mix), ..empty }),
        &["part \"both\" is not a kernel for an AIV core"],
    );
    refused(
        chip.mix("both", Mix { aiv0: Some(&vector), aiv1: Some(&vector), ..empty }),
        &["registered already"],
    );
    // Names that were refused are free.
    chip.mix("one", Mix { aiv0: Some(&vector), aiv1: Some(&vector), ..empty }).unwrap();
}

#[test]
fn a_chip_takes_1024_kernels() {
    let chip = a2a3().clusters(1).build().unwrap();
    for i in 0..1024 {
        chip.kernel(&format!("k{i}"), Core::Aiv, |_| Ok(())).unwrap();
    }
    refused(chip.kernel("more", Core::Aiv, |_| Ok(())), &["kernel \"more\"", "1024 kernels are registered"]);
}

#[test]
fn calls_that_wait_for_a_chip_are_refused_inside_runs_and_kernels() {
    let _dog = dog();
    for seed in [None, Some(3)] {
        let (builder, other) = (a2a3().clusters(2), Arc::new(a2a3().clusters(1).build().unwrap()));
        let chip = seed.map_or(builder.clone(), |seed| builder.seed(seed)).build().unwrap();
        let x = Arc::new(chip.tensor(&[1i32, 2], &[2]).unwrap());
        let theirs = Arc::new(other.tensor(&[3i32], &[1]).unwrap());
        let (inner, tensor) = (Arc::clone(&other), Arc::clone(&theirs));
        let caller = chip
            .kernel("caller", Core::Aiv, move |_| {
                refused(inner.run(|_| Ok(())), &["Chip::run was called inside a run or a kernel"]);
                refused(inner.read::<i32>(&tensor), &["Chip::read was called inside", "Orch::read"]);
                refused(inner.write(&tensor, &[1i32]), &["Chip::write was called inside", "Orch::write"]);
                Ok(())
            })
            .unwrap();
        chip.run(|orch| {
            orch.submit(&caller).go()?;
            refused(chip.run(|_| Ok(())), &["Chip::run was called inside a run or a kernel", "between runs"]);
            refused(chip.read::<i32>(&x), &["Chip::read was called inside", "Orch::read reads an element"]);
            refused(chip.write(&x, &[1i32, 2]), &["Chip::write was called inside"]);
            refused(other.run(|_| Ok(())), &["Chip::run was called inside"]);
            Ok(())
        })
        .unwrap();
        // Afterwards all of it is allowed again.
        chip.write(&x, &[5i32, 6]).unwrap();
        assert_eq!(chip.read::<i32>(&x).unwrap(), [5, 6]);
        assert_eq!(other.read::<i32>(&theirs).unwrap(), [3]);
    }
}

#[test]
fn runs_of_one_chip_from_many_threads_follow_one_another() {
    let _dog = dog();
    let chip = a2a3().clusters(4).build().unwrap();
    let (add, fill) = (add(&chip), fill(&chip));
    let x = chip.zeros::<i32>(&[16]).unwrap();
    chip.run(|orch| orch.submit(&fill).output_into(&x).scalar(100i32).go().map(drop)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    chip.run(|orch| orch.submit(&add).inout(&x).scalar(1i32).go().map(drop)).unwrap();
                }
            });
        }
    });
    assert_eq!(chip.read::<i32>(&x).unwrap(), [200; 16]);
}
