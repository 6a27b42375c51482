//! Room for a submit: waiting until everything that a task takes is there, and saying so at once if it never will be.
//!
//! Nothing else in a submit waits, and nothing is taken before all of it is there.

use core::cell::Cell;

use prewire_abi::{EdgeKind, TaskId};
use prewire_platform::{Awaited, Poll, Wait, WaitEnd};
use prewire_ring::{Allocator, Blocked, InUse, Need, RING_COUNT, Shortage};
use prewire_tensormap::Life;

use crate::args::Args;
use crate::error::{Oldest, SubmitError, knob};
use crate::infer::life;
use crate::orchestrator::Orchestrator;
use crate::write::words;

/// What was reserved for a task.
pub(crate) struct Taken {
    pub(crate) need: Need,
    pub(crate) in_use: InUse,
    /// Entries of the tensor map.
    pub(crate) entries: u32,
}

impl Orchestrator {
    #[inline]
    pub(crate) fn need(&self, args: &Args) -> Need {
        Need { heap: args.sums().heap(), deps: self.edges.len() as u32, args: words(args) }
    }

    /// Step 3: everything that the task takes is there.
    #[inline(never)]
    pub(crate) fn reserve(
        &mut self,
        wait: &mut impl Wait,
        ring: usize,
        args: &Args,
    ) -> Result<Taken, SubmitError> {
        let entries = self.late.len() as u32;
        if entries > self.map.capacity() {
            return Err(SubmitError::TensorMapDeadlock { wanted: entries, capacity: self.map.capacity() });
        }
        loop {
            let need = &self.need(args);
            let in_use = match self.allocator.room(ring, need) {
                Ok(in_use) => Ok(in_use),
                Err(blocked) if blocked.is_hopeless() && blocked.shortage == Shortage::Deps => {
                    self.thin_out(wait, ring, blocked)?;
                    continue;
                }
                Err(blocked) if blocked.is_hopeless() => return Err(SubmitError::TooLarge { ring, blocked }),
                Err(blocked) => {
                    self.allocator.note_wait(ring, blocked.shortage);
                    Err(blocked)
                }
            };
            let allocator = &self.allocator;
            let in_use = match in_use {
                Ok(in_use) => in_use,
                Err(blocked) => {
                    let end =
                        wait.wait(room(ring, &blocked), &mut || match allocator.try_reserve(ring, need) {
                            _ if allocator.rings().is_ended() => Poll::Impossible,
                            Ok(()) => Poll::Ready,
                            // Behind what was short first, something is short for good: the next turn says so.
                            Err(blocked) if blocked.is_hopeless() => Poll::Ready,
                            Err(_) => {
                                // Asked first: it moves the watermark.
                                let stuck = allocator.is_stuck(ring);
                                match allocator.try_reserve(ring, need) {
                                    Ok(()) => Poll::Ready,
                                    Err(_) if stuck => Poll::Impossible,
                                    Err(_) => Poll::Pending,
                                }
                            }
                        });
                    match end {
                        WaitEnd::Ready => continue,
                        WaitEnd::Impossible if self.rings().is_ended() => return Err(SubmitError::RunEnded),
                        WaitEnd::Impossible => return Err(self.deadlock(ring, blocked, need)),
                    }
                }
            };
            if self.map.reserve(entries, &|id| life(allocator, id)) {
                return Ok(Taken { need: *need, in_use, entries });
            }
            self.recorded.note_wait();
            let map = &mut self.map;
            let what = Awaited::Room {
                ring: None,
                what: "tensor-map entries",
                wanted: entries.into(),
                used: map.len().into(),
                capacity: map.capacity().into(),
                knob: "RingSizes::tensor_map",
            };
            let end = wait.wait(what, &mut || {
                // A ring whose oldest task only this thread can free gives nothing back; the others may.
                let moves = core::array::from_fn::<_, RING_COUNT, _>(|ring| {
                    allocator.rings().usage(ring).live != 0 && !allocator.is_stuck(ring)
                });
                let to_come = Cell::new(0u32);
                let is_there = map.reserve(entries, &|id| {
                    let life = life(allocator, id);
                    if life == Life::Live && moves[id.ring() as usize] {
                        to_come.set(to_come.get() + 1);
                    }
                    life
                });
                if allocator.rings().is_ended() {
                    Poll::Impossible
                } else if is_there {
                    Poll::Ready
                } else if map.len().saturating_sub(to_come.get()) + entries > map.capacity() {
                    // It has looked at every entry.
                    Poll::Impossible
                } else {
                    Poll::Pending
                }
            });
            match end {
                WaitEnd::Ready => {}
                WaitEnd::Impossible if self.rings().is_ended() => return Err(SubmitError::RunEnded),
                WaitEnd::Impossible => {
                    return Err(SubmitError::TensorMapDeadlock {
                        wanted: entries,
                        capacity: self.map.capacity(),
                    });
                }
            }
        }
    }

    /// The task waits for more producers than the pool has entries. Each that ends is one fewer, so this waits until they
    /// fit, unless too many of them are held by a scope that only this thread can close.
    fn thin_out(&mut self, wait: &mut impl Wait, ring: usize, blocked: Blocked) -> Result<(), SubmitError> {
        let (edges, allocator) = (&self.edges, &self.allocator);
        let end = wait.wait(room(ring, &blocked), &mut || {
            let many = |count: usize| count as u64 > blocked.capacity;
            allocator.rings().advance_all();
            if allocator.rings().is_ended() {
                Poll::Impossible
            } else if !many(edges.iter().filter(|edge| !is_over(allocator, edge)).count()) {
                Poll::Ready
            } else if many(edges.iter().filter(|edge| is_for_good(allocator, edge)).count()) {
                Poll::Impossible
            } else {
                Poll::Pending
            }
        });
        match end {
            WaitEnd::Ready => {
                self.edges.retain(|edge| !is_over(allocator, edge));
                Ok(())
            }
            WaitEnd::Impossible if allocator.rings().is_ended() => Err(SubmitError::RunEnded),
            WaitEnd::Impossible => Err(SubmitError::TooLarge { ring, blocked }),
        }
    }

    /// The message for a ring that only closing a scope can free.
    fn deadlock(&self, ring: usize, before: Blocked, need: &Need) -> SubmitError {
        let blocked = self.allocator.try_reserve(ring, need).err().unwrap_or(before);
        let oldest = self.rings().usage(ring).oldest;
        if let Some(scope) = self.scopes.current()
            && blocked.shortage == Shortage::Window
            && scope.pin.is_some()
            && scope.pin == oldest.map(TaskId::local)
        {
            let (window, scope) = (blocked.capacity, scope.key.site());
            return SubmitError::ScopeDeadlock { ring, window, scope };
        }
        let oldest = oldest.map(|id| Oldest { id, site: self.rings().site(self.rings().slot_of(id)) });
        SubmitError::RingDeadlock { ring, blocked, oldest }
    }
}

/// What a wait for a ring that is `blocked` is for.
fn room(ring: usize, blocked: &Blocked) -> Awaited {
    let &Blocked { shortage, wanted, used, capacity } = blocked;
    let what = match shortage {
        Shortage::Window => "slots",
        Shortage::Heap => "heap bytes",
        Shortage::Deps => "dep entries",
        Shortage::Args => "argument words",
    };
    Awaited::Room { ring: Some(ring), what, wanted, used, capacity, knob: knob(shortage) }
}

/// Whether an edge needs no entry any more: its producer is retired, or complete and nothing of it is kept.
fn is_over(allocator: &Allocator, &(id, kind): &(TaskId, EdgeKind)) -> bool {
    allocator.retired(id) == Some(false) || (!kind.retains() && allocator.completed(id) == Some(false))
}

/// Whether an edge stays for as long as this thread does nothing: a scope holds the output that it keeps, whether its
/// producer still runs or not; or its producer failed.
fn is_for_good(allocator: &Allocator, edge: &(TaskId, EdgeKind)) -> bool {
    match allocator.completed(edge.0) {
        None => edge.1.retains() && allocator.is_held_by_scope(edge.0),
        Some(false) => !is_over(allocator, edge) && allocator.is_held_by_scope(edge.0),
        Some(true) => true,
    }
}
