//! Wiring: the edges of a task, linked to its producers before anybody else sees it.

use prewire_abi::{EdgeKind, TaskId};
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

use crate::allocator::{Allocator, Fate, Placed};
use crate::fanout::Pushed;
use crate::slot::SlotRef;

impl Allocator {
    /// Wires the task just committed to `edges`, distinct producers of this run, and says whether it is ready now:
    /// then the caller routes it. Otherwise whoever completes its last producer does. As many edges as the need had
    /// said, or fewer: dep entries that are left over carry nothing.
    #[must_use]
    pub fn wire(&self, placed: &Placed, edges: &[(TaskId, EdgeKind)]) -> bool {
        let shared = &self.rings.rings[placed.slot.ring()];
        let state = self.rings.slot(placed.slot);
        let waits = edges.iter().filter(|(_, kind)| kind.waits()).count() as u32;
        // MUTANT "no-guard": the consumer is not kept back while it is wired.
        let guard = u32::from(!mutant::skips("no-guard"));
        // The push onto each list publishes this.
        state.pending.store(waits + guard, Ordering::Relaxed);
        let mark = state.dep_mark.load(Ordering::Relaxed);
        let first = mark.wrapping_sub(state.dep_count.load(Ordering::Relaxed));
        let mut used = 0;
        let mut over = guard;
        for &(producer, kind) in edges {
            let entry = shared.deps.name(first.wrapping_add(used));
            used += 1;
            let dep = shared.deps.at(entry);
            let slot = self.rings.slot_of(producer);
            let fate = self.fate(producer);
            let retained = kind.retains() && fate == Fate::Live && self.retain(slot, producer);
            let mut kept = EdgeKind::NONE;
            if retained {
                kept |= EdgeKind::RETAIN;
            }
            if !kind.waits() {
                dep.fill(slot, placed.slot, kept);
                continue;
            }
            dep.fill(slot, placed.slot, kept | EdgeKind::WAIT);
            let pushed = match fate {
                Fate::Live => self.rings.slot(slot).fanout.push(entry, dep),
                Fate::Done => Pushed::ClosedOk,
                Fate::Failed => Pushed::ClosedFailed,
            };
            match pushed {
                Pushed::Linked => {}
                Pushed::ClosedOk => over += 1,
                Pushed::ClosedFailed => {
                    state.poison();
                    over += 1;
                }
            }
        }
        for unused in used..state.dep_count.load(Ordering::Relaxed) {
            shared.deps.at(shared.deps.name(first.wrapping_add(unused))).fill(
                placed.slot,
                placed.slot,
                EdgeKind::NONE,
            );
        }
        // ORDERING: AcqRel, "pending"; pairs with the fetch_sub in `Rings::complete`: whoever takes the last wait sees
        // what each producer wrote and its poison.
        state.pending.fetch_sub(over, mutant::order("pending-wire", Ordering::AcqRel)) == over
    }

    /// Takes a hold on a producer; false if it is consumed. A task that an open scope holds is not consumed, whatever
    /// its count says: the watermark cannot pass it before this thread closes the scope.
    fn retain(&self, slot: SlotRef, id: TaskId) -> bool {
        let state = self.rings.slot(slot);
        if self.rings.rings[slot.ring()].is_pinned(id.local()) {
            state.holds.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let mut holds = state.holds.load(Ordering::Relaxed);
        // MUTANT "retain-consumed": a hold is taken on what nobody holds any more.
        while holds > 0 || mutant::skips("retain-consumed") {
            match state.holds.compare_exchange_weak(holds, holds + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => holds = now,
            }
        }
        false
    }
}
