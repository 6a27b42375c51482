//! Programs that look at what their tasks compute, while they are being submitted.
//!
//! 1. *Trip counts*: a task counts, the program reads the count and submits as many steps. Another loop goes on until
//!    the residual that each of its tasks writes is small.
//! 2. *Elements*: the program writes an element that tasks before it still read or write, and tasks after it must read
//!    the new one. The tasks before it are held up by a chain of long ones, so a write that does not wait is seen.
//! 3. *Predicates*: tasks that run only if an element, computed by a task, compares with a number as they ask.

mod golden;
mod kernels;

use prewire::prelude::{Chip, DataType, Orch, PredicateOp, Tensor};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
use kernels::Kernels;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "scalar_data",
    about: "elements read and written while submitting, computed trip counts, predicates",
    level: 2,
    tolerance: 1e-6,
    kernels: &["grind", "count", "step", "newton", "copy", "fill", "flags", "mark"],
    run,
};

/// Flags of the predicates: `0, -1, 2, -3, ...`.
const FLAGS: u32 = 7;

/// The comparisons of the predicates.
const OPS: [PredicateOp; 6] =
    [PredicateOp::Eq, PredicateOp::Ne, PredicateOp::Gt, PredicateOp::Lt, PredicateOp::Ge, PredicateOp::Le];

/// What the flags are compared with.
const TARGETS: [i64; 2] = [0, -3];

/// Copies of elements that the program makes.
const COPIES: u32 = 6;

/// What the program reads and writes on the chip.
#[derive(Clone, Copy, Debug)]
struct Device {
    /// Numbers of which the positive ones are counted.
    values: Tensor,
    count: Tensor,
    steps: Tensor,
    target: Tensor,
    root: Tensor,
    ground: Tensor,
    element: Tensor,
    copies: Tensor,
    flags: Tensor,
    marks: Tensor,
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let grinds = setup.size.pick(4, 40, 400);
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let values = Draw::new(5).many(64, 1.0);
    let target = 1234.5f32;

    let chip: &Chip = &machine.chip;
    let marks = [OPS.len() as u32, TARGETS.len() as u32, FLAGS];
    let held = [
        chip.tensor(&values, &[64])?,
        chip.zeros::<i32>(&[1])?,
        chip.zeros::<f32>(&[1])?,
        chip.tensor(&[target], &[1])?,
        chip.tensor(&[target], &[1])?,
        chip.zeros::<f32>(&[64])?,
        chip.tensor(&[1.0f32], &[1])?,
        chip.zeros::<f32>(&[COPIES])?,
        chip.zeros::<i32>(&[FLAGS])?,
        chip.zeros::<i32>(&marks)?,
    ];
    let [values_, count, steps, target_, root, ground, element, copies, flags, marks] =
        core::array::from_fn(|i| held[i].tensor());
    let device = Device {
        values: values_,
        count,
        steps,
        target: target_,
        root,
        ground,
        element,
        copies,
        flags,
        marks,
    };
    machine.run_counted(|orch| {
        let mut runs = trip_counts(orch, &kernels, &device)?;
        runs += elements(orch, &kernels, &device, grinds)?;
        runs += predicates(orch, &kernels, &device)?;
        Ok(runs)
    })?;

    let mut worst = Worst::default();
    let chip = &machine.chip;
    worst.see_all(&chip.read(&device.steps)?, &[golden::steps(&values)]);
    worst.see_all(&chip.read(&device.root)?, &[golden::root(f64::from(target))]);
    worst.see_all(&chip.read(&device.ground)?, &[golden::ground(); 64]);
    worst.see_all(&chip.read(&device.copies)?, &golden::COPIES);
    worst.see_exact(chip.read(&device.marks)?, golden::marks(&OPS, &TARGETS, FLAGS));
    Ok(machine.finish(worst))
}

/// Loops whose length tasks compute. Returns how often kernels run for it.
fn trip_counts(orch: &mut Orch<'_>, k: &Kernels, device: &Device) -> prewire::Result<u64> {
    orch.submit(&k.count).input(&device.values).output_into(&device.count).go()?;
    let count = orch.read::<i32>(&device.count, &[0])?;
    for step in 0..count {
        orch.submit(&k.step).inout(&device.steps).scalar(step).go()?;
    }
    let mut rounds = 0;
    // Newton's method needs a dozen; a wrong kernel must not keep the program for ever.
    while rounds < 40 {
        rounds += 1;
        let residual = orch.scope(|orch| {
            let task = orch
                .submit(&k.newton)
                .input(&device.target)
                .output(&[1], DataType::F32)
                .inout(&device.root)
                .go()?;
            orch.read::<f32>(&task.tensor()?, &[0])
        })?;
        if residual < 1e-7 {
            break;
        }
    }
    Ok(1 + u64::from(count.max(0).unsigned_abs()) + rounds)
}

/// Elements that the program reads and writes between tasks. Returns how often kernels run for it.
fn elements(orch: &mut Orch<'_>, k: &Kernels, device: &Device, grinds: u32) -> prewire::Result<u64> {
    let mut runs = 0;
    let mut copied = 0;
    let mut copy = |orch: &mut Orch<'_>| -> prewire::Result<()> {
        for _ in 0..grinds {
            orch.submit(&k.grind).inout(&device.ground).go()?;
        }
        let place = device.copies.slice(0, copied..copied + 1)?;
        orch.submit(&k.copy).input(&device.element).input(&device.ground).output_into(&place).go()?;
        runs += u64::from(grinds) + 1;
        copied += 1;
        Ok(())
    };
    // A write waits for readers: the first copy must see 1, the second 5.
    copy(orch)?;
    orch.write(&device.element, &[0], 5.0f32)?;
    copy(orch)?;
    // A write waits for writers: 2 is older than 7, and 7 stays.
    orch.submit(&k.fill).input(&device.ground).output_into(&device.element).scalar(2.0f32).go()?;
    orch.write(&device.element, &[0], 7.0f32)?;
    copy(orch)?;
    // A read waits for writers: 3, which the program makes 4.
    orch.submit(&k.fill).input(&device.ground).output_into(&device.element).scalar(3.0f32).go()?;
    let seen = orch.read::<f32>(&device.element, &[0])?;
    orch.write(&device.element, &[0], seen + 1.0)?;
    copy(orch)?;
    // A task after a write waits for nothing but reads what was written; and so on in turn.
    for value in [8.0f32, 9.0] {
        orch.write(&device.element, &[0], value)?;
        copy(orch)?;
    }
    Ok(runs + 2)
}

/// Tasks with predicates. Returns how often kernels run for it.
fn predicates(orch: &mut Orch<'_>, k: &Kernels, device: &Device) -> prewire::Result<u64> {
    orch.submit(&k.flags).input(&device.ground).output_into(&device.flags).go()?;
    for (row, op) in OPS.into_iter().enumerate() {
        for (column, target) in TARGETS.into_iter().enumerate() {
            for flag in 0..FLAGS {
                let mark = device.marks.view(&[row as u32, column as u32, flag], &[1, 1, 1])?;
                orch.submit(&k.mark)
                    .input(&device.flags)
                    .inout(&mark)
                    .predicate(&device.flags, &[flag], op, target)
                    .go()?;
            }
        }
    }
    // A task that did not run lets its consumers go on: each mark once more.
    for row in 0..OPS.len() as u32 {
        for column in 0..TARGETS.len() as u32 {
            for flag in 0..FLAGS {
                let mark = device.marks.view(&[row, column, flag], &[1, 1, 1])?;
                orch.submit(&k.mark).input(&device.flags).inout(&mark).go()?;
            }
        }
    }
    let marks = u64::from(FLAGS) * (OPS.len() * TARGETS.len()) as u64;
    let mut holding = 0;
    for flag in 0..FLAGS {
        let flag = i64::from(orch.read::<i32>(&device.flags, &[flag])?);
        let hold = |op: PredicateOp| TARGETS.iter().filter(|&&target| op.holds(flag, target)).count() as u64;
        holding += OPS.into_iter().map(hold).sum::<u64>();
    }
    Ok(1 + holding + marks)
}
