//! A chip for tests of refusals: what is refused leaves the run as it was.

use super::{add, nop};
use prewire_chip::{Chip, ChipBuilder, Kernel, Orch};

/// A chip, a kernel without arguments, and what shows that a run goes on.
pub(crate) struct Bench {
    pub(crate) chip: Chip,
    pub(crate) nop: Kernel,
    add: Kernel,
}

impl Bench {
    pub(crate) fn new(builder: ChipBuilder) -> Self {
        let chip = builder.build().unwrap();
        Self { nop: nop(&chip), add: add(&chip), chip }
    }

    /// Runs `case`, which submits `submitted` tasks that are in order, and then one more task, in the same run.
    #[track_caller]
    pub(crate) fn run(&self, submitted: u64, case: impl FnOnce(&mut Orch<'_>)) {
        let x = self.chip.tensor(&[1i32, 2, 3, 4], &[4]).unwrap();
        let report = self
            .chip
            .run(|orch| {
                case(orch);
                orch.submit(&self.add).inout(&x).scalar(10i32).go()?;
                Ok(())
            })
            .unwrap();
        assert_eq!(report.tasks, submitted + 1, "a refused task was counted");
        assert_eq!(self.chip.read::<i32>(&x).unwrap(), [11, 12, 13, 14]);
    }
}
