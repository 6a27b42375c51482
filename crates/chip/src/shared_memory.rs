//! Memory that several processes, and several chips and host functions of this process, work on in place.
//!
//! **Invariant: in this process no two references to the same bytes conflict.** A [`SharedMemory`] owns its mapping, and
//! every way to a byte of it goes through its one table of leases: views of kernels, whichever chip they run on, views of
//! host functions, copies, accesses of orchestrations, predicates. A lease that conflicts is an error of whoever comes
//! second. So no program without `unsafe` makes two threads of one process race here, whatever it submits where.
//!
//! What other processes do, no table of this one can see. There the edges of the parent hold: it hands a tensor to a child
//! only once every task that conflicts with it has ended, in whichever process, and a child touches only what it was
//! handed. That is why a task whose memory several processes map must not opt out of edges, and why a tensor that was
//! handed out to be read cannot be written ([`AccessMode::Read`](prewire_abi::AccessMode)). The hand-over itself is a
//! store with release on one side and a load with acquire on the other, in memory that both map, so what was written
//! before is visible after. A mapping is reached through a descriptor that only the processes of one tree inherit, and all
//! of them run this code; whoever writes into it from elsewhere does what a debugger does. Elements are plain numbers: any
//! bytes are one, so even then no value is invalid.

use std::ops::Range;
use std::sync::Arc;

use prewire_os::{Mapping, Pages};

use crate::element::Element;
use crate::guard::Guard;
use crate::lease::{Holder, Leases};
use crate::shared_error::SharedError;
use crate::span::Span;
use crate::view::{View, ViewMut};

/// Memory that is mapped here and, as a rule, in other processes. A handle, which is cloned freely: the mapping goes with
/// the last one, and with the last view, chip and tensor that uses it.
///
/// A chip works on it once it has [adopted](crate::Chip::adopt) it, a host function once it is among its
/// [segments](crate::Segments).
///
/// ```
/// use prewire_chip::SharedMemory;
///
/// let memory = SharedMemory::new(prewire_os::Mapping::new(4096)?);
/// memory.write(64, &[1, 2, 3, 4])?;
/// let four = memory.view::<u8>(64, 4)?;
/// assert_eq!(four.as_slice()?, [1, 2, 3, 4]);
/// // Somebody reads it: nobody else in this process writes it now.
/// assert!(memory.write(66, &[0]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedMemory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pages: Arc<dyn Pages>,
    /// Who refers to what of it, in this process.
    leases: Leases,
}

impl SharedMemory {
    /// Shares a mapping, which is its own from here on.
    #[must_use]
    pub fn new(pages: impl Pages) -> Self {
        // Views make their pointers from addresses.
        let _ = pages.as_ptr().expose_provenance();
        Self(Arc::new(Inner { pages: Arc::new(pages), leases: Leases::default() }))
    }

    /// The mapping, if it is a `P`: to ask for its descriptor, not to reach its bytes.
    #[must_use]
    pub fn pages<P: Pages>(&self) -> Option<&P> {
        let pages: &dyn std::any::Any = &*self.0.pages;
        pages.downcast_ref()
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.pages.len() as u64
    }

    /// Never: there is at least one byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether the two are handles of the same memory.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn owner(&self) -> Arc<dyn Pages> {
        Arc::clone(&self.0.pages)
    }

    pub(crate) fn leases(&self) -> &Leases {
        &self.0.leases
    }

    /// The address of the first byte, in this process.
    #[must_use]
    pub fn addr(&self) -> u64 {
        self.0.pages.as_ptr().addr() as u64
    }

    /// Whether a byte at `addr` is one of its bytes.
    pub(crate) fn has(&self, addr: u64) -> bool {
        addr.wrapping_sub(self.addr()) < self.len()
    }

    /// The address of `len` bytes from byte `start` on.
    pub(crate) fn place(&self, start: u64, len: u64) -> Result<u64, SharedError> {
        match start.checked_add(len) {
            Some(end) if end <= self.len() => Ok(self.addr() + start),
            end => Err(SharedError::Outside { start, end: end.unwrap_or(u64::MAX), size: self.len() }),
        }
    }

    /// Keeps others in this process away from `span`, which is inside, until the lease is given back.
    pub(crate) fn lease(&self, span: &Span, write: bool) -> Result<Guard<'_>, SharedError> {
        let busy = |other: Holder| SharedError::Busy { other: other.to_string() };
        let id = self.leases().take(span, write, Holder::host()).map_err(busy)?;
        Ok(Guard::lease(self.leases(), id))
    }

    /// `n` elements from byte `start` on, and their lease.
    fn elements<T: Element>(
        &self,
        start: u64,
        n: u32,
        write: bool,
    ) -> Result<(Span, Guard<'_>), SharedError> {
        let addr = self.place(start, u64::from(n) * size_of::<T>() as u64)?;
        if !addr.is_multiple_of(align_of::<T>() as u64) {
            return Err(SharedError::Misaligned { start, size: size_of::<T>() as u64 });
        }
        let span = Span::dense(addr, size_of::<T>() as u64, n);
        Ok((span, self.lease(&span, write)?))
    }

    /// `n` elements from byte `start` on, to read in place.
    ///
    /// # Errors
    ///
    /// They are not inside; they do not start at a multiple of their size; somebody in this process writes them.
    pub fn view<T: Element>(&self, start: u64, n: u32) -> Result<View<'_, T>, SharedError> {
        let (span, guard) = self.elements::<T>(start, n, false)?;
        Ok(View::new(span, guard))
    }

    /// `n` elements from byte `start` on, to write in place.
    ///
    /// # Errors
    ///
    /// As [`view`](SharedMemory::view); and somebody in this process reads them.
    pub fn view_mut<T: Element>(&self, start: u64, n: u32) -> Result<ViewMut<'_, T>, SharedError> {
        let (span, guard) = self.elements::<T>(start, n, true)?;
        Ok(ViewMut::new(span, guard))
    }

    /// Copies the bytes from byte `start` on to `to`.
    ///
    /// # Errors
    ///
    /// They are not inside, or somebody in this process writes them.
    pub fn read(&self, start: u64, to: &mut [u8]) -> Result<(), SharedError> {
        let (from, _lease) = self.bytes(start, to.len(), false)?;
        // SAFETY:
        // - `from` is valid for as many bytes as `to` has: `bytes` checked them against the mapping.
        // - They do not overlap: `to` is an exclusive slice, and nobody has one of leased bytes.
        // - Nobody writes them: the lease sees to this process, edges to the others.
        unsafe { std::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    /// Copies `from` over the bytes from byte `start` on.
    ///
    /// # Errors
    ///
    /// They are not inside, or somebody in this process reads or writes them.
    pub fn write(&self, start: u64, from: &[u8]) -> Result<(), SharedError> {
        let (to, _lease) = self.bytes(start, from.len(), true)?;
        // SAFETY:
        // - `to` is valid for as many bytes as `from` has: `bytes` checked them against the mapping.
        // - They do not overlap: nobody in this process refers to bytes that are leased to write.
        // - Nobody else uses them: the lease sees to this process, edges to the others.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(())
    }

    /// Empties the bytes of `range`: they read as zeros, and whole pages go back to the system until they are touched
    /// again.
    ///
    /// # Errors
    ///
    /// They are not inside; somebody in this process refers to them; or the system refuses.
    pub fn discard(&self, range: Range<u64>) -> Result<(), SharedError> {
        let len = range.end.saturating_sub(range.start) as usize;
        let (first, _lease) = self.bytes(range.start, len, true)?;
        let page = Mapping::PAGE as u64;
        let end = if range.end == self.len() { range.end } else { range.end / page * page };
        let pages = range.start.next_multiple_of(page)..end;
        let (edge, rest) = if pages.start < pages.end {
            // SAFETY: `bytes` leased the range to write, so nobody in this process refers to any byte of it.
            let discarded = unsafe { self.0.pages.discard(pages.start as usize..pages.end as usize) };
            discarded.map_err(|error| SharedError::Discard { error: error.to_string() })?;
            (pages.start - range.start, pages.end - range.start)
        } else {
            (len as u64, len as u64)
        };
        // SAFETY: `first` is valid for `len` bytes, of which these are the first, and nobody refers to them.
        unsafe { first.write_bytes(0, edge as usize) };
        // SAFETY: `rest` is at most `len`.
        let rest_of_it = unsafe { first.add(rest as usize) };
        // SAFETY: as above; these are the last.
        unsafe { rest_of_it.write_bytes(0, len - rest as usize) };
        Ok(())
    }

    /// A pointer to `len` bytes from byte `start` on, and their lease.
    fn bytes(&self, start: u64, len: usize, write: bool) -> Result<(*mut u8, Guard<'_>), SharedError> {
        let addr = self.place(start, len as u64)?;
        // One element of so many bytes.
        let guard = self.lease(&Span::dense(addr, len as u64, 1), write)?;
        Ok((self.0.pages.as_ptr().wrapping_add(start as usize), guard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: u64 = Mapping::PAGE as u64;

    fn memory(pages: u64) -> SharedMemory {
        SharedMemory::new(Mapping::new((pages * PAGE) as usize).unwrap())
    }

    #[test]
    fn a_view_keeps_conflicting_ones_away_and_no_others() {
        let memory = memory(1);
        let read = memory.view::<f32>(64, 4).unwrap();
        let also = memory.view::<u8>(64, 4).unwrap();
        let busy = SharedError::Busy { other: "a host function or host access".into() };
        assert_eq!(memory.view_mut::<f32>(76, 1).unwrap_err(), busy);
        assert_eq!(memory.write(79, &[1]), Err(busy.clone()));
        assert_eq!(memory.discard(0..PAGE), Err(busy.clone()));
        let mut beside = memory.view_mut::<f32>(80, 1).unwrap();
        beside.set(&[0], 2.5).unwrap();
        assert_eq!(memory.read(80, &mut [0; 4]), Err(busy));
        drop((read, also, beside));
        memory.write(79, &[1]).unwrap();
        let mut bytes = [0; 4];
        memory.read(80, &mut bytes).unwrap();
        assert_eq!(f32::from_le_bytes(bytes), 2.5);
    }

    #[test]
    fn what_is_not_inside_or_not_aligned_is_refused() {
        let memory = memory(1);
        assert_eq!(
            memory.view::<u32>(PAGE - 4, 2).unwrap_err(),
            SharedError::Outside { start: PAGE - 4, end: PAGE + 4, size: PAGE }
        );
        for start in [PAGE + 1, u64::MAX] {
            assert!(matches!(memory.read(start, &mut [0]), Err(SharedError::Outside { .. })));
            assert!(matches!(memory.discard(start..start), Err(SharedError::Outside { .. })));
        }
        assert_eq!(memory.view::<u32>(6, 1).unwrap_err(), SharedError::Misaligned { start: 6, size: 4 });
        memory.read(PAGE, &mut []).unwrap();
    }

    #[test]
    fn what_was_discarded_is_zero_and_nothing_else_is() {
        for (from, end) in [(10, 20), (100, 3 * PAGE + 7), (0, 2 * PAGE), (PAGE, 4 * PAGE), (5, PAGE + 1)] {
            let memory = memory(4);
            memory.write(0, &[7; 4 * PAGE as usize]).unwrap();
            memory.discard(from..end).unwrap();
            let all = memory.view::<u8>(0, 4 * PAGE as u32).unwrap().to_vec();
            let zeros = all.iter().filter(|byte| **byte == 0).count() as u64;
            assert_eq!(zeros, end - from);
            assert!(all[from as usize..end as usize].iter().all(|byte| *byte == 0), "{from}..{end}");
        }
    }

    #[test]
    fn the_mapping_is_found_by_its_type_and_goes_with_the_last_handle() {
        let memory = memory(1);
        assert_eq!(memory.pages::<Mapping>().map(Mapping::len), Some(PAGE as usize));
        let (other, pages) = (memory.clone(), Arc::downgrade(&memory.0.pages));
        assert!(other.is(&memory));
        drop(memory);
        assert!(pages.upgrade().is_some());
        drop(other);
        assert!(pages.upgrade().is_none());
    }
}
