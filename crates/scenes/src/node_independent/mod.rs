//! Tasks that have nothing to do with each other, on two chips and on four: each evaluates a polynomial on its own slice
//! of shared memory, and leaves the number of the process that it ran in.
//!
//! Where chips are processes, that number must be the one of the chip that the task was directed to.

mod callables;
mod golden;

use prewire::Worker;

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Inside, Outcome, Scene, Setup};
use crate::spoil::Spoil;
use callables::evaluate;

/// Elements of a tile.
const TILE: u32 = 256;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_independent",
    about: "two chips, then four, with tasks that do not depend on each other",
    level: 3,
    tolerance: 1e-6,
    kernels: &["polynomial", "sign"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    Ok(on(setup, 2)?.and(&on(setup, 4)?))
}

/// The scene on that many chips.
fn on(setup: &Setup, count: u32) -> anyhow::Result<Outcome> {
    let (tasks, tiles) = setup.size.pick((12, 3), (60, 12), (2000, 72));
    let program = evaluate(Spoil::of(setup));
    let mut node = Node::start(setup, |inside| {
        let tree = Worker::node().chips(count as usize, setup.builder()?).callable(&program);
        Ok(inside.children_of(tree))
    })?;
    let mut draw = Draw::new(31);
    let elements = (tiles * TILE) as usize;
    let x = draw.many(tasks as usize * elements, 1.0);
    let scalars: Vec<[f32; 2]> = (0..tasks).map(|_| [draw.signed(2.0), draw.signed(2.0)]).collect();
    let shape = [tasks, tiles, TILE];
    let (from, to) = (node.worker.tensor(&x, &shape)?, node.worker.zeros::<f32>(&shape)?);
    let signed = node.worker.zeros::<u64>(&[tasks])?;
    let names = chips(count);
    let named = || (0..).zip(names.iter().cycle()).zip(&scalars);
    node.run(u64::from(tasks), |orch| {
        for ((task, chip), [a, b]) in named() {
            let slice =
                |tensor: &prewire::prelude::Tensor| tensor.slice(0, task..task + 1)?.reshape(&[tiles, TILE]);
            orch.submit(&program)
                .to(chip)
                .input(&slice(&from)?)
                .output_into(&slice(&to)?)
                .output_into(&signed.slice(0, task..task + 1)?)
                .scalar(*a)
                .scalar(*b)
                .go()?;
        }
        Ok(())
    })?;
    let (y, signed) = (node.worker.read::<f32>(&to)?, node.worker.read::<u64>(&signed)?);
    let mut worst = Worst::default();
    for (task, [a, b]) in scalars.iter().enumerate() {
        let part = task * elements..(task + 1) * elements;
        worst.see_all(&y[part.clone()], &golden::polynomial(&x[part], *a, *b));
    }
    let processes = node.worker.processes();
    for (task, &process) in signed.iter().enumerate() {
        let of_chip = match node.inside {
            Inside::Processes => processes[task % count as usize],
            Inside::Threads => Some(std::process::id()),
        };
        worst.see_exact(Some(process), of_chip.map(u64::from));
    }
    node.finish(worst)
}
