//! What befalls children, as the thread that makes and buries them tells it.

use std::time::Duration;

use prewire_mailbox::TaskStatus;
use prewire_os::clock;
use prewire_platform::{LaneId, Standing};
use prewire_sync::atomic::Ordering;

use super::Children;
use super::seat::{Handed, Stage, State, in_order};
use crate::error::Death;

/// A child that serves takes what it is given within this, even where processors are scarce.
const TAKEN: Duration = Duration::from_millis(100);

impl Children {
    /// A child serves, in process `pid` if it has one of its own. What waited for it is posted.
    pub(crate) fn serving(&self, lane: LaneId, pid: Option<u32>) {
        let seat = self.get(lane);
        let mut state = seat.state();
        (state.standing, state.pid, state.dead, state.overdue) = (Standing::Up, pid, None, None);
        state.useful = false;
        seat.wild.store(false, Ordering::Relaxed);
        for at in in_order(&state.handed) {
            if let Some(handed) = state.handed[at]
                && handed.stage == Stage::Waits
            {
                state.handed[at] = Some(self.hand_over(lane, handed));
            }
        }
        drop(state);
        let _ = self.block().report(lane.0.into());
    }

    /// The process of a child is dead, and its mailbox says so.
    pub(crate) fn died(&self, lane: LaneId, death: Death) {
        let mut state = self.get(lane).state();
        (state.standing, state.dead, state.pid) = (Standing::Down, Some(death), None);
        drop(state);
        let _ = self.block().report(lane.0.into());
    }

    /// Whether nothing of a dead child is in its frames any more.
    pub(crate) fn is_drained(&self, lane: LaneId) -> bool {
        self.get(lane).state().dead.is_none()
    }

    /// Whether a child has completed anything since it was last started.
    pub(crate) fn was_useful(&self, lane: LaneId) -> bool {
        self.get(lane).state().useful
    }

    /// Whether a child has overwritten its mailbox.
    pub(crate) fn is_wild(&self, lane: LaneId) -> bool {
        self.get(lane).wild.load(Ordering::Relaxed)
    }

    /// A child will not be replaced.
    pub(crate) fn give_up(&self, lane: LaneId, why: &str) {
        let mut state = self.get(lane).state();
        why.clone_into(&mut state.given_up);
        state.standing = Standing::Gone;
        drop(state);
        let _ = self.block().report(lane.0.into());
    }

    /// Has `kill` kill the children that run something, or do not take what they were given, for having taken longer than
    /// `allowed`: how many it did.
    pub(crate) fn overdue(&self, allowed: Duration, kill: impl Fn(usize) -> bool) -> usize {
        let mut killed = 0;
        let late = clock::coarse().saturating_sub(TAKEN);
        for (child, seat) in self.seats.iter().enumerate() {
            let lane = LaneId(child as u16);
            let mut state = seat.state();
            let stuck = |handed: &Handed| match self.end(lane).status(handed.token.0) {
                _ if handed.stage != Stage::Posted => false,
                TaskStatus::Running => true,
                TaskStatus::Ready => handed.since < late,
                TaskStatus::Ended => false,
                // Overwritten.
                _ => true,
            };
            if state.overdue.is_none() && state.handed.iter().flatten().any(stuck) {
                // Before the kill: whoever hears of the death knows why.
                state.overdue = Some(allowed);
                killed += usize::from(kill(child));
            }
            drop(state);
            // It may have stopped between the end of a task and telling of it.
            let _ = self.block().report(lane.0.into());
        }
        killed
    }

    /// Whether a child that is being replaced has something to do once it is.
    pub(crate) fn awaits_replacement(&self) -> bool {
        let awaits =
            |state: &State| state.standing == Standing::Down && state.handed.iter().any(Option::is_some);
        self.seats.iter().any(|seat| awaits(&seat.state()))
    }
}
