//! The tasks of one tile of attention: the query heads that share a head of the cache, over all blocks of a context.
//! The running result is one chain of updates; everything before it is independent from block to block.

use prewire::prelude::{DataType, Kernel, Orch, Task, Tensor};

use super::kernels;
use crate::machine::Machine;

/// How the tasks of a tile learn whom to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wiring {
    /// From the tensors that they read and write; a nested scope a block.
    Auto,
    /// In a manual scope: from who made a tensor, and by hand.
    Manual,
    /// The same, but for the edge between the first two updates of a tile.
    Frayed,
}

/// A paged cache: `[blocks, tokens of a block, kv heads, dim]` of `bf16`, twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cache {
    /// The keys.
    pub(crate) key: Tensor,
    /// The values.
    pub(crate) value: Tensor,
}

/// One tile.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tile<'a> {
    /// The query heads, `[1, group, dim]` of `f32`.
    pub(crate) query: Tensor,
    /// Where the result goes, of the same shape.
    pub(crate) result: Tensor,
    /// The blocks of the context, in its order.
    pub(crate) blocks: &'a [u32],
    /// Tokens of the context.
    pub(crate) length: u32,
    /// The head of the cache.
    pub(crate) head: u32,
}

/// The running result of a tile: `[group, 1]`, `[group, 1]` and `[group, dim]`.
#[derive(Clone, Copy, Debug)]
struct Running {
    /// The greatest score so far.
    max: Tensor,
    /// The sum of weights so far, relative to it.
    sum: Tensor,
    /// The weighted values so far, relative to it.
    values: Tensor,
}

/// The kernels of attention.
#[derive(Debug)]
pub(crate) struct Attention {
    scores: Kernel,
    softmax: Kernel,
    values: Kernel,
    update: Kernel,
    divide: Kernel,
}

impl Attention {
    /// Registers them.
    pub(crate) fn new(machine: &Machine) -> prewire::Result<Self> {
        use prewire::prelude::Core::{Aic, Aiv};
        Ok(Self {
            scores: machine.kernel("scores", Aic, kernels::scores)?,
            softmax: machine.kernel("softmax", Aiv, kernels::softmax)?,
            values: machine.kernel("values", Aic, kernels::values)?,
            update: machine.kernel("update", Aiv, kernels::update)?,
            divide: machine.kernel("divide", Aiv, kernels::divide)?,
        })
    }

    /// Submits the tasks of a tile: four a block, and one that divides by the sum of weights.
    pub(crate) fn tile(
        &self,
        orch: &mut Orch<'_>,
        wiring: Wiring,
        cache: Cache,
        tile: &Tile<'_>,
    ) -> prewire::Result<()> {
        match wiring {
            Wiring::Auto => orch.scope(|orch| {
                let running = Running::new(orch, tile)?;
                for at in 0..tile.blocks.len() {
                    orch.scope(|orch| self.block(orch, cache, tile, running, at, None))?;
                }
                orch.submit(&self.divide)
                    .input(&running.sum)
                    .input(&running.values)
                    .output_into(&tile.result)
                    .go()?;
                Ok(())
            }),
            Wiring::Manual | Wiring::Frayed => orch.manual_scope(|orch| {
                let running = Running::new(orch, tile)?;
                let mut last = None;
                for at in 0..tile.blocks.len() {
                    let before = last.as_ref().filter(|_| at != 1 || wiring == Wiring::Manual);
                    last = Some(self.block(orch, cache, tile, running, at, before)?);
                }
                let mut divide = orch
                    .submit(&self.divide)
                    .input(&running.sum)
                    .input(&running.values)
                    .output_into(&tile.result);
                if let Some(last) = &last {
                    divide = divide.after(last);
                }
                divide.go()?;
                Ok(())
            }),
        }
    }

    /// Submits the tasks of one block and returns the update, which comes after `last` if that is given.
    fn block(
        &self,
        orch: &mut Orch<'_>,
        cache: Cache,
        tile: &Tile<'_>,
        running: Running,
        at: usize,
        last: Option<&Task>,
    ) -> prewire::Result<Task> {
        let &[_, block, _, dim] = cache.key.shape() else {
            unreachable!("a cache has four dimensions");
        };
        let group = tile.query.shape()[1];
        let tokens = block.min(tile.length - at as u32 * block);
        let (offsets, shape) = ([tile.blocks[at], 0, tile.head, 0], [1, tokens, 1, dim]);
        let (key, value) = (cache.key.view(&offsets, &shape)?, cache.value.view(&offsets, &shape)?);

        let scores = orch
            .submit(&self.scores)
            .input(&tile.query)
            .input(&key)
            .output(&[group, tokens], DataType::F32)
            .go()?;
        let softmax = orch
            .submit(&self.softmax)
            .input(&scores)
            .output(&[group, tokens], DataType::F32)
            .output(&[group, 1], DataType::F32)
            .output(&[group, 1], DataType::F32)
            .scalar(1.0 / (dim as f32).sqrt())
            .go()?;
        let (weights, max, sum) = (softmax.output(0)?, softmax.output(1)?, softmax.output(2)?);
        let values = orch
            .submit(&self.values)
            .input(&weights)
            .input(&value)
            .output(&[group, dim], DataType::F32)
            .go()?;
        let mut update = orch
            .submit(&self.update)
            .input(&max)
            .input(&sum)
            .input(&values)
            .inout(&running.max)
            .inout(&running.sum)
            .inout(&running.values)
            .scalar(at == 0);
        if let Some(last) = last {
            update = update.after(last);
        }
        update.go()
    }
}

impl Running {
    fn new(orch: &mut Orch<'_>, tile: &Tile<'_>) -> prewire::Result<Self> {
        let (group, dim) = (tile.query.shape()[1], tile.query.shape()[2]);
        Ok(Self {
            max: orch.alloc(&[group, 1], DataType::F32)?,
            sum: orch.alloc(&[group, 1], DataType::F32)?,
            values: orch.alloc(&[group, dim], DataType::F32)?,
        })
    }
}
