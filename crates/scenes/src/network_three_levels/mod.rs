//! Level 5 over level 4 over nodes over chips, of different widths: each level splits what it was given over its children,
//! with an orchestrator of its own, and adds a digit to a scalar that says which way the work went.
//!
//! ```text
//! top (5) --+-- wide (4) --+-- worker0 (3) -- chip0, chip1
//!           |              +-- worker1 (3) -- chip0
//!           +-- narrow (4) --- worker0 (3) -- chip0
//!           +-- sub0
//! ```

mod callables;
mod golden;

use prewire::Worker;
use prewire::prelude::{Callable, Tensor};
use prewire::worker::{Builder, Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::Node;
use crate::scene::{Inside, Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "network_three_levels",
    about: "level 5 over level 4 over nodes over chips: work that is split on every level",
    level: 5,
    tolerance: 1e-6,
    kernels: &["square", "sum"],
    run,
};

/// What runs on the levels.
struct Callables {
    square: Callable,
    on_node: Callable,
    on_network: Callable,
    sum: Callable,
}

impl Callables {
    fn new(spoil: Spoil) -> Self {
        let square = callables::square(spoil);
        let on_node = callables::split("on_node", square.clone(), 1.0);
        let on_network = callables::split("on_network", on_node.clone(), 10.0);
        Self { square, on_node, on_network, sum: callables::sum(spoil) }
    }
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (rounds, elements): (u32, u32) = setup.size.pick((2, 8 * 16), (16, 8 * 2048), (200, 8 * 65_536));
    let callables = Callables::new(Spoil::of(setup));
    let mut top = Node::start(setup, |inside| tree(setup, inside, &callables))?;
    let x = Draw::new(39).many(elements as usize, 4.0);
    let from = top.worker.tensor(&x, &[elements])?;
    let [to, sum] = [top.worker.zeros::<f32>(&[elements])?, top.worker.zeros::<f32>(&[1])?];
    top.run(u64::from(3 * rounds), |orch| {
        (0..rounds).try_for_each(|_| round(orch, &callables, from.tensor(), to.tensor(), &sum))
    })?;
    let (want, mut worst) = (golden::squares(&x), Worst::default());
    worst.see_all(&top.worker.read::<f32>(&to)?, &want);
    worst.see_all(&top.worker.read::<f32>(&sum)?, &[want.iter().sum()]);
    top.finish(worst)
}

/// The tree of the picture above.
fn tree(setup: &Setup, inside: Inside, callables: &Callables) -> prewire::Result<Builder> {
    let place = |worker: Builder| inside.children_of(worker.hazards(setup.hazards));
    let node = |chips| -> prewire::Result<Builder> {
        Ok(place(Worker::node().chips(chips, setup.builder()?).callable(&callables.square)))
    };
    let wide = Worker::network(4).name("wide").child(node(2)?).child(node(1)?);
    let narrow = Worker::network(4).name("narrow").child(node(1)?);
    let top = Worker::network(5)
        .name("top")
        .child(place(wide.callable(&callables.on_node)))
        .child(place(narrow.callable(&callables.on_node)));
    Ok(place(top.subs(1).callable(&callables.on_network).callable(&callables.sum)))
}

/// One round: a half to each branch, then the sum of what they made.
fn round(orch: &mut Orch<'_>, k: &Callables, from: Tensor, to: Tensor, sum: &Tensor) -> Result<()> {
    let half = from.shape()[0] / 2;
    for (index, branch) in (0..).zip(["wide", "narrow"]) {
        let part = index * half..(index + 1) * half;
        let (from, to) = (from.slice(0, part.clone())?, to.slice(0, part)?);
        let way = 100.0 * (index + 1) as f32;
        orch.submit(&k.on_network).to(branch).input(&from).output_into(&to).scalar(way).go()?;
    }
    orch.submit(&k.sum).input(&to).output_into(sum).go().map(drop)
}
