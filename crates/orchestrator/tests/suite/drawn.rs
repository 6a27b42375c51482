//! Drawn programs, some of whose submits are refused and some of whose tasks fail: no task that conflicts with an earlier one
//! goes unordered, none waits for itself, whoever comes after a failure is told, and everything is given back.

use crate::draw::Draw;
use crate::rig::{Rig, existing, tensors};
use prewire_abi::{DataType, ScopeMode, TaskId, TensorArgType, ValidTensor};
use prewire_orchestrator::Arg;
use prewire_ring::{Class, RingSizes};
use std::collections::{BTreeMap, BTreeSet};

/// Elements of a buffer, from one to before another, and whether they are written.
#[derive(Clone, Copy, Debug)]
struct Access {
    buffer: u64,
    from: u64,
    to: u64,
    writes: bool,
}

impl Access {
    fn conflicts(&self, other: &Self) -> bool {
        self.buffer == other.buffer
            && (self.writes || other.writes)
            && self.from < other.to
            && other.from < self.to
    }
}

/// An argument, and what it accesses: all of a buffer, the first half of it as a tensor or as a view, or another part.
fn argument(draw: &mut Draw, buffers: u64) -> (Arg, Access) {
    let buffer = 0x1000_0000 + draw.below(buffers) * 0x1_0000;
    let all = |elements| ValidTensor::contiguous(buffer, &[elements], DataType::F32).unwrap();
    let part = |from, to| (all(1024).slice(0, from, to, 1).unwrap(), from, to);
    let (tensor, from, to) = match draw.below(8) {
        0 => (all(512), 0, 512),
        1 => part(0, 512),
        2 => part(512, 1024),
        3 => part(256, 259),
        _ => (all(1024), 0, 1024),
    };
    let writes = draw.below(6) == 0;
    let tag = match (writes, draw.below(2)) {
        (false, _) => TensorArgType::Input,
        (true, 0) => TensorArgType::InOut,
        (true, _) => TensorArgType::OutputExisting,
    };
    (existing(tensor, tag), Access { buffer, from: from.into(), to: to.into(), writes })
}

/// A program, and what is known of its tasks.
struct Program {
    rig: Rig,
    depth: u32,
    tasks: Vec<(TaskId, Vec<Access>)>,
    /// Whom each waits for, and whom those do, and so on.
    above: BTreeMap<TaskId, BTreeSet<TaskId>>,
    /// Those that failed, or come after one that did.
    doomed: BTreeSet<TaskId>,
    edges: usize,
    refused: usize,
}

impl Program {
    fn new(sizes: &RingSizes) -> Self {
        let mut rig = Rig::new(sizes);
        rig.open();
        let (above, doomed) = (BTreeMap::new(), BTreeSet::new());
        Self { rig, depth: 1, tasks: Vec::new(), above, doomed, edges: 0, refused: 0 }
    }

    /// Opens a scope, closes one, or runs some tasks, of which one in four fails if they `may_fail`.
    fn move_on(&mut self, draw: &mut Draw, may_fail: bool) {
        match draw.below(14) {
            0 if self.depth < 3 => {
                self.rig.try_open(ScopeMode::Auto).unwrap();
                self.depth += 1;
            }
            1 if self.depth > 1 => {
                self.rig.close();
                self.depth -= 1;
            }
            2 | 3 => {
                for _ in 0..1 + draw.below(3) {
                    let ready = &self.rig.runner.ready;
                    let Some(slot) = Class::ALL.into_iter().find_map(|class| ready.queue(class).pop()) else {
                        break;
                    };
                    let state = self.rig.runner.rings.slot(slot);
                    if may_fail && draw.below(4) == 0 {
                        state.fail();
                        self.doomed.insert(state.id());
                    }
                    self.rig.runner.complete(slot);
                }
            }
            _ => {}
        }
    }

    fn submit(&mut self, draw: &mut Draw) {
        let many = draw.below(3) == 0;
        let count = 1 + draw.below(if many { 5 } else { 2 });
        let (args, accesses): (Vec<_>, Vec<_>) =
            (0..count).map(|_| argument(draw, if many { 5 } else { 9 })).unzip();
        let Ok(made) = self.rig.try_submit(&mut tensors(&args)) else {
            self.refused += 1;
            return;
        };
        let mut above = BTreeSet::new();
        for (id, _) in self.rig.edges(made.id) {
            assert_ne!(id, made.id, "it waits for itself");
            self.edges += 1;
            above.insert(id);
            above.extend(self.above.get(&id).into_iter().flatten());
        }
        for (id, above) in &self.above {
            if above.iter().any(|id| self.doomed.contains(id)) {
                self.doomed.insert(*id);
            }
        }
        let is_doomed = above.iter().any(|id| self.doomed.contains(id));
        let conflicts = |other: &[Access]| other.iter().any(|a| accesses.iter().any(|b| a.conflicts(b)));
        for (id, other) in self.tasks.iter().filter(|(_, other)| conflicts(other)) {
            let (rings, state) = (&self.rig.runner.rings, self.rig.state(*id));
            let lives = state.id() == *id
                && rings.watermark(id.ring() as usize) <= id.local()
                && rings.holds(*id).is_some_and(|holds| holds > 0);
            assert!(!lives || above.contains(id), "{id:?} is lost for {:?}: {other:?} {accesses:?}", made.id);
            assert!(is_doomed || !self.doomed.contains(id), "that {id:?} failed is lost for {:?}", made.id);
        }
        self.above.insert(made.id, above);
        self.tasks.push((made.id, accesses));
    }

    /// Closes what is open, and runs all there is.
    fn end(&mut self) {
        (0..self.depth).for_each(|_| self.rig.close());
        self.rig.runner.run_all();
        (0..4).for_each(|ring| assert_eq!(self.rig.runner.rings.usage(ring).live, 0, "ring {ring}"));
    }
}

#[test]
fn no_conflict_of_a_drawn_program_is_lost() {
    let mut draw = Draw(99);
    let (mut refused, mut edges) = (0, 0);
    for round in 0..900 {
        let may_fail = round % 4 == 3;
        let window = if may_fail { 256 } else { [64, 32, 256][round % 3] };
        let sizes = RingSizes::default().with_window(window).with_tensor_map([64, 80, 4096][round / 3 % 3]);
        let mut program = Program::new(&sizes);
        for _ in 0..150 {
            program.move_on(&mut draw, may_fail);
            program.submit(&mut draw);
        }
        program.end();
        refused += program.refused;
        edges += program.edges;
    }
    assert!(
        refused > 1000 && edges > 100_000,
        "{refused} submits were refused, and there were {edges} edges"
    );
}
