//! What keeps others away from the elements of a view for as long as it lives: a mark or a lease.
//!
//! A mark is the usual case, and is given back where the view is dropped. A lease is given back by a call that is handed
//! nothing but a box: were it handed the guard, the whole view would have to lie in memory.

use std::cell::Cell;

use crate::lease::Leases;
use crate::shared_memory::SharedMemory;

/// What a view gives back when it is dropped.
#[derive(Debug)]
pub(crate) enum Guard<'k> {
    /// A mark in the kernel's own table.
    Mark(Mark<'k>),
    /// A lease. There is one until the guard is dropped.
    Lease(Option<Box<Held<'k>>>),
}

/// A lease that a view holds.
#[derive(Debug)]
pub(crate) enum Held<'k> {
    /// In the chip's table, or in that of memory which is borrowed.
    Lease(&'k Leases, u64),
    /// In the table of memory that several share.
    Shared(SharedMemory, u64),
}

impl<'k> Guard<'k> {
    pub(crate) fn lease(leases: &'k Leases, id: u64) -> Self {
        Self::Lease(Some(Box::new(Held::Lease(leases, id))))
    }

    pub(crate) fn shared(memory: SharedMemory, id: u64) -> Self {
        Self::Lease(Some(Box::new(Held::Shared(memory, id))))
    }
}

impl Drop for Guard<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        match self {
            Self::Mark(mark) => mark.give_back(),
            Self::Lease(held) => held.take().into_iter().for_each(give_back),
        }
    }
}

#[cold]
#[inline(never)]
#[expect(clippy::boxed_local, reason = "what is handed over is one word, and not the place of a guard")]
fn give_back(held: Box<Held<'_>>) {
    match *held {
        Held::Lease(leases, id) => leases.give_back(id),
        Held::Shared(memory, id) => memory.leases().give_back(id),
    }
}

/// What one view adds to the marks of its argument.
#[derive(Debug)]
pub(crate) struct Mark<'k> {
    marks: &'k Marks,
    worth: u8,
}

impl Mark<'_> {
    #[inline(always)]
    fn give_back(&self) {
        self.marks.0.set(self.marks.0.get().wrapping_sub(self.worth));
    }
}

/// The views of an argument that are alive: how many read it, or [`Marks::WRITER`].
#[derive(Debug)]
pub(crate) struct Marks(Cell<u8>);

impl Marks {
    const WRITER: u8 = 128;

    pub(crate) const fn new() -> Self {
        Self(Cell::new(0))
    }

    /// Marks one view more; none if it would conflict with one that is alive.
    #[inline(always)]
    pub(crate) fn take(&self, write: bool) -> Option<Mark<'_>> {
        let worth = if write { Self::WRITER } else { 1 };
        let now = self.0.get();
        if now >= if write { 1 } else { Self::WRITER - 1 } {
            return None;
        }
        self.0.set(now + worth);
        Some(Mark { marks: self, worth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_read_or_one_writes() {
        let marks = Marks::new();
        let readers: Vec<_> = (0..127).map(|_| Guard::Mark(marks.take(false).unwrap())).collect();
        assert!(marks.take(false).is_none() && marks.take(true).is_none());
        drop(readers);
        let writer = Guard::Mark(marks.take(true).unwrap());
        assert!(marks.take(false).is_none() && marks.take(true).is_none());
        drop(writer);
        assert_eq!(marks.0.get(), 0);
    }
}
