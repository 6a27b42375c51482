//! What the cores of a chip call: to run a sub-task, and to have what has ended completed.
//!
//! Invariant: nothing that a kernel throws goes through a core; and the error of a kernel is noted before its peers hear that it
//! has ended, so that what follows from it is not taken for the cause.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use prewire_platform::{Host, LaneId, Work};
use prewire_ring::{RING_COUNT, SlotRef};
use prewire_runs::{Runner as _, contained, message};
use prewire_scheduler::Progress;

use super::Engine;
use crate::alarm::Heeds;
use crate::context::{KernelCtx, may_meet};
use crate::error::KernelError;
use crate::inside::Inside;
use crate::kernel::Body;

/// In rings that hold as many tasks, or more, who submits is not held up by the slots all the time.
const WIDE: u32 = 255;

impl Host for Engine {
    fn execute(&self, lane: LaneId, work: Work) {
        if self.rings.is_ended() {
            return self.skip(lane, work);
        }
        let _inside = Inside::enter(self);
        let busy = self.busy.begin(lane, work);
        match self.recorder() {
            None => self.run_kernel(lane, work),
            Some(_) => self.run_recorded(lane, work),
        }
        busy.end();
    }

    fn may_block(&self, work: Work) -> bool {
        may_meet(self.rings.slot(SlotRef::from_raw(work.slot)).kind())
    }

    fn poll(&self, domain: u16) {
        self.went_on(self.scheduler.poll(domain, self));
    }

    fn poll_news(&self, domain: u16) {
        self.went_on(self.scheduler.poll_news(domain, self));
    }

    fn unfinished(&self) -> Option<u32> {
        let is_wide = self.rings.narrowest() >= WIDE;
        is_wide.then(|| self.rings.unfinished())
    }

    fn has_ready(&self, domain: u16) -> bool {
        self.scheduler.has_ready(domain)
    }

    fn quiescent(&self) {
        self.progress.notify_all();
    }

    fn idles(&self) {
        if self.progress.is_awaited() && matches!(self.alarm.get(), Heeds::Room { .. }) {
            self.progress.notify_all();
        }
    }
}

impl Engine {
    #[inline(always)]
    fn run_kernel(&self, lane: LaneId, work: Work) {
        let state = self.rings.slot(SlotRef::from_raw(work.slot));
        let mut ctx = KernelCtx::new(self, lane, work, state);
        // SAFETY: a kernel of a run.
        let error = match unsafe { self.kernels.body(state.callable(), work.place) } {
            Some(body) => call(body, &mut ctx),
            None => Some(Box::new(KernelError::new("the task names no kernel for this core"))),
        };
        match error {
            None => ctx.leave(),
            Some(error) => self.end_failed(lane, work, &ctx, *error),
        }
    }

    #[inline(never)]
    fn run_recorded(&self, lane: LaneId, work: Work) {
        self.record_began(lane, work);
        self.run_kernel(lane, work);
        self.record_ended(lane, work);
    }

    /// A sub-task that a core took up after the end of the run. It does not begin; peers that did hear that it never comes.
    #[cold]
    fn skip(&self, lane: LaneId, work: Work) {
        let state = self.rings.slot(SlotRef::from_raw(work.slot));
        state.poison();
        KernelCtx::new(self, lane, work, state).leave();
    }

    /// The kernel of `ctx` has failed.
    #[cold]
    fn end_failed(&self, lane: LaneId, work: Work, ctx: &KernelCtx<'_>, error: KernelError) {
        // What was to wait for counters would never be known to be complete.
        let ends = matches!(error, KernelError::Deferred(_));
        // Before the peers hear of it: what they say then is a consequence, not the cause.
        self.fail(Some(lane), work, error);
        ctx.leave();
        if ends {
            self.end_run();
        }
    }

    /// Wakes the orchestrator if tasks have completed and it can make use of that. While it waits for the end, or for room in
    /// a full ring, it would mostly look, and park again. Should two threads complete the last tasks, and neither find the
    /// rings drained, they have nothing to do any more, and say so.
    fn went_on(&self, progress: Progress) {
        // It sets the alarm before it says that it waits, and looks after that.
        if !progress.may_end_waits() || !self.progress.is_awaited() {
            return;
        }
        let heeded = match self.alarm.get() {
            Heeds::All => true,
            Heeds::End => (0..RING_COUNT).all(|ring| self.rings.usage(ring).live == 0),
            Heeds::Room { ring, live } => {
                // The scheduler moves the watermark now and then.
                self.rings.advance(ring);
                self.rings.usage(ring).live <= live || self.sim.has_place()
            }
        };
        if heeded {
            self.progress.notify_all();
        }
    }
}

/// Runs a kernel: why it failed, if it did. Boxed, so that what is handed on is one word whatever it says.
#[inline]
fn call(body: &Body, ctx: &mut KernelCtx<'_>) -> Option<Box<KernelError>> {
    let run = || match body(ctx) {
        Ok(()) => None,
        Err(error) => Some(Box::new(error)),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| Some(Box::new(panicked(panic))))
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) -> KernelError {
    let text = message(&*panic);
    // Dropping what the kernel threw is the kernel's code again, and may panic again.
    contained(|| drop(panic));
    KernelError::Panicked(text)
}
