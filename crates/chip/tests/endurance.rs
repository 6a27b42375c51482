//! Endurance: a million tasks and a hundred thousand runs leave memory, threads and descriptors where they were. One
//! test, alone in its process: the whole process is counted.
mod common;

use common::{dog, nop};
use prewire_chip::{Chip, DataType, Orch, Result};
use prewire_test_support::Held;

fn resident() -> u64 {
    Held::now().counts().resident
}

/// Calls `batch` for a million tasks, and compares the memory after the first 200 000 with that at the end. By then
/// the rings have gone round; the tensor map still may grow, once, if many accesses happen to be alive.
fn million(orch: &mut Orch<'_>, each: u64, mut batch: impl FnMut(&mut Orch<'_>) -> Result<()>) -> Result<()> {
    let batches = 1_000_000 / each;
    let warm = batches.min(200_000 / each).min(batches * 2 / 5);
    (0..warm).try_for_each(|_| batch(orch))?;
    let before = resident();
    (warm..batches).try_for_each(|_| batch(orch))?;
    let after = resident();
    assert!(
        after <= before + before / 5 + (8 << 20),
        "{before} bytes are resident after {} tasks, {after} after {}",
        warm * each,
        batches * each
    );
    Ok(())
}

#[test]
fn long_use_leaves_everything_where_it_was() {
    let _dog = dog();
    let chip = Chip::sim(prewire_a2a3::a2a3()).build().unwrap();
    let nop = nop(&chip);
    let buffers: Vec<_> = (0..16).map(|_| chip.zeros::<i32>(&[16]).unwrap()).collect();

    // In scopes of some hundreds, with outputs.
    let report = chip.run(|orch| {
        million(orch, 250, |orch| {
            orch.scope(|orch| {
                let mut last = orch.submit(&nop).output(&[16], DataType::I32).go()?;
                for i in 1..250usize {
                    let submit = orch.submit(&nop).input(&last).input(&buffers[i % 16]);
                    last = submit.output(&[16], DataType::I32).go()?;
                }
                Ok(())
            })
        })
    });
    assert_eq!(report.unwrap().executed, 1_000_000);

    // In the root scope, without outputs.
    let report = chip.run(|orch| {
        million(orch, 16, |orch| buffers.iter().try_for_each(|x| orch.submit(&nop).inout(x).go().map(drop)))
    });
    assert_eq!(report.unwrap().executed, 1_000_000);

    // Run after run.
    let runs = |n: u64| {
        for i in 0..n {
            let buffer = &buffers[i as usize % 16];
            chip.run(|orch| {
                let made = orch.submit(&nop).inout(buffer).output(&[8], DataType::I32).go()?;
                orch.submit(&nop).input(&made).go().map(drop)
            })
            .unwrap();
        }
    };
    runs(2_000);
    let before = Held::now();
    runs(100_000);
    before.assert_grew_at_most(4, 4 << 20);
}
