//! What a foreign task runs. Invariant: what becomes of it is a task of the chip whose number was given.

use prewire_abi::LaneMask;
use prewire_ring::{Cold, Packed};

use crate::kernel::{Kernel, task_of};
use crate::kernels::word_of;

/// What a foreign task runs, and how.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ForeignTask<'k> {
    /// By place in a cluster: the cube core, the first and the second vector core. One for a vector core alone may be at
    /// either; none at all is a dummy, which has one block.
    pub places: [Option<&'k Kernel>; 3],
    /// How many blocks; each runs in every place.
    pub blocks: u32,
    /// Whether all blocks start together.
    pub sync_start: bool,
}

impl<'k> ForeignTask<'k> {
    /// One block of `places`.
    #[must_use]
    pub const fn new(places: [Option<&'k Kernel>; 3]) -> Self {
        Self { places, blocks: 1, sync_start: false }
    }

    /// With that many blocks.
    #[must_use]
    pub const fn blocks(mut self, blocks: u32, sync_start: bool) -> Self {
        self.blocks = blocks;
        self.sync_start = sync_start;
        self
    }

    /// The task as the engine takes it, on the chip of this number.
    #[inline]
    pub(super) fn packed(&self, chip: u64) -> Result<Packed, Unfit> {
        // Either vector core of a cluster runs what is for one alone.
        let (kernel, lanes) = match self.places {
            [None, Some(kernel), None] | [None, None, Some(kernel)] => (kernel, LaneMask::AIV0),
            [Some(kernel), None, None] => (kernel, LaneMask::AIC),
            _ => return self.packed_together(chip),
        };
        if kernel.chip != chip {
            return Err(Unfit::OtherChip);
        }
        let Ok(blocks) = u16::try_from(self.blocks) else { return Err(Unfit::Blocks) };
        Ok(task_of(kernel.id, lanes, blocks, self.sync_start && blocks > 1))
    }

    /// As `packed`, of several kernels or none.
    #[inline(never)]
    fn packed_together(&self, chip: u64) -> Result<Packed, Unfit> {
        let mut lanes = LaneMask::NONE;
        for (kernel, lane) in self.places.iter().zip([LaneMask::AIC, LaneMask::AIV0, LaneMask::AIV1]) {
            let Some(kernel) = kernel else { continue };
            if kernel.chip != chip {
                return Err(Unfit::OtherChip);
            }
            lanes = lanes | lane;
        }
        if lanes == LaneMask::NONE {
            // It runs nothing, and that once.
            return Ok(Cold::default().into());
        }
        let Ok(blocks) = u16::try_from(self.blocks) else { return Err(Unfit::Blocks) };
        Ok(task_of(word_of(self.places), lanes, blocks, self.sync_start && blocks > 1))
    }
}

/// What is wrong with a task beside its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unfit {
    /// A kernel is another chip's.
    OtherChip,
    /// There are more blocks than any task has.
    Blocks,
}
