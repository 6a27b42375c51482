//! Chips come and go, and idle ones cost nothing. One test, alone in its process: the whole process is counted.
mod common;

use common::{add, dog};
use core::time::Duration;
use prewire_chip::{Buffer, Chip, ChipBuilder, Core, DataType, Error, Kernel, KernelError};
use prewire_test_support::{Held, idle_for};

fn works(chip: &Chip, add: &Kernel, x: &Buffer, expected: i32) {
    chip.run(|orch| {
        for _ in 0..20 {
            orch.submit(add).inout(x).scalar(1i32).go()?;
            orch.submit(add).output(&[64], DataType::I32).scalar(1i32).go()?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(chip.read::<i32>(x).unwrap(), [expected; 4]);
}

/// Builds a chip, uses it, and drops it, in a different state each time.
fn cycle(round: u64) {
    let builder = |spec| -> ChipBuilder { Chip::sim(spec) };
    let spec = if round.is_multiple_of(2) { prewire_a2a3::a2a3() } else { prewire_a5::a5() };
    let builder = if round % 5 == 4 { builder(spec).seed(round) } else { builder(spec) };
    let chip = builder.build().unwrap();
    if round % 7 == 3 {
        // Never used.
        return;
    }
    let add = add(&chip);
    let x = chip.zeros::<i32>(&[4]).unwrap();
    works(&chip, &add, &x, 20);
    let cohort = chip.kernel("cohort", Core::Aiv, |k| k.cohort_barrier()).unwrap();
    chip.run(|orch| orch.submit(&cohort).blocks(6).sync_start().go().map(drop)).unwrap();
    let fails = chip.kernel("fails", Core::Aiv, |_| Err(KernelError::new("on purpose"))).unwrap();
    let failed = chip.run(|orch| orch.submit(&fails).go().map(drop));
    assert!(matches!(failed, Err(Error::Task(_))));
    if round % 3 == 1 {
        // The buffer goes last.
        drop(chip);
    }
    drop(x);
}

#[test]
fn chips_leave_nothing_behind_and_idle_ones_cost_nothing() {
    let _dog = dog();
    let fresh = Held::now();
    (0..20).for_each(cycle);
    // Taken once the threads of the first cycles are gone, which the kernel may take a while to see to.
    let before = fresh.assert_same();
    (0..200).for_each(cycle);
    before.assert_grew_at_most(16, 32 << 20);

    let chips: Vec<_> = (0..16)
        .map(|i| {
            let spec = if i % 2 == 0 { prewire_a2a3::a2a3() } else { prewire_a5::a5() };
            let chip = Chip::sim(spec).build().unwrap();
            let (add, x) = (add(&chip), chip.zeros::<i32>(&[4]).unwrap());
            (chip, add, x)
        })
        .collect();
    for round in 1..4 {
        // All at once.
        std::thread::scope(|scope| {
            for (chip, add, x) in &chips {
                scope.spawn(move || works(chip, add, x, 20 * round));
            }
        });
        // Threads spin for some microseconds before they park, and a watchman stays at his post for some milliseconds.
        let _ = idle_for(Duration::from_millis(100));
        let interval = if round == 1 { 1000 } else { 100 };
        let idle = idle_for(Duration::from_millis(interval));
        assert!(idle.processors() < 0.01, "16 idle chips: {idle:?}");
    }
    for (chip, _, _) in &chips {
        let (threads, cores) = (chip.peak_threads(), chip.spec().cores());
        assert!(threads <= 16, "{threads} threads for {cores} cores whose kernels never block");
    }
    drop(chips);
    before.assert_same();
}
