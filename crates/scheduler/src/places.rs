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

    /// The first lane of a mask for one place, or for any of two.
    #[inline]
    const fn first(of: &[u64; PLACES], class: Class) -> Option<(u32, usize)> {
        let place = match class {
            Class::Aic => 0,
            _ if of[1] != 0 => 1,
            _ => 2,
        };
        if of[place] == 0 { None } else { Some((of[place].trailing_zeros(), place)) }
    }

    #[inline]
    const fn count(of: &[u64; PLACES], class: Class) -> u32 {
        match class {
            Class::Aic => of[0].count_ones(),
            _ => of[1].count_ones() + of[2].count_ones(),
        }
    }

    /// A lane for single cores of `class`, Aic or Aiv, that is idle: its cluster and its place.
    #[inline]
    pub(crate) const fn first_idle(&self, class: Class) -> Option<(u32, usize)> {
        Self::first(&self.idle, class)
    }

    /// A lane for single cores of `class` that has room behind what runs.
    #[inline]
    pub(crate) const fn first_room(&self, class: Class) -> Option<(u32, usize)> {
        Self::first(&self.room, class)
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
}
