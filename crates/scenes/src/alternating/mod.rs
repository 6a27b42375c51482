//! Two streams that have nothing to do with each other, submitted in turn: products on cube cores and sums on vector
//! cores.
//!
//! No task waits for another, so both kinds of cores are busy from the first task on. The tensors of all tasks of a
//! stream are one buffer, which each task sees one slice of.

mod golden;
mod kernels;

use prewire::prelude::{Chip, Orch, Tensor};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
use kernels::Kernels;

/// Rows and columns of each tensor.
const SIDE: u32 = 32;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "alternating",
    about: "independent products and sums, submitted in turn",
    level: 2,
    tolerance: 1e-5,
    kernels: &["multiply", "add"],
    run,
};

/// One stream: what it reads and writes, on the host and on the chip.
struct Stream {
    a: Vec<f32>,
    b: Vec<f32>,
    device: [Tensor; 3],
    /// Keeps the device memory.
    _held: [prewire::prelude::Buffer; 3],
}

impl Stream {
    fn new(chip: &Chip, draw: &mut Draw, count: u32) -> prewire::Result<Self> {
        let shape = [count, SIDE, SIDE];
        let elements = (count * SIDE * SIDE) as usize;
        let (a, b) = (draw.many(elements, 1.0), draw.many(elements, 1.0));
        let held = [chip.tensor(&a, &shape)?, chip.tensor(&b, &shape)?, chip.zeros::<f32>(&shape)?];
        Ok(Self { a, b, device: [held[0].tensor(), held[1].tensor(), held[2].tensor()], _held: held })
    }

    /// The tensors of task `index`.
    fn task(&self, index: u32) -> prewire::Result<[Tensor; 3]> {
        let of = |tensor: Tensor| tensor.slice(0, index..index + 1);
        Ok([of(self.device[0])?, of(self.device[1])?, of(self.device[2])?])
    }
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let pairs = setup.size.pick(48, 3000, 20_000);
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let mut draw = Draw::new(2);
    let products = Stream::new(&machine.chip, &mut draw, pairs)?;
    let sums = Stream::new(&machine.chip, &mut draw, pairs)?;
    machine.run(2 * u64::from(pairs), |orch| program(orch, &kernels, pairs, &products, &sums))?;
    let mut worst = Worst::default();
    let side = SIDE as usize;
    worst
        .see_all(&machine.chip.read(&products.device[2])?, &golden::products(side, &products.a, &products.b));
    worst.see_all(&machine.chip.read(&sums.device[2])?, &golden::sums(&sums.a, &sums.b));
    Ok(machine.finish(worst))
}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    k: &Kernels,
    pairs: u32,
    products: &Stream,
    sums: &Stream,
) -> prewire::Result<()> {
    for index in 0..pairs {
        let [a, b, c] = products.task(index)?;
        orch.submit(&k.multiply).input(&a).input(&b).output_into(&c).go()?;
        let [a, b, c] = sums.task(index)?;
        orch.submit(&k.add).input(&a).input(&b).output_into(&c).go()?;
    }
    Ok(())
}
