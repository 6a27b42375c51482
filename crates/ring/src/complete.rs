//! Completion: closing a task's fanout, taking the waits of its consumers, and giving back holds.

use alloc::vec::Vec;

use prewire_abi::TaskId;
use prewire_sync::hint::will_write;
use prewire_sync::mutant;

use crate::deps::DepRef;
use crate::ring::{RING_COUNT, Upto, is_before};
use crate::rings::Rings;
use crate::slot::{Slot, SlotRef, Verdict};

/// What a completion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[must_use]
pub struct Routed {
    /// Tasks that completed, those without a lane included.
    pub completed: u32,
    /// How many of them failed or were poisoned.
    pub failed: u32,
    /// Bit `r` is set where a task of ring `r` has ended, and bit [`LET_GO`](Routed::LET_GO) above it where a hold on one was given back:
    /// its watermark may move. In one word, as four words are handed on in two registers.
    rings: u32,
    /// If tasks of one ring have ended, the local number after the last one.
    upto: u32,
}

impl Routed {
    /// Where the bits of holds are.
    const LET_GO: u32 = RING_COUNT as u32;
    const ENDED: u32 = (1 << Self::LET_GO) - 1;

    /// Adds what another completion did.
    pub fn add(&mut self, other: Self) {
        self.completed += other.completed;
        self.failed += other.failed;
        self.reach(other.rings, other.upto);
    }

    /// Notes that tasks of these rings have ended, if it is one ring all before the number `upto`, and what else is in `rings`.
    #[inline]
    fn reach(&mut self, rings: u32, upto: u32) {
        if rings & Self::ENDED != 0 && (self.rings & Self::ENDED == 0 || is_before(self.upto, upto)) {
            self.upto = upto;
        }
        self.rings |= rings;
    }

    /// Notes that a task has ended: it may be consumed with that, or by whoever gives a hold on it back at this moment.
    #[inline]
    fn note(&mut self, id: TaskId) {
        self.reach(1 << (id.ring() & 3), id.local().wrapping_add(1));
    }
}

/// A task that has ended and whose consumers have not been told.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Closed {
    /// The first entry of its list.
    first: Option<DepRef>,
    failed: bool,
}

impl Closed {
    /// Whether anybody waits for the task.
    #[must_use]
    #[inline]
    pub const fn is_awaited(&self) -> bool {
        self.first.is_some()
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
    /// `by` says which completer does this, of as many as [`Rings::new`] was told of. For each of them one thread at a time completes,
    /// and what one has done happened before what the next one does: else slots would be held for ever.
    ///
    /// The stack takes the place of recursion: a poisoned chain of any length completes in constant call depth.
    ///
    /// # Panics
    ///
    /// If there is no such completer, at the latest where a task holds another one.
    pub fn complete(&self, by: u16, stack: &mut Vec<SlotRef>, ready: &mut impl FnMut(SlotRef)) -> Routed {
        self.complete_telling(by, stack, &mut |slot, _| ready(slot), &mut |_| {})
    }

    /// As [`complete`](Rings::complete), and tells `done` of each task before anybody who waits for it is told.
    ///
    /// # Panics
    ///
    /// As there.
    pub fn complete_telling(
        &self,
        by: u16,
        stack: &mut Vec<SlotRef>,
        ready: &mut impl FnMut(SlotRef, &Slot),
        done: &mut impl FnMut(SlotRef),
    ) -> Routed {
        let mut routed = Routed::default();
        while let Some(slot) = stack.pop() {
            let closed = self.close(by, slot, self.slot(slot), &mut routed, done);
            self.tell(closed, stack, ready);
        }
        routed
    }

    /// The first half of a completion, of which several may go before the second halves: tells `done` of the task, gives
    /// back what it holds, and closes its list. The slot, whose `state` this is, may be another task's then. `by` is as in
    /// [`complete`](Rings::complete).
    ///
    /// # Panics
    ///
    /// As there.
    #[inline]
    pub fn close(
        &self,
        by: u16,
        slot: SlotRef,
        state: &Slot,
        routed: &mut Routed,
        done: &mut impl FnMut(SlotRef),
    ) -> Closed {
        debug_assert!(by < self.completers(), "completer {by} of {}", self.completers());
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
        // Told whoever retains it: who gives the last hold back at this moment may not see that it is closed, nor this thread that;
        // of the two who move the watermark the second one sees both.
        // MUTANT "end-told-if-consumed": told only by who sees that nobody retains it any more.
        let if_consumed = mutant::skips("end-told-if-consumed");
        let id = state.id();
        if !if_consumed {
            routed.note(id);
        }
        if state.retains() {
            self.release(by, slot, routed);
        }
        let first = closed_first.unwrap_or_else(|| state.fanout.close(failed));
        // From here on the slot and its entries may be another task's; what follows is its consumers'.
        if if_consumed && self.slots.is_consumed(slot) {
            routed.note(id);
        }
        if failed && late_failure {
            self.note_failure();
        }
        Closed { first, failed }
    }

    /// Gives back what the task holds.
    #[inline(never)]
    fn release(&self, by: u16, slot: SlotRef, routed: &mut Routed) {
        let given_back = self.slots.given_back_by(by);
        let mut rings = 0;
        for dep in self.deps(slot) {
            if let Some(producer) = dep.retained() {
                given_back.count(producer);
                rings |= 1 << (producer.ring() & 3);
            }
        }
        // MUTANT "hold-untold": whoever has closed the producer is left to move the watermark.
        if !mutant::skips("hold-untold") {
            routed.rings |= rings << Routed::LET_GO;
        }
    }

    /// Moves the watermarks over what nobody holds any more after these completions: those of this thread, or of one that has handed
    /// them on to it. Whoever completes tasks does so afterwards, or sees to it that somebody does; once for each completion, as they
    /// are counted here.
    #[inline]
    pub fn retire(&self, routed: &Routed) {
        // MUTANT "told-first": it has yet to tell what it is known to have told.
        let told_first = mutant::skips("told-first");
        if told_first {
            self.note_completed(routed.completed);
        }
        let (ended, let_go) = (routed.rings & Routed::ENDED, routed.rings >> Routed::LET_GO);
        let upto = if ended & ended.wrapping_sub(1) == 0 { Upto::Number(routed.upto) } else { Upto::Head };
        // What was let go of and has ended is within what is known of its ring, see `Upto::Known`; of what has not, who ends it will know.
        for (mut rings, upto) in [(ended, upto), (let_go & !ended, Upto::Known)] {
            while rings != 0 {
                self.rings[rings.trailing_zeros() as usize & 3].advance(&self.slots, upto);
                rings &= rings - 1;
            }
        }
        // From here on it knows no number.
        if !told_first {
            self.note_completed(routed.completed);
        }
    }

    /// The second half: takes a wait from each task on the list. Those that are ready now are handed to `ready`; or put on
    /// the `stack`, to be completed, if they need no lane.
    #[inline(always)]
    pub fn tell(&self, closed: Closed, stack: &mut Vec<SlotRef>, ready: &mut impl FnMut(SlotRef, &Slot)) {
        let Closed { first: mut entry, failed } = closed;
        while let Some(at) = entry {
            let dep = self.deps.at(at);
            let consumer = dep.consumer();
            // Read before the wait is taken: afterwards the consumer may run and retire, and its entries be reused.
            // MUTANT "late-next": read afterwards.
            let late_next = mutant::skips("late-next");
            if !late_next {
                entry = dep.next();
                if let Some(next) = entry {
                    will_write(self.slot(self.deps.at(next).consumer()));
                }
            }
            self.take_wait(consumer, failed, stack, ready);
            if late_next {
                entry = dep.next();
            }
        }
    }

    /// Takes the wait for a task that has ended from one of those that wait for it.
    #[inline(always)]
    fn take_wait(
        &self,
        consumer: SlotRef,
        failed: bool,
        stack: &mut Vec<SlotRef>,
        ready: &mut impl FnMut(SlotRef, &Slot),
    ) {
        let waiting = self.slot(consumer);
        // MUTANT "late-poison": the poison is stored after the wait was taken.
        let late_poison = mutant::skips("late-poison");
        if failed && !late_poison {
            waiting.poison();
        }
        let last = waiting.take_wait(self.is_completed_alone());
        if failed && late_poison {
            waiting.poison();
        }
        if !last {
            return;
        }
        if waiting.is_inline() {
            stack.push(consumer);
        } else {
            if let Some(entry) = waiting.fanout.first_now() {
                will_write(self.deps.at(entry));
            }
            ready(consumer, waiting);
        }
    }

    /// Has the slot on its way to this processor: it is about to be written.
    #[inline]
    pub fn fetch(&self, slot: SlotRef) {
        will_write(self.slot(slot));
    }

    /// Has the first entry of a closed list on its way to this processor.
    #[inline]
    pub fn fetch_list(&self, closed: &Closed) {
        if let Some(entry) = closed.first {
            will_write(self.deps.at(entry));
        }
    }

    /// As [`fetch`](Rings::fetch), of the first task on a closed list, whose entry is there.
    #[inline]
    pub fn fetch_consumer(&self, closed: &Closed) {
        if let Some(entry) = closed.first {
            will_write(self.slot(self.deps.at(entry).consumer()));
        }
    }
}

#[cfg(all(test, not(any(prewire_loom, prewire_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_nothing_says_nothing_of_numbers() {
        let mut routed = Routed::default();
        routed.note(TaskId::new(0, (1 << 31) + 4));
        routed.add(Routed { completed: 1, ..Routed::default() });
        assert_eq!((routed.rings, routed.upto), (1, (1 << 31) + 5));
    }
}
