//! The orchestrator: its state, its scopes, and the beginning and end of a run.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::panic::Location;

use prewire_abi::{ScopeMode, Shape, TaskId};
use prewire_platform::{Awaited, Limits, Poll, Wait, WaitEnd};
use prewire_ring::{Allocator, RING_COUNT, Ready, Rings, RunUsage};
use prewire_tensormap::{Hazards, Place, TensorMap};

use crate::edges::Edges;
use crate::error::SubmitError;
use crate::left::Left;
use crate::recorded::Recorded;
use crate::scope::{ScopeKey, Scopes};

/// How many lanes of each kind there are: what can run at all, and how many blocks can start together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Capacity {
    /// Clusters, which is also cube cores.
    pub clusters: u32,
    /// Vector cores.
    pub aiv: u32,
    /// Workers that tasks name.
    pub workers: u32,
    /// Workers for host functions.
    pub subs: u32,
}

impl Capacity {
    /// A chip: no task for workers is legal on it.
    #[must_use]
    pub const fn chip(clusters: u32, aiv: u32) -> Self {
        Self { clusters, aiv, workers: 0, subs: 0 }
    }

    /// A node, or what is above it: no task for cores is legal on it.
    #[must_use]
    pub const fn node(workers: u32, subs: u32) -> Self {
        Self { clusters: 0, aiv: 0, workers, subs }
    }

    /// The lanes for tasks of `shape`; what needs none has as many as it likes.
    #[must_use]
    pub const fn of(&self, shape: Shape) -> u32 {
        match shape {
            Shape::Aic | Shape::Mix => self.clusters,
            Shape::Aiv => self.aiv,
            Shape::Worker => self.workers,
            Shape::Sub => self.subs,
            Shape::Dummy => u32::MAX,
        }
    }
}

/// What an orchestrator is made of.
#[derive(Debug)]
pub struct Setup {
    /// The only allocator of its rings.
    pub allocator: Allocator,
    /// Where ready tasks go.
    pub ready: Arc<Ready>,
    /// The addresses of the four heaps.
    pub heaps: [u64; RING_COUNT],
    /// What a task may ask for.
    pub limits: Limits,
    /// What starts together.
    pub capacity: Capacity,
    /// Entries of the tensor map.
    pub tensor_map: u32,
    /// Which hazards become edges.
    pub hazards: Hazards,
}

/// The one thread that submits, as a value. See the crate's doc for what it promises.
#[derive(Debug)]
pub struct Orchestrator {
    pub(crate) allocator: Allocator,
    pub(crate) ready: Arc<Ready>,
    pub(crate) map: TensorMap,
    pub(crate) heaps: [u64; RING_COUNT],
    pub(crate) limits: Limits,
    /// Lanes by shape.
    pub(crate) lanes: [u32; Shape::ALL.len()],
    /// The most blocks of a task, by the number of its shape.
    pub(crate) blocks: [u32; 16],
    pub(crate) hazards: Hazards,
    pub(crate) scopes: Scopes,
    /// Producers of the task being submitted.
    pub(crate) edges: Edges,
    /// How many of its accesses the tensor map is to remember, or are left.
    pub(crate) accesses: u32,
    /// Those that it does not remember yet: which argument, or tensor that is read beside, ascending; and where the map came
    /// across it.
    pub(crate) late: Vec<(u32, Place)>,
    /// The reads that it is not told of.
    pub(crate) left: Left,
    /// The id under which reads are on record, though no such task was submitted yet.
    pub(crate) early: Option<TaskId>,
    /// The first local number of this run, by ring.
    pub(crate) first: [u32; RING_COUNT],
    /// The last tensor of a submitter of its own rules whose creator was retired: which argument, and the creator.
    pub(crate) stale: Option<(usize, TaskId)>,
    /// Something in this run is ordered by nothing but its submitter's word: from here on accesses are checked.
    pub(crate) unordered: bool,
    /// What this run takes of the tensor map.
    pub(crate) recorded: Recorded,
    /// Tasks submitted in this run.
    tasks: u64,
}

impl Orchestrator {
    /// An orchestrator on drained rings.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let Setup { allocator, ready, heaps, limits, capacity, tensor_map, hazards } = setup;
        let lanes = core::array::from_fn(|shape| capacity.of(Shape::ALL[shape]));
        Self {
            allocator,
            ready,
            map: TensorMap::new(tensor_map, hazards),
            heaps,
            limits,
            lanes,
            blocks: core::array::from_fn(|shape| {
                lanes.get(shape).map_or(0, |&lanes| lanes.min(limits.blocks.into()))
            }),
            hazards,
            scopes: Scopes::default(),
            edges: Edges::default(),
            accesses: 0,
            late: Vec::new(),
            left: Left::default(),
            early: None,
            first: [0; RING_COUNT],
            stale: None,
            unordered: false,
            recorded: Recorded::default(),
            tasks: 0,
        }
    }

    /// The rings.
    #[must_use]
    #[inline]
    pub fn rings(&self) -> &Arc<Rings> {
        self.allocator.rings()
    }

    /// Starts a run: everything of the run before is forgotten.
    pub fn start_run(&mut self) {
        self.allocator.start_run();
        self.map.clear();
        self.first = core::array::from_fn(|ring| self.allocator.next(ring));
        self.left.start_run(self.first);
        self.unordered = self.hazards != Hazards::All;
        self.recorded = Recorded::default();
        (self.stale, self.early) = (None, None);
        self.tasks = 0;
    }

    /// Once a run was ended every call does nothing: what is submitted afterwards would not run.
    #[inline]
    pub(crate) fn check_running(&self) -> Result<(), SubmitError> {
        if self.rings().is_ended() { Err(SubmitError::RunEnded) } else { Ok(()) }
    }

    /// How many tasks were submitted since the run started; allocations are none.
    #[must_use]
    pub const fn tasks(&self) -> u64 {
        self.tasks
    }

    /// What the run since [`start_run`](Orchestrator::start_run) took of the rings and the tensor map. Complete once
    /// it is finished: what an open scope holds is counted when it closes.
    #[must_use]
    pub fn usage(&self) -> RunUsage {
        let mut usage = RunUsage::default();
        usage.rings = core::array::from_fn(|ring| self.allocator.marks(ring));
        usage.tensor_map = self.recorded.mark(self.map.capacity());
        usage.slots = self.allocator.taken();
        usage
    }

    /// The first local number of this run, by ring: ids minus these are the same in every run.
    #[must_use]
    pub const fn first_numbers(&self) -> [u32; RING_COUNT] {
        self.first
    }

    /// The address of the heap of `ring`, and its bytes.
    #[must_use]
    pub fn heap(&self, ring: usize) -> (u64, u64) {
        (self.heaps[ring], self.allocator.heap_size(ring))
    }

    #[inline]
    pub(crate) const fn count_task(&mut self) {
        self.tasks += 1;
    }

    /// Whether `id` is a task that was submitted in this run.
    #[must_use]
    pub fn is_of_this_run(&self, id: TaskId) -> bool {
        is_submitted(&self.allocator, &self.first, id)
    }

    /// The first tensor of a [foreign](crate::Args::foreign) submit since the last call whose memory may be another task's by
    /// now: which argument, and the task whose output it was. Of a submit that was refused, too.
    pub fn take_stale(&mut self) -> Option<(usize, TaskId)> {
        self.stale.take()
    }

    /// Opens a scope. What is submitted in it goes to ring `min(depth, 3)` and is held until it closes.
    ///
    /// # Errors
    ///
    /// Scopes nest too deep; an auto scope inside a manual one; or the run has ended.
    pub fn open_scope(
        &mut self,
        wait: &mut impl Wait,
        mode: ScopeMode,
        site: &'static Location<'static>,
    ) -> Result<(), SubmitError> {
        self.check_running()?;
        if self.scopes.is_full() {
            return Err(SubmitError::ScopeTooDeep { allowed: Scopes::DEPTH });
        }
        if mode == ScopeMode::Auto && self.scopes.mode() == ScopeMode::Manual {
            return Err(SubmitError::AutoInManual);
        }
        if mode == ScopeMode::Manual {
            self.give_up_order(wait)?;
        }
        self.scopes.push(mode, site);
        Ok(())
    }

    /// From here on something may conflict with what was not ordered against it. Every task so far ran in the
    /// certainty that its accesses are ordered; so they end first, and the accesses of all later ones are checked.
    pub(crate) fn give_up_order(&mut self, wait: &mut impl Wait) -> Result<(), SubmitError> {
        if self.unordered {
            return Ok(());
        }
        let allocator = &self.allocator;
        let rings = allocator.rings();
        let live: Vec<TaskId> = rings.live().map(|slot| rings.slot(slot).id()).collect();
        let mut rest = live.as_slice();
        match wait.wait(Awaited::Earlier, &mut || {
            if rings.is_ended() {
                return Poll::Impossible;
            }
            while let [first, others @ ..] = rest {
                if allocator.completed(*first).is_none() {
                    return Poll::Pending;
                }
                rest = others;
            }
            Poll::Ready
        }) {
            WaitEnd::Ready => self.unordered = true,
            WaitEnd::Impossible => return Err(SubmitError::RunEnded),
        }
        Ok(())
    }

    /// Closes the innermost scope: what it held is held no longer. One store, however many tasks it has.
    ///
    /// # Errors
    ///
    /// No scope is open.
    pub fn close_scope(&mut self) -> Result<(), SubmitError> {
        let ring = self.scopes.ring();
        let scope = self.scopes.pop().ok_or(SubmitError::NoScope)?;
        if scope.pin.is_some() {
            if !scope.nested_in_ring {
                self.allocator.set_floor(ring, None);
                self.recorded.set_floor(ring, false);
            }
            self.rings().advance(ring);
        }
        Ok(())
    }

    /// How many scopes are open.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.scopes.depth()
    }

    /// The innermost scope.
    #[must_use]
    #[inline]
    pub fn scope(&self) -> ScopeKey {
        self.scopes.key()
    }

    /// How accesses of what is submitted now make edges: the mode of the innermost scope.
    #[must_use]
    #[inline]
    pub fn mode(&self) -> ScopeMode {
        self.scopes.mode()
    }

    /// Whether something in this run is ordered by nothing but its submitter's word.
    #[must_use]
    pub const fn is_unordered(&self) -> bool {
        self.unordered
    }

    /// Closes what is open and waits until every task is retired, whether the run was ended or not.
    pub fn finish_run(&mut self, wait: &mut impl Wait) {
        while self.close_scope().is_ok() {}
        let allocator = &self.allocator;
        // Over what was consumed before its scope closed. Whoever consumes the rest walks over it.
        allocator.rings().advance_all();
        // A run that was ended drains too: its tasks complete without running.
        let _ = wait.wait(Awaited::End, &mut || {
            if allocator.is_drained() { Poll::Ready } else { Poll::Pending }
        });
    }
}

/// Whether `id` was submitted in the run in which each ring began with the number in `first`.
#[inline]
pub(crate) fn is_submitted(allocator: &Allocator, first: &[u32; RING_COUNT], id: TaskId) -> bool {
    let ring = id.ring() as usize;
    ring < RING_COUNT && {
        let submitted = allocator.next(ring).wrapping_sub(first[ring]);
        id.local().wrapping_sub(first[ring]) < submitted
    }
}
