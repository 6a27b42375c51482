//! Runs a program on a chip and compares. Invariant: a run that differs from the oracle in anything that a program can
//! see is a failure with the first difference.

use prewire_chip::{
    Buffer, Chip, ChipBuilder, Error, KernelError, Orch, Refusal, Result, RingSizes, RunReport, RunUsage,
    SubmitError, Task, Tensor,
};

use crate::oracle::kernels::{Kit, Word, by_kind};
use crate::oracle::lower::Lowered;
use crate::oracle::program::{self, Arg, External, Kind, Op, Program, Step, Use};
use crate::oracle::world::{Fate, Ran};

/// A chip to run a program on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) a5: bool,
    pub(crate) clusters: u16,
    pub(crate) domains: u16,
    pub(crate) threads: u16,
    /// Of a seeded simulation; none: a pool of threads.
    pub(crate) seed: Option<u64>,
    pub(crate) sizes: RingSizes,
    /// Runs of the program on the chip, one after the other.
    pub(crate) rounds: usize,
}

impl Setting {
    pub(crate) fn builder(&self) -> ChipBuilder {
        let spec = if self.a5 { prewire_a5::a5() } else { prewire_a2a3::a2a3() };
        let builder = Chip::sim(spec)
            .clusters(self.clusters)
            .domains(self.domains)
            .threads(self.threads)
            .rings(self.sizes);
        match self.seed {
            Some(seed) => builder.seed(seed),
            None => builder,
        }
    }
}

/// Runs the program as often as the setting says; what was different from the oracle.
pub(crate) fn run(lowered: &Lowered, setting: &Setting) -> Result<(), String> {
    measure(lowered, setting).map(drop)
}

/// As [`run`]; what it took of the rings. A run that is to fail says nothing of it.
pub(crate) fn measure(lowered: &Lowered, setting: &Setting) -> Result<RunUsage, String> {
    run_on(lowered, setting, setting.builder())
}

/// The same on a chip that is set up already, but for the hazards.
pub(crate) fn run_on(lowered: &Lowered, setting: &Setting, builder: ChipBuilder) -> Result<RunUsage, String> {
    let mut usage = RunUsage::default();
    let Lowered { program, world, .. } = lowered;
    let say = |error: Error| format!("the chip could not be set up: {error}");
    let (chip, kit) = Kit::on(builder.hazards(program.hazards)).map_err(say)?;
    let buffers = program.externals.iter().map(|external| upload(&chip, external));
    let buffers = buffers.collect::<Result<Vec<Buffer>>>().map_err(say)?;
    for round in 0..setting.rounds {
        let at = |difference: String| format!("round {round}: {difference}");
        if round > 0 {
            for (buffer, external) in buffers.iter().zip(&program.externals) {
                refill(&chip, buffer, external).map_err(say)?;
            }
        }
        let mut player = Player::new(&kit, &buffers);
        let result = chip.run(|orch| player.play(orch, &mut program.ops.iter()));
        if let Some(report) = chip.races() {
            return Err(at(report.to_string()));
        }
        if let Some(difference) = player.difference {
            return Err(at(difference));
        }
        if let Ok(report) = &result {
            usage.merge(&report.usage);
        }
        outcome(program, &world.fates, result).map_err(at)?;
        ran(&world.fates, kit.log.take()).map_err(at)?;
        for (tensor, (buffer, external)) in buffers.iter().zip(&program.externals).enumerate() {
            let found = download(&chip, buffer, external.kind).map_err(say)?;
            for (place, (found, expected)) in found.into_iter().zip(&world.memory[tensor].data).enumerate() {
                let other = world.or.get(&(tensor, place)).copied();
                if Some(found) != *expected && Some(found) != other {
                    let expected = expected.unwrap_or_default();
                    return Err(at(format!("element {place} of buffer {tensor} is {found}, not {expected}")));
                }
            }
        }
    }
    Ok(usage)
}

/// Runs the program on rings of which `ring` is too small: the submit of this number is refused, and says so.
pub(crate) fn run_short(
    lowered: &Lowered,
    setting: &Setting,
    (ring, number): (usize, usize),
) -> Result<(), String> {
    let say = |error: Error| format!("the chip could not be set up: {error}");
    let (chip, kit) = Kit::on(setting.builder().hazards(lowered.program.hazards)).map_err(say)?;
    let buffers = lowered.program.externals.iter().map(|external| upload(&chip, external));
    let buffers = buffers.collect::<Result<Vec<Buffer>>>().map_err(say)?;
    let mut player = Player::new(&kit, &buffers);
    let result = chip.run(|orch| player.play(orch, &mut lowered.program.ops.iter()));
    let (submitted, difference) = (player.tasks.len(), player.difference);
    let refused = match &result {
        Err(Error::Submit(refused)) => match refused.why {
            Refusal::Submit(
                SubmitError::ScopeDeadlock { ring, .. }
                | SubmitError::RingDeadlock { ring, .. }
                | SubmitError::TooLarge { ring, .. },
            ) => Some(ring),
            _ => None,
        },
        _ => None,
    };
    if (refused, submitted, &difference) != (Some(ring), number, &None) {
        return Err(format!(
            "the submit of task {number} should be refused, as ring {ring} is too small for good; {submitted} were \
             submitted, with {difference:?}, and {result:?}"
        ));
    }
    let again = chip.run(|orch| orch.dummy().go().map(drop));
    again.map(drop).map_err(|error| format!("the next run failed: {error}"))
}

/// What happens in `rounds` runs of the program, as text.
pub(crate) fn traces(lowered: &Lowered, setting: &Setting, rounds: usize) -> Result<Vec<String>, String> {
    let say = |error: Error| format!("the chip could not be set up: {error}");
    let builder = setting.builder().hazards(lowered.program.hazards).trace(true);
    let (chip, kit) = Kit::on(builder).map_err(say)?;
    let externals = &lowered.program.externals;
    let buffers = externals.iter().map(|external| upload(&chip, external)).collect::<Result<Vec<Buffer>>>();
    let buffers = buffers.map_err(say)?;
    let one = |_| {
        for (buffer, external) in buffers.iter().zip(externals) {
            refill(&chip, buffer, external).map_err(say)?;
        }
        let mut player = Player { kit: &kit, tensors: Vec::new(), tasks: Vec::new(), difference: None };
        player.tensors.extend(buffers.iter().map(|buffer| Some(buffer.tensor())));
        // Whether it fails is told by the trace.
        let _ = chip.run(|orch| player.play(orch, &mut lowered.program.ops.iter()));
        chip.take_trace().map(|trace| trace.to_string()).ok_or_else(|| "the chip has no trace".to_owned())
    };
    (0..rounds).map(one).collect()
}

pub(crate) fn upload(chip: &Chip, external: &External) -> Result<Buffer> {
    fn make<T: Word>(chip: &Chip, external: &External) -> Result<Buffer> {
        let data: Vec<T> = external.data.iter().copied().map(T::narrow).collect();
        chip.tensor(&data, &external.shape)
    }
    by_kind!(external.kind, make(chip, external))
}

fn refill(chip: &Chip, buffer: &Buffer, external: &External) -> Result<()> {
    fn fill<T: Word>(chip: &Chip, buffer: &Buffer, external: &External) -> Result<()> {
        let data: Vec<T> = external.data.iter().copied().map(T::narrow).collect();
        chip.write(buffer, &data)
    }
    by_kind!(external.kind, fill(chip, buffer, external))
}

fn download(chip: &Chip, buffer: &Buffer, kind: Kind) -> Result<Vec<i64>> {
    fn read<T: Word>(chip: &Chip, buffer: &Buffer) -> Result<Vec<i64>> {
        Ok(chip.read::<T>(buffer)?.into_iter().map(T::wide).collect())
    }
    by_kind!(kind, read(chip, buffer))
}

/// What the run says of itself is what became of its tasks.
fn outcome(program: &Program, fates: &[Fate], result: Result<RunReport>) -> Result<(), String> {
    let failing = |number: &str| {
        number.parse().is_ok_and(|n: usize| fates.get(n).is_some_and(|f| matches!(f.ran, Ran::Some(_))))
    };
    match result {
        Ok(report) => {
            if let Some(task) = fates.iter().position(|fate| fate.bad) {
                return Err(format!("the run succeeded although task {task} fails"));
            }
            let executed: u32 =
                fates.iter().map(|fate| if fate.ran == Ran::All { fate.total } else { 0 }).sum();
            let tasks = program.ops.iter().filter(|op| matches!(op, Op::Task(_))).count();
            if (report.tasks, report.executed) != (tasks as u64, u64::from(executed)) {
                return Err(format!("{tasks} tasks ran as {executed} sub-tasks, not {report:?}"));
            }
            Ok(())
        }
        Err(Error::Task(failure)) => {
            let words = match &failure.error {
                KernelError::Failed(message) => message.strip_suffix(" fails"),
                KernelError::Panicked(message) => message.strip_suffix(" panics"),
                _ => None,
            };
            match words.and_then(|words| words.rsplit(' ').next()) {
                Some(number) if failing(number) => Ok(()),
                _ => Err(format!("the run failed for another reason than a task that fails: {failure}")),
            }
        }
        Err(error) => Err(format!("the run failed: {error}")),
    }
}

/// Each sub-task ran as often as it should have.
fn ran(fates: &[Fate], log: Vec<(u64, u32)>) -> Result<(), String> {
    let mut counts: Vec<Vec<u32>> = fates.iter().map(|fate| vec![0; fate.total as usize]).collect();
    for (task, sub) in log {
        let count = counts.get_mut(task as usize).and_then(|subs| subs.get_mut(sub as usize));
        *count.ok_or_else(|| format!("sub-task {sub} of task {task} ran, but there is none"))? += 1;
    }
    for (task, (fate, subs)) in fates.iter().zip(&counts).enumerate() {
        let right = match fate.ran {
            Ran::Nothing => subs.iter().all(|&n| n == 0),
            Ran::All => subs.iter().all(|&n| n == 1),
            Ran::Some(which) => {
                subs.iter().all(|&n| n <= 1)
                    && subs.contains(&1)
                    && which.is_none_or(|sub| subs[sub as usize] == 1)
            }
        };
        if !right {
            return Err(format!(
                "task {task} should have run {:?}, but its sub-tasks ran {subs:?} times",
                fate.ran
            ));
        }
    }
    Ok(())
}

/// Plays a program to an orchestrator.
pub(crate) struct Player<'p> {
    kit: &'p Kit,
    tensors: Vec<Option<Tensor>>,
    /// By number; none for an allocation.
    pub(crate) tasks: Vec<Option<Task>>,
    difference: Option<String>,
}

impl<'p> Player<'p> {
    pub(crate) fn new(kit: &'p Kit, buffers: &[Buffer]) -> Self {
        let tensors = buffers.iter().map(|buffer| Some(buffer.tensor())).collect();
        Self { kit, tensors, tasks: Vec::new(), difference: None }
    }

    /// Plays until the end of the scope.
    pub(crate) fn play(&mut self, orch: &mut Orch<'_>, ops: &mut std::slice::Iter<'p, Op>) -> Result<()> {
        while let Some(op) = ops.next() {
            match op {
                Op::Task(task) => self.submit(orch, task)?,
                Op::Alloc { span } => {
                    let tensor = orch.alloc(&span.shape, span.kind.dtype())?;
                    self.tensors.push(Some(tensor));
                    self.tasks.push(None);
                }
                Op::Open { manual: false } => orch.scope(|orch| self.play(orch, ops))?,
                Op::Open { manual: true } => orch.manual_scope(|orch| self.play(orch, ops))?,
                Op::Close => return Ok(()),
                Op::Read { view, index, value } => {
                    let tensor = self.view(view)?;
                    let found = by_kind!(view.span.kind, element(orch, &tensor, index));
                    self.note(op, value.as_ref(), found)?;
                }
                Op::Write { view, index, value, lands } => {
                    let tensor = self.view(view)?;
                    let done = by_kind!(view.span.kind, put(orch, &tensor, index, *value));
                    self.note(op, lands.then_some(&0), done)?;
                }
            }
        }
        Ok(())
    }

    /// Compares what a host access gave: none means that it was to be refused, as a task that it waits for failed.
    fn note(&mut self, op: &Op, expected: Option<&i64>, found: Result<i64>) -> Result<()> {
        let found = match found {
            Ok(value) => Some(value),
            Err(Error::Submit(refused))
                if matches!(refused.why, Refusal::Submit(SubmitError::ProducerFailed { .. })) =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        if found.as_ref() != expected && self.difference.is_none() {
            self.difference = Some(format!("{op:?} gave {found:?}, not {expected:?}"));
        }
        Ok(())
    }

    fn view(&self, view: &program::View) -> Result<Tensor> {
        let missing = || Error::user(std::io::Error::other("the program uses a tensor that it has not made"));
        let mut tensor = self.tensors.get(view.span.tensor).copied().flatten().ok_or_else(missing)?;
        for step in &view.steps {
            tensor = match step {
                Step::View { offsets, shape } => tensor.view(offsets, shape)?,
                Step::Transpose(a, b) => tensor.transpose(*a, *b)?,
                Step::Reshape(shape) => tensor.reshape(shape)?,
            };
        }
        Ok(tensor)
    }

    fn submit(&mut self, orch: &mut Orch<'_>, task: &program::Task) -> Result<()> {
        let mut submit = match self.kit.kernel(task.cores) {
            Some(kernel) => orch.submit(kernel),
            None => orch.dummy(),
        };
        for arg in &task.args {
            submit = match arg {
                Arg::Create { span } => submit.output(&span.shape, span.kind.dtype()),
                Arg::Existing { how, view } => {
                    let tensor = self.view(view)?;
                    match how {
                        Use::Input => submit.input(&tensor),
                        Use::InOut => submit.inout(&tensor),
                        Use::Into => submit.output_into(&tensor),
                        Use::Peek | Use::Poke => submit.no_dep(&tensor),
                    }
                }
            };
        }
        submit = submit.scalar(task.number as u64).scalar(task.plan()).scalar(task.fault_word());
        for (producer, kind) in &task.after {
            if let Some(producer) = &self.tasks[*producer] {
                submit = submit.after_kind(producer, *kind);
            }
        }
        if let Some(predicate) = &task.predicate {
            let tensor = self.view(&predicate.view)?;
            submit = submit.predicate(&tensor, &predicate.index, predicate.op, predicate.target);
        }
        if task.blocks > 1 {
            submit = submit.blocks(task.blocks);
        }
        if task.sync_start {
            submit = submit.sync_start();
        }
        let task = submit.go()?;
        self.tensors.extend(task.outputs().iter().copied().map(Some));
        self.tasks.push(Some(task));
        Ok(())
    }
}

fn element<T: Word>(orch: &mut Orch<'_>, tensor: &Tensor, index: &[u32]) -> Result<i64> {
    orch.read::<T>(tensor, index).map(T::wide)
}

fn put<T: Word>(orch: &mut Orch<'_>, tensor: &Tensor, index: &[u32], value: i64) -> Result<i64> {
    orch.write(tensor, index, T::narrow(value)).map(|()| 0)
}
