//! A feed-forward layer, `max(x W1, 0) W2`, with its weights split over the chips of a node.
//!
//! Each chip has some columns of `W1` and the same rows of `W2`, so that it computes a part of every result without
//! hearing of the others; what is left is to add the parts up. A SUB worker does that in one run, and a chip in the next.
//! There the shares are views of the whole matrices in shared memory: nothing is copied to split them. In a third run
//! each chip has its share in its own memory, as weights that stay there from run to run would be.

mod callables;
mod golden;

use prewire::Worker;
use prewire::prelude::{Buffer, Callable, DataType, Tensor};
use prewire::worker::{Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// Rows and columns of a tile.
const TILE: u32 = 64;

/// The scene. An element is a sum of up to 4096 products.
pub(crate) const SCENE: Scene = Scene {
    name: "node_ffn",
    about: "tensor-parallel feed-forward layer on two chips, then four, parts summed by a SUB worker and by a chip",
    level: 3,
    tolerance: 1e-4,
    kernels: &["up", "relu", "down", "reduce", "add_up"],
    run,
};

/// The sizes of the layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Rows of `x`.
    pub(crate) tokens: u32,
    /// Columns of `x` and of the result.
    pub(crate) model: u32,
    /// Columns of `W1`, rows of `W2`.
    pub(crate) hidden: u32,
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    Ok(on(setup, 2)?.and(&on(setup, 4)?))
}

/// The scene on that many chips.
fn on(setup: &Setup, count: u32) -> anyhow::Result<Outcome> {
    let [tokens, model, hidden] = setup.size.pick([40, 72, 160], [256, 384, 1536], [512, 1024, 4096]);
    let sizes = Sizes { tokens, model, hidden };
    let spoil = Spoil::of(setup);
    let part = callables::part(spoil);
    let reduces = [callables::reduce(spoil), callables::reduce_on_chip(spoil)];
    let mut node = Node::start(setup, |inside| {
        let tree = Worker::node().chips(count as usize, setup.builder()?).subs(1).callable(&part);
        Ok(inside.children_of(reduces.iter().fold(tree, |tree, reduce| tree.callable(reduce))))
    })?;
    let mut draw = Draw::new(33);
    let mut matrix = |rows: u32, columns: u32, scale: f32| draw.many((rows * columns) as usize, scale);
    let (x, up, down) = (matrix(tokens, model, 1.0), matrix(model, hidden, 0.1), matrix(hidden, model, 0.1));
    let held = [
        node.worker.tensor(&x, &[tokens, model])?,
        node.worker.tensor(&up, &[model, hidden])?,
        node.worker.tensor(&down, &[hidden, model])?,
    ];
    let names = chips(count);
    let share = hidden / count;
    let views = (0..count).map(|chip| {
        let part = chip * share..(chip + 1) * share;
        Ok([held[1].slice(1, part.clone())?, held[2].slice(0, part)?])
    });
    let views = views.collect::<prewire::Result<Vec<_>>>()?;
    let resident: Vec<_> =
        names.iter().zip(&views).map(|(chip, share)| on_chip(&node, chip, share)).collect::<Result<_>>()?;
    let on_chips: Vec<_> = resident.iter().map(|[up, down]| [up.tensor(), down.tensor()]).collect();
    let want = golden::layer(sizes, &x, &up, &down);
    let mut worst = Worst::default();
    for (reduce, weights) in [(&reduces[0], &views), (&reduces[1], &views), (&reduces[0], &on_chips)] {
        let y = node.worker.zeros::<f32>(&[tokens, model])?;
        node.run(u64::from(count) + 1, |orch| {
            program(orch, [&part, reduce], &names, weights, held[0].tensor(), &y)
        })?;
        worst.see_all(&node.worker.read::<f32>(&y)?, &want);
    }
    node.finish(worst)
}

/// A share of the weights in the chip's own memory. What is not in one piece is read and written, the rest copied.
fn on_chip(node: &Node, chip: &str, [up, down]: &[Tensor; 2]) -> Result<[Buffer; 2]> {
    let device = node.worker.device(chip)?;
    let own_up = device.tensor(&node.worker.read::<f32>(up)?, up.shape())?;
    let own_down = device.zeros::<f32>(down.shape())?;
    device.copy_to(&own_down, down)?;
    Ok([own_up, own_down])
}

/// The program: each chip has two matrices of `weights`.
fn program(
    orch: &mut Orch<'_>,
    [part, reduce]: [&Callable; 2],
    chips: &[String],
    weights: &[[Tensor; 2]],
    x: Tensor,
    y: &Tensor,
) -> Result<()> {
    let mut parts = Vec::new();
    for (chip, [up, down]) in chips.iter().zip(weights) {
        let task = orch.submit(part).to(chip).input(&x).input(up).input(down);
        parts.push(task.output(y.shape(), DataType::F32).go()?);
    }
    let mut sum = orch.submit(reduce);
    if reduce.kind() == prewire::worker::Kind::ChipProgram {
        sum = sum.to(&chips[0]);
    }
    for part in &parts {
        sum = sum.input(part);
    }
    sum.output_into(y).go().map(drop)
}

/// Where each tile of `size` elements starts, and how long it is.
fn tiles(size: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..size).step_by(TILE as usize).map(move |start| (start, TILE.min(size - start)))
}
