//! Wiring: the edges of a task, linked to its producers before anybody else sees it.

use prewire_abi::{EdgeKind, TaskId};
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

use crate::allocator::{Allocator, Placed};
use crate::deps::Dep;
use crate::fanout::Pushed;
use crate::fate::Fate;
use crate::slot::{Slot, SlotRef};

impl Allocator {
    /// Wires the task just committed to `edges`, distinct producers of this run, and says whether it is ready now:
    /// then the caller routes it. Otherwise whoever completes its last producer does. As many edges as the need had
    /// said, or fewer.
    ///
    /// A producer that still has its slot says by its list how it stands: open, or closed and how. One that has not was
    /// retired, as only this thread gives slots away, and is known here if it failed.
    ///
    /// Until it is linked, or known to be over, every edge counts, those that do not wait too: so the task cannot become
    /// ready before the last of them is there. From then on it may run, end, and be retired.
    #[must_use]
    pub fn wire(&self, placed: &Placed, edges: &[(TaskId, EdgeKind)]) -> bool {
        let (slots, deps) = (&self.rings.slots, &self.rings.deps);
        let consumer = placed.slot;
        let state = slots.wrap(consumer.place());
        let pool = deps.pools[consumer.ring() & 3];
        let count = edges.len() as u32;
        let first = state.dep_mark.load(Ordering::Relaxed).wrapping_sub(count);
        let mut left = count;
        state.dep_count.store(count, Ordering::Relaxed);
        // MUTANT "no-guard": an edge that is still to come does not count.
        let guard = |left: u32| left.saturating_sub(u32::from(mutant::skips("no-guard")));
        // MUTANT "late-retain": a hold is taken after the task may have ended.
        let late_retain = mutant::skips("late-retain");
        // The pushes publish this.
        state.pending.store(guard(left), Ordering::Relaxed);
        // Edges on lists; and those that were found not to get there when others were.
        let (mut linked, mut over) = (0, 0);
        let mut position = first;
        for &(producer, kind) in edges {
            let (entry, slot) = (pool.entry(position), self.slot_of(producer));
            let (dep, waited) = (deps.at(entry), slots.wrap(slot.place()));
            position = position.wrapping_add(1);
            if kind.retains() {
                state.dep_count.store(count | Slot::RETAINS, Ordering::Relaxed);
            }
            // MUTANT "producer-by-place": whoever has the producer's slot now is taken for it.
            if kind.waits() && (waited.id() == producer || mutant::skips("producer-by-place")) {
                dep.set(slot, kind);
                if waited.fanout.push(entry, dep, consumer, kind) == Pushed::Linked {
                    linked += 1;
                    continue;
                }
            }
            if kind.waits() || !late_retain {
                self.wire_over(state, dep, producer, kind);
            }
            if linked > 0 {
                over += 1;
            } else {
                left -= 1;
                state.pending.store(guard(left), Ordering::Relaxed);
            }
        }
        // Nobody else knows of it, if it is on no list.
        let ready = linked == 0 || self.wire_linked(state, linked, over);
        if late_retain {
            for (at, &(producer, kind)) in edges.iter().enumerate().filter(|(_, edge)| !edge.1.waits()) {
                let entry = pool.entry(first.wrapping_add(at as u32));
                self.wire_over(state, deps.at(entry), producer, kind);
            }
        }
        ready
    }

    /// Takes the waits of a task that were found to be `over` when others were on lists, on which it is `linked` times; true if
    /// these were the last ones. This thread takes none after that, and says so to a completer that is alone; but not for one
    /// link, as whoever takes the last wait knows without it.
    #[inline(always)]
    fn wire_linked(&self, state: &Slot, linked: u32, over: u32) -> bool {
        // ORDERING: AcqRel, "pending"; pairs with the count in `Slot::take_wait`: whoever takes the last wait sees
        // what each producer wrote and its poison.
        let ready = over > 0
            && state.pending.fetch_sub(over, mutant::order("pending-wire", Ordering::AcqRel)) == over;
        if !ready && linked > 1 && self.rings.is_completed_alone() {
            let count = state.dep_count.load(Ordering::Relaxed) | Slot::WIRED;
            // ORDERING: Release, "wired"; pairs with the load in `Slot::is_wired`. It may have completed since: the slot is not given
            // to another task before this thread goes on.
            state.dep_count.store(count, mutant::order("wired-store", Ordering::Release));
        }
        ready
    }

    /// Wires an edge that is on no list, as it does not wait or its producer has ended: takes its hold, if it is to have
    /// one and it can be had, and the poison.
    #[inline(never)]
    fn wire_over(&self, state: &Slot, dep: &Dep, producer: TaskId, kind: EdgeKind) {
        let slot = self.slot_of(producer);
        let held = kind.retains() && self.retain(slot, producer);
        let wait = if kind.waits() { EdgeKind::WAIT } else { EdgeKind::NONE };
        dep.set(slot, if held { wait | EdgeKind::RETAIN } else { wait });
        if kind.waits() && self.rings.has_failed() && self.end(producer) == Fate::Failed {
            state.poison();
        }
    }

    /// Takes a hold on a producer; false if it is consumed. A task that an open scope holds is not consumed, whatever its
    /// word says: the watermark cannot pass it before this thread closes the scope.
    fn retain(&self, slot: SlotRef, producer: TaskId) -> bool {
        let state = self.rings.slot(slot);
        if state.id() != producer {
            return false;
        }
        let ring = &self.rings.rings[slot.ring() & 3];
        let pinned = ring.is_pinned(producer.local());
        if state.fanout.retain_open() {
            return true;
        }
        if pinned {
            state.fanout.retain_closed();
        }
        pinned || ring.retain_closed(&self.rings.slots, slot, producer.local())
    }
}
