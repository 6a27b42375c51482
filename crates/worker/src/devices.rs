//! Device memory of chips that are children, as the worker sees it: what was allocated where, and what it is called here.
//!
//! **Invariant: no address names two allocations, ever.** The worker gives each one an address of its own, with the number
//! of the child in its top bits, and never again the same. An allocation knows the life of the child in which it was made:
//! the memory of a chip that was replaced is gone, and nothing in the new one is taken for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prewire_abi::BufferIdentity;
use prewire_platform::LaneId;

/// Where the number of a child is in an address of device memory.
const CHILD: u32 = 48;
/// Allocations are so far apart, and at multiples of it.
const STEP: u64 = 1024;

/// Whose device memory an address is in; none: shared memory.
pub(crate) const fn owner(addr: u64) -> Option<LaneId> {
    let child = addr >> CHILD;
    if child == 0 { None } else { Some(LaneId(child as u16 - 1)) }
}

/// An allocation on a chip, as the chip calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) addr: u64,
    pub(crate) serial: u64,
    /// In which life of the child.
    pub(crate) life: u32,
    pub(crate) bytes: u64,
}

impl Place {
    /// What it is called on the way to its chip.
    pub(crate) const fn identity(&self) -> BufferIdentity {
        BufferIdentity::new(*b"device\0\0", self.serial, self.life)
    }
}

/// What is known of one child.
#[derive(Debug, Default)]
struct Account {
    /// Bytes that were promised or allocated.
    used: u64,
    /// The next address, without the number of the child.
    next: u64,
    /// Nobody uses these any more, and the chip does not know that yet.
    dropped: Vec<Place>,
}

#[derive(Debug, Default)]
struct Table {
    places: BTreeMap<u64, Place>,
    accounts: BTreeMap<LaneId, Account>,
}

/// The device memory of all children.
#[derive(Debug)]
pub(crate) struct Devices {
    /// Bytes for each child.
    quota: u64,
    table: Mutex<Table>,
}

/// A child has used up its quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp {
    pub(crate) used: u64,
    pub(crate) quota: u64,
}

impl Devices {
    pub(crate) fn new(quota: Option<u64>) -> Self {
        Self { quota: quota.unwrap_or(u64::MAX), table: Mutex::default() }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Charges `bytes` to a child before they are asked for, if it may have so many.
    pub(crate) fn charge(&self, lane: LaneId, bytes: u64) -> Result<(), UsedUp> {
        let mut table = self.table();
        let account = table.accounts.entry(lane).or_default();
        let used = account.used.saturating_add(bytes);
        if used > self.quota {
            return Err(UsedUp { used: account.used, quota: self.quota });
        }
        account.used = used;
        Ok(())
    }

    /// What was charged was not to be had.
    pub(crate) fn refund(&self, lane: LaneId, bytes: u64) {
        self.table().accounts.entry(lane).or_default().used -= bytes;
    }

    /// Bytes that a child has.
    pub(crate) fn used(&self, lane: LaneId) -> u64 {
        self.table().accounts.get(&lane).map_or(0, |account| account.used)
    }

    /// Enters an allocation, which was charged: what it is called here.
    pub(crate) fn add(&self, lane: LaneId, place: Place) -> u64 {
        let mut table = self.table();
        let account = table.accounts.entry(lane).or_default();
        let at = account.next;
        account.next += place.bytes.max(1).next_multiple_of(STEP);
        let addr = (u64::from(lane.0) + 1) << CHILD | at;
        table.places.insert(addr, place);
        addr
    }

    /// The allocation that begins at an address.
    pub(crate) fn get(&self, addr: u64) -> Option<Place> {
        self.table().places.get(&addr).copied()
    }

    /// Nobody uses the allocation at `addr` any more. False if there is none.
    pub(crate) fn remove(&self, addr: u64) -> bool {
        let mut table = self.table();
        let (Some(place), Some(lane)) = (table.places.remove(&addr), owner(addr)) else { return false };
        let account = table.accounts.entry(lane).or_default();
        account.used -= place.bytes;
        account.dropped.push(place);
        true
    }

    /// What the chip is yet to be told that nobody uses.
    pub(crate) fn take_dropped(&self, lane: LaneId) -> Vec<Place> {
        self.table()
            .accounts
            .get_mut(&lane)
            .map(|account| std::mem::take(&mut account.dropped))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_given_once_and_a_quota_holds() {
        let devices = Devices::new(Some(4096));
        let (left, right) = (LaneId(0), LaneId(127));
        let place = |serial| Place { addr: 0x7f00_0000_0000, serial, life: 1, bytes: 2048 };
        devices.charge(left, 2048).unwrap();
        let first = devices.add(left, place(1));
        assert_eq!((owner(first), owner(first & 0xFFFF_FFFF_FFFF)), (Some(left), None));
        assert_eq!(devices.charge(left, 2049), Err(UsedUp { used: 2048, quota: 4096 }));
        devices.charge(right, 4096).unwrap();
        assert!(devices.remove(first) && !devices.remove(first));
        assert_eq!(devices.take_dropped(left), [place(1)]);
        assert!(devices.take_dropped(left).is_empty() && devices.used(left) == 0);
        devices.charge(left, 4096).unwrap();
        let again = devices.add(left, place(1));
        assert!(again != first && devices.get(first).is_none());
        assert_eq!(owner(devices.add(right, place(1))), Some(right));
        devices.refund(right, 2048);
        assert_eq!(devices.used(right), 2048);
    }
}
