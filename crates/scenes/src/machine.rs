//! A chip as scenes use it: it adds up what the runs report, and can spoil a kernel on request.

use core::time::Duration;

use anyhow::ensure;
use prewire::chip::RunUsage;
use prewire::prelude::{Chip, Core, Element, Kernel, KernelCtx, KernelError, Orch, RingSizes, bf16};

use crate::compare::Worst;
use crate::scene::{Outcome, Setup};
use crate::traces;

/// A chip and the totals of its runs.
#[derive(Debug)]
pub(crate) struct Machine {
    /// The chip.
    pub(crate) chip: Chip,
    spoil: Option<&'static str>,
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
        Self { chip, spoil: setup.spoil, tasks: 0, wall: Duration::ZERO, usage }
    }

    /// Whether the setup says that this kernel is wrong.
    pub(crate) fn spoils(&self, name: &str) -> bool {
        self.spoil == Some(name)
    }

    /// Registers a kernel, spoilt if the setup says so.
    pub(crate) fn kernel(
        &self,
        name: &str,
        core: Core,
        body: impl Fn(&mut KernelCtx<'_>) -> Result<(), KernelError> + Send + Sync + 'static,
    ) -> prewire::Result<Kernel> {
        if self.spoils(name) {
            self.chip.kernel(name, core, move |k| {
                body(k)?;
                spoil(k)
            })
        } else {
            self.chip.kernel(name, core, body)
        }
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
            max_error: worst.get(),
            usage: self.usage,
        }
    }
}

/// Adds one to the first element of the last tensor that the task may write, in its first block.
fn spoil(k: &KernelCtx<'_>) -> Result<(), KernelError> {
    if k.block() != 0 {
        return Ok(());
    }
    for tensor in (0..k.tensors()).rev() {
        if bump(k, tensor, |x: f32| x + 1.0)
            || bump(k, tensor, |x: bf16| x + bf16::ONE)
            || bump(k, tensor, |x: i32| x + 1)
            || bump(k, tensor, |x: u64| x.wrapping_add(1))
        {
            return Ok(());
        }
    }
    Err(KernelError::new("no result to spoil"))
}

/// Whether `tensor` holds elements of this type that may be written; if so, the first was changed.
fn bump<T: Element>(k: &KernelCtx<'_>, tensor: usize, change: impl Fn(T) -> T) -> bool {
    let Ok(shape) = k.shape(tensor) else { return false };
    let (first, at) = (vec![0u32; shape.len()], vec![0usize; shape.len()]);
    let Ok(mut view) = k.output_at::<T>(tensor, &first, &vec![1; shape.len()]) else { return false };
    view.get(&at).is_some_and(|x| view.set(&at, change(x)).is_ok())
}
