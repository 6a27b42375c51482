//! The orchestration of the layer. All it says of order is which tensor each task reads and writes.

use prewire::prelude::{DataType, Kernel, Orch, Tensor};

use super::inputs::Device;
use super::kernels::Kernels;
use super::{EPSILON, Model};
use crate::paged_attention::{Attention, Pages, Tile, Wiring};

/// Columns of a tile of a projection.
const COLUMNS: u32 = 256;

/// The longest inner dimension that one task multiplies.
const INNER: u32 = 4352;

/// The layer: its sizes, its kernels and its tensors.
#[derive(Debug)]
pub(crate) struct Layer<'a> {
    pub(crate) model: Model,
    pub(crate) kernels: Kernels,
    pub(crate) attention: Attention,
    pub(crate) device: &'a Device,
}

impl Layer<'_> {
    /// Submits the step and returns how often its kernels run.
    pub(crate) fn submit(&self, orch: &mut Orch<'_>, pages: &Pages) -> prewire::Result<u64> {
        let Model { batch, hidden, .. } = self.model;
        let (k, device) = (&self.kernels, self.device);
        orch.scope(|orch| {
            let result = device.result.tensor();
            let mut runs =
                self.norm(orch, device.tokens.tensor(), device.norm_attention.tensor(), |orch, x| {
                    let query = orch.alloc(&[batch, self.model.query()], DataType::F32)?;
                    let key = orch.alloc(&[batch, self.model.key()], DataType::F32)?;
                    let value = orch.alloc(&[batch, self.model.key()], DataType::F32)?;
                    Ok(self.project(orch, x, device.query.tensor(), query)?
                        + self.project(orch, x, device.key.tensor(), key)?
                        + self.project(orch, x, device.value.tensor(), value)?
                        + self.attend(orch, pages, query, key, value)?)
                })?;
            runs += self.norm(orch, result, device.norm_mlp.tensor(), |orch, x| {
                let inside = orch.alloc(&[batch, self.model.mlp], DataType::F32)?;
                let mut runs = 0;
                for (start, width) in tiles(self.model.mlp, COLUMNS) {
                    orch.scope(|orch| {
                        let [gate, up] = [device.gate.tensor(), device.up.tensor()]
                            .map(|w| w.view(&[0, start], &[hidden, width]));
                        let gate = orch
                            .submit(&k.project)
                            .input(&x)
                            .input(&gate?)
                            .output(&[batch, width], DataType::F32)
                            .go()?;
                        let up = orch
                            .submit(&k.project)
                            .input(&x)
                            .input(&up?)
                            .output(&[batch, width], DataType::F32)
                            .go()?;
                        let to = inside.view(&[0, start], &[batch, width])?;
                        orch.submit(&k.swiglu).input(&gate).input(&up).output_into(&to).go()?;
                        runs += 3;
                        Ok(())
                    })?;
                }
                Ok(runs + self.project_onto(orch, inside, device.down.tensor(), result)?)
            })?;
            Ok(runs)
        })
    }

    /// Norms the tokens and hands them to `then`.
    fn norm(
        &self,
        orch: &mut Orch<'_>,
        x: Tensor,
        weights: Tensor,
        then: impl FnOnce(&mut Orch<'_>, Tensor) -> prewire::Result<u64>,
    ) -> prewire::Result<u64> {
        let Model { batch, hidden, .. } = self.model;
        let normed = orch
            .submit(&self.kernels.norm)
            .input(&x)
            .input(&weights)
            .output(&[batch, hidden], DataType::F32)
            .scalar(EPSILON)
            .blocks(batch)
            .go()?;
        Ok(u64::from(batch) + then(orch, normed.tensor()?)?)
    }

    /// `x` times `weights` to `to`: one task a tile of columns.
    fn project(&self, orch: &mut Orch<'_>, x: Tensor, weights: Tensor, to: Tensor) -> prewire::Result<u64> {
        let (batch, inner) = (self.model.batch, weights.shape()[0]);
        let mut runs = 0;
        for (start, width) in tiles(weights.shape()[1], COLUMNS) {
            let weights = weights.view(&[0, start], &[inner, width])?;
            let to = to.view(&[0, start], &[batch, width])?;
            orch.submit(&self.kernels.project).input(&x).input(&weights).output_into(&to).go()?;
            runs += 1;
        }
        Ok(runs)
    }

    /// Adds `x` times `weights` to `onto`: for each tile of columns two tasks a part of the inner dimension.
    fn project_onto(
        &self,
        orch: &mut Orch<'_>,
        x: Tensor,
        weights: Tensor,
        onto: Tensor,
    ) -> prewire::Result<u64> {
        let (k, batch) = (&self.kernels, self.model.batch);
        // Two parts at least, so that sums are chained at every size.
        let part = INNER.min(weights.shape()[0].div_ceil(2));
        let mut runs = 0;
        for (start, width) in tiles(weights.shape()[1], COLUMNS) {
            let onto = onto.view(&[0, start], &[batch, width])?;
            orch.scope(|orch| {
                for (row, depth) in tiles(weights.shape()[0], part) {
                    let x = x.view(&[0, row], &[batch, depth])?;
                    let weights = weights.view(&[row, start], &[depth, width])?;
                    let product = orch
                        .submit(&k.project)
                        .input(&x)
                        .input(&weights)
                        .output(&[batch, width], DataType::F32)
                        .go()?;
                    orch.submit(&k.add_onto).input(&product).inout(&onto).go()?;
                    runs += 2;
                }
                Ok(())
            })?;
        }
        Ok(runs)
    }

    /// Attention of the new tokens, projected onto the residual in the result tensor.
    fn attend(
        &self,
        orch: &mut Orch<'_>,
        pages: &Pages,
        query: Tensor,
        key: Tensor,
        value: Tensor,
    ) -> prewire::Result<u64> {
        let (k, device) = (&self.kernels, self.device);
        let (batch, heads) = (self.model.batch, self.model.heads);
        let group = heads.heads / heads.kv_heads;
        let mut runs = u64::from(batch) + 1;
        let rotated = orch
            .submit(&k.rotate_query)
            .input(&query)
            .input(&device.norm_query)
            .input(&device.rotary)
            .input(&device.places)
            .output(&[batch, heads.heads, heads.dim], DataType::F32)
            .scalar(EPSILON)
            .blocks(batch)
            .go()?
            .tensor()?;
        let attended = orch.alloc(&[batch, heads.heads, heads.dim], DataType::F32)?;
        let cache = device.cache();
        for (sequence, &length) in (0..).zip(&pages.lengths) {
            let (page, slot) = pages.place(sequence as usize, length - 1, heads.block);
            let token = |cache: Tensor| cache.view(&[page, slot, 0, 0], &[1, 1, heads.kv_heads, heads.dim]);
            self.store(
                orch,
                &k.store_key,
                key.slice(0, sequence..sequence + 1)?,
                token(cache.key)?,
                length - 1,
            )?;
            let new_value = value.slice(0, sequence..sequence + 1)?;
            orch.submit(&k.store_value).input(&new_value).output_into(&token(cache.value)?).go()?;
            let first = (sequence * pages.width) as usize;
            let blocks = &pages.table[first..first + length.div_ceil(heads.block) as usize];
            for head in 0..heads.kv_heads {
                let (offsets, shape) = ([sequence, head * group, 0], [1, group, heads.dim]);
                let tile = Tile {
                    query: rotated.view(&offsets, &shape)?,
                    result: attended.view(&offsets, &shape)?,
                    blocks,
                    length,
                    head,
                };
                self.attention.tile(orch, Wiring::Auto, cache, &tile)?;
                runs += 4 * blocks.len() as u64 + 1;
            }
            runs += 2;
        }
        orch.submit(&k.copy).input(&device.tokens).output_into(&device.result).go()?;
        let attended = attended.reshape(&[batch, self.model.query()])?;
        Ok(runs + self.project_onto(orch, attended, device.output.tensor(), device.result.tensor())?)
    }

    /// Norms, rotates and stores the key of one token.
    fn store(
        &self,
        orch: &mut Orch<'_>,
        kernel: &Kernel,
        key: Tensor,
        to: Tensor,
        place: u32,
    ) -> prewire::Result<()> {
        orch.submit(kernel)
            .input(&key)
            .input(&self.device.norm_key)
            .input(&self.device.rotary.slice(0, place..place + 1)?)
            .output_into(&to)
            .scalar(EPSILON)
            .go()?;
        Ok(())
    }
}

/// Where each tile of `size` elements starts, and how long it is.
fn tiles(size: u32, tile: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..size).step_by(tile as usize).map(move |start| (start, tile.min(size - start)))
}
