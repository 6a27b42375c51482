//! The runs of a chip: begun, on the calling thread or on one of the chip, and looked back at.

use std::panic::{Location, resume_unwind};
use std::sync::Arc;

use prewire_runs::{contained, message};

use super::Chip;
use crate::error::{Error, Result};
use crate::orch::Orch;
use crate::races::RaceReport;
use crate::run::{Launched, Run};
use crate::run_report::RunReport;
use crate::trace::Trace;

impl Chip {
    /// Runs an orchestration, and waits until every task that it submitted is complete. Runs of one chip follow one
    /// another, from whatever threads they are asked for.
    ///
    /// The orchestration runs on the calling thread, in a scope of its own: it may submit from the first line, and
    /// tasks run while it goes on. It, and kernels, must not wait for another thread that calls `run`, `read` or
    /// `write` of the same chip: that one waits for this run.
    ///
    /// # Errors
    ///
    /// The first error of the run: a task that failed, what `orchestration` returns, or a limit of time that was
    /// exceeded. Tasks that depend on a failed one did not run; all others did, unless the orchestration returned an
    /// error or the run was ended: then those that had not begun did not. The chip can be used for further runs, unless
    /// it is [lost](Chip::lost).
    ///
    /// # Panics
    ///
    /// If `orchestration` panics, after the run was ended in order.
    #[track_caller]
    pub fn run(&self, orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()>) -> Result<RunReport> {
        let site = Location::caller();
        match self.shared.run(&Launched::new(site, &self.shared.news), orchestration) {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Begins a run that goes on by itself, on a thread of the chip, and returns a handle to wait for it, watch it, or
    /// end it. Launched runs follow one another in the order of their launches, and count as any other run.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core};
    /// use std::time::Duration;
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let double = chip.kernel("double", Core::Aiv, |k| {
    ///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
    ///     Ok(())
    /// })?;
    /// let x = chip.tensor(&[1.0f32], &[1])?;
    /// let tensor = x.tensor();
    /// let run = chip.launch(move |orch| orch.submit(&double).inout(&tensor).go().map(drop))?;
    /// if let Err(stall) = run.wait_for(Duration::from_secs(60)) {
    ///     eprintln!("{stall}");
    ///     run.cancel();
    /// }
    /// assert_eq!(run.wait()?.tasks, 1);
    /// assert_eq!(chip.read::<f32>(&x)?, [2.0]);
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The chip is lost; or no thread could be started.
    #[track_caller]
    pub fn launch(
        &self,
        orchestration: impl FnOnce(&mut Orch<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Run> {
        let site = Location::caller();
        if let Some(why) = self.lost() {
            return Err(Error::Lost { why });
        }
        let shared = &self.shared;
        let launched = Launched::new(site, &shared.news);
        shared.engine.busy().watch();
        let (runs, told) = (Arc::clone(shared), Arc::clone(&launched));
        let job = move || {
            let result = runs.run(&told, orchestration).unwrap_or_else(|panic| {
                let message = message(&*panic);
                contained(|| drop(panic));
                Err(Error::Panicked { site, message })
            });
            told.finish(result);
        };
        shared.launcher.launch(Arc::clone(&launched), Box::new(job)).map_err(Error::Thread)?;
        if let Some(why) = self.lost() {
            // It was lost meanwhile, and whoever lost it may have looked at the queue before.
            shared.launcher.drain(|| Error::Lost { why: why.clone() });
        }
        Ok(Run::new(Arc::clone(shared), launched))
    }

    /// What happened in the last run, if the chip was built with [`trace`](crate::ChipBuilder::trace): of a run that
    /// failed or panicked too. It is handed out once; the next run begins a new one.
    ///
    /// ```
    /// use prewire_chip::{Chip, Core, KernelError};
    ///
    /// let chip = Chip::sim(prewire_a5::a5()).seed(3).trace(true).build()?;
    /// let bad = chip.kernel("bad", Core::Aic, |_| Err(KernelError::new("no")))?;
    /// let failed = chip.run(|orch| {
    ///     let first = orch.submit(&bad).go()?;
    ///     orch.submit(&bad).after(&first).go().map(drop)
    /// });
    /// assert!(failed.is_err());
    /// let text = chip.take_trace().expect("the chip records").to_string();
    /// assert!(text.contains("complete 0:0 failed") && text.contains("complete 0:1 skipped"), "{text}");
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    #[must_use]
    pub fn take_trace(&self) -> Option<Trace> {
        self.shared.engine.recorder()?.take()
    }

    /// What the race checker found in the last run, also if that failed for another reason; see
    /// [`Check::Races`](crate::Check::Races). None without the checker, and where nothing was found.
    #[must_use]
    pub fn races(&self) -> Option<RaceReport> {
        self.shared.engine.races()?.report()
    }
}
