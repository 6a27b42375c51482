//! Programs under the race checker. Invariant: a program that is right has no race in any order, and one that lacks an
//! edge that nothing replaces has the race that the edge kept away, told as that pair, also in orders in which nothing goes wrong.

use prewire_chip::{Buffer, Check, Error, TaskId};

use crate::oracle::drive::{Player, Setting, run_on, upload};
use crate::oracle::kernels::Kit;
use crate::oracle::lower::Lowered;
use crate::oracle::program::{Cores, Op, Program, Task};

/// Runs the program as the oracle does, and finds no race.
pub(crate) fn run_checked(lowered: &Lowered, setting: &Setting) -> Result<(), String> {
    run_on(lowered, setting, setting.builder().check(Check::Races)).map(drop)
}

/// A program without one of its edges.
#[derive(Debug)]
pub(crate) struct Frayed {
    program: Program,
    /// The two that it ordered.
    pair: (usize, usize),
}

/// Leaves out an edge that two tasks that run need, which one `choice` says; none if there is no such edge.
pub(crate) fn fray(lowered: &Lowered, choice: usize) -> Option<Frayed> {
    let ops = &lowered.program.ops;
    let place =
        |number: usize| ops.iter().position(|op| matches!(op, Op::Task(task) if task.number == number));
    let runs = |at: usize| {
        let Op::Task(task) = &ops[at] else { return false };
        task.cores != Cores::Dummy && task.predicate.is_none()
    };
    let edges: Vec<(usize, usize, usize)> = lowered
        .needed
        .iter()
        .filter_map(|&(number, edge)| {
            let later = place(number)?;
            let Op::Task(Task { after, .. }) = &ops[later] else { return None };
            let earlier = place(after[edge].0)?;
            // What the host waits for in between orders more than tasks do.
            let host = |op: &Op| matches!(op, Op::Read { .. } | Op::Write { .. });
            let plain = runs(later) && runs(earlier) && !ops[earlier..later].iter().any(host);
            plain.then_some((later, edge, after[edge].0))
        })
        .collect();
    let &(later, edge, earlier) = edges.get(choice % edges.len().max(1))?;
    let mut program = lowered.program.clone();
    let Op::Task(task) = &mut program.ops[later] else { return None };
    task.after.remove(edge);
    let pair = (earlier, task.number);
    // The first manual scope waits for what is before it: here that is nothing.
    program.ops.splice(..0, [Op::Open { manual: true }, Op::Close]);
    Some(Frayed { program, pair })
}

impl Frayed {
    /// Runs it once: the pair is named.
    pub(crate) fn run(&self, setting: &Setting) -> Result<(), String> {
        let say = |error: Error| format!("the chip could not be set up: {error}");
        let builder = setting.builder().hazards(self.program.hazards).check(Check::Races);
        let (chip, kit) = Kit::on(builder).map_err(say)?;
        let buffers = self.program.externals.iter().map(|external| upload(&chip, external));
        let buffers = buffers.collect::<prewire_chip::Result<Vec<Buffer>>>().map_err(say)?;
        let mut player = Player::new(&kit, &buffers);
        let result = chip.run(|orch| player.play(orch, &mut self.program.ops.iter()));
        let Err(Error::Races(report)) = result else {
            return Err(format!("{:?} race, and the run gave {result:?}", self.pair));
        };
        let id = |number: usize| -> Option<TaskId> { Some(player.tasks.get(number)?.as_ref()?.id()) };
        let pair = (id(self.pair.0), id(self.pair.1));
        let named = report.races().iter().map(|race| (race.first.task, race.second.task));
        if named.eq([pair]) {
            return Ok(());
        }
        Err(format!("{pair:?} are to be named, and nobody else: {report}"))
    }
}
