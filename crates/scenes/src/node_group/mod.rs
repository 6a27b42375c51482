//! Groups: tasks with a member on each of several chips, every one of which has arguments of its own, and which are one
//! node of the graph all the same.
//!
//! In each round three of four chips advance their rows by what all of them share, as a group; then one chip folds the rows
//! into what is shared next, which must wait for all members, and the next group for it. Afterwards a group whose second member
//! fails: it fails once, with that cause, and the task that reads what another member wrote does not run.

mod callables;
mod golden;

use anyhow::{bail, ensure};
use prewire::Worker;
use prewire::prelude::{Callable, Tensor};
use prewire::worker::{Error, Orch, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::{Node, chips};
use crate::scene::{Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// How many chips there are.
const CHIPS: u32 = 4;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_group",
    about: "groups with a member on each of three chips, tasks between them, and a group that fails",
    level: 3,
    tolerance: 1e-5,
    kernels: &["mix", "fold"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (rounds, columns) = setup.size.pick((6, 40), (30, 4096), (400, 16_384));
    let spoil = Spoil::of(setup);
    let programs = [callables::advance(spoil), callables::fold(spoil), callables::refuse()];
    let mut node = Node::start(setup, |inside| {
        let tree = Worker::node().chips(CHIPS as usize, setup.builder()?);
        Ok(inside.children_of(programs.iter().fold(tree, |tree, program| tree.callable(program))))
    })?;
    let [advance, fold, refuse] = &programs;
    let mut draw = Draw::new(35);
    let (rows, shared) = (draw.many((CHIPS * columns) as usize, 1.0), draw.many(columns as usize, 1.0));
    let mut history = vec![0.0; ((rounds + 1) * columns) as usize];
    history[..columns as usize].copy_from_slice(&shared);
    let buffers = (
        node.worker.tensor(&rows, &[CHIPS, columns])?,
        node.worker.tensor(&history, &[rounds + 1, columns])?,
    );
    // A group is one task, and each of its members is executed.
    let members = u64::from(rounds * CHIPS);
    node.run(members, |orch| {
        program(orch, advance, fold, rounds, &buffers.0, &buffers.1)?;
        let tasks = u64::from(2 * rounds);
        if orch.tasks() == tasks { Ok(()) } else { Err(Error::user(Miscounted(orch.tasks(), tasks))) }
    })?;
    let mut worst = Worst::default();
    let want = golden::rounds(&rows, &shared, rounds as usize);
    let see = |node: &Node, worst: &mut Worst| -> Result<()> {
        worst.see_all(&node.worker.read::<f32>(&buffers.0)?, &want.0);
        worst.see_all(&node.worker.read::<f32>(&buffers.1)?, &want.1);
        Ok(())
    };
    see(&node, &mut worst)?;
    let scratch = node.worker.zeros::<f32>(&[CHIPS, columns])?;
    let error = node.run_to_failure(|orch| failing(orch, refuse, fold, &scratch, &buffers.1))?;
    let Error::Task(failure) = &error else { bail!("not a task failed, but: {error}") };
    ensure!(
        failure.member == (1, 3) && failure.worker.ends_with("/chip2") && failure.skipped == 1,
        "the second member was to fail, and one task to be skipped; but: {error}"
    );
    ensure!(error.to_string().contains("refused on purpose"), "the cause is not in: {error}");
    // The fold did not run.
    see(&node, &mut worst)?;
    node.finish(worst)
}

/// The run counted other tasks than it has.
#[derive(Debug)]
struct Miscounted(u64, u64);

impl core::fmt::Display for Miscounted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the run has {} tasks, and {} were submitted: a group is one", self.0, self.1)
    }
}

impl core::error::Error for Miscounted {}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    advance: &Callable,
    fold: &Callable,
    rounds: u32,
    rows: &Tensor,
    history: &Tensor,
) -> Result<()> {
    let (names, columns) = (chips(CHIPS), history.shape()[1]);
    let shared_before = |round: u32| history.slice(0, round..round + 1)?.reshape(&[columns]);
    for round in 0..rounds {
        let (shared, next) = (shared_before(round)?, shared_before(round + 1)?);
        let mut group = orch.group(advance);
        for (chip, rank) in names.iter().zip(0..).filter(|(_, rank)| *rank != round % CHIPS) {
            let row = rows.slice(0, rank..rank + 1)?.reshape(&[columns])?;
            group = group.member(chip).input(&shared).inout(&row).scalar((rank + 1) as f32 / 8.0);
        }
        group.go()?;
        let chip = &names[(round % CHIPS) as usize];
        orch.submit(fold).to(chip).input(rows).input(&shared).output_into(&next).go()?;
    }
    Ok(())
}

/// A group whose second member fails, and a task that depends on its first.
fn failing(
    orch: &mut Orch<'_>,
    refuse: &Callable,
    fold: &Callable,
    rows: &Tensor,
    history: &Tensor,
) -> Result<()> {
    let mut group = orch.group(refuse);
    for (rank, fails) in [(0, 0u32), (2, 1), (3, 0)] {
        let row = rows.slice(0, rank..rank + 1)?;
        group = group.member(&format!("chip{rank}")).output_into(&row).scalar(fails);
    }
    group.go()?;
    let (first, last) = (history.slice(0, 0..1)?, history.slice(0, 1..2)?);
    let task = orch.submit(fold).to("chip1").input(&rows.slice(0, 0..1)?);
    task.input(&first).output_into(&last).go().map(drop)
}
