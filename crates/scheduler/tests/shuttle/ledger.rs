//! What has happened, and what is claimed of it: the one place that compares the engine with the program.

use std::collections::BTreeMap;

use crate::program::{ELEMENTS, Fate, Program, Run, Touch};

/// Bytes of an element.
pub(crate) const SIZE: u64 = 4;

/// How far a sub-task has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Unstarted,
    Begun,
    Over,
}

/// What an element holds: the task that wrote it.
type Word = usize;

/// What has happened in a program so far.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// By task, block and place.
    stages: Vec<[[Stage; 3]; 8]>,
    submitted: Vec<bool>,
    /// By task: it was held back, and let go.
    let_go: Vec<bool>,
    /// Memory, by the address of the element.
    memory: BTreeMap<u64, Word>,
    /// The run was ended, or is about to be.
    ended: bool,
}

/// How many of what a program did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) executions: u64,
    pub(crate) tasks: u64,
    pub(crate) subtasks: u64,
    pub(crate) cohorts: u64,
    pub(crate) clusters: u64,
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) ended: u64,
    pub(crate) waits: u64,
    pub(crate) held: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.executions, other.executions),
            (&mut self.tasks, other.tasks),
            (&mut self.subtasks, other.subtasks),
            (&mut self.cohorts, other.cohorts),
            (&mut self.clusters, other.clusters),
            (&mut self.passed, other.passed),
            (&mut self.failed, other.failed),
            (&mut self.skipped, other.skipped),
            (&mut self.ended, other.ended),
            (&mut self.waits, other.waits),
            (&mut self.held, other.held),
        ];
        pairs.into_iter().for_each(|(sum, more)| *sum += more);
    }

    /// Each of them, for a test that wants that none is missing.
    pub(crate) fn all(&self) -> [u64; 11] {
        [
            self.executions,
            self.tasks,
            self.subtasks,
            self.cohorts,
            self.clusters,
            self.passed,
            self.failed,
            self.skipped,
            self.ended,
            self.waits,
            self.held,
        ]
    }
}

impl Ledger {
    pub(crate) fn new(program: &Program) -> Self {
        Self {
            stages: vec![Default::default(); program.tasks.len()],
            submitted: vec![false; program.tasks.len()],
            let_go: vec![false; program.tasks.len()],
            memory: BTreeMap::new(),
            ended: false,
        }
    }

    /// A run starts: nothing is known of what is in memory.
    pub(crate) fn start_run(&mut self) {
        self.memory.clear();
        self.ended = false;
    }

    /// The run is ended by the next step of whoever calls this.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    pub(crate) fn submit(&mut self, task: usize) {
        self.submitted[task] = true;
    }

    /// It was refused after all, as the run had ended.
    pub(crate) fn refuse(&mut self, task: usize) {
        assert!(self.ended, "task {task} is refused, though the run was not ended");
        self.submitted[task] = false;
    }

    fn stage(&mut self, task: usize, (block, place): (u32, u32)) -> &mut Stage {
        &mut self.stages[task][block as usize][place as usize]
    }

    fn is_at(&self, task: usize, (block, place): (u32, u32), stage: Stage) -> bool {
        self.stages[task][block as usize][place as usize] == stage
    }

    /// Whether a task has ended well; one that passes, if all that it waits for has.
    fn ended_well(&self, program: &Program, task: usize) -> bool {
        let of = &program.tasks[task];
        match of.fate {
            Fate::Runs => {
                of.subtasks().all(|sub| self.is_at(task, sub, Stage::Over)) && (!of.held || self.let_go[task])
            }
            Fate::Passes => self.submitted[task] && of.waits.iter().all(|&w| self.ended_well(program, w)),
            Fate::Fails | Fate::Skipped => false,
        }
    }

    /// A core takes up a sub-task. Claims: it is to run; it has not begun before; all that it waits for has ended well;
    /// and what it reads is there.
    pub(crate) fn begin(&mut self, program: &Program, task: usize, sub: (u32, u32), addrs: &[u64]) {
        let of = &program.tasks[task];
        assert!(self.submitted[task], "task {task} runs before it is submitted");
        assert!(
            matches!(of.fate, Fate::Runs | Fate::Fails),
            "task {task} runs, but {:?} is its fate: something that it waits for did not end well",
            of.fate
        );
        assert!(of.subtasks().any(|s| s == sub), "task {task} has no sub-task {sub:?}");
        assert!(self.is_at(task, sub, Stage::Unstarted), "sub-task {sub:?} of task {task} runs twice");
        *self.stage(task, sub) = Stage::Begun;
        for &producer in &of.waits {
            assert!(
                self.ended_well(program, producer),
                "task {task} starts, but task {producer}, which it waits for, has not ended"
            );
        }
        self.check_reads(program, task, addrs);
    }

    /// A task that was held back is let go. Claims: it is one, and all of it is over.
    pub(crate) fn let_go(&mut self, program: &Program, task: usize) {
        let of = &program.tasks[task];
        assert!(of.held && !self.let_go[task], "task {task} is handed back twice, or was not held");
        assert!(
            of.subtasks().all(|sub| self.is_at(task, sub, Stage::Over)),
            "task {task} is held back before it is over"
        );
        self.let_go[task] = true;
    }

    /// Whether all of these have begun.
    pub(crate) fn have_begun(&self, task: usize, subs: &[(u32, u32)]) -> bool {
        subs.iter().all(|&sub| !self.is_at(task, sub, Stage::Unstarted))
    }

    /// Whether it is the first sub-task of its task that has come so far.
    pub(crate) fn is_first(&self, program: &Program, task: usize) -> bool {
        let begun = program.tasks[task].subtasks().filter(|&sub| !self.is_at(task, sub, Stage::Unstarted));
        begun.count() == 1
    }

    /// A core has run a sub-task: what it reads is still there, and what it writes is there now.
    pub(crate) fn finish(&mut self, program: &Program, task: usize, sub: (u32, u32), addrs: &[u64]) {
        self.check_reads(program, task, addrs);
        let of = &program.tasks[task];
        for (at, touch) in of.touches.iter().enumerate().filter(|(_, touch)| touch.writes) {
            self.write(task, addrs[at], touch.len);
        }
        if of.makes.is_some() {
            self.write(task, addrs[of.touches.len()], ELEMENTS);
        }
        *self.stage(task, sub) = Stage::Over;
    }

    fn write(&mut self, task: usize, addr: u64, len: u32) {
        self.memory.extend((0..u64::from(len)).map(|i| (addr + i * SIZE, task)));
    }

    fn check_reads(&self, program: &Program, task: usize, addrs: &[u64]) {
        for (at, touch) in program.tasks[task].touches.iter().enumerate().filter(|(_, touch)| touch.reads) {
            self.check(touch, addrs[at], touch.writes.then_some(task));
        }
    }

    /// The elements hold what their last writers left. `own`: or what this task has written there itself.
    pub(crate) fn check(&self, touch: &Touch, addr: u64, own: Option<usize>) {
        for (i, &expected) in touch.expected.iter().enumerate() {
            let Some(expected) = expected else { continue };
            let found = self.memory.get(&(addr + i as u64 * SIZE)).copied();
            assert!(
                found == Some(expected) || (own.is_some() && found == own),
                "element {} of buffer {} holds what {found:?} wrote, not task {expected}",
                touch.first as usize + i,
                touch.buffer
            );
        }
    }

    /// A run is over and drained. Claims: each task ran whole, once, or was skipped where it had to be.
    pub(crate) fn check_run(&self, program: &Program, run: &Run) -> Tally {
        let mut tally = Tally { ended: u64::from(self.ended), ..Tally::default() };
        for task in run.tasks.clone() {
            let of = &program.tasks[task];
            if !self.submitted[task] {
                assert!(self.ended, "task {task} was not submitted");
                continue;
            }
            let over = of.subtasks().filter(|&sub| self.is_at(task, sub, Stage::Over)).count();
            let begun = of.subtasks().filter(|&sub| self.is_at(task, sub, Stage::Begun)).count();
            assert_eq!(begun, 0, "sub-tasks of task {task} have begun and are not over");
            let (all, fate) = (of.subtasks().count(), of.fate);
            let right = match fate {
                Fate::Runs => over == all || self.ended,
                Fate::Passes | Fate::Skipped => over == 0,
                Fate::Fails => self.ended || of.fault.is_some_and(|sub| self.is_at(task, sub, Stage::Over)),
            };
            assert!(right, "{over} of {all} sub-tasks of task {task} ran, but {fate:?} is its fate");
            let well = fate == Fate::Runs && !self.ended;
            assert!(!(well && of.held) || self.let_go[task], "task {task} was not held back, or is still");
            tally.held += u64::from(self.let_go[task]);
            tally.tasks += 1;
            tally.subtasks += over as u64;
            tally.cohorts += u64::from(of.sync_start && over == all);
            tally.clusters += u64::from(of.lanes.count() > 1 && over == all);
            tally.passed += u64::from(fate == Fate::Passes);
            tally.failed += u64::from(fate == Fate::Fails);
            tally.skipped += u64::from(fate == Fate::Skipped);
            if of.sync_start {
                assert!(over == 0 || over == all, "{over} of {all} sub-tasks of cohort {task} ran");
            }
        }
        tally
    }

    /// Whether the run was ended.
    pub(crate) const fn is_ended(&self) -> bool {
        self.ended
    }
}
