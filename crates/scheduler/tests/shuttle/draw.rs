//! Programs drawn from a seed. They use the smallest windows and never ask for what an open scope makes impossible.

use prewire_abi::{EdgeKind, LaneMask, ScopeMode};

use crate::dice::Dice;
use crate::program::{ELEMENTS, Fate, GIVEN, Op, Program, Run, Task, Touch};

/// Slots of each ring that can be in use.
const ROOM: u32 = 3;
/// An open scope.
struct Scope {
    mode: ScopeMode,
    /// Tasks that it keeps, since the first with an output; and how many of them have one.
    kept: u32,
    outputs: u32,
    /// The buffers that were made in it.
    made: Vec<usize>,
}

struct Draw {
    dice: Dice,
    clusters: u16,
    slabs: u32,
    edges: u32,
    tasks: Vec<Task>,
    /// The first task of this run.
    first: usize,
    scopes: Vec<Scope>,
    ops: Vec<Op>,
    buffers: usize,
    /// Who wrote each element last in this run, by buffer.
    last: Vec<[Option<usize>; ELEMENTS as usize]>,
}

/// The program of `seed`.
pub(crate) fn draw(seed: u64) -> Program {
    let mut dice = Dice::new(seed);
    let (clusters, slabs, edges) = (dice.between(3, 4) as u16, dice.between(1, 3), dice.between(1, 5));
    let mut draw = Draw {
        dice,
        clusters,
        slabs,
        edges,
        tasks: Vec::new(),
        first: 0,
        scopes: Vec::new(),
        ops: Vec::new(),
        buffers: GIVEN,
        last: Vec::new(),
    };
    let idle_only = draw.dice.once_in(3);
    // Several runs for once, so that each ready queue is gone round.
    let runs = if draw.dice.once_in(3) { draw.dice.between(2, 4) } else { 1 };
    let runs = (0..runs).map(|_| draw.run()).collect();
    Program { idle_only, clusters, slabs, edges, tasks: draw.tasks, runs }
}

impl Draw {
    fn run(&mut self) -> Run {
        let tasks = self.dice.between(4, 14);
        self.first = self.tasks.len();
        self.last = vec![[None; ELEMENTS as usize]; self.buffers];
        self.open(ScopeMode::Auto);
        let end = self.dice.once_in(8).then(|| self.dice.below(tasks));
        for n in 0..tasks {
            while self.scopes.len() > 1 && self.dice.once_in(4) {
                self.close();
            }
            if self.scopes.len() < 4 && self.dice.once_in(3) {
                let manual = self.mode() == ScopeMode::Manual || self.dice.once_in(5);
                self.open(if manual { ScopeMode::Manual } else { ScopeMode::Auto });
            }
            self.task();
            if end == Some(n) {
                self.ops.push(Op::End);
            } else if self.dice.once_in(8) && self.mode() == ScopeMode::Auto {
                self.read();
            }
        }
        while !self.scopes.is_empty() {
            self.close();
        }
        Run { ops: core::mem::take(&mut self.ops), tasks: self.first..self.tasks.len() }
    }

    fn mode(&self) -> ScopeMode {
        self.scopes.last().map_or(ScopeMode::Auto, |scope| scope.mode)
    }

    fn open(&mut self, mode: ScopeMode) {
        self.scopes.push(Scope { mode, kept: 0, outputs: 0, made: Vec::new() });
        self.ops.push(Op::Open(mode));
    }

    fn close(&mut self) {
        self.scopes.pop();
        self.ops.push(Op::Close);
    }

    /// A scope that has room for one more task, with an output if it has `output`.
    fn make_room(&mut self, output: bool) {
        let slabs = self.slabs;
        let Some(scope) = self.scopes.last_mut() else { return };
        if scope.kept >= ROOM || (output && scope.outputs >= slabs) {
            let mode = scope.mode;
            self.close();
            self.open(mode);
        }
        if let Some(scope) = self.scopes.last_mut() {
            scope.outputs += u32::from(output);
            scope.kept += u32::from(output || scope.kept > 0);
        }
    }

    fn task(&mut self) {
        let output = self.dice.once_in(4);
        self.make_room(output);
        let number = self.tasks.len();
        let mut task = self.shape();
        if self.mode() == ScopeMode::Auto {
            task.touches = self.touches();
        }
        for _ in 0..self.dice.below(3) {
            if number > self.first {
                let producer = self.dice.between(self.first as u32, number as u32 - 1) as usize;
                task.after
                    .push((producer, self.dice.of(&[EdgeKind::WAIT, EdgeKind::BOTH, EdgeKind::RETAIN])));
            }
        }
        if output {
            task.makes = Some(self.buffers);
            if let Some(scope) = self.scopes.last_mut() {
                scope.made.push(self.buffers);
            }
            self.buffers += 1;
            self.last.push([None; ELEMENTS as usize]);
        }
        while self.producers(&task).len() > self.edges as usize {
            if task.touches.pop().is_none() {
                task.after.pop();
            }
        }
        self.settle(&mut task);
        self.tasks.push(task);
        self.ops.push(Op::Submit(number));
    }

    fn shape(&mut self) -> Task {
        let (aic, v0, v1) = (LaneMask::AIC, LaneMask::AIV0, LaneMask::AIV1);
        let mix = [aic.union(v0), aic.union(v1), v0.union(v1), LaneMask::ALL];
        let lanes = match self.dice.below(8) {
            0 => LaneMask::NONE,
            1 | 2 => aic,
            3 | 4 => v0,
            _ => self.dice.of(&mix),
        };
        let widest = u32::from(self.clusters) * if lanes == v0 { 2 } else { 1 };
        let dummy = lanes == LaneMask::NONE;
        let blocks = if !dummy && self.dice.once_in(3) { self.dice.between(2, widest) as u16 } else { 1 };
        let mut task = Task {
            lanes,
            blocks,
            sync_start: blocks > 1 && self.dice.once_in(2),
            predicate: (!dummy && self.dice.once_in(6)).then(|| self.dice.once_in(2)),
            touches: Vec::new(),
            makes: None,
            after: Vec::new(),
            fault: None,
            ends: !dummy && self.dice.once_in(60),
            held: !dummy && self.dice.once_in(4),
            waits: Vec::new(),
            fate: Fate::Runs,
        };
        if !dummy && self.dice.once_in(10) {
            let subtasks: Vec<_> = task.subtasks().collect();
            task.fault = Some(self.dice.of(&subtasks));
        }
        task
    }

    /// Up to two touches, of different buffers: those that were given, and those that an open scope keeps.
    fn touches(&mut self) -> Vec<Touch> {
        let mut buffers: Vec<usize> = (0..GIVEN).collect();
        buffers.extend(self.scopes.iter().flat_map(|scope| &scope.made));
        let mut touches: Vec<Touch> = Vec::new();
        for _ in 0..self.dice.below(3) {
            let buffer = self.dice.of(&buffers);
            if touches.iter().all(|touch| touch.buffer != buffer) {
                let (reads, writes) =
                    self.dice.of(&[(true, false), (true, false), (true, true), (false, true)]);
                let touch = self.touch(buffer, reads, writes);
                touches.push(touch);
            }
        }
        touches
    }

    fn touch(&mut self, buffer: usize, reads: bool, writes: bool) -> Touch {
        let first = self.dice.below(ELEMENTS);
        let len = self.dice.between(1, ELEMENTS - first);
        let expected = self.last[buffer][first as usize..(first + len) as usize].to_vec();
        Touch { buffer, first, len, reads, writes, expected }
    }

    /// The earlier tasks of this run that a touch comes after: those that it conflicts with, and the maker.
    fn before(&self, touch: &Touch) -> impl Iterator<Item = usize> {
        let of = move |n: &usize| {
            let other = &self.tasks[*n];
            other.makes == Some(touch.buffer) || other.touches.iter().any(|t| t.conflicts(touch))
        };
        (self.first..self.tasks.len()).filter(of)
    }

    /// The distinct tasks that it has an edge from at most.
    fn producers(&self, task: &Task) -> Vec<usize> {
        let explicit = task.after.iter().map(|edge| edge.0);
        let mut all: Vec<_> = task.touches.iter().flat_map(|t| self.before(t)).chain(explicit).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// What it waits for and how it ends, and what it leaves in memory.
    fn settle(&mut self, task: &mut Task) {
        let number = self.tasks.len();
        let explicit = task.after.iter().filter(|edge| edge.1.waits()).map(|edge| edge.0);
        task.waits = task.touches.iter().flat_map(|t| self.before(t)).chain(explicit).collect();
        task.waits.sort_unstable();
        task.waits.dedup();
        let bad = |&n: &usize| matches!(self.tasks[n].fate, Fate::Fails | Fate::Skipped);
        task.fate = if task.waits.iter().any(bad) {
            Fate::Skipped
        } else if task.is_dummy() || task.predicate == Some(false) {
            Fate::Passes
        } else if task.fault.is_some() {
            Fate::Fails
        } else {
            Fate::Runs
        };
        if task.fate == Fate::Passes {
            return;
        }
        for touch in task.touches.iter().filter(|touch| touch.writes) {
            self.last[touch.buffer][touch.first as usize..(touch.first + touch.len) as usize]
                .fill(Some(number));
        }
        if let Some(made) = task.makes {
            self.last[made].fill(Some(number));
        }
    }

    fn read(&mut self) {
        let buffer = self.dice.below(GIVEN as u32) as usize;
        let touch = self.touch(buffer, true, false);
        let writers = self.before(&touch).collect();
        self.ops.push(Op::Read(touch, writers));
    }
}
