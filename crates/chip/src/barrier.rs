//! Barriers between the sub-tasks that run together: the places of a block, the blocks of a cohort.
//!
//! **Invariant: who waits here is waited for by nobody for ever.** A barrier that a member can no longer come to is broken
//! when that member ends. One that no member will come to, because all that have not ended wait at other barriers of the
//! same task, is broken by the last one that begins to wait: no clock is needed to know.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_ring::SlotRef;
use prewire_sim::{PeerWait, Sim};
use prewire_sync::Padded;

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
    /// Of a cohort: who is waiting at the barriers of blocks.
    elsewhere: u32,
    /// Of a cohort: everybody waited, and nobody would have come. What they are told.
    dead: Option<KernelError>,
}

/// Slots and blocks are numbers of this process: there is nothing to defend a table of them against.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

type Table = HashMap<Meeting, State, BuildHasherDefault<Spread>>;

/// What the members of a cohort are told that waits for itself.
fn dead(table: &Table, cohort: Option<(Meeting, u32)>) -> Option<KernelError> {
    table.get(&cohort?.0)?.dead.clone()
}

/// Tables that the tasks share by their slots: members of different tasks seldom wait for each other's lock.
const TABLES: usize = 16;

/// The barriers of a chip. An entry lives from the first arrival or departure of a member to the departure of the
/// last.
#[derive(Debug, Default)]
pub(crate) struct Barriers([Padded<Mutex<Table>>; TABLES]);

impl Barriers {
    /// Where all meetings of a task are.
    fn table(&self, slot: u32) -> MutexGuard<'_, Table> {
        self.0[slot as usize % TABLES].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all `members` have come. `cohort`: of a member of a cohort that has both kinds of barriers, the
    /// cohort's barrier and its number of members.
    pub(crate) fn meet(
        &self,
        sim: &Sim,
        meeting: Meeting,
        members: u32,
        cohort: Option<(Meeting, u32)>,
    ) -> Result<(), KernelError> {
        if members < 2 {
            return Ok(());
        }
        let round = {
            let mut table = self.table(meeting.slot);
            if let Some(dead) = dead(&table, cohort) {
                return Err(dead);
            }
            let state = table.entry(meeting).or_default();
            if state.left > 0 {
                return Err(KernelError::BarrierBroken);
            }
            let complete = state.waiting + 1 == members;
            let round = state.rounds;
            if complete {
                state.waiting = 0;
                state.rounds += 1;
            } else {
                state.waiting += 1;
            }
            if let Some((cohort, all)) = cohort {
                let state = table.entry(cohort).or_default();
                if cohort != meeting {
                    // Those who waited for this one go on, or this one waits too.
                    state.elsewhere =
                        if complete { state.elsewhere - (members - 1) } else { state.elsewhere + 1 };
                }
                if !complete && state.left == 0 && state.waiting + state.elsewhere == all {
                    let why = KernelError::BarrierDeadlock { cohort: state.waiting, blocks: state.elsewhere };
                    state.dead = Some(why.clone());
                    drop(table);
                    sim.peer_news();
                    return Err(why);
                }
            }
            if complete {
                drop(table);
                sim.peer_news();
                return Ok(());
            }
            round
        };
        let (mut met, mut told) = (false, None);
        let waited = sim.wait_for_peer(&mut || {
            let table = self.table(meeting.slot);
            let Some(state) = table.get(&meeting) else { return true };
            met = state.rounds != round;
            told = dead(&table, cohort);
            met || state.left > 0 || told.is_some()
        });
        if !met {
            // Whoever goes on without having met is not waited for, and must not be counted as one who waits.
            let mut table = self.table(meeting.slot);
            let waits = table.get_mut(&meeting).filter(|state| state.rounds == round);
            let waited = waits.is_some();
            waits.into_iter().for_each(|state| state.waiting = state.waiting.saturating_sub(1));
            if let Some((cohort, _)) = cohort.filter(|(cohort, _)| waited && *cohort != meeting)
                && let Some(state) = table.get_mut(&cohort)
            {
                state.elsewhere = state.elsewhere.saturating_sub(1);
            }
        }
        if met && waited == PeerWait::Ready {
            Ok(())
        } else {
            Err(told.unwrap_or(KernelError::BarrierBroken))
        }
    }

    /// A member has ended.
    pub(crate) fn leave(&self, sim: &Sim, meeting: Meeting, members: u32) {
        let mut table = self.table(meeting.slot);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Not started: it tells every wait to stop.
    fn stopped() -> std::sync::Arc<Sim> {
        Sim::new(prewire_a2a3::a2a3(), prewire_sim::SimConfig::default()).unwrap()
    }

    #[test]
    fn a_wait_that_was_given_up_is_no_member_any_more() {
        let (barriers, sim) = (Barriers::default(), stopped());
        let meeting = Meeting { slot: 0, block: 0 };
        for _ in 0..3 {
            assert!(barriers.meet(&sim, meeting, 2, None).is_err(), "one member alone met itself");
        }
    }

    #[test]
    fn who_left_a_broken_barrier_is_not_counted_twice() {
        let (barriers, sim) = (Barriers::default(), stopped());
        let cohort = Meeting { slot: 0, block: u32::MAX };
        let block = Meeting { slot: 0, block: 0 };
        // It waits at the block; its peer leaves the block, and has not yet left the cohort.
        assert!(barriers.meet(&sim, block, 2, Some((cohort, 4))).is_err());
        barriers.leave(&sim, block, 2);
        for _ in 0..3 {
            let met = barriers.meet(&sim, cohort, 4, Some((cohort, 4)));
            assert_eq!(met, Err(KernelError::BarrierBroken));
        }
    }
}
