//! One decode step of one layer of a transformer: a new token for each sequence of a batch.
//!
//! The shapes are those of a model of 14 billion parameters (Qwen3-14B: hidden 5120, 40 query heads, 8 heads in the
//! cache, 128 a head, 17408 in the MLP); the usual size has the same ratios and a quarter of the width.
//!
//! | step | tasks |
//! |---|---|
//! | RMS norm of the input | one vector task, a block a token |
//! | query, key and value projections | cube, one a tile of columns |
//! | RMS norm and rotary embedding of the query heads | one vector task, a block a token |
//! | the same of the key, and the value, into the paged cache | vector, one a token each |
//! | attention over the cache | four a block and one, see `paged_attention` |
//! | output projection, onto the residual | cube, and vector for the sum |
//! | RMS norm, gate and up projections, SiLU | cube, and vector for the product |
//! | down projection, onto the residual | cube, split in the inner dimension, and vector for the sums |
//!
//! Weights and cache are `bf16`, everything else `f32`. The new key and value are written into blocks that attention
//! tasks then read through other views of the same memory, and nothing but these views orders them.

mod golden;
mod inputs;
mod kernels;
mod layer;

use crate::compare::Worst;
use crate::machine::Machine;
use crate::paged_attention::{Attention, Cache, Sizes};
use crate::scene::{Outcome, Scene, Setup};
use inputs::Inputs;
use kernels::Kernels;
use layer::Layer;

/// The scene.
pub(crate) const SCENE: Scene = Scene {
    name: "decode_layer",
    about: "one decode step of a transformer layer of the Qwen3-14B family",
    level: 2,
    tolerance: 1e-4,
    kernels: &[
        "norm",
        "project",
        "add_onto",
        "rotate_query",
        "store_key",
        "store_value",
        "swiglu",
        "copy",
        "scores",
        "softmax",
        "values",
        "update",
        "divide",
    ],
    run,
};

/// The sizes of the layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Model {
    /// Sequences, and so tokens.
    pub(crate) batch: u32,
    /// Elements of a token.
    pub(crate) hidden: u32,
    /// Heads, and the block size of the cache.
    pub(crate) heads: Sizes,
    /// Elements inside the MLP.
    pub(crate) mlp: u32,
    /// The longest context, with the new token.
    pub(crate) longest: u32,
}

impl Model {
    /// Elements of all query heads.
    pub(crate) const fn query(&self) -> u32 {
        self.heads.heads * self.heads.dim
    }

    /// Elements of all heads of the cache.
    pub(crate) const fn key(&self) -> u32 {
        self.heads.kv_heads * self.heads.dim
    }
}

/// What the norms add to a mean square.
pub(crate) const EPSILON: f32 = 1e-6;

/// The base of the rotary embedding.
pub(crate) const ROTARY_BASE: f64 = 1e6;

fn run(setup: &Setup) -> anyhow::Result<Outcome> {
    let [batch, dim, block, longest] =
        setup.size.pick([3, 16, 8, 29], [16, 128, 64, 600], [4, 128, 128, 2048]);
    let (heads, kv_heads) = setup.size.pick((10, 2), (10, 2), (40, 8));
    let model = Model {
        batch,
        hidden: heads * dim,
        heads: Sizes { heads, kv_heads, dim, block },
        mlp: heads * dim * 17 / 5,
        longest,
    };
    let mut machine = Machine::new(setup)?;
    let kernels = Kernels::new(&machine)?;
    let attention = Attention::new(&machine)?;
    let inputs = Inputs::draw(model);
    let device = inputs.upload(&machine.chip)?;
    let layer = Layer { model, kernels, attention, device: &device };
    machine.run_counted(|orch| layer.submit(orch, &inputs.pages))?;

    let want = golden::layer(model, &inputs);
    let mut worst = Worst::default();
    worst.see_all(&machine.chip.read(&device.result)?, &want.result);
    // Of the cache, what the step wrote: one token a sequence.
    let Cache { key, value } = device.cache();
    for (sequence, &length) in inputs.pages.lengths.iter().enumerate() {
        let (page, slot) = inputs.pages.place(sequence, length - 1, block);
        let token = |cache: prewire::prelude::Tensor| cache.view(&[page, slot, 0, 0], &[1, 1, kv_heads, dim]);
        let of = sequence * model.key() as usize..(sequence + 1) * model.key() as usize;
        worst.see_all_rounded(&machine.chip.read(&token(key)?)?, &want.key[of.clone()]);
        worst.see_all_rounded(&machine.chip.read(&token(value)?)?, &want.value[of]);
    }
    Ok(machine.finish(worst))
}
