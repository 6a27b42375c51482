//! A chip as a child: each task is a run of it, by a program that was prepared once.

use std::collections::BTreeMap;
use std::time::Duration;

use prewire_chip::{Adopted, Chip, ChipBuilder, Error};
use prewire_os::process;

use super::Assigned;
use super::outcome::{LOST, Refused, SAID, UNKNOWN, contained, misplaced, refuse};
use crate::args::Args;
use crate::callable::{Body, Callable, ChipRun, Digest, Kind};
use crate::plan::Plan;
use crate::tree::{Mode, Role};

/// The chip, and what was prepared on it.
pub(super) struct ChipSeat {
    chip: Chip,
    /// Which of those that were this child it is: memory of another one is not its own.
    life: u32,
    /// By digest: a program, or why there is none. Kernels stay registered for the life of a chip, so each is prepared once,
    /// whatever comes of it.
    prepared: BTreeMap<Digest, Result<ChipRun, String>>,
    /// The shared memory that the chip works on.
    _adopted: Vec<Adopted>,
}

/// How long a kernel that hangs keeps its chip waiting in a process, which is killed soon after: long enough for the chip to
/// say which kernel it is.
const PATIENCE: Duration = Duration::from_millis(10);

/// How many threads simulate each of the chips of a worker, where the program does not say: they share the processors.
fn threads(plan: &Plan) -> u16 {
    let chips = plan.children.iter().filter(|child| matches!(child.role, Role::Chip(_))).count();
    let each = process::available_processors() / chips.max(1);
    u16::try_from(each.max(1)).unwrap_or(u16::MAX)
}

impl ChipSeat {
    pub(super) fn new(plan: &Plan, child: usize, builder: &ChipBuilder, life: u32) -> Result<Self, String> {
        let why = |error: Error| super::outcome::chain(&error);
        let mut builder = builder.clone().default_threads(threads(plan));
        if plan.children[child].mode == Mode::Process {
            builder = builder.patience(PATIENCE);
        }
        let chip = builder.build().map_err(why)?;
        let adopted = plan.segments.iter().map(|(_, _, memory)| chip.adopt(memory));
        let adopted = adopted.collect::<Result<_, _>>().map_err(why)?;
        Ok(Self { chip, life, prepared: BTreeMap::new(), _adopted: adopted })
    }

    pub(super) const fn chip(&self) -> &Chip {
        &self.chip
    }

    pub(super) const fn life(&self) -> u32 {
        self.life
    }

    pub(super) fn is_lost(&self) -> bool {
        self.chip.lost().is_some()
    }

    fn prepare(&self, callable: &Callable) -> Result<ChipRun, Refused> {
        let Body::Chip(prepare) = callable.body() else {
            return Err(misplaced(callable, Kind::ChipProgram));
        };
        contained(|| prepare(&self.chip).map_err(|error| refuse(UNKNOWN, &error)))
    }

    pub(super) fn run(&mut self, plan: &Plan, task: &Assigned<'_>) -> Result<(), Refused> {
        let digest = task.callable.digest();
        if !self.prepared.contains_key(&digest) {
            let prepared = self.prepare(&task.callable).map_err(|refused| refused.text);
            self.prepared.insert(digest, prepared);
        }
        let program = match &self.prepared[&digest] {
            Ok(program) => program,
            Err(why) => {
                let text = format!("the program could not be prepared on this chip: {why}");
                return Err(Refused { code: UNKNOWN, text });
            }
        };
        let args = Args::on_chip(task.args, &plan.segments, (&self.chip, self.life));
        let ran = self.chip.run(|orch| {
            if let Some(left) = task.time_left() {
                orch.deadline(left);
            }
            program(orch, &args)
        });
        let code = if self.is_lost() { LOST } else { SAID };
        ran.map(drop).map_err(|error| refuse(code, &error))
    }
}
