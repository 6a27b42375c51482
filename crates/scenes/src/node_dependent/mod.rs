//! Chains of tasks, each on another chip than the one before it, on two chips and on four: what a chip writes to shared
//! memory is what the next one reads. A tree of sums over the ends of the chains makes one result.
//!
//! All that passes between chips is the outputs of tasks, from the heap of the open scope; the last sum is written into a
//! buffer. The edges between chips follow from these tensors alone.

mod callables;
mod golden;

use prewire::Worker;
use prewire::prelude::{Callable, DataType, Tensor};
use prewire::worker::{Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_dependent",
    about: "two chips, then four, with chains of tasks that go from chip to chip through shared memory",
    level: 3,
    tolerance: 1e-5,
    kernels: &["halve", "mirror", "add"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    Ok(on(setup, 2)?.and(&on(setup, 4)?))
}

/// The scene on that many chips.
fn on(setup: &Setup, count: u32) -> anyhow::Result<Outcome> {
    let (chains, steps, elements) = setup.size.pick((4, 3, 64), (8, 12, 1024), (32, 64, 4096));
    let spoil = Spoil::of(setup);
    let programs = [callables::step(spoil), callables::join(spoil)];
    let mut node = Node::start(setup, |inside| {
        let [step, join] = &programs;
        let tree = Worker::node().chips(count as usize, setup.builder()?);
        Ok(inside.children_of(tree.callable(step).callable(join)))
    })?;
    let x = Draw::new(32).many((chains * elements) as usize, 1.0);
    let (from, sum) = (node.worker.tensor(&x, &[chains, elements])?, node.worker.zeros::<f32>(&[elements])?);
    node.run(u64::from(chains * steps + chains - 1), |orch| {
        program(orch, &programs, &chips(count), steps, from.tensor(), &sum)
    })?;
    let mut worst = Worst::default();
    worst.see_all(&node.worker.read::<f32>(&sum)?, &golden::chains(&x, elements as usize, steps));
    node.finish(worst)
}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    [step, join]: &[Callable; 2],
    chips: &[String],
    steps: u32,
    from: Tensor,
    sum: &Tensor,
) -> Result<()> {
    let [chains, elements] = [from.shape()[0], from.shape()[1]];
    let mut at = chips.iter().cycle();
    let mut chip = || at.next().map_or("", String::as_str);
    let mut ends = Vec::new();
    for chain in 0..chains {
        let mut x = from.slice(0, chain..chain + 1)?.reshape(&[elements])?;
        for more in 0..steps {
            let y = orch.submit(step).to(chip()).input(&x).output(&[elements], DataType::F32);
            x = y.scalar(more as f32).go()?.tensor()?;
        }
        ends.push(x);
        // The next chain begins on another chip.
        chip();
    }
    while ends.len() > 2 {
        let mut sums = Vec::new();
        for pair in ends.chunks(2) {
            let [a, b] = pair else { break };
            let sum = orch.submit(join).to(chip()).input(a).input(b).output(&[elements], DataType::F32);
            sums.push(sum.go()?.tensor()?);
        }
        ends = sums;
    }
    orch.submit(join).to(chip()).input(&ends[0]).input(&ends[1]).output_into(sum).go().map(drop)
}
