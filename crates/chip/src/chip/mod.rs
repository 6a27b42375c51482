//! A chip: what a program holds of it, and how it ends.

mod kernels;
mod memory;
mod runs;

pub use kernels::Registrar;

use std::sync::Arc;
use std::time::Duration;

use prewire_orchestrator::Orchestrator;
use prewire_platform::ChipSpec;
use prewire_runs::event;
use prewire_sim::{Mode, Sim};

use crate::engine::Engine;
use crate::inside::Inside;
use crate::limits::Limits;
use crate::shared::Shared;
use crate::stall::{StallReason, StallReport};
use crate::store::Store;

/// A chip and its runtime.
///
/// Kernels are registered once; buffers are made and dropped at will; runs follow one another. Dropping the chip
/// cancels the runs that were launched, waits for the kernels that run and leaves no thread and no memory behind. A
/// kernel that does not return within the chip's [patience](crate::ChipBuilder::patience) is left behind with a message,
/// so that a program can always end.
///
/// ```
/// use prewire_chip::{Chip, Core};
///
/// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
/// let double = chip.kernel("double", Core::Aiv, |k| {
///     k.output::<f32>(0)?.as_mut_slice()?.iter_mut().for_each(|x| *x *= 2.0);
///     Ok(())
/// })?;
/// let x = chip.tensor(&[1.0f32, 2.0, 3.0], &[3])?;
/// let report = chip.run(|orch| {
///     for _ in 0..4 {
///         orch.submit(&double).inout(&x).go()?;
///     }
///     Ok(())
/// })?;
/// assert_eq!(report.tasks, 4);
/// assert_eq!(chip.read::<f32>(&x)?, [16.0, 32.0, 48.0]);
/// # Ok::<(), prewire_chip::Error>(())
/// ```
#[derive(Debug)]
pub struct Chip {
    shared: Arc<Shared>,
    /// The address of the heap of the first ring.
    heap: u64,
}

impl Chip {
    pub(crate) fn new(
        engine: Arc<Engine>,
        sim: Arc<Sim>,
        orchestrator: Orchestrator,
        mode: Mode,
        limits: Limits,
        heap: u64,
    ) -> Self {
        let store = Store::new(Arc::clone(&sim) as Arc<_>);
        let shared = Shared::new(engine, sim, store, orchestrator, mode, limits);
        Self { shared: Arc::new(shared), heap }
    }

    /// What chip it is.
    #[must_use]
    pub fn spec(&self) -> &ChipSpec {
        self.shared.engine.spec()
    }

    /// The address at which the heap of the outermost scope begins: what tells the memory of two chips apart.
    #[must_use]
    pub fn heap_base(&self) -> u64 {
        self.heap
    }

    /// How many threads the simulator has now, parked ones included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.sim.stats().threads.into()
    }

    /// The most threads that the simulator had at one time.
    #[must_use]
    pub fn peak_threads(&self) -> usize {
        self.shared.sim.stats().peak_threads.into()
    }

    /// Why the chip cannot be used any more, if so: a kernel or an orchestration did not return in time.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        self.shared.turn.lost()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

/// How long threads that have nothing to do are given to end.
const LEAVE: Duration = Duration::from_millis(20);

impl Drop for Chip {
    fn drop(&mut self) {
        let shared = &self.shared;
        shared.close();
        if shared.launcher.is_here() || Inside::is_of(&shared.engine) {
            // Inside of the last run, which needs the cores until it is over; then what it shares is dropped.
            return;
        }
        // The run that goes on gives kernels up by itself; an orchestration that does not return is given up here.
        let ended = loop {
            let next = shared.watch();
            let lost = shared.turn.is_lost();
            if shared.launcher.wait_for_end(if lost { Some(LEAVE) } else { next }) {
                break true;
            }
            if lost {
                break false;
            }
        };
        if ended && !shared.turn.is_lost() {
            return shared.sim.stop();
        }
        let left = shared.sim.abandon(LEAVE) + usize::from(!ended);
        if left > 0 {
            let stall = StallReport::of(&shared.engine, StallReason::Asked);
            event!(error, "a chip was dropped and left {left} threads behind: {stall}");
        }
    }
}
