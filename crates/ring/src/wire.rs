//! Wiring: the edges of a task, linked to its producers before anybody else sees it.

use prewire_abi::{EdgeKind, TaskId};
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

use crate::allocator::{Allocator, Fate, Placed};
use crate::deps::{Dep, DepRef};
use crate::fanout::Pushed;
use crate::slot::SlotRef;

impl Allocator {
    /// Wires the task just committed to `edges`, distinct producers of this run, and says whether it is ready now:
    /// then the caller routes it. Otherwise whoever completes its last producer does. As many edges as the need had
    /// said, or fewer: dep entries that are left over carry nothing.
    ///
    /// The wait that is linked last keeps the task from becoming ready before, so nothing else has to. Edges that do not
    /// wait are there before the first that does; from the last link on the task may run, end, and be retired.
    #[must_use]
    pub fn wire(&self, placed: &Placed, edges: &[(TaskId, EdgeKind)]) -> bool {
        let shared = &self.rings.rings[placed.slot.ring() & 3];
        let state = self.rings.slot(placed.slot);
        let count = state.dep_count.load(Ordering::Relaxed);
        let first = state.dep_mark.load(Ordering::Relaxed).wrapping_sub(count);
        let entry = |at: usize| {
            let entry = shared.deps.name(first.wrapping_add(at as u32));
            (entry, shared.deps.at(entry))
        };
        for unused in edges.len()..count as usize {
            entry(unused).1.fill(placed.slot, placed.slot, EdgeKind::NONE);
        }
        let mut left = edges.iter().filter(|(_, kind)| kind.waits()).count() as u32;
        // MUTANT "late-retain": a hold is taken after the task may have ended.
        let late_retain = mutant::skips("late-retain");
        if left as usize != edges.len() && !late_retain {
            self.wire_kept(placed, edges, entry);
        }
        // Waits on lists or still to come; and those that turned out to be over once others were on lists.
        let (mut linked, mut over) = (false, 0);
        for (at, &(producer, kind)) in edges.iter().enumerate() {
            if !kind.waits() {
                continue;
            }
            let (entry, dep) = entry(at);
            let slot = self.rings.slot_of(producer);
            dep.fill(slot, placed.slot, kind);
            let pushed = match self.fate(producer) {
                Fate::Live => {
                    if !linked {
                        // The push publishes this. MUTANT "no-guard": a wait that is still to come does not count.
                        let uncounted = u32::from(mutant::skips("no-guard"));
                        state.pending.store(left - uncounted, Ordering::Relaxed);
                    }
                    self.rings.slot(slot).fanout.push(entry, dep, kind.retains())
                }
                Fate::Done => Pushed::ClosedOk,
                Fate::Failed => Pushed::ClosedFailed,
            };
            if pushed == Pushed::Linked {
                linked = true;
                continue;
            }
            let kept = if self.retain(producer, kind) { EdgeKind::BOTH } else { EdgeKind::WAIT };
            dep.fill(slot, placed.slot, kept);
            if pushed == Pushed::ClosedFailed {
                state.poison();
            }
            if linked {
                over += 1;
            } else {
                left -= 1;
            }
        }
        let ready = if !linked {
            // Nobody else knows of it.
            state.pending.store(0, Ordering::Relaxed);
            true
        } else if over == 0 {
            false
        } else {
            // ORDERING: AcqRel, "pending"; pairs with the count in `Rings::complete`: whoever takes the last wait sees
            // what each producer wrote and its poison.
            state.pending.fetch_sub(over, mutant::order("pending-wire", Ordering::AcqRel)) == over
        };
        if late_retain {
            self.wire_kept(placed, edges, entry);
        }
        ready
    }

    /// Wires the edges that do not wait.
    fn wire_kept<'d>(
        &self,
        placed: &Placed,
        edges: &[(TaskId, EdgeKind)],
        entry: impl Fn(usize) -> (DepRef, &'d Dep),
    ) {
        for (at, &(producer, kind)) in edges.iter().enumerate().filter(|(_, edge)| !edge.1.waits()) {
            let kept = if self.retain(producer, kind) { EdgeKind::RETAIN } else { EdgeKind::NONE };
            entry(at).1.fill(self.rings.slot_of(producer), placed.slot, kept);
        }
    }

    /// Takes a hold on a producer, if the edge is to; false if it is consumed. A task that an open scope holds is not
    /// consumed, whatever its word says: the watermark cannot pass it before this thread closes the scope.
    fn retain(&self, producer: TaskId, kind: EdgeKind) -> bool {
        let slot: SlotRef = self.rings.slot_of(producer);
        let pinned = || self.rings.rings[slot.ring() & 3].is_pinned(producer.local());
        kind.retains() && self.fate(producer) == Fate::Live && self.rings.slot(slot).fanout.retain(pinned())
    }
}
