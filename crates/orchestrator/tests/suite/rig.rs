//! An orchestrator whose waiter counts its looks, and completes one ready task between two of them.

use core::panic::Location;
use prewire_abi::{DataType, EdgeKind, LaneMask, ScopeMode, Shape, TaskId, TensorArgType, ValidTensor};
use prewire_orchestrator::{Arg, Args, Capacity, Orchestrator, ScopeKey, Setup, SubmitError};
use prewire_platform::{Awaited, Limits, Poll, Wait, WaitEnd};
use prewire_ring::{Allocator, Class, Cold, Ready, RingSizes, Rings, Slot, SlotRef, Verdict};
use prewire_tensormap::Hazards;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Completes what is ready, and counts.
#[derive(Debug)]
pub(crate) struct Runner {
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    /// How often the orchestrator waited.
    pub(crate) waits: usize,
    /// How often it looked while it waited.
    pub(crate) looks: usize,
    /// How often it said that something became ready.
    pub(crate) published: usize,
    /// Those that fail when they run.
    pub(crate) fails: BTreeSet<TaskId>,
    /// What has completed, and whether it was to run.
    pub(crate) ran: Vec<(TaskId, Verdict)>,
    /// Somebody ends the run while the orchestrator waits for the first time.
    pub(crate) ends_in_wait: bool,
}

impl Runner {
    /// Completes the oldest ready task of the first class that has one: its slot.
    pub(crate) fn step(&mut self) -> Option<SlotRef> {
        let slot = Class::ALL.into_iter().find_map(|class| self.ready.queue(class).pop())?;
        self.complete(slot);
        Some(slot)
    }

    /// Completes the task in `slot`, which is in no queue.
    pub(crate) fn complete(&mut self, slot: SlotRef) {
        let (rings, ready) = (&self.rings, &self.ready);
        let state = rings.slot(slot);
        self.ran.push((state.id(), state.verdict()));
        if self.fails.contains(&state.id()) && state.verdict() == Verdict::Sound {
            state.fail();
        }
        let routed = rings.complete(0, &mut vec![slot], &mut |slot| ready.route(rings, slot));
        rings.retire(&routed);
    }

    /// Completes all there is: how many tasks.
    pub(crate) fn run_all(&mut self) -> usize {
        core::iter::from_fn(|| self.step()).count()
    }

    /// How many tasks are queued.
    pub(crate) fn queued(&self) -> u32 {
        Class::ALL.into_iter().map(|class| self.ready.queue(class).len()).sum()
    }
}

impl Wait for Runner {
    fn wait(&mut self, _: Awaited, look: &mut dyn FnMut() -> Poll) -> WaitEnd {
        self.waits += 1;
        if self.ends_in_wait {
            self.rings.end();
        }
        loop {
            self.looks += 1;
            match look() {
                Poll::Ready => return WaitEnd::Ready,
                Poll::Impossible => return WaitEnd::Impossible,
                Poll::Pending => assert!(self.step().is_some(), "it waits, but nothing can make progress"),
            }
        }
    }

    fn published(&mut self) {
        self.published += 1;
    }
}

/// A task that was submitted, with its outputs.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) id: TaskId,
    pub(crate) outputs: Vec<ValidTensor>,
    pub(crate) scope: ScopeKey,
}

impl Made {
    /// Its first output as an argument.
    #[track_caller]
    pub(crate) fn output(&self, tag: TensorArgType) -> Arg {
        Arg::existing(self.outputs[0], tag, self.scope)
    }
}

/// An orchestrator, and who runs what it submits.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) orch: Orchestrator,
    pub(crate) runner: Runner,
}

impl Rig {
    pub(crate) fn new(sizes: &RingSizes) -> Self {
        Self::with(sizes, Capacity::chip(24, 48))
    }

    pub(crate) fn with(sizes: &RingSizes, capacity: Capacity) -> Self {
        Self::made(sizes, Rings::new(sizes, 1).unwrap(), Ready::new(sizes), capacity)
    }

    /// As `with`, of rings and queues that were made before.
    pub(crate) fn made(
        sizes: &RingSizes,
        (rings, allocator): (Arc<Rings>, Allocator),
        ready: Ready,
        capacity: Capacity,
    ) -> Self {
        let ready = Arc::new(ready);
        let mut orch = Orchestrator::new(Setup {
            allocator,
            ready: ready.clone(),
            heaps: [0x10_0000_0000, 0x20_0000_0000, 0x30_0000_0000, 0x40_0000_0000],
            limits: Limits { task_tensors: 32, task_scalars: 16, blocks: 1024 },
            capacity,
            tensor_map: sizes.tensor_map,
            hazards: Hazards::All,
        });
        orch.start_run();
        let runner = Runner {
            rings,
            ready,
            waits: 0,
            looks: 0,
            published: 0,
            fails: BTreeSet::new(),
            ran: Vec::new(),
            ends_in_wait: false,
        };
        Self { orch, runner }
    }

    /// Submits a task on a vector core.
    #[track_caller]
    pub(crate) fn try_submit(&mut self, args: &mut Args) -> Result<Made, SubmitError> {
        self.try_submit_as(Cold { shape: Shape::Aiv, lanes: LaneMask::AIV0, ..Cold::default() }, args)
    }

    /// Submits a task of a kind of its own.
    #[track_caller]
    pub(crate) fn try_submit_as(&mut self, cold: Cold, args: &mut Args) -> Result<Made, SubmitError> {
        let made = self.orch.submit(&mut self.runner, cold, args, Location::caller())?;
        Ok(Made { id: made.id, outputs: args.outputs().copied().collect(), scope: made.scope })
    }

    /// As `try_submit`, where nothing is wrong.
    #[track_caller]
    pub(crate) fn submit(&mut self, args: &mut Args) -> Made {
        self.try_submit(args).unwrap()
    }

    /// Memory without a task.
    #[track_caller]
    pub(crate) fn try_alloc(&mut self, elements: u32) -> Result<Made, SubmitError> {
        let mut args = outputs(&[elements]);
        let made = self.orch.alloc(&mut self.runner, &mut args, Location::caller())?;
        Ok(Made { id: made.id, outputs: args.outputs().copied().collect(), scope: made.scope })
    }

    #[track_caller]
    pub(crate) fn try_open(&mut self, mode: ScopeMode) -> Result<(), SubmitError> {
        self.orch.open_scope(&mut self.runner, mode, Location::caller())
    }

    #[track_caller]
    pub(crate) fn open(&mut self) {
        self.try_open(ScopeMode::Auto).unwrap();
    }

    #[track_caller]
    pub(crate) fn close(&mut self) {
        self.orch.close_scope().unwrap();
    }

    pub(crate) fn slot_of(&self, id: TaskId) -> SlotRef {
        self.runner.rings.slot_of(id)
    }

    pub(crate) fn state(&self, id: TaskId) -> &Slot {
        self.runner.rings.slot(self.slot_of(id))
    }

    /// How many hold a live task: itself until it is complete, and consumers.
    #[track_caller]
    pub(crate) fn holds(&self, id: TaskId) -> u32 {
        self.runner.rings.holds(id).expect("it is retired")
    }

    /// What a live task waits for or retains: the producers that live, with the kinds of their edges.
    pub(crate) fn edges(&self, id: TaskId) -> Vec<(TaskId, EdgeKind)> {
        let rings = &self.runner.rings;
        rings.deps(self.slot_of(id)).map(|dep| (rings.slot(dep.producer()).id(), dep.kind())).collect()
    }
}

/// No argument.
pub(crate) fn nothing() -> Args {
    Args::default()
}

/// These tensors.
pub(crate) fn tensors(tensors: &[Arg]) -> Args {
    let mut args = Args::default();
    tensors.iter().for_each(|arg| args.push(arg));
    args
}

/// Outputs of so many bytes, one each.
pub(crate) fn outputs(bytes: &[u32]) -> Args {
    let create = |&bytes| Arg::output(&[bytes], DataType::U8).unwrap();
    tensors(&bytes.iter().map(create).collect::<Vec<_>>())
}

/// Explicit producers, with one kind of edge.
pub(crate) fn after(producers: &[TaskId], kind: EdgeKind) -> Args {
    let mut args = Args::default();
    producers.iter().for_each(|&id| args.after(id, kind));
    args
}

/// 1024 floats of the program's own memory, number `n`.
pub(crate) fn memory(n: u64) -> ValidTensor {
    ValidTensor::contiguous(0x1000_0000 + n * 0x1_0000, &[1024], DataType::F32).unwrap()
}

/// An argument in memory that no scope owns.
pub(crate) fn existing(tensor: ValidTensor, tag: TensorArgType) -> Arg {
    Arg::existing(tensor, tag, ScopeKey::NONE)
}
