//! A chip as scenes use it: it adds up what the runs report, and can spoil a kernel on request.

use core::time::Duration;

use anyhow::ensure;
use prewire::chip::RunUsage;
use prewire::prelude::{Chip, Core, Kernel, KernelCtx, KernelError, Orch, RingSizes};

use crate::compare::Worst;
use crate::scene::{Outcome, Setup};
use crate::spoil::Spoil;
use crate::traces;

/// A chip and the totals of its runs.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The chip.
    pub(crate) chip: Chip,
    spoil: Spoil,
    tasks: u64,
    wall: Duration,
    usage: RunUsage,
}

impl Machine {
    /// A chip with its usual ring sizes.
    pub(crate) fn new(setup: &Setup) -> anyhow::Result<Self> {
        Ok(Self::of(setup, setup.builder()?.build()?))
    }

    /// A chip with the ring sizes given.
    pub(crate) fn with_rings(setup: &Setup, rings: RingSizes) -> anyhow::Result<Self> {
        Ok(Self::of(setup, setup.builder()?.rings(rings).build()?))
    }

    fn of(setup: &Setup, chip: Chip) -> Self {
        let usage = RunUsage::default();
        Self { chip, spoil: Spoil::of(setup), tasks: 0, wall: Duration::ZERO, usage }
    }

    /// Whether the setup says that this kernel is wrong.
    pub(crate) fn spoils(&self, name: &str) -> bool {
        self.spoil.hits(name)
    }

    /// Registers a kernel, spoilt if the setup says so.
    pub(crate) fn kernel(
        &self,
        name: &str,
        core: Core,
        body: impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> prewire::Result<Kernel> {
        self.spoil.kernel(&self.chip, name, core, body)
    }

    /// Runs a program to its end and checks that kernels ran exactly `expected` times: once for each block and place of
    /// each task, no more and no less.
    pub(crate) fn run(
        &mut self,
        expected: u64,
        program: impl FnOnce(&mut Orch<'_>) -> prewire::Result<()>,
    ) -> anyhow::Result<()> {
        self.run_counted(|orch| program(orch).map(|()| expected))
    }

    /// The same for a program that returns how often kernels must have run.
    pub(crate) fn run_counted(
        &mut self,
        program: impl FnOnce(&mut Orch<'_>) -> prewire::Result<u64>,
    ) -> anyhow::Result<()> {
        let mut expected = 0;
        let result = self.chip.run(|orch| {
            expected = program(orch)?;
            Ok(())
        });
        // Of a run that failed above all.
        traces::hand_in(&self.chip);
        let report = result?;
        self.tasks += report.tasks;
        self.usage.merge(&report.usage);
        self.wall += report.wall;
        ensure!(
            report.executed == expected,
            "kernels ran {} times, but the program has {expected} blocks and places to run",
            report.executed
        );
        Ok(())
    }

    /// What the scene hands back.
    pub(crate) fn finish(&self, worst: Worst) -> Outcome {
        Outcome {
            tasks: self.tasks,
            wall: self.wall,
            threads: self.chip.peak_threads(),
            inside: None,
            max_error: worst.get(),
            usage: self.usage,
        }
    }
}
