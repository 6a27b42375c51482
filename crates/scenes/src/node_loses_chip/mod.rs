//! A run that loses a chip on the way: its process is killed as it is about to begin the third task of a chain.
//!
//! That task fails, and the error names chip, process, signal, task and where it was submitted. The rest of the chain does
//! not run; the chain on the other chip goes to its end. The chip is replaced: the next run, on the same worker, is whole.
//! Where chips are threads the chip panics instead, as nothing can kill a thread.

mod callables;
mod golden;

use anyhow::{bail, ensure};
use prewire::Worker;
use prewire::prelude::{Callable, Tensor};
use prewire::worker::{Act, Error, Failure, Fault, Orch, Point, Reason, Result};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::node::Node;
use crate::scene::{Inside, Outcome, Scene, Setup};
use crate::spoil::Spoil;

/// Which task of its chain the chip does not survive, counted from 1.
const LAST: u32 = 3;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "node_loses_chip",
    about: "a run that loses a chip, and the next one, with the chip replaced",
    level: 3,
    tolerance: 1e-6,
    kernels: &["halve"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let (steps, elements) = setup.size.pick((6, 64), (60, 4096), (1000, 65_536));
    let program = callables::step(Spoil::of(setup));
    let mut node = Node::start(setup, |inside| {
        let act = match inside {
            Inside::Processes => Act::Kill,
            Inside::Threads => Act::Panic,
        };
        let tree = Worker::node().chips(2, setup.builder()?).callable(&program);
        Ok(inside.children_of(tree).fault(Fault::new("chip1", act, Point::Taken).nth(LAST)))
    })?;
    let x = Draw::new(37).many(2 * elements as usize, 4.0);
    let chains = node.worker.tensor(&x, &[2, elements])?;
    let mut worst = Worst::default();
    let mut see = |node: &Node, steps: [u32; 2]| -> Result<()> {
        let y = node.worker.read::<f32>(&chains)?;
        let parts = y.chunks(elements as usize).zip(x.chunks(elements as usize));
        parts.zip(steps).for_each(|((y, x), steps)| worst.see_all(y, &golden::chain(x, steps)));
        Ok(())
    };

    let before = node.worker.processes();
    let error = node.run_to_failure(|orch| two_chains(orch, &program, steps, &chains))?;
    let Error::Task(failure) = &error else { bail!("not a task failed, but: {error}") };
    lost(failure, before[1], steps)?;
    see(&node, [steps, LAST - 1])?;

    node.worker.write(&chains, &x)?;
    node.run(u64::from(2 * steps), |orch| two_chains(orch, &program, steps, &chains))?;
    see(&node, [steps, steps])?;
    let after = node.worker.processes();
    ensure!(after[0] == before[0], "the other chip was replaced too: {before:?}, then {after:?}");
    let replaced = after[1].is_some() && after[1] != before[1];
    ensure!(replaced || node.inside == Inside::Threads, "not replaced: {before:?}, then {after:?}");
    node.finish(worst)
}

/// Whether the failure says what happened to the chip.
fn lost(failure: &Failure, pid: Option<u32>, steps: u32) -> anyhow::Result<()> {
    let Reason::Died(death) = &failure.reason else { bail!("the chip did not die, but: {failure}") };
    ensure!(
        failure.worker.ends_with("/chip1") && failure.callable == "step",
        "another task failed: {failure}"
    );
    ensure!(death.pid == pid, "it was process {pid:?}, and the failure names {:?}", death.pid);
    ensure!(
        failure.skipped == u64::from(steps - LAST),
        "{} tasks were to be skipped: {failure}",
        steps - LAST
    );
    let told = failure.to_string();
    let site = failure.site.filter(|site| site.file() == file!()).map(ToString::to_string);
    ensure!(site.is_some_and(|site| told.contains(&site)), "it was submitted in {}, but: {told}", file!());
    let how = if pid.is_some() { "SIGKILL" } else { "a fault was set here" };
    ensure!(told.contains(how), "{how:?} is not in: {told}");
    Ok(())
}

/// The program: a chain of steps on each chip, in place.
fn two_chains(orch: &mut Orch<'_>, step: &Callable, steps: u32, chains: &Tensor) -> Result<()> {
    for _ in 0..steps {
        for (row, chip) in (0..).zip(["chip0", "chip1"]) {
            let chain = chains.slice(0, row..row + 1)?;
            orch.submit(step).to(chip).inout(&chain).go()?;
        }
    }
    Ok(())
}
