//! `C = A B`, tiled: a cube task multiplies each pair of tiles, a vector task adds the product to its tile of `C`.
//!
//! All tiles are strided views of the three matrices, and the last row and column of tiles are smaller. Which task
//! waits for which follows from the views alone: the additions to one tile form a chain, those to different tiles and
//! all multiplications are independent. The scope around each tile of `C` frees its products.

mod golden;
mod kernels;

use prewire::prelude::{DataType, Orch, Tensor};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
use kernels::Kernels;

/// Rows and columns of a tile.
const TILE: u32 = 64;

/// The scene. An element is a sum of up to 4096 products of numbers below 1.
pub(crate) const SCENE: Scene = Scene {
    name: "gemm",
    about: "tiled matrix product, cube multiplies and vector adds on strided tiles",
    level: 2,
    tolerance: 1e-4,
    kernels: &["multiply", "accumulate"],
    run,
};

/// The sizes of the product: `[rows, inner] x [inner, columns]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Rows of `A` and `C`.
    pub(crate) rows: u32,
    /// Columns of `A`, rows of `B`.
    pub(crate) inner: u32,
    /// Columns of `B` and `C`.
    pub(crate) columns: u32,
}

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let [rows, inner, columns] = setup.size.pick([96, 160, 130], [992, 1216, 800], [2016, 4096, 2032]);
    let sizes = Sizes { rows, inner, columns };
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let mut draw = Draw::new(1);
    let a = draw.many((rows * inner) as usize, 1.0);
    let b = draw.many((inner * columns) as usize, 1.0);
    let operands = (machine.chip.tensor(&a, &[rows, inner])?, machine.chip.tensor(&b, &[inner, columns])?);
    let c = machine.chip.zeros::<f32>(&[rows, columns])?;
    let pairs = [rows, inner, columns].map(|n| u64::from(n.div_ceil(TILE))).iter().product::<u64>();
    machine.run(2 * pairs, |orch| {
        program(orch, &kernels, sizes, operands.0.tensor(), operands.1.tensor(), c.tensor())
    })?;
    let mut worst = Worst::default();
    worst.see_all(&machine.chip.read::<f32>(&c)?, &golden::gemm(sizes, &a, &b));
    Ok(machine.finish(worst))
}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    k: &Kernels,
    sizes: Sizes,
    a: Tensor,
    b: Tensor,
    c: Tensor,
) -> prewire::Result<()> {
    for (row, height) in tiles(sizes.rows) {
        for (column, width) in tiles(sizes.columns) {
            let c = c.view(&[row, column], &[height, width])?;
            orch.scope(|orch| {
                for (inner, depth) in tiles(sizes.inner) {
                    let a = a.view(&[row, inner], &[height, depth])?;
                    let b = b.view(&[inner, column], &[depth, width])?;
                    let product = orch
                        .submit(&k.multiply)
                        .input(&a)
                        .input(&b)
                        .output(&[height, width], DataType::F32)
                        .go()?;
                    orch.submit(&k.accumulate).input(&product).inout(&c).go()?;
                }
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// Where each tile of `size` elements starts, and how long it is.
fn tiles(size: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..size).step_by(TILE as usize).map(move |start| (start, TILE.min(size - start)))
}
