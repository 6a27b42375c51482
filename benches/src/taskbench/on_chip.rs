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

/// How the slots of a field are laid out, and so what a task is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A buffer for each slot: a task has a tensor for every point that it needs.
    Buffers,
    /// A buffer for each field, a row for each slot: points side by side are one tensor, a view of their rows.
    Rows,
}

/// Words of a slot: those of a cache line.
const ROW: u32 = 8;

/// Slots of a chip for graphs of some width.
#[derive(Debug)]
pub struct OnChip {
    chip: Chip,
    fields: Fields,
    runs: u16,
}

/// The slots.
#[derive(Debug)]
struct Fields {
    width: usize,
    /// As many points side by side as one tensor may cover.
    most: usize,
    /// By field, by first point, by how many points side by side less one.
    tensors: Vec<Vec<Tensor>>,
    _buffers: Vec<Buffer>,
}

impl Fields {
    fn new(chip: &Chip, layout: Layout, width: u32, fields: u32) -> prewire::Result<Self> {
        let most = if layout == Layout::Buffers { 1 } else { width };
        let (mut tensors, mut buffers) = (Vec::new(), Vec::new());
        for _ in 0..fields {
            let mut field = Vec::new();
            let whole = (layout == Layout::Rows).then(|| chip.zeros::<u64>(&[width, ROW])).transpose()?;
            for point in 0..width {
                let slot = if whole.is_none() { Some(chip.zeros::<u64>(&[1, ROW])?) } else { None };
                for count in 1..=most {
                    let end = (point + count).min(width);
                    field.push(match (&whole, &slot) {
                        (Some(whole), _) => whole.slice(0, point..end)?,
                        (None, Some(slot)) => slot.tensor(),
                        (None, None) => continue,
                    });
                }
                buffers.extend(slot);
            }
            tensors.push(field);
            buffers.extend(whole);
        }
        Ok(Self { width: width as usize, most: most as usize, tensors, _buffers: buffers })
    }

    /// The slots of a field.
    fn field(&self, field: usize) -> Field<'_> {
        Field { tensors: &self.tensors[field], most: self.most }
    }
}

/// The slots of one field.
#[derive(Clone, Copy, Debug)]
struct Field<'f> {
    tensors: &'f [Tensor],
    most: usize,
}

impl<'f> Field<'f> {
    /// The slots of some points side by side, which are not more than one tensor may cover.
    #[inline]
    fn part(self, points: &[u32]) -> &'f Tensor {
        &self.tensors[points[0] as usize * self.most + points.len() - 1]
    }

    /// Passes the slots of ascending points to a task, in as few tensors as can be.
    #[inline]
    fn pass<'o, 'r>(self, mut task: Submit<'o, 'r>, points: &[u32]) -> Submit<'o, 'r> {
        if self.most == 1 {
            for &point in points {
                task = task.input(&self.tensors[point as usize]);
            }
        } else {
            for points in points.chunk_by(|point, next| *next == point + 1) {
                task = task.input(self.part(points));
            }
        }
        task
    }
}

impl OnChip {
    /// A chip with `fields` slots for each of `width` points.
    ///
    /// # Errors
    ///
    /// The chip cannot be made.
    pub fn new(builder: ChipBuilder, layout: Layout, width: u32, fields: u32) -> prewire::Result<Self> {
        let chip = builder.build()?;
        let fields = Fields::new(&chip, layout, width, fields)?;
        Ok(Self { chip, fields, runs: 0 })
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
        let slots = self.fields.width;
        assert!(graph.width() as usize <= slots, "{} points on {slots} slots", graph.width());
        self.runs = self.runs.wrapping_add(1);
        let run = self.runs;
        let of_tasks = Arc::clone(graph);
        let name = format!("{} {work} {iterations} in run {run}", graph.pattern());
        let kernel = self.chip.kernel(&name, Core::Aiv, move |k| point(k, &of_tasks, work, iterations))?;
        let begun = Instant::now();
        self.chip.run(|orch| submit_all(orch, &kernel, graph, &self.fields, run, fault))?;
        Ok(begun.elapsed())
    }
}

/// Submits the tasks of a graph.
fn submit_all(
    orch: &mut Orch<'_>,
    kernel: &prewire::chip::Kernel,
    graph: &Graph,
    fields: &Fields,
    run: u16,
    fault: Fault,
) -> prewire::Result<()> {
    let count = fields.tensors.len();
    let (mut before, mut now) = (count - 1, 0);
    for timestep in 0..graph.steps() {
        let (reads, writes) = (fields.field(before), fields.field(now));
        for point in graph.points(timestep) {
            let mut froms = graph.dependencies(timestep, point);
            let mut task = orch.submit(kernel);
            match fault {
                Fault::LeftOut { timestep: t, point: p } if (t, p) == (timestep, point) => {
                    froms = froms.get(1..).unwrap_or_default();
                }
                Fault::Unordered { timestep: t, point: p } if p == point && t <= timestep => {
                    if let [first, rest @ ..] = froms {
                        task = task.no_dep(reads.part(&[*first]));
                        froms = rest;
                    }
                }
                _ => {}
            }
            let stamp = Stamp { run, timestep, point }.word();
            reads.pass(task, froms).output_into(writes.part(&[point])).scalar(stamp).go()?;
        }
        (before, now) = (now, (now + 1) % count);
    }
    Ok(())
}

/// The task of a point.
fn point(k: &KernelCtx<'_>, graph: &Graph, work: kernel::Kernel, iterations: u64) -> Result<(), KernelError> {
    let word = k.scalar::<u64>(0)?;
    let task = Stamp::of(word);
    let froms = graph.dependencies(task.timestep, task.point);
    let last = k.tensors() - 1;
    let mut seen = 0;
    for arg in 0..last {
        for row in k.input::<u64>(arg)?.as_slice()?.chunks_exact(ROW as usize) {
            let Some(&from) = froms.get(seen) else { break };
            graph.check(task, seen, from, row[0]).map_err(|wrong| told(&wrong))?;
            seen += 1;
        }
    }
    if seen != froms.len() {
        return Err(told(&Wrong::Count { task, inputs: seen, wanted: froms.len() }));
    }
    work.run(iterations);
    k.output::<u64>(last)?.as_mut_slice()?[0] = word;
    Ok(())
}

#[cold]
fn told(wrong: &Wrong) -> KernelError {
    KernelError::Failed(wrong.to_string())
}
