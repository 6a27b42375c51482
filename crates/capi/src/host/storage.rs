//! The storage that a front end lends for a run. Invariant: it holds the name of a run and nothing that is followed, so
//! storage that was moved, copied, overwritten or kept beyond its run is an error and no fault.
//!
//! The first word is 0 while no run is prepared in it; so it can be used again without being cleared.

use std::ffi::c_void;

use super::error::HostError;

/// What the first word says while a run is prepared.
const USED: u64 = 0x7072_6577_6972_6531;

/// What is kept in the storage. 32 bytes, aligned to 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(16))]
pub(crate) struct Ticket {
    used: u64,
    /// Where the storage is.
    at: u64,
    /// The place of the run in its context's pipeline.
    pub(crate) slot: u64,
    /// The number of the run in its context.
    pub(crate) number: u64,
}

const _: () = assert!(size_of::<Ticket>() == 32 && align_of::<Ticket>() == 16);

/// Storage that a front end lends: not null, and aligned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Storage(*mut Ticket);

impl Storage {
    /// The storage at `at`.
    ///
    /// # Errors
    ///
    /// It is null or not aligned.
    ///
    /// # Safety
    ///
    /// If it is neither, it is memory of the size of a [`Ticket`] that stays, initialised, and that nobody else writes
    /// while a call with it goes on.
    pub(crate) unsafe fn new(at: *mut c_void) -> Result<Self, HostError> {
        let (what, align) = ("the run storage", align_of::<Ticket>());
        if at.is_null() {
            return Err(HostError::Null { what });
        }
        let ticket = at.cast::<Ticket>();
        if !ticket.is_aligned() {
            return Err(HostError::Unaligned { what, addr: at.addr(), align });
        }
        Ok(Self(ticket))
    }

    fn get(self) -> Ticket {
        // SAFETY: it is aligned, and whoever made `self` promised initialised memory that nobody else writes now.
        unsafe { self.0.read() }
    }

    fn set(self, ticket: Ticket) {
        // SAFETY: as above.
        unsafe { self.0.write(ticket) };
    }

    /// That no run is prepared in it.
    pub(crate) fn check_free(self) -> Result<(), HostError> {
        match self.get().used {
            0 => Ok(()),
            USED => Err(HostError::StorageTaken),
            word => Err(HostError::NotZeroed { word }),
        }
    }

    /// A run is prepared in it.
    pub(crate) fn fill(self, slot: usize, number: u64) {
        self.set(Ticket { used: USED, at: self.0.addr() as u64, slot: slot as u64, number });
    }

    /// The run that is prepared in it: its place and its number.
    pub(crate) fn run(self) -> Result<(usize, u64), HostError> {
        let ticket = self.get();
        if ticket.used != USED {
            return Err(HostError::NotPrepared);
        }
        if ticket.at != self.0.addr() as u64 {
            return Err(HostError::Storage { what: "it was moved or copied" });
        }
        let slot = usize::try_from(ticket.slot).ok();
        Ok((slot.ok_or(HostError::Storage { what: "it was overwritten" })?, ticket.number))
    }

    /// No run is prepared in it any more.
    pub(crate) fn clear(self) {
        self.set(Ticket { used: 0, at: 0, slot: 0, number: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_as_it_was_left_is_refused() {
        let mut place = [Ticket { used: 0, at: 0, slot: 0, number: 0 }; 2];
        let first = (&raw mut place[0]).cast::<c_void>();
        // SAFETY: a ticket of this test's; null and what is not aligned is refused.
        let (storage, null, odd) =
            (unsafe { Storage::new(first) }, unsafe { Storage::new(core::ptr::null_mut()) }, unsafe {
                Storage::new(first.wrapping_byte_add(8))
            });
        assert!(matches!(null, Err(HostError::Null { .. })));
        assert!(matches!(odd, Err(HostError::Unaligned { align: 16, .. })));
        let storage = storage.unwrap();
        storage.check_free().unwrap();
        assert!(matches!(storage.run(), Err(HostError::NotPrepared)));
        storage.fill(1, 7);
        assert!(matches!(storage.check_free(), Err(HostError::StorageTaken)));
        assert_eq!(storage.run().unwrap(), (1, 7));
        place[1] = place[0];
        // SAFETY: the other ticket of this test's.
        let copy = unsafe { Storage::new((&raw mut place[1]).cast()) }.unwrap();
        assert!(matches!(copy.run(), Err(HostError::Storage { .. })));
        place[1].used = 3;
        assert!(matches!(copy.check_free(), Err(HostError::NotZeroed { word: 3 })));
        // SAFETY: as above.
        let storage = unsafe { Storage::new((&raw mut place[0]).cast()) }.unwrap();
        storage.clear();
        storage.check_free().unwrap();
    }
}
