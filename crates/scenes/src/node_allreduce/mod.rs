//! An all-reduce over four chips: each begins with a vector, and each ends with the sum of all of them.
//!
//! Done twice. As two groups, one member a chip: each sums its quarter of all vectors, then gathers the quarters. And as a
//! ring of single tasks, in place: each chip adds a quarter of its neighbour's vector to its own, three times, then fetches
//! finished quarters, three times. In the ring every task waits for what its neighbours read and write: all kinds of
//! hazards at once, over chips.

mod callables;
mod golden;

use prewire::Worker;
use prewire::prelude::{DataType, Tensor};
use prewire::worker::{Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;
use callables::Programs;

/// How many chips there are, and as many parts of each vector.
const RANKS: u32 = 4;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_allreduce",
    about: "all-reduce over four chips through shared memory, as two groups and as a ring of tasks",
    level: 3,
    tolerance: 1e-6,
    kernels: &["add_up", "copy", "add_to", "fetch"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (part, times) = setup.size.pick((96, 1), (16 << 10, 3), (256 << 10, 8));
    let programs = Programs::new(Spoil::of(setup));
    let mut node = Node::start(setup, |inside| {
        let Programs { reduce, gather, accumulate, fetch } = &programs;
        let tree = Worker::node().chips(RANKS as usize, setup.builder()?).callable(reduce).callable(gather);
        Ok(inside.children_of(tree.callable(accumulate).callable(fetch)))
    })?;
    let data = Draw::new(34).many((RANKS * RANKS * part) as usize, 1.0);
    let shape = [RANKS, RANKS, part];
    let want = golden::sum(&data, RANKS as usize);
    let from = node.worker.tensor(&data, &shape)?;
    let (result, ring) = (node.worker.zeros::<f32>(&shape)?, node.worker.zeros::<f32>(&shape)?);
    let (names, mut worst) = (chips(RANKS), Worst::default());
    for _ in 0..times {
        node.run(2 * u64::from(RANKS), |orch| groups(orch, &programs, &names, &from, &result))?;
        node.worker.write(&ring, &data)?;
        node.run(2 * u64::from(RANKS * (RANKS - 1)), |orch| in_a_ring(orch, &programs, &names, &ring))?;
        for result in [&result, &ring] {
            for rank in node.worker.read::<f32>(result)?.chunks(want.len()) {
                worst.see_all(rank, &want);
            }
        }
    }
    node.finish(worst)
}

/// Part `part` of the vector of `rank`.
fn part_of(vectors: &Tensor, rank: u32, part: u32) -> prewire::Result<Tensor> {
    vectors.view(&[rank, part, 0], &[1, 1, vectors.shape()[2]])
}

/// Reduce-scatter and all-gather, each one node of the graph.
fn groups(orch: &mut Orch<'_>, k: &Programs, chips: &[String], from: &Tensor, to: &Tensor) -> Result<()> {
    let part = from.shape()[2];
    let mut group = orch.group(&k.reduce);
    for (chip, own) in chips.iter().zip(0..) {
        group = group.member(chip);
        for rank in 0..RANKS {
            group = group.input(&part_of(from, rank, own)?);
        }
        group = group.output(&[1, 1, part], DataType::F32);
    }
    let scattered = group.go()?;
    let mut group = orch.group(&k.gather);
    for (chip, rank) in chips.iter().zip(0..) {
        group = group.member(chip);
        for shard in scattered.outputs() {
            group = group.input(shard);
        }
        group = group.output_into(&to.slice(0, rank..rank + 1)?.reshape(&[RANKS, part])?);
    }
    group.go().map(drop)
}

/// The same in place, each chip with its left neighbour.
fn in_a_ring(orch: &mut Orch<'_>, k: &Programs, chips: &[String], vectors: &Tensor) -> Result<()> {
    let left = |rank: u32| (rank + RANKS - 1) % RANKS;
    for step in 0..RANKS - 1 {
        for (chip, rank) in chips.iter().zip(0..) {
            // The one that the neighbour has summed so far.
            let part = (rank + 2 * RANKS - 1 - step) % RANKS;
            let (from, to) = (part_of(vectors, left(rank), part)?, part_of(vectors, rank, part)?);
            orch.submit(&k.accumulate).to(chip).input(&from).inout(&to).go()?;
        }
    }
    for step in 0..RANKS - 1 {
        for (chip, rank) in chips.iter().zip(0..) {
            // The one that the neighbour has finished or fetched.
            let part = (rank + RANKS - step) % RANKS;
            let (from, to) = (part_of(vectors, left(rank), part)?, part_of(vectors, rank, part)?);
            orch.submit(&k.fetch).to(chip).input(&from).output_into(&to).go()?;
        }
    }
    Ok(())
}
