//! A node, or what is above it, as scenes use it: started where it can be, with the totals of its runs.

use core::time::Duration;

use anyhow::{Context, bail, ensure};
use prewire::Worker;
use prewire::chip::RunUsage;
use prewire::worker::{Builder, Error, Orch, Result, RunReport};

use crate::compare::Worst;
use crate::scene::{Inside, Outcome, Setup};

impl Inside {
    /// A worker whose children are here.
    pub(crate) fn children_of(self, worker: Builder) -> Builder {
        match self {
            Self::Processes => worker,
            Self::Threads => worker.threads(),
        }
    }
}

/// A worker and the totals of its runs.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) worker: Worker,
    /// Where its children are.
    pub(crate) inside: Inside,
    tasks: u64,
    wall: Duration,
    usage: RunUsage,
}

impl Node {
    /// Starts the tree that `describe` describes, which puts the children of each of its workers where it is told: in
    /// processes, and if that cannot be because this process has threads, in threads.
    pub(crate) fn start(
        setup: &Setup,
        describe: impl Fn(Inside) -> prewire::Result<Builder>,
    ) -> anyhow::Result<Self> {
        let start = |inside| -> anyhow::Result<Result<Worker>> {
            Ok(describe(inside)?.hazards(setup.hazards).start())
        };
        let (worker, inside) = match start(Inside::Processes)? {
            Err(Error::ThreadsRunning { .. }) => (start(Inside::Threads)??, Inside::Threads),
            started => (started?, Inside::Processes),
        };
        Ok(Self { worker, inside, tasks: 0, wall: Duration::ZERO, usage: RunUsage::default() })
    }

    /// Runs a program to its end and checks that children did exactly `expected` things: one for each task, and one for
    /// each member of a group.
    pub(crate) fn run(
        &mut self,
        expected: u64,
        program: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> anyhow::Result<()> {
        let report = self.worker.run(program)?;
        self.count(&report);
        ensure!(
            report.executed == expected,
            "children completed {} members of tasks, but the program has {expected}",
            report.executed
        );
        Ok(())
    }

    /// Runs a program that must fail, and returns with what.
    pub(crate) fn run_to_failure(
        &mut self,
        program: impl FnOnce(&mut Orch<'_>) -> Result<()>,
    ) -> anyhow::Result<Error> {
        match self.worker.run(program) {
            Err(error) => Ok(error),
            Ok(report) => {
                self.count(&report);
                bail!("a run ended well that had to fail")
            }
        }
    }

    fn count(&mut self, report: &RunReport) {
        self.tasks += report.tasks;
        self.usage.merge(&report.usage);
        self.wall += report.wall;
    }

    /// Closes the worker; what the scene hands back.
    pub(crate) fn finish(self, worst: Worst) -> anyhow::Result<Outcome> {
        self.worker.close().context("close the worker")?;
        Ok(Outcome {
            tasks: self.tasks,
            wall: self.wall,
            threads: 0,
            inside: Some(self.inside),
            max_error: worst.get(),
            usage: self.usage,
        })
    }
}

/// The names of the first chips of a node.
pub(crate) fn chips(count: u32) -> Vec<String> {
    (0..count).map(|chip| format!("chip{chip}")).collect()
}
