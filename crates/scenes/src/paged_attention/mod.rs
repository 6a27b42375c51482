//! Attention of one new token a sequence over a paged cache, with grouped heads and a running softmax.
//!
//! Each sequence has its own context length. Its keys and values lie in blocks of the cache that a block table names,
//! in no order. The program reads the lengths and the table from device memory while it submits. For each sequence and
//! each head of the cache, the query heads that share it are one tile; for each block of the context there are four
//! tasks: scores (cube), softmax of the block (vector), values (cube), and the update of the running result (vector).
//!
//! There are two variants. In `paged_attention` every edge is inferred. In `paged_attention_manual` the tiles are
//! manual scopes: the updates of a tile are chained by hand, all else follows from who made a tensor.
//!
//! The last block of a context is cut by a view. What no context covers holds NaN, so a task that reads beyond its
//! view is seen.

mod attend;
mod golden;
mod kernels;

use prewire::prelude::{Buffer, Orch, bf16};

use crate::compare::Worst;
use crate::draw::Draw;
use crate::machine::Machine;
use crate::scene::{Outcome, Scene, Setup};
pub(crate) use attend::{Attention, Cache, Tile, Wiring};
pub(crate) use golden::attend as attend_golden;

/// The names of the kernels.
const KERNELS: &[&str] = &["scores", "softmax", "values", "update", "divide"];

/// The scene with inferred edges. Weights of a softmax are below 1, values too.
pub(crate) const AUTO: Scene = Scene {
    name: "paged_attention",
    about: "batched attention over a paged cache, all edges inferred",
    level: 2,
    tolerance: 1e-5,
    kernels: KERNELS,
    run: |setup| run(setup, Wiring::Auto),
};

/// The scene with manual scopes.
pub(crate) const MANUAL: Scene = Scene {
    name: "paged_attention_manual",
    about: "the same attention, tiles are manual scopes",
    level: 2,
    tolerance: 1e-5,
    kernels: KERNELS,
    run: |setup| run(setup, if setup.frayed { Wiring::Frayed } else { Wiring::Manual }),
};

/// The sizes of the attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Query heads.
    pub(crate) heads: u32,
    /// Heads of the cache; each serves `heads / kv_heads` query heads.
    pub(crate) kv_heads: u32,
    /// Elements of a head.
    pub(crate) dim: u32,
    /// Tokens of a block.
    pub(crate) block: u32,
}

/// Which blocks of the cache hold which tokens.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Tokens of each sequence.
    pub(crate) lengths: Vec<u32>,
    /// For each sequence, `width` block numbers, of which the first that hold its tokens count.
    pub(crate) table: Vec<u32>,
    /// Block numbers a sequence.
    pub(crate) width: u32,
    /// Blocks of the cache.
    pub(crate) blocks: u32,
}

impl Pages {
    /// `batch` sequences of 1 to `longest` tokens, the first of them exactly one block and the last the longest.
    pub(crate) fn draw(draw: &mut Draw, batch: u32, longest: u32, block: u32) -> Self {
        let width = longest.div_ceil(block);
        let mut lengths: Vec<u32> = (0..batch).map(|_| 1 + draw.below(longest)).collect();
        lengths[0] = block.min(longest);
        lengths[batch as usize - 1] = longest;
        // A few blocks belong to nobody.
        let blocks = batch * width + 3;
        let table = draw.order(blocks)[..(batch * width) as usize].to_vec();
        Self { lengths, table, width, blocks }
    }

    /// Where token `token` of sequence `sequence` is: its block, and its place in it.
    pub(crate) fn place(&self, sequence: usize, token: u32, block: u32) -> (u32, u32) {
        (self.table[sequence * self.width as usize + (token / block) as usize], token % block)
    }

    /// A cache, `[blocks, block, kv_heads, dim]`, with drawn numbers where a token is and NaN elsewhere.
    pub(crate) fn fill(&self, draw: &mut Draw, sizes: Sizes, lengths: &[u32]) -> Vec<bf16> {
        let token = (sizes.kv_heads * sizes.dim) as usize;
        let mut cache = vec![bf16::NAN; (self.blocks * sizes.block) as usize * token];
        for (sequence, &length) in lengths.iter().enumerate() {
            for at in 0..length {
                let (block, slot) = self.place(sequence, at, sizes.block);
                let start = (block * sizes.block + slot) as usize * token;
                for element in &mut cache[start..start + token] {
                    *element = bf16::from_f32(draw.signed(1.0));
                }
            }
        }
        cache
    }
}

/// What the program reads and writes on the chip.
struct Device {
    query: Buffer,
    cache: Cache,
    lengths: Buffer,
    table: Buffer,
    result: Buffer,
    /// Keeps the memory of `cache`.
    _held: [Buffer; 2],
}

fn run(setup: &Setup, wiring: Wiring) -> anyhow::Result<Outcome> {
    let [batch, heads, kv_heads, dim, block, longest] =
        setup.size.pick([3, 4, 2, 16, 8, 37], [24, 16, 4, 128, 64, 1500], [32, 40, 8, 128, 128, 4096]);
    let sizes = Sizes { heads, kv_heads, dim, block };
    let mut machine = Machine::new(setup)?;
    let attention = Attention::new(&machine)?;
    let mut draw = Draw::new(3);
    let pages = Pages::draw(&mut draw, batch, longest, block);
    let query = draw.many((batch * heads * dim) as usize, 1.0);
    let key = pages.fill(&mut draw, sizes, &pages.lengths);
    let value = pages.fill(&mut draw, sizes, &pages.lengths);

    let cache_shape = [pages.blocks, block, kv_heads, dim];
    let held = [machine.chip.tensor(&key, &cache_shape)?, machine.chip.tensor(&value, &cache_shape)?];
    let device = Device {
        query: machine.chip.tensor(&query, &[batch, heads, dim])?,
        cache: Cache { key: held[0].tensor(), value: held[1].tensor() },
        lengths: machine.chip.tensor(&pages.lengths, &[batch])?,
        table: machine.chip.tensor(&pages.table, &[batch, pages.width])?,
        result: machine.chip.zeros::<f32>(&[batch, heads, dim])?,
        _held: held,
    };
    let blocks: u32 = pages.lengths.iter().map(|length| length.div_ceil(block)).sum();
    machine.run(u64::from(kv_heads * (4 * blocks + batch)), |orch| {
        program(orch, &attention, wiring, sizes, &device)
    })?;

    let mut worst = Worst::default();
    let got = machine.chip.read::<f32>(&device.result)?;
    worst.see_all(&got, &golden::paged_attention(sizes, &pages, &query, &key, &value));
    Ok(machine.finish(worst))
}

/// The program.
fn program(
    orch: &mut Orch<'_>,
    attention: &Attention,
    wiring: Wiring,
    sizes: Sizes,
    device: &Device,
) -> prewire::Result<()> {
    let batch = device.lengths.shape()[0];
    let group = sizes.heads / sizes.kv_heads;
    for sequence in 0..batch {
        let length = orch.read::<u32>(&device.lengths, &[sequence])?;
        let blocks = (0..length.div_ceil(sizes.block))
            .map(|at| orch.read::<u32>(&device.table, &[sequence, at]))
            .collect::<prewire::Result<Vec<u32>>>()?;
        for head in 0..sizes.kv_heads {
            let (offsets, shape) = ([sequence, head * group, 0], [1, group, sizes.dim]);
            let tile = Tile {
                query: device.query.view(&offsets, &shape)?,
                result: device.result.view(&offsets, &shape)?,
                blocks: &blocks,
                length,
                head,
            };
            attention.tile(orch, wiring, device.cache, &tile)?;
        }
    }
    Ok(())
}
