//! One submit, step by step.

use core::panic::Location;

use prewire_abi::TaskId;
use prewire_platform::Wait;
use prewire_ring::{Cold, Need, Packed, Placed};

use crate::args::Args;
use crate::error::SubmitError;
use crate::infer::life;
use crate::orchestrator::Orchestrator;
use crate::room::Taken;
use crate::scope::ScopeKey;
use crate::sums::{INITIAL, PREDICATE, UNORDERED, slab};
use crate::write::store;

/// A task that was submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submitted {
    /// Its id.
    pub id: TaskId,
    /// The scope that its outputs live in.
    pub scope: ScopeKey,
}

impl Orchestrator {
    /// Submits a task: what it is, with which arguments, and where the program says so.
    ///
    /// When this returns, the task is queued ready or linked to every producer that it waits for, and the tensors of
    /// `args` that it creates have their memory.
    ///
    /// # Errors
    ///
    /// See [`SubmitError`]; nothing of the task exists then.
    #[inline(always)]
    pub fn submit(
        &mut self,
        wait: &mut impl Wait,
        task: impl Into<Packed>,
        args: &mut Args,
        site: &'static Location<'static>,
    ) -> Result<Submitted, SubmitError> {
        let mut task = task.into();
        self.check_running()?;
        self.check(task, args, wait.can_fill())?;
        if args.uses_memory() {
            self.collect(args)?;
        } else if !args.producers().is_empty() {
            self.collect_producers(args)?;
        } else {
            self.forget_accesses();
        }
        if args.sums().has(UNORDERED)
            && let Err(ended) = self.give_up_order(wait)
        {
            self.take_back(args);
            return Err(ended);
        }
        task.kind = task.kind.with(args.sums().has(PREDICATE), self.unordered);
        let ring = self.scopes.ring();
        let need = self.need(args);
        let holds = need.heap > 0 || args.is_foreign();
        let placed = match self.place_now(ring, &need, holds, task, site) {
            Some(placed) => placed,
            None => {
                self.take_back(args);
                let taken = self.reserve(wait, ring, args)?;
                self.place(ring, &taken, holds, task, site)
            }
        };
        self.count_task();
        if !self.late.is_empty() {
            self.record_accesses(&placed, args);
        }
        if self.rings().has_failed() {
            self.recall_left(placed.id);
        }
        if need.args > 0 {
            self.fill(wait, &placed, need.args, args);
        }
        wait.wired(placed.id, &self.edges);
        if self.edges.is_empty() {
            self.rings().publish_unwired(placed.slot);
            // Nobody knows of it, so nobody has poisoned it.
            let (class, queued) = self.rings().route_of(task.kind, placed.slot);
            self.ready.publish_as(&mut self.allocator, class, queued);
            wait.published();
        } else if self.allocator.wire(&placed, &self.edges) {
            self.ready.publish(&mut self.allocator, placed.slot);
            wait.published();
        }
        Ok(Submitted { id: placed.id, scope: self.scope() })
    }

    /// Memory without a task: a task that is complete from birth and whose outputs live as long as the scope.
    ///
    /// # Errors
    ///
    /// As [`submit`](Orchestrator::submit); and an argument that does not create.
    pub fn alloc(
        &mut self,
        wait: &mut impl Wait,
        args: &mut Args,
        site: &'static Location<'static>,
    ) -> Result<Submitted, SubmitError> {
        self.check_running()?;
        let task = Packed::from(Cold::default());
        if let Some(arg) = args.tensors().iter().position(|arg| !arg.creates()) {
            return Err(SubmitError::AllocOfExisting { arg });
        }
        self.check(task, args, wait.can_fill())?;
        self.collect(args)?;
        // It waits for nobody, and is complete from birth.
        self.forget_accesses();
        let ring = self.scopes.ring();
        let taken = self.reserve(wait, ring, args)?;
        let holds = taken.need.heap > 0 || args.is_foreign();
        let placed = self.place(ring, &taken, holds, task, site);
        self.left.allocs += 1;
        if self.rings().has_failed() {
            self.recall_left(placed.id);
        }
        // Without words there is no header either: its place may be the oldest live task's.
        if taken.need.args > 0 {
            self.fill(wait, &placed, taken.need.args, args);
        }
        self.allocator.complete_unwired(&placed);
        Ok(Submitted { id: placed.id, scope: self.scope() })
    }

    /// Steps 3 and 4, of a task that the scope `holds` or not, where everything is there and no scope has to be told: nearly always.
    #[inline]
    fn place_now(
        &mut self,
        ring: usize,
        need: &Need,
        holds: bool,
        task: Packed,
        site: &'static Location<'static>,
    ) -> Option<Placed> {
        if self.scopes.is_unpinned() && holds {
            return None;
        }
        // Entries may be looked for though reads of the task are on record: its id counts as one that lives.
        let allocator = &self.allocator;
        let late = self.late.len() as u32;
        if late > 0 && !self.map.reserve(late, &|id| life(allocator, id)) {
            return None;
        }
        let placed = self.allocator.take(ring, need, task, site)?;
        self.recorded.note(ring, self.accesses, self.left.count, self.map.len() + late);
        Some(placed)
    }

    /// Step 4: takes what was reserved. From here on nothing fails.
    fn place(
        &mut self,
        ring: usize,
        taken: &Taken,
        holds: bool,
        task: Packed,
        site: &'static Location<'static>,
    ) -> Placed {
        let Taken { need, in_use, entries } = taken;
        let next = self.allocator.next(ring);
        if holds && let Some(scope) = self.scopes.unpinned() {
            scope.pin = Some(next);
            if !scope.nested_in_ring {
                // Before the commit: whoever sees the slot sees the floor.
                self.allocator.set_floor(ring, Some(next));
                self.recorded.set_floor(ring, true);
            }
        }
        self.allocator.note(ring, need, in_use);
        self.recorded.note(ring, *entries + self.left.count, self.left.count, self.map.len() + *entries);
        self.allocator.commit_at(ring, need, task, site)
    }

    /// Stores the arguments, and gives the outputs their memory.
    #[inline(always)]
    fn fill(&mut self, wait: &mut impl Wait, placed: &Placed, words: u32, args: &mut Args) {
        if args.sums().outputs() > 0 {
            self.place_outputs(wait, placed, args);
        }
        store(self.allocator.rings(), placed, words, args, self.left.own);
    }

    #[inline]
    fn place_outputs(&mut self, wait: &mut impl Wait, placed: &Placed, args: &mut Args) {
        let mut addr = self.heaps[placed.slot.ring()] + placed.heap;
        let failed = self.allocator.rings().has_failed();
        let map = &mut self.map;
        args.place_outputs(|output| {
            output.place(addr, placed.id);
            let bytes = output.buffer_size();
            // The address may have had a life before, and what failed then is remembered until it is written.
            if failed && bytes > 0 {
                map.forget(addr);
            }
            addr += slab(bytes);
        });
        if args.sums().has(INITIAL) {
            fill_outputs(wait, args);
        }
    }
}

/// Outputs that are to hold something get it before the task can run.
#[cold]
fn fill_outputs(wait: &mut impl Wait, args: &Args) {
    for &(arg, bits) in &args.fills {
        let tensor = args.tensors()[arg as usize].tensor();
        wait.fill(tensor.buffer_addr(), tensor.buffer_size(), tensor.element_size(), bits);
    }
}
