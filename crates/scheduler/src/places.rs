//! Which clusters of a domain can take a block, as bit masks.

use prewire_abi::LaneMask;
use prewire_platform::{ChipSpec, LaneId};

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
    pub(crate) fn set(&mut self, cluster: u32, place: usize, idle: bool, room: bool) {
        let bit = 1 << cluster;
        self.idle[place] = if idle { self.idle[place] | bit } else { self.idle[place] & !bit };
        self.room[place] = if room && !idle { self.room[place] | bit } else { self.room[place] & !bit };
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
