//! Task Bench on rayon, which knows no dependences: either each task counts down those that wait for it and spawns the
//! ones that have none left, or every timestep is a parallel loop with a barrier behind it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use prewire_sync::atomic::{AtomicU32, AtomicU64, Ordering};
use rayon::prelude::*;
use rayon::{Scope, ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

use super::graph::{Graph, Stamp, Wrong};
use super::kernel::Kernel;
use super::on_chip::Fault;

/// How the tasks are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A count of what is missing for each task; who brings it to zero spawns the task.
    Counts,
    /// A barrier behind every timestep.
    Steps,
}

/// A slot on a cache line of its own. Written by its task, read by those that come after.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Slot {
    stamp: AtomicU64,
    /// What its task still waits for: counted down by those.
    missing: AtomicU32,
}

/// A pool of threads.
#[derive(Debug)]
pub struct OnRayon {
    pool: ThreadPool,
    way: Way,
    runs: u16,
}

/// What all tasks of a run share.
struct Run<'g> {
    graph: &'g Graph,
    /// By timestep, then by point.
    slots: Vec<Slot>,
    /// By point, ascending: the points of the next timestep that need it, by set. Built as the graph is.
    needed_by: Vec<Vec<u32>>,
    work: Kernel,
    iterations: u64,
    run: u16,
    fault: Fault,
    wrong: Mutex<Option<Wrong>>,
}

impl OnRayon {
    /// A pool of so many threads.
    ///
    /// # Errors
    ///
    /// The threads cannot be had.
    pub fn new(workers: u16, way: Way) -> Result<Self, ThreadPoolBuildError> {
        let pool = ThreadPoolBuilder::new().num_threads(workers.into()).build()?;
        Ok(Self { pool, way, runs: 0 })
    }

    /// Runs a graph: how long it took, with what is set up for it.
    ///
    /// # Errors
    ///
    /// A task was given something else than what it needs.
    pub fn run(
        &mut self,
        graph: &Graph,
        work: Kernel,
        iterations: u64,
        fault: Fault,
    ) -> Result<Duration, Wrong> {
        self.runs = self.runs.wrapping_add(1);
        let begun = Instant::now();
        let run = Run::new(graph, work, iterations, self.runs, fault, self.way);
        self.pool.install(|| match self.way {
            Way::Counts => rayon::scope(|scope| {
                // Those of the first timestep, and what waits for nobody at a later one.
                let all = (0..graph.steps()).flat_map(|t| graph.points(t).map(move |p| (t, p)));
                for (timestep, point) in all.filter(|&(t, p)| run.told(t, p).is_empty()) {
                    let run = &run;
                    scope.spawn(move |scope| run.task(scope, timestep, point));
                }
            }),
            Way::Steps => {
                for timestep in 0..graph.steps() {
                    graph.points(timestep).into_par_iter().for_each(|point| run.execute(timestep, point));
                }
            }
        });
        let took = begun.elapsed();
        let wrong = run.wrong.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        wrong.map_or(Ok(took), Err)
    }
}

/// The dependences that order a task: what it needs, but for what is left out on purpose.
fn told(graph: &Graph, fault: Fault, timestep: u32, point: u32) -> &[u32] {
    let froms = graph.dependencies(timestep, point);
    if fault == (Fault::LeftOut { timestep, point }) { froms.get(1..).unwrap_or_default() } else { froms }
}

impl<'g> Run<'g> {
    fn new(graph: &'g Graph, work: Kernel, iterations: u64, run: u16, fault: Fault, way: Way) -> Self {
        let (width, steps) = (graph.width() as usize, graph.steps() as usize);
        let slots: Vec<Slot> = (0..width * steps).map(|_| Slot::default()).collect();
        let mut needed_by = Vec::new();
        if way == Way::Counts {
            let sets = graph.pattern().sets(graph.width());
            needed_by = vec![Vec::new(); sets as usize * width];
            for (set, point) in (0..sets).flat_map(|set| (0..graph.width()).map(move |p| (set, p))) {
                for from in graph.pattern().reach(graph.width(), set, point) {
                    needed_by[set as usize * width + from as usize].push(point);
                }
            }
            for timestep in 1..graph.steps() {
                for point in graph.points(timestep) {
                    let missing = told(graph, fault, timestep, point).len() as u32;
                    let slot = &slots[timestep as usize * width + point as usize];
                    slot.missing.store(missing, Ordering::Relaxed);
                }
            }
        }
        Self { graph, slots, needed_by, work, iterations, run, fault, wrong: Mutex::new(None) }
    }

    fn told(&self, timestep: u32, point: u32) -> &'g [u32] {
        told(self.graph, self.fault, timestep, point)
    }

    fn slot(&self, timestep: u32, point: u32) -> &Slot {
        &self.slots[(timestep * self.graph.width() + point) as usize]
    }

    /// Runs a task, and what it was the last one to be waited for by.
    fn task<'s>(&'s self, scope: &Scope<'s>, timestep: u32, point: u32) {
        self.execute(timestep, point);
        let next = timestep + 1;
        if next == self.graph.steps() {
            return;
        }
        let (width, there) = (self.graph.width(), self.graph.points(next));
        let set = self.graph.pattern().set(width, next);
        for &to in &self.needed_by[(set * width + point) as usize] {
            if !there.contains(&to) || !self.told(next, to).contains(&point) {
                continue;
            }
            // ORDERING: AcqRel, "inputs"; pairs with itself: the last one to count down sees what the others left.
            if self.slot(next, to).missing.fetch_sub(1, Ordering::AcqRel) == 1 {
                scope.spawn(move |scope| self.task(scope, next, to));
            }
        }
    }

    /// Checks the inputs of a task, and does its work.
    fn execute(&self, timestep: u32, point: u32) {
        let task = Stamp { run: self.run, timestep, point };
        let froms = self.graph.dependencies(timestep, point);
        for (input, &from) in froms.iter().enumerate() {
            let seen = self.slot(timestep - 1, from).stamp.load(Ordering::Relaxed);
            if let Err(wrong) = self.graph.check(task, input, from, seen) {
                self.complain(wrong);
            }
        }
        self.work.run(self.iterations);
        self.slot(timestep, point).stamp.store(task.word(), Ordering::Relaxed);
    }

    #[cold]
    fn complain(&self, wrong: Wrong) {
        let mut first = self.wrong.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        first.get_or_insert(wrong);
    }
}
