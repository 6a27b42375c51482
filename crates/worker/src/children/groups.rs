//! Groups of which a member has failed. The others may wait for it in memory of their own, where nobody can tell them.
//!
//! **Invariant: a broken group comes to an end**, in the time that its members are given, whatever they wait for.

use std::time::Duration;

use prewire_abi::Shape;
use prewire_mailbox::TaskStatus;
use prewire_platform::LaneId;
use prewire_ring::{SlotRef, Verdict};
use prewire_runs::event;
use prewire_sync::atomic::Ordering;

use super::Children;
use super::seat::{Handed, Stage};

impl Children {
    /// A member of a task has failed: if others are with it, the progress thread has an eye on them.
    pub(super) fn note_broken(&self, slot: SlotRef) {
        if self.is_group(slot) && !self.broken.swap(true, Ordering::Relaxed) {
            self.plan.bell.ring();
        }
    }

    fn is_group(&self, slot: SlotRef) -> bool {
        let cold = self.rings.slot(slot).cold();
        cold.shape == Shape::Worker && cold.blocks > 1
    }

    /// Has `kill` kill the children that still run a member of a broken group `limit` after that was first seen here. When
    /// to ask again, if there are any.
    pub(crate) fn end_broken_groups(
        &self,
        now: Duration,
        limit: Duration,
        kill: impl Fn(usize) -> bool,
    ) -> Option<Duration> {
        if !self.broken.load(Ordering::Relaxed) {
            return None;
        }
        // Before the look: whoever breaks from here on is looked at the next time.
        self.broken.store(false, Ordering::Relaxed);
        let mut next = None::<Duration>;
        for (child, seat) in self.seats.iter().enumerate() {
            let end = self.end(LaneId(child as u16));
            let mut state = seat.state();
            let overdue = state.overdue;
            let bereft = |handed: &&mut Handed| {
                let slot = SlotRef::from_raw(handed.work.slot);
                handed.stage == Stage::Posted
                    && end.status(handed.token.0) == TaskStatus::Running
                    && self.rings.slot(slot).verdict() == Verdict::Failed
                    && self.is_group(slot)
            };
            let handed = state.handed.iter_mut().flatten().filter(|_| overdue.is_none()).find(bereft);
            let Some(handed) = handed else { continue };
            let due = *handed.bereft.get_or_insert(now.saturating_add(limit));
            if now < due {
                next = Some(next.map_or(due, |next| next.min(due)));
            } else {
                // Before the kill: whoever hears of the death knows why.
                state.overdue = Some(limit);
                let killed = kill(child);
                event!(warn, worker = seat.path, killed, "a member of a failed group did not come to an end");
            }
        }
        if next.is_some() {
            self.broken.store(true, Ordering::Relaxed);
        }
        next
    }
}
