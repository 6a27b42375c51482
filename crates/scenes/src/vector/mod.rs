//! `f = (a + b + 1)(a + b + 2) + (a + b)` on 128x128 tensors: five vector tasks, four of them in a nested scope.
//!
//! `c = a + b` belongs to the outer scope, so it lives on while the inner scope frees what it made. The program runs
//! twice on one chip: with `a = 2`, `b = 3`, where every element must be 47, and with drawn numbers, where an element
//! that landed in a wrong place shows.

mod golden;
mod kernels;

use prewire::prelude::{Buffer, DataType, Orch};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
use kernels::Kernels;

/// Rows and columns of every tensor.
const SHAPE: [u32; 2] = [128, 128];

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "vector",
    about: "(a+b+1)(a+b+2)+(a+b), a nested scope, every element 47",
    level: 2,
    tolerance: 1e-6,
    kernels: &["add", "add_scalar", "multiply"],
    run,
};

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let count = (SHAPE[0] * SHAPE[1]) as usize;
    let mut draw = Draw::new(47);
    let mut worst = Worst::default();
    for (a, b) in [(vec![2.0; count], vec![3.0; count]), (draw.many(count, 4.0), draw.many(count, 4.0))] {
        let inputs = (machine.chip.tensor(&a, &SHAPE)?, machine.chip.tensor(&b, &SHAPE)?);
        let f = machine.chip.zeros::<f32>(&SHAPE)?;
        machine.run(5, |orch| program(orch, &kernels, &inputs.0, &inputs.1, &f))?;
        worst.see_all(&machine.chip.read::<f32>(&f)?, &golden::vector(&a, &b));
    }
    Ok(machine.finish(worst))
}

/// The program.
fn program(orch: &mut Orch<'_>, k: &Kernels, a: &Buffer, b: &Buffer, f: &Buffer) -> prewire::Result<()> {
    let c = orch.submit(&k.add).input(a).input(b).output(&SHAPE, DataType::F32).go()?;
    orch.scope(|orch| {
        let d = orch.submit(&k.add_scalar).input(&c).output(&SHAPE, DataType::F32).scalar(1.0f32).go()?;
        let e = orch.submit(&k.add_scalar).input(&c).output(&SHAPE, DataType::F32).scalar(2.0f32).go()?;
        let g = orch.submit(&k.multiply).input(&d).input(&e).output(&SHAPE, DataType::F32).go()?;
        orch.submit(&k.add).input(&g).input(&c).output_into(f).go()?;
        Ok(())
    })
}
