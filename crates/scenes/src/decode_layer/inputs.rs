//! The weights, the tokens and the cache of the layer, on the host and on the chip. Numbers are drawn so that every
//! step keeps its values near 1.

use prewire::prelude::{Buffer, Chip, bf16};

use super::{Model, ROTARY_BASE};
use crate::draw::Draw;
use crate::paged_attention::{Cache, Pages};

/// The weights of a projection, `[inner, columns]`.
#[derive(Debug)]
pub(crate) struct Weights {
    /// Rows.
    pub(crate) inner: u32,
    /// Columns.
    pub(crate) columns: u32,
    /// Row-major.
    pub(crate) elements: Vec<bf16>,
}

impl Weights {
    /// Uniform numbers, of a variance that keeps that of what is projected.
    fn draw(draw: &mut Draw, inner: u32, columns: u32) -> Self {
        let scale = (3.0 / inner as f32).sqrt();
        Self { inner, columns, elements: draw.many_rounded((inner * columns) as usize, scale) }
    }

    fn upload(&self, chip: &Chip) -> prewire::Result<Buffer> {
        chip.tensor(&self.elements, &[self.inner, self.columns])
    }
}

/// Everything that the layer is given.
#[derive(Debug)]
pub(crate) struct Inputs {
    /// The tokens, `[batch, hidden]`.
    pub(crate) tokens: Vec<f32>,
    /// Where the tokens of each sequence are; its length counts the new one.
    pub(crate) pages: Pages,
    /// The keys so far; NaN where no token is yet.
    pub(crate) key_cache: Vec<bf16>,
    /// The values so far.
    pub(crate) value_cache: Vec<bf16>,
    /// Weights of the norm before attention, `[hidden]`.
    pub(crate) norm_attention: Vec<f32>,
    /// Weights of the norm before the MLP, `[hidden]`.
    pub(crate) norm_mlp: Vec<f32>,
    /// Weights of the norm of a query head, `[dim]`.
    pub(crate) norm_query: Vec<f32>,
    /// Weights of the norm of a key head, `[dim]`.
    pub(crate) norm_key: Vec<f32>,
    /// The projections: query, key, value, output, gate, up, down.
    pub(crate) query: Weights,
    /// See `query`.
    pub(crate) key: Weights,
    /// See `query`.
    pub(crate) value: Weights,
    /// See `query`.
    pub(crate) output: Weights,
    /// See `query`.
    pub(crate) gate: Weights,
    /// See `query`.
    pub(crate) up: Weights,
    /// See `query`.
    pub(crate) down: Weights,
}

/// The same on the chip, the rotary table, and the result.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) tokens: Buffer,
    key_cache: Buffer,
    value_cache: Buffer,
    pub(crate) norm_attention: Buffer,
    pub(crate) norm_mlp: Buffer,
    pub(crate) norm_query: Buffer,
    pub(crate) norm_key: Buffer,
    pub(crate) query: Buffer,
    pub(crate) key: Buffer,
    pub(crate) value: Buffer,
    pub(crate) output: Buffer,
    pub(crate) gate: Buffer,
    pub(crate) up: Buffer,
    pub(crate) down: Buffer,
    /// The place of each new token in its sequence, `[batch]` of `i32`.
    pub(crate) places: Buffer,
    /// Cosines and sines for each place, `[longest, 2, dim / 2]`.
    pub(crate) rotary: Buffer,
    /// The result, `[batch, hidden]`.
    pub(crate) result: Buffer,
}

impl Inputs {
    /// Draws them.
    pub(crate) fn draw(model: Model) -> Self {
        let mut draw = Draw::new(14);
        let pages = Pages::draw(&mut draw, model.batch, model.longest, model.heads.block);
        // The new token is in no cache yet.
        let before: Vec<u32> = pages.lengths.iter().map(|length| length - 1).collect();
        let about_one = |draw: &mut Draw, count: u32| -> Vec<f32> {
            draw.many(count as usize, 0.3).iter().map(|x| 1.0 + x).collect()
        };
        let (hidden, dim) = (model.hidden, model.heads.dim);
        Self {
            tokens: draw.many((model.batch * hidden) as usize, 1.7),
            key_cache: pages.fill(&mut draw, model.heads, &before),
            value_cache: pages.fill(&mut draw, model.heads, &before),
            pages,
            norm_attention: about_one(&mut draw, hidden),
            norm_mlp: about_one(&mut draw, hidden),
            norm_query: about_one(&mut draw, dim),
            norm_key: about_one(&mut draw, dim),
            query: Weights::draw(&mut draw, hidden, model.query()),
            key: Weights::draw(&mut draw, hidden, model.key()),
            value: Weights::draw(&mut draw, hidden, model.key()),
            output: Weights::draw(&mut draw, model.query(), hidden),
            gate: Weights::draw(&mut draw, hidden, model.mlp),
            up: Weights::draw(&mut draw, hidden, model.mlp),
            down: Weights::draw(&mut draw, model.mlp, hidden),
        }
    }

    /// Uploads them.
    pub(crate) fn upload(&self, chip: &Chip) -> prewire::Result<Device> {
        let (batch, hidden, dim) =
            (self.pages.lengths.len() as u32, self.norm_mlp.len() as u32, self.norm_key.len() as u32);
        let (blocks, heads) = (self.pages.blocks, self.key.columns / dim);
        let cache_shape = [blocks, self.key_cache.len() as u32 / (blocks * heads * dim), heads, dim];
        let longest = self.pages.lengths.iter().copied().max().unwrap_or(1);
        let places: Vec<i32> = self.pages.lengths.iter().map(|&length| length as i32 - 1).collect();
        Ok(Device {
            tokens: chip.tensor(&self.tokens, &[batch, hidden])?,
            key_cache: chip.tensor(&self.key_cache, &cache_shape)?,
            value_cache: chip.tensor(&self.value_cache, &cache_shape)?,
            norm_attention: chip.tensor(&self.norm_attention, &[hidden])?,
            norm_mlp: chip.tensor(&self.norm_mlp, &[hidden])?,
            norm_query: chip.tensor(&self.norm_query, &[dim])?,
            norm_key: chip.tensor(&self.norm_key, &[dim])?,
            query: self.query.upload(chip)?,
            key: self.key.upload(chip)?,
            value: self.value.upload(chip)?,
            output: self.output.upload(chip)?,
            gate: self.gate.upload(chip)?,
            up: self.up.upload(chip)?,
            down: self.down.upload(chip)?,
            places: chip.tensor(&places, &[batch])?,
            rotary: chip.tensor(&rotary_table(longest, dim), &[longest, 2, dim / 2])?,
            result: chip.zeros::<f32>(&[batch, hidden])?,
        })
    }
}

impl Device {
    /// The cache.
    pub(crate) fn cache(&self) -> Cache {
        Cache { key: self.key_cache.tensor(), value: self.value_cache.tensor() }
    }
}

/// Cosines and sines of `place / base^(2 i / dim)`, `[longest, 2, dim / 2]`.
fn rotary_table(longest: u32, dim: u32) -> Vec<f32> {
    let half = dim / 2;
    let angle = |place: u32, i: u32| f64::from(place) / ROTARY_BASE.powf(f64::from(i) / f64::from(half));
    (0..longest)
        .flat_map(|place| {
            let cosines = (0..half).map(move |i| angle(place, i).cos() as f32);
            cosines.chain((0..half).map(move |i| angle(place, i).sin() as f32))
        })
        .collect()
}
