//! What a kernel has to do with the others of its task: where it meets them, and that they hear of its end.

use prewire_ring::Kind;

use super::KernelCtx;
use crate::barrier::Meeting;
use crate::error::KernelError;
use crate::races::Eye;
use crate::span::Span;

impl KernelCtx<'_> {
    /// Waits until all places of this block have come here. What they wrote before is visible after. Drop views that a
    /// peer needs first.
    ///
    /// # Errors
    ///
    /// The block has one place only; or a peer ended without coming here.
    pub fn cluster_barrier(&self) -> Result<(), KernelError> {
        let members = self.kind.lanes().count();
        if members < 2 {
            return Err(KernelError::NoBarrier("a task with one place a block has no cluster barrier"));
        }
        self.meet(Meeting::of_block(self.slot(), self.block()), members)
    }

    /// Waits until all sub-tasks of the task have come here: they run at the same time, as it starts them together.
    ///
    /// # Errors
    ///
    /// The task was not submitted with `sync_start`; or a peer ended without coming here.
    pub fn cohort_barrier(&self) -> Result<(), KernelError> {
        if !self.kind.is_sync_start() {
            return Err(KernelError::NoBarrier(
                "blocks that do not start together have no cohort barrier: submit the task with sync_start",
            ));
        }
        self.meet(Meeting::of_cohort(self.slot()), self.kind.total())
    }

    /// Waits for peers. Others run meanwhile, and what they write is not of this kernel.
    fn meet(&self, meeting: Meeting, members: u32) -> Result<(), KernelError> {
        self.confess();
        self.engine.busy().at_barrier(self.lane, true);
        let both = self.kind.is_sync_start() && self.kind.lanes().count() > 1;
        let cohort = both.then(|| (Meeting::of_cohort(self.slot()), self.kind.total()));
        let met = self.engine.barriers().meet(self.engine.sim(), meeting, members, cohort);
        self.engine.busy().at_barrier(self.lane, false);
        if let Some(watch) = &self.watch {
            watch.borrow_mut().renew(&self.eye());
        }
        met
    }

    /// Runs code that waits for peers in a way of its own, if they may have to be waited for: then others run meanwhile.
    pub(crate) fn while_it_may_wait(&self, run: impl FnOnce()) {
        if may_meet(self.kind) { self.engine.sim().while_waiting(run) } else { run() }
    }

    fn eye(&self) -> Eye<'_> {
        Eye { engine: self.engine, holder: self.holder() }
    }

    /// Tells the race checker what this kernel has written without a view.
    fn confess(&self) {
        if let (Some(races), Some(watch)) = (self.engine.races(), &self.watch) {
            let told = |arg, tag, pieces: &[Span]| races.changed(self.task, arg, tag, pieces);
            watch.borrow_mut().look(&self.eye(), told);
        }
    }

    /// This sub-task has ended: its peers must not wait for it.
    #[inline]
    pub(crate) fn leave(&self) {
        if !self.alone {
            self.leave_others();
        }
    }

    #[inline(never)]
    fn leave_others(&self) {
        self.confess();
        let (members, total) = (self.kind.lanes().count(), self.kind.total());
        let (barriers, sim) = (self.engine.barriers(), self.engine.sim());
        if members > 1 {
            barriers.leave(sim, Meeting::of_block(self.slot(), self.block()), members);
        }
        if self.kind.is_sync_start() && total > 1 {
            barriers.leave(sim, Meeting::of_cohort(self.slot()), total);
        }
        if self.leased.get() {
            self.engine.leases().give_back_all(self.holder());
        }
        if self.shares.get() {
            self.engine.adoptions().give_back_all(self.holder());
        }
    }
}

/// Whether sub-tasks of such a task may wait for each other.
#[inline]
pub(crate) fn may_meet(kind: Kind) -> bool {
    kind.lanes().count() > 1 || (kind.is_sync_start() && kind.total() > 1)
}
