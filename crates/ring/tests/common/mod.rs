//! What the tests of the rings share: tasks that complete, and rings whose tables are known and that say what is to be put there.
#![allow(dead_code, reason = "each test file uses a part")]

use prewire_ring::{Allocator, Placed, RingSizes, Rings, Words};
use prewire_sync::atomic::AtomicU64;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

thread_local! {
    /// What was asked for by this thread, as addresses.
    static ASKED: RefCell<Vec<Range<usize>>> = const { RefCell::new(Vec::new()) };
}

/// What was asked for since rings that ask were made.
pub(crate) fn asked() -> Vec<Range<usize>> {
    ASKED.with_borrow(Vec::clone)
}

/// Rings that say what is to be put there, and where those of their tables are that are worth pages of their own.
pub(crate) fn asking(sizes: &RingSizes) -> (Arc<Rings>, Allocator, Vec<Range<usize>>) {
    ASKED.take();
    let tables = RefCell::new(Vec::new());
    let pages = |words: usize| {
        let table: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        let Range { start, end } = table.as_ptr_range();
        tables.borrow_mut().push(start.addr()..end.addr());
        Some(Box::new(table) as Words)
    };
    let ask = |bytes: Range<*const u8>| {
        ASKED.with_borrow_mut(|all| all.push(bytes.start.addr()..bytes.end.addr()));
    };
    let (rings, allocator) = Rings::new_in(sizes, 1, &pages, ask).unwrap();
    (rings, allocator, tables.into_inner())
}

/// Completes a task, and tells of it.
pub(crate) fn complete(rings: &Rings, placed: &Placed) {
    let routed = rings.complete(0, &mut vec![placed.slot], &mut |_| {});
    rings.retire(&routed);
}
