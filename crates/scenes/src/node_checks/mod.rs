//! SUB workers that check what chips compute, while the run goes on: a result that is wrong fails the run.
//!
//! Chips square matrices, and a host function compares each square with the golden, where the chip left it. Then a run in
//! which one square is wrong: it must fail, with the check's word for it. The run after it is right again.

mod callables;
mod golden;

use anyhow::{bail, ensure};
use prewire::Worker;
use prewire::prelude::{Buffer, Callable};
use prewire::worker::{Error, Orch, Reason, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// How many chips there are.
const CHIPS: u32 = 2;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_checks",
    about: "SUB workers check what two chips compute; a result that is wrong fails its run, and no other",
    level: 3,
    tolerance: 1e-4,
    kernels: &["multiply", "shift"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (count, side) = setup.size.pick((6, 12), (30, 96), (200, 160));
    let callables = [callables::square(Spoil::of(setup)), callables::check(SCENE.tolerance)];
    let mut node = Node::start(setup, |inside| {
        let [square, check] = &callables;
        let tree = Worker::node().chips(CHIPS as usize, setup.builder()?).subs(2);
        Ok(inside.children_of(tree.callable(square).callable(check)))
    })?;
    let elements = (side * side) as usize;
    let a = Draw::new(36).many(count as usize * elements, 1.0);
    let shape = [count, side, side];
    let buffers = [node.worker.tensor(&a, &shape)?, node.worker.zeros::<f32>(&shape)?];
    let mut worst = Worst::default();
    for wrong in [None, Some(count / 2), None] {
        node.worker.write(&buffers[1], &vec![0.0f32; a.len()])?;
        let program = |orch: &mut Orch<'_>| program(orch, &callables, &buffers, wrong);
        if wrong.is_none() {
            node.run(u64::from(2 * count), program)?;
            let squares = node.worker.read::<f32>(&buffers[1])?;
            for (square, a) in squares.chunks(elements).zip(a.chunks(elements)) {
                worst.see_all(square, &golden::square(side as usize, a));
            }
            continue;
        }
        let error = node.run_to_failure(program)?;
        let Error::Task(failure) = &error else { bail!("not a task failed, but: {error}") };
        let Reason::Said(said) = &failure.reason else { bail!("the check did not say so, but: {error}") };
        ensure!(
            failure.callable == "check"
                && failure.worker.contains("/sub")
                && said.contains("differs from the golden"),
            "the check was to find a wrong square, but: {error}"
        );
    }
    node.finish(worst)
}

/// The program: `wrong` is the square that gets an element wrong.
fn program(
    orch: &mut Orch<'_>,
    [square, check]: &[Callable; 2],
    [a, squares]: &[Buffer; 2],
    wrong: Option<u32>,
) -> Result<()> {
    let side = a.shape()[1];
    for (task, chip) in (0..a.shape()[0]).zip(chips(CHIPS).iter().cycle()) {
        let a = a.slice(0, task..task + 1)?.reshape(&[side, side])?;
        let result = squares.slice(0, task..task + 1)?.reshape(&[side, side])?;
        let by = if wrong == Some(task) { 0.5f32 } else { 0.0 };
        orch.submit(square).to(chip).input(&a).output_into(&result).scalar(by).go()?;
        orch.submit(check).input(&a).input(&result).go()?;
    }
    Ok(())
}
