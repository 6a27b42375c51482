//! Completion: closing a task's fanout, taking the waits of its consumers, and giving back holds.

use alloc::vec::Vec;

use prewire_sync::mutant;

use crate::ring::Rings;
use crate::slot::{SlotRef, Verdict};

/// What a completion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct Routed {
    /// Tasks that completed, those without a lane included.
    pub completed: u32,
    /// How many of them failed or were poisoned.
    pub failed: u32,
    /// Bit `r` is set where a slot of ring `r` was consumed: its watermark may move.
    pub rings: u32,
}

impl Routed {
    /// Adds what another completion did.
    pub fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.rings |= other.rings;
    }
}

impl Rings {
    /// Publishes a committed task that waits for nothing. The caller routes it.
    #[inline]
    pub fn publish_unwired(&self, slot: SlotRef) {
        // `pending` stays 0: nobody counts it down. The push onto a ready queue publishes the slot.
        debug_assert_eq!(self.slot(slot).waits(), 0);
    }

    /// Completes the tasks on `stack`, whose sub-tasks have all finished or are not to run, and everything that this
    /// makes ready and that completes without a lane. The others are handed to `ready`. Each task is completed by one
    /// caller, once. The stack is left empty.
    ///
    /// The stack takes the place of recursion: a poisoned chain of any length completes in constant call depth.
    pub fn complete(&self, stack: &mut Vec<SlotRef>, ready: &mut impl FnMut(SlotRef)) -> Routed {
        self.complete_telling(stack, ready, &mut |_| {})
    }

    /// As [`complete`](Rings::complete), and tells `done` of each task before anybody who waits for it is told.
    pub fn complete_telling(
        &self,
        stack: &mut Vec<SlotRef>,
        ready: &mut impl FnMut(SlotRef),
        done: &mut impl FnMut(SlotRef),
    ) -> Routed {
        let mut routed = Routed::default();
        while let Some(slot) = stack.pop() {
            let state = self.slot(slot);
            let failed = state.verdict() != Verdict::Sound;
            done(slot);
            routed.completed += 1;
            // MUTANT "late-failure": the failure is noted after the task may be retired.
            let late_failure = mutant::skips("late-failure");
            if failed {
                routed.failed += 1;
                if !late_failure {
                    self.note_failure();
                }
            }
            // MUTANT "close-first": it is closed before its own words were read.
            let closed_first = mutant::skips("close-first").then(|| state.fanout.close(failed));
            for dep in self.deps(slot) {
                if dep.kind().retains() {
                    let producer = dep.producer();
                    let consumed = self.slot(producer).fanout.release();
                    routed.rings |= u32::from(consumed) << producer.ring();
                }
            }
            // From here on the slot and its entries may be another task's; what follows is its consumers'.
            let closed = closed_first.unwrap_or_else(|| state.fanout.close(failed));
            routed.rings |= u32::from(closed.consumed) << slot.ring();
            let mut entry = closed.first;
            while let Some(at) = entry {
                let dep = self.deps.at(at);
                let consumer = dep.consumer();
                // Read before the wait is taken: afterwards the consumer may run and retire, and its entries be reused.
                // MUTANT "late-next": read afterwards.
                let late_next = mutant::skips("late-next");
                if !late_next {
                    entry = dep.next();
                }
                let waiting = self.slot(consumer);
                // MUTANT "late-poison": the poison is stored after the wait was taken.
                let late_poison = mutant::skips("late-poison");
                if failed && !late_poison {
                    waiting.poison();
                }
                let last = waiting.take_wait();
                if failed && late_poison {
                    waiting.poison();
                }
                if last {
                    if waiting.is_inline() {
                        stack.push(consumer);
                    } else {
                        ready(consumer);
                    }
                }
                if late_next {
                    entry = dep.next();
                }
            }
            if failed && late_failure {
                self.note_failure();
            }
        }
        routed
    }
}
