//! Which clusters of a domain can take a block, as bit masks.

use prewire_abi::LaneMask;
use prewire_platform::{ChipSpec, LaneId};
use prewire_ring::Class;

/// The places of a cluster: the AIC, and the two AIV.
pub(crate) const PLACES: usize = 3;

/// The lane of `place` of `cluster`, as the chip numbers its cores.
pub(crate) fn lane_of(spec: &ChipSpec, cluster: u32, place: usize) -> LaneId {
    let (n, c) = (spec.clusters, cluster as u16);
    LaneId(if place == 0 { c } else { n + 2 * c + (place as u16 - 1) })
}

/// The cluster and place of a lane.
pub(crate) fn cluster_of(spec: &ChipSpec, lane: LaneId) -> (u32, usize) {
    let n = spec.clusters;
    if lane.0 < n {
        (u32::from(lane.0), 0)
    } else {
        let pair = lane.0 - n;
        (u32::from(pair / 2), 1 + usize::from(pair % 2))
    }
}

/// One bit a cluster, for each place: whether its lane is idle, and whether it has room behind what runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// Nothing on the lane.
    pub(crate) idle: [u64; PLACES],
    /// Something runs, nothing waits.
    pub(crate) room: [u64; PLACES],
}

impl Places {
    /// All lanes of the clusters in `own` idle.
    pub(crate) fn new(own: u64) -> Self {
        Self { idle: [own; PLACES], room: [0; PLACES] }
    }

    /// Notes what a lane is now.
    #[inline]
    pub(crate) const fn set(&mut self, cluster: u32, place: usize, idle: bool, room: bool) {
        let bit = 1 << cluster;
        self.idle[place] = self.idle[place] & !bit | (idle as u64) << cluster;
        self.room[place] = self.room[place] & !bit | ((room & !idle) as u64) << cluster;
    }

    /// Takes the first lane of a mask for one place, or for any of two.
    #[inline(always)]
    const fn first(of: &mut [u64; PLACES], class: Class) -> Option<(u32, usize)> {
        let place = match class {
            Class::Aic => 0,
            _ if of[1] != 0 => 1,
            _ => 2,
        };
        let lanes = of[place];
        of[place] = lanes & lanes.wrapping_sub(1);
        if lanes == 0 { None } else { Some((lanes.trailing_zeros(), place)) }
    }

    #[inline]
    const fn count(of: &[u64; PLACES], class: Class) -> u32 {
        match class {
            Class::Aic => of[0].count_ones(),
            _ => of[1].count_ones() + of[2].count_ones(),
        }
    }

    /// Takes the first idle lane for single cores of `class`, Aic or Aiv: its cluster and its place. It has room then.
    #[inline(always)]
    pub(crate) const fn take_idle(&mut self, class: Class) -> Option<(u32, usize)> {
        let taken = Self::first(&mut self.idle, class);
        if let Some((cluster, place)) = taken {
            self.room[place] |= 1 << cluster;
        }
        taken
    }

    /// Takes the place behind what runs on the first lane for single cores of `class` that has it free.
    #[inline(always)]
    pub(crate) const fn take_room(&mut self, class: Class) -> Option<(u32, usize)> {
        Self::first(&mut self.room, class)
    }

    /// How many lanes for single cores of `class` are idle.
    #[inline]
    pub(crate) const fn count_idle(&self, class: Class) -> u32 {
        Self::count(&self.idle, class)
    }

    /// How many have room behind what runs.
    #[inline]
    pub(crate) const fn count_room(&self, class: Class) -> u32 {
        Self::count(&self.room, class)
    }

    /// Has the lanes of these clusters pass for busy: those that are idle, to be given back by
    /// [`unhide`](Places::unhide).
    pub(crate) fn hide(&mut self, clusters: u64) -> [u64; PLACES] {
        core::array::from_fn(|place| {
            let hidden = self.idle[place] & clusters;
            self.idle[place] &= !hidden;
            hidden
        })
    }

    /// They are idle again.
    pub(crate) fn unhide(&mut self, hidden: [u64; PLACES]) {
        for (idle, hidden) in self.idle.iter_mut().zip(hidden) {
            *idle |= hidden;
        }
    }

    fn all(lanes: LaneMask, each: impl Fn(usize) -> u64) -> u64 {
        (0..PLACES)
            .filter(|place| lanes.bits() >> place & 1 != 0)
            .fold(u64::MAX, |all, place| all & each(place))
    }

    /// The clusters whose lanes of `lanes` are all idle.
    pub(crate) fn idle_clusters(&self, lanes: LaneMask) -> u64 {
        Self::all(lanes, |place| self.idle[place])
    }

    /// The clusters whose lanes of `lanes` are all idle or have room.
    pub(crate) fn open_clusters(&self, lanes: LaneMask) -> u64 {
        Self::all(lanes, |place| self.idle[place] | self.room[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn masks_follow_the_lanes() {
        let mut places = Places::new(0b101);
        assert_eq!(places.idle_clusters(LaneMask::ALL), 0b101);
        places.set(0, 1, false, true);
        assert_eq!(places.idle_clusters(LaneMask::ALL), 0b100);
        assert_eq!(places.open_clusters(LaneMask::ALL), 0b101);
        places.set(0, 1, false, false);
        assert_eq!(places.open_clusters(LaneMask::ALL), 0b100);
        assert_eq!(places.open_clusters(LaneMask::AIC | LaneMask::AIV1), 0b101);
        places.set(0, 1, true, true);
        assert_eq!((places.idle[1], places.room[1]), (0b101, 0));
    }

    #[test]
    fn a_single_lane_is_taken_where_it_is_idle_and_then_behind() {
        let mut places = Places::new(0b101);
        let idle: Vec<_> = core::iter::from_fn(|| places.take_idle(Class::Aiv)).collect();
        assert_eq!(idle, [(0, 1), (2, 1), (0, 2), (2, 2)]);
        assert_eq!((places.count_idle(Class::Aiv), places.count_room(Class::Aiv)), (0, 4));
        assert_eq!((places.count_idle(Class::Aic), places.take_room(Class::Aic)), (2, None));
        let behind: Vec<_> = core::iter::from_fn(|| places.take_room(Class::Aiv)).collect();
        assert_eq!(behind, idle);
        assert_eq!(places.open_clusters(LaneMask::AIV0), 0);
    }
}
