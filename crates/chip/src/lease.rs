//! Leases: a table of the views that are alive, where nothing else keeps them apart.
//!
//! Usually edges do: when a task runs, everything that conflicts with it has ended or has not begun, so its views are
//! exclusive by structure and are not entered here. Three things are not ordered by edges: the sub-tasks of one task,
//! which share its arguments; tasks whose submitter opted out (manual scopes, `no_dep`, weaker hazards) and every
//! task after them; and accesses of the host in such a run. Their views take a lease, and a view that would touch what another
//! view writes is refused. So no two threads ever have conflicting references to the same bytes.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::span::Span;

/// Who holds a lease, for the message of whoever is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) task: prewire_abi::TaskId,
    pub(crate) block: u32,
    pub(crate) place: u32,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {} (block {}, place {})", self.task, self.block, self.place)
    }
}

#[derive(Debug)]
struct Lease {
    id: u64,
    span: Span,
    write: bool,
    holder: Holder,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    leases: Vec<Lease>,
}

/// The leases of a chip.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Table>);

impl Leases {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lease on `span`, or who holds one that conflicts.
    pub(crate) fn take(&self, span: &Span, write: bool, holder: Holder) -> Result<u64, Holder> {
        let mut table = self.table();
        if let Some(other) = table.leases.iter().find(|l| (write || l.write) && l.span.meets(span)) {
            return Err(other.holder);
        }
        table.next += 1;
        let id = table.next;
        table.leases.push(Lease { id, span: *span, write, holder });
        Ok(id)
    }

    pub(crate) fn give_back(&self, id: u64) {
        let mut table = self.table();
        if let Some(at) = table.leases.iter().position(|lease| lease.id == id) {
            table.leases.swap_remove(at);
        }
    }

    /// Gives back what `holder` leaked: its kernel has returned, so nothing uses it.
    pub(crate) fn give_back_all(&self, holder: Holder) {
        self.table().leases.retain(|lease| lease.holder != holder);
    }
}
