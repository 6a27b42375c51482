//! One execution of a program: what its orchestrator does, and the claims at the end of each run.

use core::panic::Location;
use std::sync::Arc;

use prewire_abi::{DataType, PredicateOp, TaskId, TensorArgType, ValidTensor};
use prewire_orchestrator::{Arg, Args, Capacity, Orchestrator, Predicate, ScopeKey, Setup, SubmitError};
use prewire_ring::{Attrs, Cold, Ready, RingSizes, Rings};
use prewire_tensormap::{Access, Hazards};

use crate::ledger::{SIZE, Tally};
use crate::machine::{Machine, Waiter, spec};
use crate::program::{ELEMENTS, Fate, GIVEN, Op, Program, Run, Touch};

/// What a program's orchestrator knows.
struct Driver<'a> {
    machine: &'a Machine,
    wait: Waiter<'a>,
    orchestrator: Orchestrator,
    args: Args,
    /// By task, where it was submitted.
    ids: Vec<TaskId>,
    /// By buffer, its tensor and the scope that keeps it.
    buffers: Vec<(ValidTensor, ScopeKey)>,
    /// Tasks that failed, or were skipped for that.
    failures: u64,
}

/// Executes a program once, on threads of its own.
pub(crate) fn execute(program: &Arc<Program>) -> Tally {
    let sizes = RingSizes::smallest()
        .with_heap(u64::from(program.slabs) * 1024)
        // What the three tasks that a window holds ask for.
        .with_deps((3 * program.edges).max(4));
    let spec = spec(program.clusters);
    let (rings, allocator) = Rings::new(&sizes, spec.domains).unwrap();
    let ready = Arc::new(Ready::new(&sizes));
    let orchestrator = Orchestrator::new(Setup {
        allocator,
        ready: Arc::clone(&ready),
        heaps: [1 << 40, 2 << 40, 3 << 40, 4 << 40],
        limits: spec.limits,
        capacity: Capacity::chip(spec.clusters.into(), spec.aiv_cores().into()),
        tensor_map: sizes.tensor_map,
        hazards: Hazards::All,
    });
    let machine = Arc::new(Machine::new(Arc::clone(program), rings, ready));
    let threads = machine.start();
    let given = |n| {
        let addr = 0x1000 * (n as u64 + 1);
        (ValidTensor::contiguous(addr, &[ELEMENTS], DataType::U32).unwrap(), ScopeKey::NONE)
    };
    let mut driver = Driver {
        machine: &machine,
        wait: Waiter { machine: &machine, waits: 0 },
        orchestrator,
        args: Args::default(),
        ids: Vec::new(),
        buffers: (0..GIVEN).map(given).collect(),
        failures: 0,
    };
    let mut tally = Tally { executions: 1, ..Tally::default() };
    for run in &program.runs {
        tally.add(&driver.run(run));
    }
    tally.waits = driver.wait.waits;
    let failures = driver.failures;
    machine.stop(threads);
    // What the polls say that they did. Each says so after it did it, so the last one only now.
    let done = machine.done();
    assert_eq!(u64::from(done.completed), tally.tasks, "tasks completed");
    assert_eq!(u64::from(done.failed), failures, "tasks that failed");
    assert!(u64::from(done.dispatched) >= tally.tasks - tally.passed - tally.skipped || tally.ended > 0);
    tally
}

impl Driver<'_> {
    fn run(&mut self, run: &Run) -> Tally {
        let machine = self.machine;
        machine.ledger.lock().unwrap().start_run();
        self.orchestrator.start_run();
        for op in &run.ops {
            match self.step(op) {
                Ok(()) => {}
                Err(SubmitError::RunEnded) if machine.ledger.lock().unwrap().is_ended() => break,
                Err(error) => panic!("{op:?} is refused: {error}"),
            }
        }
        self.orchestrator.finish_run(&mut self.wait);
        machine.assert_drained();
        self.check(run)
    }

    /// The claims at the end of a run.
    fn check(&mut self, run: &Run) -> Tally {
        let (failures, tasks) = (self.machine.rings.failures(), self.orchestrator.tasks());
        self.failures += failures;
        let ledger = self.machine.ledger.lock().unwrap();
        let tally = ledger.check_run(&self.machine.program, run);
        assert_eq!(tally.tasks, tasks, "tasks submitted");
        if !ledger.is_ended() {
            assert_eq!(failures, tally.failed + tally.skipped, "tasks that failed, or were skipped for that");
        }
        tally
    }

    fn step(&mut self, op: &Op) -> Result<(), SubmitError> {
        match op {
            Op::Open(mode) => self.orchestrator.open_scope(&mut self.wait, *mode, Location::caller()),
            Op::Close => self.orchestrator.close_scope(),
            Op::Submit(task) => self.submit(*task),
            Op::Read(touch, writers) => self.read(touch, writers),
            Op::End => {
                self.machine.end_run();
                Ok(())
            }
        }
    }

    fn tensor(&self, touch: &Touch) -> (ValidTensor, ScopeKey) {
        let (buffer, scope) = self.buffers[touch.buffer];
        (buffer.view(&[touch.len], &[touch.first]).expect("a part of it"), scope)
    }

    fn submit(&mut self, task: usize) -> Result<(), SubmitError> {
        let program = Arc::clone(&self.machine.program);
        let of = &program.tasks[task];
        self.args.clear();
        for touch in &of.touches {
            let (tensor, scope) = self.tensor(touch);
            let tag = match (touch.reads, touch.writes) {
                (true, true) => TensorArgType::InOut,
                (false, true) => TensorArgType::OutputExisting,
                _ => TensorArgType::Input,
            };
            self.args.existing(&tensor, tag, scope);
        }
        if of.makes.is_some() {
            self.args.push(&Arg::output(&[ELEMENTS], DataType::U32).unwrap());
        }
        self.args.scalar(task as u64);
        of.after.iter().for_each(|&(producer, kind)| self.args.after(self.ids[producer], kind));
        if let Some(holds) = of.predicate {
            let (op, target) = (PredicateOp::Eq, i64::from(holds));
            self.args.predicate(Predicate { addr: 0, dtype: DataType::U32, op, target });
        }
        let cold = Cold {
            shape: of.lanes.shape(),
            lanes: of.lanes,
            blocks: of.blocks,
            attrs: Attrs { sync_start: of.sync_start, ..Attrs::default() },
            callable: task as u32,
        };
        self.machine.ledger.lock().unwrap().submit(task);
        let submitted = self.orchestrator.submit(&mut self.wait, cold, &mut self.args, Location::caller());
        let submitted = match submitted {
            Ok(submitted) => submitted,
            Err(SubmitError::RunEnded) => {
                self.machine.ledger.lock().unwrap().refuse(task);
                return Err(SubmitError::RunEnded);
            }
            Err(error) => return Err(error),
        };
        self.ids.resize(task, TaskId::INVALID);
        self.ids.push(submitted.id);
        if let Some(buffer) = of.makes {
            // What was not submitted, as a run ended, has left gaps; nobody asks for them.
            self.buffers.resize(buffer, self.buffers[0]);
            let made = *self.args.outputs().next().expect("it makes one");
            self.buffers.push((made, submitted.scope));
        }
        Ok(())
    }

    /// Reads as the host does: afterwards the writers have ended, and what they wrote is there.
    fn read(&mut self, touch: &Touch, writers: &[usize]) -> Result<(), SubmitError> {
        let (tensor, scope) = self.tensor(touch);
        let fates = |n: &usize| self.machine.program.tasks[*n].fate;
        let bad = writers.iter().map(fates).any(|fate| matches!(fate, Fate::Fails | Fate::Skipped));
        let got = self.orchestrator.wait_for(&mut self.wait, &tensor, scope, Access::Read);
        let ledger = self.machine.ledger.lock().unwrap();
        match got {
            Ok(()) => {
                assert!(!bad, "the host may read what a failed task was to write");
                debug_assert_eq!(SIZE, u64::from(tensor.element_size()));
                ledger.check(touch, tensor.start_addr(), None);
            }
            Err(SubmitError::ProducerFailed { .. }) => {
                assert!(bad || ledger.is_ended(), "the host is refused what every writer wrote");
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
