//! Three ways in which a task can be more than one block.
//!
//! 1. *Blocks*: one vector task of more blocks than the chip has cores, each writing rows of its own of one tensor.
//! 2. *Clusters*: a task of cube and vector lanes. Lanes of a block meet at barriers: the cube multiplies, the two
//!    vector lanes add a bias and clip, half of the rows each, and the cube multiplies again.
//! 3. *A cohort*: blocks that start together, sum their parts, meet, and each divides by the total of all.
//!
//! The second task of each pair reads what the first one wrote, so a task must be done with all its blocks before its
//! consumers start.

mod golden;
mod kernels;

use prewire::prelude::{DataType, Orch, Tensor};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup, Size};
use kernels::Kernels;

/// Columns of every tensor, and rows of a tile.
pub(crate) const SIDE: u32 = 32;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "spmd",
    about: "many blocks, clusters that meet at barriers, cohorts that start together",
    level: 2,
    tolerance: 1e-5,
    kernels: &["ramp", "cluster_cube", "cluster_vector", "share"],
    run,
};

/// How many blocks each part has.
#[derive(Clone, Copy, Debug)]
struct Parts {
    /// Rows of the first part: not a multiple of its blocks.
    rows: u32,
    /// Blocks of the first part: more than there are vector cores.
    blocks: u32,
    /// Blocks of the second part, a cluster each.
    clusters: u32,
    /// Blocks of the third part: at most as many as there are vector cores.
    cohort: u32,
}

/// What the program reads and writes on the chip.
#[derive(Clone, Copy, Debug)]
struct Device {
    x: Tensor,
    ramp: Tensor,
    tiles: Tensor,
    first: Tensor,
    bias: Tensor,
    second: Tensor,
    product: Tensor,
    parts: Tensor,
    shares: Tensor,
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let (clusters, vectors) =
        (u32::from(machine.chip.spec().clusters), u32::from(machine.chip.spec().aiv_cores()));
    // Lanes that meet hold a thread each: with `Size::Full` a whole chip of them.
    let parts = Parts {
        rows: setup.size.pick(2 * vectors + 7, 16 * vectors + 7, 256 * vectors + 7),
        blocks: 2 * vectors + 3,
        clusters: if setup.size == Size::Full { 4 * clusters } else { 3 },
        cohort: if setup.size == Size::Full { vectors } else { 6 },
    };
    let mut draw = Draw::new(4);
    let x = draw.many((parts.rows * SIDE) as usize, 1.0);
    let tiles = draw.many((parts.clusters * SIDE * SIDE) as usize, 1.0);
    let first = draw.many((SIDE * SIDE) as usize, 0.3);
    let bias = draw.many(SIDE as usize, 1.0);
    let second = draw.many((SIDE * SIDE) as usize, 0.3);
    let shares: Vec<f32> = draw.many((parts.cohort * SIDE) as usize, 0.5).iter().map(|x| x + 1.0).collect();

    let chip = &machine.chip;
    let held = [
        chip.tensor(&x, &[parts.rows, SIDE])?,
        chip.zeros::<f32>(&[parts.rows, SIDE])?,
        chip.tensor(&tiles, &[parts.clusters, SIDE, SIDE])?,
        chip.tensor(&first, &[SIDE, SIDE])?,
        chip.tensor(&bias, &[SIDE])?,
        chip.tensor(&second, &[SIDE, SIDE])?,
        chip.zeros::<f32>(&[parts.clusters, SIDE, SIDE])?,
        chip.tensor(&shares, &[parts.cohort, SIDE])?,
        chip.zeros::<f32>(&[parts.cohort, SIDE])?,
    ];
    let [x_, ramp, tiles_, first_, bias_, second_, product, parts_, shares_] =
        core::array::from_fn(|i| held[i].tensor());
    let device = Device {
        x: x_,
        ramp,
        tiles: tiles_,
        first: first_,
        bias: bias_,
        second: second_,
        product,
        parts: parts_,
        shares: shares_,
    };
    let subtasks = (parts.blocks + 3) + 3 * parts.clusters + (parts.cohort + 2);
    machine.run(subtasks.into(), |orch| program(orch, &kernels, parts, &device))?;

    let mut worst = Worst::default();
    let side = SIDE as usize;
    worst.see_all(&machine.chip.read(&device.ramp)?, &golden::ramp(side, &x));
    worst.see_all(
        &machine.chip.read(&device.product)?,
        &golden::clusters(side, &tiles, &first, &bias, &second),
    );
    worst.see_all(&machine.chip.read(&device.shares)?, &golden::shares(&shares));
    Ok(machine.finish(worst))
}

/// The program.
fn program(orch: &mut Orch<'_>, k: &Kernels, parts: Parts, device: &Device) -> prewire::Result<()> {
    let ramp = orch
        .submit(&k.ramp)
        .input(&device.x)
        .output(&[parts.rows, SIDE], DataType::F32)
        .blocks(parts.blocks)
        .go()?;
    orch.submit(&k.ramp).input(&ramp).output_into(&device.ramp).blocks(3).go()?;

    let scratch = orch.alloc(&[parts.clusters, SIDE, SIDE], DataType::F32)?;
    orch.submit(&k.clusters)
        .input(&device.tiles)
        .input(&device.first)
        .input(&device.bias)
        .input(&device.second)
        .inout(&scratch)
        .output_into(&device.product)
        .blocks(parts.clusters)
        .go()?;

    let sums = orch.alloc(&[parts.cohort, 1], DataType::F32)?;
    let shares = orch
        .submit(&k.share)
        .input(&device.parts)
        .inout(&sums)
        .output(&[parts.cohort, SIDE], DataType::F32)
        .blocks(parts.cohort)
        .sync_start()
        .go()?;
    // The shares add up to 1, so this divides by 1 in another number of blocks.
    orch.submit(&k.share)
        .input(&shares)
        .inout(&sums)
        .output_into(&device.shares)
        .blocks(2)
        .sync_start()
        .go()?;
    Ok(())
}
