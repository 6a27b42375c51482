//! Thousands of tasks through the smallest rings: windows of four slots, heaps of four slabs.
//!
//! Every submit waits for the ring to give a slot back, and each wait must end: by a task that completes, by a scope
//! that closes. All values are integers that depend on the order of the tasks, so a task that ran too early, twice or
//! on memory that was given away too early shows. Four parts, one after another:
//!
//! 1. *Chains*: four buffers, a chain of steps each, interleaved.
//! 2. *Depth*: in each round four nested scopes, each with one output made from the one around it, joined in the
//!    innermost. The third and the fourth share a ring.
//! 3. *Fans*: in each round one output with two readers, each with an output, and a task that joins them. A window of
//!    four lends three slots at a time, and these take all three.
//! 4. *Turns*: in each round one task overwrites a buffer that two tasks of the round before may still be reading.

mod golden;
mod kernels;

use prewire::prelude::{Buffer, DataType, Orch, RingSizes, Tensor};

use crate::compare::Worst;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
use kernels::Kernels;

/// Elements of each tensor.
const WIDTH: u32 = 16;

/// Chains of the first part.
const CHAINS: u64 = 4;

/// The scene. Its error counts a wrong element as 1.
pub(crate) const SCENE: Scene = Scene {
    name: "ring_pressure",
    about: "thousands of tasks through windows of four slots, integers that must be exact",
    level: 2,
    tolerance: 0.0,
    kernels: &["step", "make", "join", "overwrite", "fold"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let rounds = setup.size.pick(60, 1000, 20_000);
    let rings = RingSizes::default().with_window(4).with_heap(4096).with_deps(8).with_tensor_map(64);
    let mut machine = Machine::with_rings(setup, rings)?;
    let kernels = Kernels::new(&machine)?;
    let start: Vec<u64> = (0..u64::from(WIDTH)).collect();
    let buffers = (0..CHAINS + 5)
        .map(|_| machine.chip.tensor(&start, &[WIDTH]))
        .collect::<prewire::Result<Vec<Buffer>>>()?;
    let (chains, [deep, fan, turn, left, right]) = buffers.split_at(CHAINS as usize) else {
        unreachable!("five more buffers than chains");
    };
    machine.run(rounds * (CHAINS + 5 + 4 + 3), |orch| {
        for round in 0..rounds {
            for (chain, buffer) in (0..).zip(chains) {
                orch.submit(&kernels.step).inout(buffer).scalar(CHAINS * round + chain).go()?;
            }
        }
        for _ in 0..rounds {
            depth(orch, &kernels, deep.tensor())?;
        }
        for _ in 0..rounds {
            fans(orch, &kernels, fan.tensor())?;
        }
        for round in 0..rounds {
            orch.submit(&kernels.overwrite).output_into(turn).scalar(round).go()?;
            for reader in [left, right] {
                orch.submit(&kernels.fold).input(turn).inout(reader).go()?;
            }
        }
        Ok(())
    })?;

    let mut worst = Worst::default();
    for (chain, buffer) in (0..).zip(chains) {
        let want = start.iter().map(|&x| golden::chain(x, CHAINS, chain, rounds)).collect();
        worst.see_exact(machine.chip.read::<u64>(buffer)?, want);
    }
    let each = |golden: fn(u64, u64) -> u64| start.iter().map(|&x| golden(x, rounds)).collect();
    worst.see_exact(machine.chip.read::<u64>(deep)?, each(golden::depth));
    worst.see_exact(machine.chip.read::<u64>(fan)?, each(golden::fans));
    for reader in [left, right] {
        worst.see_exact(machine.chip.read::<u64>(reader)?, each(golden::turns));
    }
    Ok(machine.finish(worst))
}

/// A round of the second part.
fn depth(orch: &mut Orch<'_>, k: &Kernels, x: Tensor) -> prewire::Result<()> {
    orch.scope(|orch| {
        let first = make(orch, k, &x, 1)?;
        orch.scope(|orch| {
            let second = make(orch, k, &first, 2)?;
            orch.scope(|orch| {
                let third = make(orch, k, &second, 3)?;
                orch.scope(|orch| {
                    let fourth = make(orch, k, &third, 4)?;
                    orch.submit(&k.join)
                        .input(&first)
                        .input(&second)
                        .input(&third)
                        .input(&fourth)
                        .inout(&x)
                        .go()?;
                    Ok(())
                })
            })
        })
    })
}

/// A round of the third part.
fn fans(orch: &mut Orch<'_>, k: &Kernels, x: Tensor) -> prewire::Result<()> {
    orch.scope(|orch| {
        let source = make(orch, k, &x, 5)?;
        orch.scope(|orch| {
            let left = make(orch, k, &source, 6)?;
            let right = make(orch, k, &source, 7)?;
            orch.submit(&k.join).input(&left).input(&right).inout(&x).go()?;
            Ok(())
        })
    })
}

/// Submits a task that makes a new tensor.
fn make(orch: &mut Orch<'_>, k: &Kernels, from: &Tensor, scalar: u64) -> prewire::Result<Tensor> {
    orch.submit(&k.make).input(from).output(&[WIDTH], DataType::U64).scalar(scalar).go()?.tensor()
}
