//! Kernels that are given up: ids, names and libraries come back.

use std::sync::Arc;

use prewire_chip::{Chip, Core, Error, KernelLibrary, LibrarySource, Mix};
use prewire_sync::atomic::{AtomicBool, Ordering};

use crate::Case;
use crate::compile::{kernel, object};

pub(crate) const CASES: &[Case] = &[
    ("unregister::a_thousand_cycles_leave_nothing", a_thousand_cycles_leave_nothing),
    ("unregister::what_a_run_uses_stays_until_it_is_over", what_a_run_uses_stays_until_it_is_over),
    ("unregister::what_has_a_handle_keeps_its_id", what_has_a_handle_keeps_its_id),
    (
        "unregister::what_is_submitted_runs_after_the_last_handle_is_gone",
        what_is_submitted_runs_after_the_last_handle_is_gone,
    ),
    ("unregister::a_mix_keeps_its_parts", a_mix_keeps_its_parts),
    ("unregister::two_loads_share_nothing", two_loads_share_nothing),
    ("unregister::what_is_given_up_twice_is_refused", what_is_given_up_twice_is_refused),
];

/// How many mappings of this process are of a kernel library.
fn loaded() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("prewire-kernel-") && line.contains("r-xp")).count()
}

fn a_thousand_cycles_leave_nothing() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let bytes = object(
        "static uint32_t calls;
         void kernel_entry(int64_t *args) { WORDS(0)[0] += args[1] + calls++; }",
    );
    let sum = chip.zeros::<u32>(&[1]).unwrap();
    let others = loaded();
    for cycle in 0..1100u64 {
        // SAFETY: it is written above.
        let add = unsafe { chip.kernel_library("add", LibrarySource::Bytes(&bytes), Core::Aiv) }.unwrap();
        chip.run(|orch| orch.submit(&add).inout(&sum).scalar(cycle).go().map(drop)).unwrap();
        chip.unregister(add).unwrap();
        if cycle % 100 == 0 {
            assert_eq!(loaded(), others, "after {cycle} cycles");
        }
    }
    // A library that stayed would have counted its calls.
    assert_eq!(chip.read::<u32>(&sum).unwrap(), [1099 * 1100 / 2]);
}

fn what_a_run_uses_stays_until_it_is_over() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let others = loaded();
    let add = kernel(&chip, "add", Core::Aiv, "WORDS(0)[0] += 1;");
    let count = chip.zeros::<u32>(&[1]).unwrap();
    chip.run(|orch| {
        for _ in 0..100 {
            orch.submit(&add).inout(&count).go()?;
        }
        chip.unregister(add.clone())?;
        // Its name is free, and it can be submitted as long as there is a handle of it.
        let other = chip.kernel("add", Core::Aiv, |k| {
            k.output::<u32>(0)?.as_mut_slice()?[0] += 1000;
            Ok(())
        })?;
        orch.submit(&other).inout(&count).go()?;
        orch.submit(&add).inout(&count).go()?;
        drop(add);
        assert_eq!(loaded(), others + 1);
        Ok(())
    })
    .unwrap();
    assert_eq!(loaded(), others);
    assert_eq!(chip.read::<u32>(&count).unwrap(), [1101]);
}

/// What still has a handle is not another kernel's, though its name may be.
fn what_has_a_handle_keeps_its_id() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let count = chip.zeros::<u32>(&[1]).unwrap();
    let add = kernel(&chip, "add", Core::Aiv, "WORDS(0)[0] += 1;");
    chip.unregister(add.clone()).unwrap();
    let others: Vec<_> =
        ["add", "b", "c"].map(|name| kernel(&chip, name, Core::Aiv, "WORDS(0)[0] += 1000;")).into();
    chip.run(|orch| {
        orch.submit(&add).inout(&count).go()?;
        others.iter().try_for_each(|other| orch.submit(other).inout(&count).go().map(drop))
    })
    .unwrap();
    assert_eq!(chip.read::<u32>(&count).unwrap(), [3001]);
}

/// The last handle goes while tasks that were submitted with it have not begun: they are still its tasks.
fn what_is_submitted_runs_after_the_last_handle_is_gone() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let others = loaded();
    let count = chip.zeros::<u32>(&[1]).unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&open);
    let gate = move |_: &mut prewire_chip::KernelCtx<'_>| {
        while !opened.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Ok(())
    };
    let gate = chip.kernel("gate", Core::Aiv, gate).unwrap();
    let add = kernel(&chip, "add", Core::Aiv, "WORDS(0)[0] += 1;");
    chip.run(|orch| {
        orch.submit(&gate).inout(&count).go()?;
        for _ in 0..20 {
            orch.submit(&add).inout(&count).go()?;
        }
        chip.unregister(add)?;
        // These would get its id.
        for name in ["add", "b", "c"] {
            let other = chip.kernel(name, Core::Aiv, |k| {
                k.output::<u32>(0)?.as_mut_slice()?[0] += 1000;
                Ok(())
            })?;
            orch.submit(&other).inout(&count).go()?;
        }
        open.store(true, Ordering::Release);
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.read::<u32>(&count).unwrap(), [3020]);
    assert_eq!(loaded(), others);
}

fn a_mix_keeps_its_parts() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let (cube, vector) = (
        kernel(&chip, "cube", Core::Aic, "WORDS(0)[0] += 1;"),
        kernel(&chip, "vector", Core::Aiv, "WORDS(0)[1] += 1;"),
    );
    let both = chip.mix("both", Mix { aic: Some(&cube), aiv0: Some(&vector), aiv1: None }).unwrap();
    chip.unregister(cube).unwrap();
    chip.unregister(vector).unwrap();
    let counts = chip.zeros::<u32>(&[2]).unwrap();
    chip.run(|orch| orch.submit(&both).inout(&counts).go().map(drop)).unwrap();
    assert_eq!(chip.read::<u32>(&counts).unwrap(), [1, 1]);
    chip.unregister(both).unwrap();
}

/// The same bytes, the same file, and a file that was written anew.
fn two_loads_share_nothing() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(8).build().unwrap();
    let counting = |by: u32| {
        object(&format!(
            "static uint32_t calls; void kernel_entry(int64_t *args) {{ WORDS(0)[0] = calls += {by}; }}"
        ))
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("same-name.so");
    let out = chip.zeros::<u32>(&[1]).unwrap();
    for (name, by) in [("one", 1), ("two", 1), ("three", 100)] {
        std::fs::write(&path, counting(by)).unwrap();
        // SAFETY: it is written above.
        let library = unsafe { KernelLibrary::load(name, LibrarySource::Path(&path)) }.unwrap();
        let count = chip.kernel_of(&library, name, Some(Core::Aiv)).unwrap();
        chip.run(|orch| orch.submit(&count).output_into(&out).go().map(drop)).unwrap();
        assert_eq!(chip.read::<u32>(&out).unwrap(), [by], "{name}");
    }
}

fn what_is_given_up_twice_is_refused() {
    let chip = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let other = Chip::sim(prewire_a2a3::a2a3()).clusters(1).build().unwrap();
    let nop = kernel(&chip, "nop", Core::Aiv, "(void)args;");
    let why = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert!(why(other.unregister(nop.clone())).contains("another chip"));
    chip.unregister(nop.clone()).unwrap();
    assert!(why(chip.unregister(nop)).contains("given up before"));
}
