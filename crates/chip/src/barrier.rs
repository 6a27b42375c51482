//! Barriers between the sub-tasks that run together: the places of a block, the blocks of a cohort.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_ring::SlotRef;
use prewire_sim::{PeerWait, Sim};

use crate::error::KernelError;

/// Which sub-tasks meet: those of one block, or all of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Meeting {
    pub(crate) slot: u32,
    /// The block, or `u32::MAX` for all.
    pub(crate) block: u32,
}

impl Meeting {
    pub(crate) fn of_block(slot: SlotRef, block: u32) -> Self {
        Self { slot: slot.raw(), block }
    }

    pub(crate) fn of_cohort(slot: SlotRef) -> Self {
        Self { slot: slot.raw(), block: u32::MAX }
    }
}

#[derive(Debug, Default)]
struct State {
    /// How often all have met.
    rounds: u64,
    /// Who is waiting for the next round.
    waiting: u32,
    /// Who has ended, and will not come any more.
    left: u32,
}

/// The barriers of a chip. An entry lives from the first arrival or departure of a member to the departure of the
/// last.
#[derive(Debug, Default)]
pub(crate) struct Barriers(Mutex<HashMap<Meeting, State>>);

impl Barriers {
    fn table(&self) -> MutexGuard<'_, HashMap<Meeting, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all `members` have come.
    pub(crate) fn meet(&self, sim: &Sim, meeting: Meeting, members: u32) -> Result<(), KernelError> {
        if members < 2 {
            return Ok(());
        }
        let round = {
            let mut table = self.table();
            let state = table.entry(meeting).or_default();
            if state.left > 0 {
                return Err(KernelError::BarrierBroken);
            }
            state.waiting += 1;
            if state.waiting == members {
                state.waiting = 0;
                state.rounds += 1;
                drop(table);
                sim.peer_news();
                return Ok(());
            }
            state.rounds
        };
        let mut met = false;
        let waited = sim.wait_for_peer(&mut || {
            let table = self.table();
            let Some(state) = table.get(&meeting) else { return true };
            met = state.rounds != round;
            met || state.left > 0
        });
        if met && waited == PeerWait::Ready { Ok(()) } else { Err(KernelError::BarrierBroken) }
    }

    /// A member has ended.
    pub(crate) fn leave(&self, sim: &Sim, meeting: Meeting, members: u32) {
        let mut table = self.table();
        let state = table.entry(meeting).or_default();
        state.left += 1;
        let waited_for = state.waiting > 0;
        if state.left == members {
            table.remove(&meeting);
        }
        drop(table);
        if waited_for {
            sim.peer_news();
        }
    }
}
