//! Leases: a table of the views that are alive, where nothing else keeps them apart.
//!
//! Usually edges do: when a task runs, everything that conflicts with it has ended or has not begun, so its views are
//! exclusive by structure and are not entered here. Three things are not ordered by edges: the sub-tasks of one task,
//! which share its arguments; tasks whose submitter opted out (manual scopes, `no_dep`, weaker hazards) and every
//! task after them; and accesses of the host in such a run. Their views take a lease, and a view that would touch what another
//! view writes is refused. So no two threads ever have conflicting references to the same bytes.
//!
//! Memory that several chips and host functions share has a table of its own, in which every view of it is entered: what
//! keeps the tasks of one chip apart says nothing of the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_abi::TaskId;
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::span::Span;

/// Who holds a lease, for the message of whoever is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A sub-task of a task, on the chip of the engine at this address.
    Kernel { engine: usize, task: TaskId, block: u16, place: u16 },
    /// Something outside of chips: one call of a host function, one copy, one view.
    Host(u64),
}

/// Tells the holders outside of chips apart. Raised by each of them.
static HOSTS: AtomicU64 = AtomicU64::new(1);

impl Holder {
    /// One that nobody else is.
    pub(crate) fn host() -> Self {
        Self::Host(HOSTS.fetch_add(1, Ordering::Relaxed))
    }

    /// How it is called in a message for `other`, who may be on another chip.
    pub(crate) fn beside(&self, other: &Self) -> String {
        match (self, other) {
            (Self::Kernel { engine: mine, .. }, Self::Kernel { engine: others, .. }) if mine == others => {
                self.to_string()
            }
            (Self::Kernel { .. }, _) => format!("{self} of another chip of this process"),
            (Self::Host(_), _) => self.to_string(),
        }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kernel { task, block, place, .. } => {
                write!(f, "task {task} (block {block}, place {place})")
            }
            Self::Host(_) => f.write_str("a host function or host access"),
        }
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

/// The leases of a chip, or of memory that several share.
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

    /// What `look` returns, if nobody but `holder` writes `span`; nobody begins to while it looks.
    pub(crate) fn peek<T>(&self, span: &Span, holder: Holder, look: impl FnOnce() -> T) -> Option<T> {
        let table = self.table();
        let written = |l: &Lease| l.write && l.holder != holder && l.span.meets(span);
        (!table.leases.iter().any(written)).then(look)
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
