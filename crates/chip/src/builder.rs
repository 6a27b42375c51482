//! How a chip is set up.

use std::sync::Arc;
use std::time::Duration;

use prewire_orchestrator::{Capacity, Orchestrator, Setup};
use prewire_platform::{ChipSpec, DeviceMemory};
use prewire_ring::{RING_COUNT, Ready, RingSizes, Rings};
use prewire_sim::{Mode, Sim, SimConfig};
use prewire_tensormap::Hazards;

use crate::chip::Chip;
use crate::claims;
use crate::context::MAX_TENSORS;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::races::{Check, Races};
use crate::trace::Recorder;

/// The vendor's runtime library.
const VENDOR_LIBRARY: &str = "libascendcl.so";

/// Sets a chip up. Made by [`Chip::sim`]; every setting has a default.
///
/// ```
/// use prewire_chip::{Chip, RingSizes};
///
/// let chip = Chip::sim(prewire_a2a3::a2a3())
///     .clusters(8)
///     .rings(RingSizes::default().with_window(256))
///     .build()?;
/// assert_eq!(chip.spec().cores(), 24);
/// # Ok::<(), prewire_chip::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a chip is made by build()"]
pub struct ChipBuilder {
    spec: ChipSpec,
    /// The clusters of the whole chip.
    has: u16,
    sim: SimConfig,
    rings: RingSizes,
    hazards: Hazards,
    limits: Limits,
    trace: bool,
    check: Option<Check>,
}

impl Chip {
    /// Begins a simulated chip.
    pub fn sim(spec: ChipSpec) -> ChipBuilder {
        ChipBuilder {
            spec,
            has: spec.clusters,
            sim: SimConfig::default(),
            rings: RingSizes::default(),
            hazards: Hazards::All,
            limits: Limits::new(),
            trace: false,
            check: None,
        }
    }

    /// Begins a chip on hardware.
    ///
    /// # Errors
    ///
    /// Always [`Error::NoDriver`] so far, which says what is missing and names the simulator of the same chip.
    pub fn hardware(spec: ChipSpec) -> Result<ChipBuilder> {
        let why =
            format!("this version of prewire has no hardware driver, which would need {VENDOR_LIBRARY}");
        Err(Error::NoDriver { platform: spec.name, why })
    }
}

impl ChipBuilder {
    /// Only this many clusters of the chip, 1 to as many as it has. All unless said.
    pub fn clusters(mut self, clusters: u16) -> Self {
        self.spec = self.spec.with_clusters(clusters);
        self
    }

    /// How many scheduler domains drive the clusters: 1 to 8. The chip's number unless said.
    pub fn domains(mut self, domains: u16) -> Self {
        self.spec = self.spec.with_domains(domains);
        self
    }

    /// How many threads run the simulated cores. One a processor unless said; more are added while kernels block.
    pub fn threads(mut self, threads: u16) -> Self {
        self.sim = self.sim.threads(threads);
        self
    }

    /// As [`threads`](ChipBuilder::threads), where that was not said: for who sets several chips up.
    pub fn default_threads(mut self, threads: u16) -> Self {
        let said = self.sim.threads.unwrap_or(threads);
        self.sim = self.sim.threads(said);
        self
    }

    /// The sizes of the rings.
    pub fn rings(mut self, sizes: RingSizes) -> Self {
        self.rings = sizes;
        self
    }

    /// Which hazards become edges. All unless said: read after write, write after write, write after read.
    pub fn hazards(mut self, hazards: Hazards) -> Self {
        self.hazards = hazards;
        self
    }

    /// Runs everything one step at a time, in an order drawn from `seed`: the same seed, the same order.
    pub fn seed(mut self, seed: u64) -> Self {
        self.sim = self.sim.mode(Mode::Seeded { seed });
        self
    }

    /// Records what happens in each run: see [`Chip::take_trace`]. Off unless said; off it costs nothing, on it costs some
    /// hundred nanoseconds an event, and the memory for the events of a run.
    pub fn trace(mut self, on: bool) -> Self {
        self.trace = on;
        self
    }

    /// Checks programs while they run: see [`Check`]. The chip then runs in seeded mode, with seed 0 if none is given.
    pub fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Bytes of device memory, the heaps of the rings included. 64 GiB unless said; what is not touched costs nothing.
    /// Whatever this says, there is never more of it than the machine has memory.
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.sim = self.sim.memory_limit(bytes);
        self
    }

    /// How long a run may take. None unless said; [`Orch::deadline`](crate::Orch::deadline) sets that of one run. A run
    /// that takes longer is ended and fails with [`Error::Stalled`], which names what it was doing.
    pub fn deadline(mut self, allowed: Duration) -> Self {
        self.limits.deadline = Some(allowed);
        self
    }

    /// How long a run may wait while no kernel begins or ends. Without a limit, which is the default, a wait goes on for
    /// as long as it takes and is logged every 10 seconds. A run that exceeds the limit is ended and fails with
    /// [`Error::Stalled`], at the latest after twice the limit. Not in seeded mode, in which nothing happens by itself.
    pub fn stall_timeout(mut self, limit: Duration) -> Self {
        self.limits.stall = Some(limit);
        self
    }

    /// How long kernels that run may go on after their run was ended by a deadline, a stall, or the drop of the chip: 5
    /// seconds unless said. If one has not returned by then the chip is lost: its thread and memory stay until the
    /// kernel returns, and every further run or copy is [`Error::Lost`], which names the kernel. An orchestration that does
    /// not return is given a second more. In seeded mode kernels run on the thread of the orchestration: a launched run
    /// gives it up there too, and [`Chip::run`] returns when the kernel does.
    pub fn patience(mut self, limit: Duration) -> Self {
        self.limits.patience = limit;
        self
    }

    /// Makes the chip and starts its cores.
    ///
    /// # Errors
    ///
    /// A number that is out of its range; rings that are larger than the machine's memory; or memory or threads that
    /// cannot be had.
    pub fn build(self) -> Result<Chip> {
        self.build_on(prewire_os::machine::memory())
    }

    /// As [`build`](ChipBuilder::build), on a machine with so much memory; `None`: not known.
    fn build_on(self, machine: Option<u64>) -> Result<Chip> {
        let Self { spec, has, sim: mut config, rings: sizes, hazards, limits: time, trace, check } = self;
        if spec.clusters == 0 || spec.clusters > has {
            return Err(Error::Clusters { asked: spec.clusters, chip: spec.name, has });
        }
        let most = spec.clusters.min(8);
        if spec.domains == 0 || spec.domains > most {
            return Err(Error::Domains { asked: spec.domains, clusters: spec.clusters, most });
        }
        spec.validate().map_err(Error::Spec)?;
        if usize::from(spec.limits.task_tensors) > MAX_TENSORS {
            return Err(Error::Spec("a task can have at most 64 tensors"));
        }
        sizes.validate()?;
        claims::check(&sizes, spec.domains, machine)?;
        if check.is_some() && config.mode == Mode::Pool {
            config = config.mode(Mode::Seeded { seed: 0 });
        }
        let mode = config.mode;
        let config = config.machine_memory(machine);
        // Not what the allocator has used before and would have to clear.
        let populate = |bytes| drop(prewire_os::populate(bytes));
        let pages = |words| Some(Box::new(prewire_os::Words::new(words).ok()?) as prewire_ring::Words);
        let (rings, allocator) = Rings::new_in(&sizes, spec.domains, &pages, populate)?;
        let ready = Arc::new(Ready::new_in(&sizes, &pages));
        let sim = Sim::new(spec, config)?;
        let mut heaps = [0; RING_COUNT];
        for (ring, heap) in heaps.iter_mut().enumerate() {
            *heap = sim.allocate(allocator.heap_size(ring))?;
        }
        let capacity = Capacity::chip(spec.clusters.into(), spec.aiv_cores().into());
        let (limits, tensor_map) = (spec.limits, sizes.tensor_map);
        let orchestrator = Orchestrator::new(Setup {
            allocator,
            ready: Arc::clone(&ready),
            heaps,
            limits,
            capacity,
            tensor_map,
            hazards,
        });
        let races = check.map(|Check::Races| Races::new(hazards));
        let engine = Engine::new(spec, rings, ready, Arc::clone(&sim), mode, races);
        let engine = Arc::new(engine.with_recorder(trace.then(|| Recorder::new(&spec, mode))));
        if time.deadline.is_some() || time.stall.is_some() {
            engine.busy().watch();
        }
        if mode == Mode::Pool {
            engine.deferred().lookout.begin(&engine);
        }
        sim.start(Arc::clone(&engine) as Arc<_>)?;
        Ok(Chip::new(engine, sim, orchestrator, mode, time, heaps[0]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_no_larger_than_its_machine() {
        let sizes = RingSizes::default().with_heap(1 << 20);
        let on = |machine| Chip::sim(prewire_a2a3::a2a3()).rings(sizes).build_on(machine);
        assert!(matches!(on(Some(16 << 20)), Err(Error::TooMuchMemory(_))));
        let chip = on(Some(256 << 20)).unwrap();
        let _some = chip.zeros::<u8>(&[200 << 20]).unwrap();
        let error = chip.zeros::<u8>(&[100 << 20]).unwrap_err();
        let parts = ["104857600 bytes", "213909504 in use", "that is 318767104", "has 268435456"];
        assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
        assert!(on(None).unwrap().zeros::<u8>(&[300 << 20]).is_ok());
    }
}
