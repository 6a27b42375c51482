//! Task Bench on prewire: a run submits the tasks in order, and their edges follow from the slots that they read and
//! write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prewire::prelude::*;

use super::graph::{Graph, Stamp, Wrong};
use super::kernel;

/// What a program gets wrong on purpose, to show that the checks find it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// The first dependence of a task is not passed to it.
    LeftOut {
        /// Its timestep.
        timestep: u32,
        /// Its point.
        point: u32,
    },
    /// The first dependence of the tasks of a point is passed, but orders nothing.
    Unordered {
        /// From which timestep on: before the first such task a run waits for all that came earlier.
        timestep: u32,
        /// The point.
        point: u32,
    },
}

/// Slots of a chip for graphs of some width.
#[derive(Debug)]
pub struct OnChip {
    chip: Chip,
    width: usize,
    /// By field, then by point.
    slots: Vec<Vec<Buffer>>,
    runs: u16,
}

impl OnChip {
    /// A chip with `fields` slots for each of `width` points.
    ///
    /// # Errors
    ///
    /// The chip cannot be made.
    pub fn new(builder: ChipBuilder, width: u32, fields: u32) -> prewire::Result<Self> {
        let chip = builder.build()?;
        let of_field = |_| (0..width).map(|_| chip.zeros::<u64>(&[1])).collect::<prewire::Result<Vec<_>>>();
        let slots = (0..fields).map(of_field).collect::<prewire::Result<Vec<_>>>()?;
        Ok(Self { chip, width: width as usize, slots, runs: 0 })
    }

    /// Runs a graph: how long it took from the first submit to the end of the last task.
    ///
    /// # Errors
    ///
    /// A task was given something else than what it needs; or the run failed otherwise.
    ///
    /// # Panics
    ///
    /// If the graph is wider than the slots that there are.
    pub fn run(
        &mut self,
        graph: &Arc<Graph>,
        work: kernel::Kernel,
        iterations: u64,
        fault: Fault,
    ) -> prewire::Result<Duration> {
        assert!(graph.width() as usize <= self.width, "{} points on {} slots", graph.width(), self.width);
        self.runs = self.runs.wrapping_add(1);
        let run = self.runs;
        let of_tasks = Arc::clone(graph);
        let name = format!("{} {work} {iterations} in run {run}", graph.pattern());
        let kernel = self.chip.kernel(&name, Core::Aiv, move |k| point(k, &of_tasks, work, iterations))?;
        let begun = Instant::now();
        self.chip.run(|orch| submit_all(orch, &kernel, graph, &self.slots, run, fault))?;
        Ok(begun.elapsed())
    }
}

/// Submits the tasks of a graph.
fn submit_all(
    orch: &mut Orch<'_>,
    kernel: &prewire::chip::Kernel,
    graph: &Graph,
    slots: &[Vec<Buffer>],
    run: u16,
    fault: Fault,
) -> prewire::Result<()> {
    let (mut before, mut now) = (slots.len() - 1, 0);
    for timestep in 0..graph.steps() {
        for point in graph.points(timestep) {
            let mut froms = graph.dependencies(timestep, point);
            let mut task = orch.submit(kernel);
            match fault {
                Fault::LeftOut { timestep: t, point: p } if (t, p) == (timestep, point) => {
                    froms = froms.get(1..).unwrap_or_default();
                }
                Fault::Unordered { timestep: t, point: p } if p == point && t <= timestep => {
                    if let [first, rest @ ..] = froms {
                        task = task.no_dep(&slots[before][*first as usize]);
                        froms = rest;
                    }
                }
                _ => {}
            }
            for &from in froms {
                task = task.input(&slots[before][from as usize]);
            }
            let stamp = Stamp { run, timestep, point }.word();
            task.output_into(&slots[now][point as usize]).scalar(stamp).go()?;
        }
        (before, now) = (now, (now + 1) % slots.len());
    }
    Ok(())
}

/// The task of a point.
fn point(k: &KernelCtx<'_>, graph: &Graph, work: kernel::Kernel, iterations: u64) -> Result<(), KernelError> {
    let word = k.scalar::<u64>(0)?;
    let task = Stamp::of(word);
    let froms = graph.dependencies(task.timestep, task.point);
    let inputs = k.tensors() - 1;
    if inputs != froms.len() {
        return Err(told(&Wrong::Count { task, inputs, wanted: froms.len() }));
    }
    for (input, &from) in froms.iter().enumerate() {
        let seen = k.input::<u64>(input)?.as_slice()?[0];
        graph.check(task, input, from, seen).map_err(|wrong| told(&wrong))?;
    }
    work.run(iterations);
    k.output::<u64>(inputs)?.as_mut_slice()?[0] = word;
    Ok(())
}

#[cold]
fn told(wrong: &Wrong) -> KernelError {
    KernelError::Failed(wrong.to_string())
}
