//! What a run did, and what it took to do it.

use std::time::Duration;

use prewire_ring::RunUsage;

/// What a run did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RunReport {
    /// Tasks that were submitted; allocations are none.
    pub tasks: u64,
    /// Sub-tasks that kernels ran for: a task has one for each block and place.
    pub executed: u64,
    /// From when its turn came to when all its tasks were over.
    pub wall: Duration,
    /// What it took of the rings and the tensor map, of what there is. A size of which more than 80 % is
    /// [`needed`](prewire_ring::Mark::needed) is also told as a warning, once a chip.
    ///
    /// ```
    /// use prewire_chip::{Chip, DataType, RingSizes};
    ///
    /// let chip = Chip::sim(prewire_a2a3::a2a3()).build()?;
    /// let program = |orch: &mut prewire_chip::Orch<'_>| {
    ///     for _ in 0..3 {
    ///         orch.alloc(&[1024], DataType::F32)?;
    ///     }
    ///     Ok(())
    /// };
    /// let report = chip.run(program)?;
    /// assert_eq!(report.usage.rings[0].window.needed, 3);
    /// let sizes = RingSizes::fit(&report.usage);
    /// assert_eq!((sizes.window[0], sizes.window[1]), (8, 4));
    /// Chip::sim(prewire_a2a3::a2a3()).rings(sizes).build()?.run(program)?;
    /// # Ok::<(), prewire_chip::Error>(())
    /// ```
    pub usage: RunUsage,
}
