//! Where a find came across a region: what a record need not look for again, while the regions are the same.

use crate::plane::Home;
use core::num::NonZeroU64;
use prewire_abi::TaskId;

/// Where [`find`](crate::TensorMap::find) came across the region that it was asked for. It is a hint: whatever was done to the
/// map since, [`record_at`](crate::TensorMap::record_at) of the same region does what [`record`](crate::TensorMap::record) does,
/// and is faster where the hint still holds.
///
/// Of a read, where all hazards count, it says too, whether it holds or not, behind which task the read is: one that has
/// written a part of the region, and is after all that had read it before.
///
/// Two whole words, so that it is made and kept in registers; the first is never 0, so an `Option` of it takes no more.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Bit 0 is set; what it is in two bits; and the number of its buffer or node, in 32. Then whether the read is behind a task; the
    /// ring of that one, in two bits, and the last 26 of its number: more than those of tasks that live at a time.
    at: NonZeroU64,
    /// What the stamp of the plane was.
    stamp: u64,
}

const _: () = assert!(size_of::<Option<Place>>() == 16);

/// What a place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Unknown,
    /// It is there, and covers no other region.
    In(Home),
    /// It is nowhere, and covers no region.
    Clear,
}

impl Default for Place {
    /// Says nothing.
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl Place {
    pub(crate) const UNKNOWN: Self = Self { at: NonZeroU64::MIN, stamp: 0 };
    const IS_BEHIND: u64 = 1 << 35;
    const RING: u32 = 36;
    const LOCAL_BITS: u32 = 26;

    #[inline]
    pub(crate) fn new(at: At, stamp: u64) -> Self {
        let (what, number) = match at {
            At::Unknown => (0, 0),
            At::In(Home::Buffer(buffer)) => (1, buffer),
            At::In(Home::Node(node)) => (2, node),
            At::Clear => (3, 0),
        };
        Self { at: NonZeroU64::MIN | u64::from(number) << 3 | what << 1, stamp }
    }

    /// As this, of a read that comes behind `writer`, which lives.
    #[inline]
    pub(crate) fn behind(self, writer: Option<TaskId>) -> Self {
        let Some(writer) = writer.filter(|writer| writer.ring() < 4) else { return self };
        let local = u64::from(writer.local()) << (64 - Self::LOCAL_BITS);
        Self { at: self.at | Self::IS_BEHIND | u64::from(writer.ring()) << Self::RING | local, ..self }
    }

    /// The task that it is behind, once it is the read of `task`; none if that one is of another ring.
    #[inline]
    pub(crate) fn is_behind(self, task: TaskId) -> Option<TaskId> {
        if self.at.get() & Self::IS_BEHIND == 0 { None } else { self.writer(task) }
    }

    #[inline(never)]
    fn writer(self, task: TaskId) -> Option<TaskId> {
        let at = self.at.get();
        let ring = (at >> Self::RING & 3) as u32;
        let low = (at >> (64 - Self::LOCAL_BITS)) as u32;
        let before = task.local().wrapping_sub(low) & ((1 << Self::LOCAL_BITS) - 1);
        (ring == task.ring()).then(|| TaskId::new(ring, task.local().wrapping_sub(before)))
    }

    /// The buffer that it is in place in, in a plane that has `stamp` now, unless it is behind a task.
    #[inline]
    pub(crate) fn buffer(self, stamp: u64) -> Option<u32> {
        (self.stamp == stamp && self.at.get() & (7 | Self::IS_BEHIND) == 3)
            .then_some((self.at.get() >> 3) as u32)
    }

    /// What it says of a plane that has `stamp` now.
    #[inline]
    pub(crate) fn read(self, stamp: u64) -> At {
        let number = (self.at.get() >> 3) as u32;
        if self.stamp != stamp {
            return At::Unknown;
        }
        match self.at.get() >> 1 & 3 {
            1 => At::In(Home::Buffer(number)),
            2 => At::In(Home::Node(number)),
            3 => At::Clear,
            _ => At::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_it_was_made_of_until_the_stamp_changes() {
        for at in [At::Unknown, At::In(Home::Buffer(7)), At::In(Home::Node(u32::MAX)), At::Clear] {
            let place = Place::new(at, 5);
            assert_eq!((place.read(5), place.read(6)), (at, At::Unknown));
            assert_eq!(
                (place.buffer(5), place.buffer(6)),
                (matches!(at, At::In(Home::Buffer(_))).then_some(7), None)
            );
        }
        assert_eq!(Place::default().read(0), At::Unknown);
    }

    #[test]
    fn a_read_is_behind_a_task_of_its_ring() {
        for (writer, reader) in
            [(7, 8), (u32::MAX - 1, 3), (1 << 26, (1 << 26) + (1 << 25)), ((1 << 31) - 9, 1 << 31)]
        {
            let place = Place::new(At::In(Home::Node(u32::MAX)), 5).behind(Some(TaskId::new(3, writer)));
            assert_eq!(place.is_behind(TaskId::new(3, reader)), Some(TaskId::new(3, writer)));
            assert_eq!(place.is_behind(TaskId::new(2, reader)), None);
            assert_eq!((place.read(5), place.buffer(5)), (At::In(Home::Node(u32::MAX)), None));
        }
        let beyond = Place::new(At::Clear, 5).behind(Some(TaskId::new(4, 7)));
        assert_eq!(
            (beyond.is_behind(TaskId::new(4, 8)), Place::UNKNOWN.is_behind(TaskId::new(0, 0))),
            (None, None)
        );
    }
}
