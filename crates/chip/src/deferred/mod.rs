//! Deferred completion: tasks whose kernels have returned and that are complete only when counters have reached values.
//!
//! A kernel of a library writes what its task waits for into a slab while it runs. The thread that ran it enters that
//! here before it reports the core as finished; so whoever counts the last sub-task as over finds the entry. It hands
//! the task over then, its cores are free, and every poll of a domain looks whether the counters of such tasks have
//! been raised. Where no core has anything to report, the look-out polls: a thread that is parked while no task waits.
//!
//! Invariant: a task is in this table from its first entry to its completion, and is handed back to one poll, once.

mod condition;
mod error;
pub(crate) mod lookout;

use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_ring::{Rings, SlotRef, Verdict};
use prewire_sync::atomic::{AtomicU32, Ordering};

use crate::library::abi::{CAPACITY, Slab};

use condition::Condition;
pub use error::DeferredError;
pub(crate) use lookout::Lookout;

/// How many tasks can wait at the same time.
const TASKS: usize = 64;

/// A task that waits, or will when its sub-tasks are over.
#[derive(Debug)]
struct Entered {
    slot: SlotRef,
    conditions: Vec<Condition>,
    /// All its sub-tasks are over.
    ran: bool,
}

impl Entered {
    /// Forgets what holds by now; whether nothing is left.
    fn is_over(&mut self) -> bool {
        // SAFETY: the kernel that entered the counter was trusted to name one that is there until the task is complete.
        self.conditions.retain(|condition| !unsafe { condition.holds() });
        self.conditions.is_empty()
    }
}

/// The tasks of a chip that wait for counters.
#[derive(Debug, Default)]
pub(crate) struct Deferred {
    /// How many are in the table. Written under its lock. Whoever counts a task's last sub-task as over sees what was
    /// written before any of them was reported.
    entered: AtomicU32,
    /// How many of them have run. Written under the lock of the table.
    waiting: AtomicU32,
    table: Mutex<Vec<Entered>>,
    pub(crate) lookout: Lookout,
}

impl Deferred {
    fn table(&self) -> MutexGuard<'_, Vec<Entered>> {
        // Nothing in here panics between two steps that belong together.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether any task may have something to wait for.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        self.entered.load(Ordering::Relaxed) != 0
    }

    /// How many tasks have run and wait.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the task in `slot` has run and waits.
    pub(crate) fn holds(&self, slot: SlotRef) -> bool {
        self.any() && self.table().iter().any(|entered| entered.slot == slot && entered.ran)
    }

    /// Enters what a sub-task of the task in `slot` has left in its slab. Before the sub-task is reported as over.
    pub(crate) fn enter(&self, slot: SlotRef, slab: &Slab) -> Result<(), DeferredError> {
        if slab.error != 0 {
            return Err(DeferredError::Reported { code: slab.error });
        }
        let Some(entries) = slab.entries.get(..slab.count as usize) else {
            return Err(DeferredError::Count { count: slab.count, allowed: CAPACITY });
        };
        let conditions = entries.iter().enumerate().map(|(at, entry)| Condition::of(at, entry));
        let mut conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        let mut table = self.table();
        match table.iter().position(|entered| entered.slot == slot) {
            Some(at) => {
                let entered = &mut table[at];
                let count = entered.conditions.len() + conditions.len();
                if count > CAPACITY {
                    return Err(DeferredError::Conditions { count, allowed: CAPACITY });
                }
                entered.conditions.append(&mut conditions);
            }
            None if table.len() == TASKS => return Err(DeferredError::Tasks { allowed: TASKS }),
            None => {
                table.push(Entered { slot, conditions, ran: false });
                self.entered.store(table.len() as u32, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// The sub-tasks of the task in `slot` are all over. Whether it waits: then it is handed back when it does no longer.
    pub(crate) fn waits(&self, rings: &Rings, slot: SlotRef) -> bool {
        let mut table = self.table();
        let Some(at) = table.iter().position(|entered| entered.slot == slot) else { return false };
        if over(rings, &mut table[at]) {
            self.remove(&mut table, at);
            return false;
        }
        table[at].ran = true;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        drop(table);
        self.lookout.look();
        true
    }

    /// Hands back the tasks that wait no longer.
    pub(crate) fn settled(&self, rings: &Rings, back: &mut dyn FnMut(SlotRef)) {
        if self.waiting() == 0 {
            return;
        }
        let mut table = self.table();
        let mut at = 0;
        while at < table.len() {
            if table[at].ran && over(rings, &mut table[at]) {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                back(table[at].slot);
                self.remove(&mut table, at);
            } else {
                at += 1;
            }
        }
    }

    fn remove(&self, table: &mut Vec<Entered>, at: usize) {
        table.swap_remove(at);
        self.entered.store(table.len() as u32, Ordering::Relaxed);
    }

    /// Whether tasks wait, and nobody looks out for them: then whoever waits for the run has to.
    pub(crate) fn is_unwatched(&self) -> bool {
        self.waiting() > 0 && self.lookout.is_missing()
    }

    /// Whether a poll would hand a task back.
    fn is_due(&self, rings: &Rings) -> bool {
        self.waiting() > 0
            && self.table().iter_mut().any(|entered| entered.ran && (rings.is_ended() || entered.is_over()))
    }
}

/// Whether a task that has run waits no longer: for its counters, or because it has failed, or because its run was ended.
fn over(rings: &Rings, entered: &mut Entered) -> bool {
    let state = rings.slot(entered.slot);
    // The counters of a run that was ended may be gone: whoever had them was told.
    if rings.is_ended() {
        if state.verdict() == Verdict::Sound {
            // What it was to bring about has not come about.
            state.poison();
        }
        return true;
    }
    state.verdict() != Verdict::Sound || entered.is_over()
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;
    use prewire_ring::RingSizes;

    #[test]
    fn the_counters_of_a_run_that_was_ended_are_not_looked_at() {
        let (rings, _) = Rings::new(&RingSizes::default().with_window(16), 1).unwrap();
        let reached = AtomicU32::new(7);
        let addr = reached.as_ptr().expose_provenance();
        let entered = |index| Entered {
            slot: SlotRef::from_raw(index),
            conditions: vec![Condition::Counter { addr, expected: 7 }],
            ran: true,
        };
        let mut before = entered(0);
        assert!(over(&rings, &mut before));
        assert_eq!((before.conditions.len(), rings.slot(before.slot).verdict()), (0, Verdict::Sound));
        rings.end();
        let mut after = entered(1);
        assert!(over(&rings, &mut after));
        assert_eq!(after.conditions.len(), 1, "nobody has looked");
        assert_eq!(rings.slot(after.slot).verdict(), Verdict::Poisoned);
    }
}
