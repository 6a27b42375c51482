//! Drawn programs against what their accesses say: who comes after whom, and who is poisoned, whatever was left to records and has become
//! of them.

use crate::draw::Draw;
use crate::rig::{Rig, existing, memory, nothing, tensors};
use prewire_abi::TensorArgType::{InOut, Input, OutputExisting};
use prewire_abi::{ScopeMode, TaskId};
use prewire_orchestrator::{Arg, ScopeKey};
use prewire_ring::{Class, RingSizes, Verdict};
use prewire_tensormap::Access;
use std::collections::{BTreeMap, BTreeSet};

/// A cell of memory as the definition has it: who wrote it last, and who has read it since.
#[derive(Default)]
struct Cell {
    writer: Option<TaskId>,
    readers: Vec<TaskId>,
}

/// What the accesses of a run so far say.
#[derive(Default)]
struct Cells {
    cells: BTreeMap<(u64, u64), Cell>,
    /// Those that failed, or come after one that did.
    doomed: BTreeSet<TaskId>,
}

impl Cells {
    /// The halves of its buffer that `arg` touches.
    fn of(arg: &Arg) -> Vec<(u64, u64)> {
        let (start, end) = (arg.tensor().start_offset(), arg.tensor().start_offset() + arg.tensor().numel());
        let touched = [0, 512].into_iter().filter(|half| start < half + 512 && *half < end);
        touched.map(|half| (arg.tensor().buffer_addr(), half)).collect()
    }

    /// Whom an access comes after.
    fn after(&self, arg: &Arg) -> Vec<TaskId> {
        let cells = Self::of(arg).into_iter().filter_map(|cell| self.cells.get(&cell));
        let whom = |cell: &Cell| {
            let readers = if arg.tag().writes() { cell.readers.as_slice() } else { &[] };
            cell.writer.into_iter().chain(readers.iter().copied()).collect::<Vec<_>>()
        };
        cells.flat_map(whom).collect()
    }

    fn record(&mut self, arg: &Arg, task: TaskId) {
        for cell in Self::of(arg) {
            let cell = self.cells.entry(cell).or_default();
            if arg.tag().writes() {
                *cell = Cell { writer: Some(task), readers: Vec::new() };
            } else if cell.writer != Some(task) {
                cell.readers.push(task);
            }
        }
    }
}

/// So many arguments, or a few more: halves of buffers or whole ones, one in some written.
fn arguments(draw: &mut Draw, least: u64, buffers: u64, writes: u64) -> Vec<Arg> {
    (0..least + draw.below(5))
        .map(|_| {
            let whole = memory(draw.below(buffers));
            let tensor = match draw.below(10) {
                0 => whole.slice(0, 0, 512, 1).unwrap(),
                1 => whole.slice(0, 512, 1024, 1).unwrap(),
                _ => whole,
            };
            let write = [InOut, OutputExisting][draw.below(2) as usize];
            existing(tensor, if draw.below(writes) > 0 { Input } else { write })
        })
        .collect()
}

/// Drawn programs, run after run, in scopes and with a host that waits, through small rings and maps, some of whose tasks fail: a task
/// comes after those that it conflicts with, and is poisoned if, and only if, one of them failed or was, whatever has become of the
/// records in between.
#[test]
fn who_comes_after_whom_and_is_poisoned_is_what_the_accesses_say() {
    let mut draw = Draw(4);
    let (mut poisoned, mut sound, mut hosts) = (0, 0, 0);
    for round in 0..240 {
        // Slots are used again, or argument words are before slots.
        let (window, least, tasks) = [(4, 0, 100), (8, 0, 100), (64, 2, 100), (256, 24, 150)][round % 4];
        let entries = [64, 80, 1024][round % 3].max(least as u32 * 8);
        let mut rig = Rig::new(&RingSizes::default().with_window(window).with_tensor_map(entries));
        for run in 0..2 {
            let (mut cells, mut submitted, mut depth) = (Cells::default(), Vec::new(), 0);
            rig.runner.ran.clear();
            rig.runner.fails.clear();
            let buffers = 3 + draw.below(30) + 2 * least;
            let writes = if least > 2 { 60 } else { [3, 6, 20][draw.below(3) as usize] };
            for _ in 0..tasks {
                match draw.below(12) {
                    0 if depth < 6 && rig.try_open(ScopeMode::Auto).is_ok() => depth += 1,
                    1 if depth > 0 => {
                        rig.close();
                        depth -= 1;
                    }
                    // Slots are used that have no record, or one that says nothing.
                    2 => drop(rig.try_submit(&mut nothing())),
                    3 => drop(rig.try_alloc(4)),
                    _ => {}
                }
                let args = arguments(&mut draw, least, buffers, writes);
                let mut given = tensors(&args);
                if draw.below(5) == 0 && least < 3 {
                    given.keep_whole();
                }
                given.extend_scalars(&[u64::MAX; 16][..(least as usize).min(16)]);
                if let Ok(made) = rig.try_submit(&mut given) {
                    let after: BTreeSet<TaskId> = args.iter().flat_map(|arg| cells.after(arg)).collect();
                    args.iter().for_each(|arg| cells.record(arg, made.id));
                    let is_poisoned = after.iter().any(|id| cells.doomed.contains(id));
                    let fails = draw.below(10 + round as u64 % 3 * 20) == 0;
                    if fails {
                        rig.runner.fails.insert(made.id);
                    }
                    if fails || is_poisoned {
                        cells.doomed.insert(made.id);
                    }
                    submitted.push((made.id, is_poisoned, after));
                }
                if draw.below(30) == 0 {
                    let tensor = memory(draw.below(buffers));
                    let host = existing(tensor, InOut);
                    let result = rig.orch.wait_for(&mut rig.runner, &tensor, ScopeKey::NONE, Access::Write);
                    let after = cells.after(&host);
                    let doomed = after.iter().any(|id| cells.doomed.contains(id));
                    assert_eq!(result.is_err(), doomed, "round {round}: {result:?}");
                    let ran: BTreeSet<TaskId> = rig.runner.ran.iter().map(|ran| ran.0).collect();
                    assert!(doomed || after.iter().all(|id| ran.contains(id)), "round {round}");
                    hosts += 1;
                }
                // What is ready runs in another order, now and then.
                let queue = rig.runner.ready.queue(Class::Aiv);
                if draw.below(3) == 0
                    && let Some(slot) = queue.pop()
                {
                    queue.push(slot);
                }
                for _ in 0..draw.below(3) {
                    let _ = rig.runner.step();
                }
            }
            let _ = rig.runner.run_all();
            let ran: BTreeMap<TaskId, (usize, Verdict)> =
                rig.runner.ran.iter().enumerate().map(|(at, &(id, verdict))| (id, (at, verdict))).collect();
            for (id, is_poisoned, after) in submitted {
                // Who becomes poisoned while it waits ends with its producer, and is not handed out.
                let was_to_run = ran.get(&id).is_some_and(|ran| ran.1 == Verdict::Sound);
                assert_eq!(was_to_run, !is_poisoned, "round {round}, run {run}, {id:?}");
                assert!(
                    is_poisoned || after.iter().all(|before| ran[before].0 < ran[&id].0),
                    "{round} {id:?}"
                );
                *(if is_poisoned { &mut poisoned } else { &mut sound }) += 1;
            }
            rig.orch.finish_run(&mut rig.runner);
            rig.orch.start_run();
        }
    }
    assert!(
        poisoned > 2000 && sound > 2000 && hosts > 500,
        "{poisoned} poisoned, {sound} sound, {hosts} hosts"
    );
}
