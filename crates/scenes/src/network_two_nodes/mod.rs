//! Level 4: two nodes with two chips each, and a SUB worker beside them, compute `A B B` and the sums of its rows.
//!
//! The rows are split over the nodes, and each node splits the columns over its chips, with an orchestrator of its own.
//! Between the products the halves change places, so that each node reads what the other one's chips wrote, in memory of
//! the level above both.

mod callables;
mod golden;

use prewire::Worker;
use prewire::prelude::{Callable, DataType, Tensor};
use prewire::worker::{Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::Node;
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// How many chips a node has.
const CHIPS: u32 = 2;
/// The nodes.
const NODES: [&str; 2] = ["left", "right"];

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "network_two_nodes",
    about: "level 4: a product twice over, split over two nodes and over the two chips of each",
    level: 4,
    tolerance: 1e-5,
    kernels: &["multiply", "row_sums"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (times, side) = setup.size.pick((1, 18), (4, 256), (10, 768));
    let spoil = Spoil::of(setup);
    let product = callables::product(spoil);
    let above = [callables::split_product(product.clone()), callables::row_sums(spoil)];
    let mut network = Node::start(setup, |inside| {
        let mut tree = inside.children_of(Worker::network(4));
        for name in NODES {
            let node = Worker::node().name(name).chips(CHIPS as usize, setup.builder()?);
            tree = tree.child(inside.children_of(node.hazards(setup.hazards).callable(&product)));
        }
        Ok(above.iter().fold(tree.subs(1), |tree, callable| tree.callable(callable)))
    })?;
    let mut draw = Draw::new(38);
    let elements = (side * side) as usize;
    let (a, b) = (draw.many(elements, 1.0), draw.many(elements, 1.0 / side as f32));
    let operands = [network.worker.tensor(&a, &[side, side])?, network.worker.tensor(&b, &[side, side])?];
    let [c, sums] = [network.worker.zeros::<f32>(&[side, side])?, network.worker.zeros::<f32>(&[side])?];
    let want = golden::twice(side as usize, &a, &b);
    let mut worst = Worst::default();
    for _ in 0..times {
        network.run(2 * 2 + 1, |orch| {
            program(orch, &above, [operands[0].tensor(), operands[1].tensor()], &c, &sums)
        })?;
        worst.see_all(&network.worker.read::<f32>(&c)?, &want.0);
        worst.see_all(&network.worker.read::<f32>(&sums)?, &want.1);
    }
    network.finish(worst)
}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    [product, row_sums]: &[Callable; 2],
    [a, b]: [Tensor; 2],
    c: &Tensor,
    sums: &Tensor,
) -> Result<()> {
    let side = a.shape()[0];
    let half = side / 2;
    let between = orch.alloc(&[side, side], DataType::F32)?;
    for (from, to, nodes) in [(a, between, NODES), (between, *c, [NODES[1], NODES[0]])] {
        for (node, rows) in nodes.iter().zip([0..half, half..side]) {
            let (from, to) = (from.slice(0, rows.clone())?, to.slice(0, rows)?);
            orch.submit(product).to(node).input(&from).input(&b).output_into(&to).go()?;
        }
    }
    orch.submit(row_sums).input(c).output_into(sums).go().map(drop)
}
