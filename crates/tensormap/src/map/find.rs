//! What an access must wait for.

use super::{Access, Hazards, Life, TensorMap, is_before};
use crate::buffers::Buffer;
use crate::footprint::Meet;
use crate::place::{At, Place};
use crate::plane::{Home, Verdict};
use crate::readers::{ReaderPool, Readers};
use crate::region::{Memory, Region};
use prewire_abi::TaskId;

impl TensorMap {
    /// Calls `dep` with each task that an `access` of `region` must come after: one that conflicts with it and has
    /// not retired. A task may be reported more than once; one that is ordered before a reported task may not be
    /// reported at all. What was [left](TensorMap::has_left) to the caller is not.
    #[inline(always)]
    pub fn find(
        &mut self,
        region: &impl Memory,
        access: Access,
        life: impl Fn(TaskId) -> Life,
        mut dep: impl FnMut(TaskId),
    ) -> Place {
        let buffer = self.plane.buffers.find(region.buffer());
        if buffer == 0 {
            return Place::UNKNOWN;
        }
        if self.hazards != Hazards::All {
            return self.find_by_rule(buffer, region, access, life, dep);
        }
        if !self.plane.holds_alone(buffer, region.end_from_start()) {
            return self.find_among(buffer, &region.region(), access, life, dep);
        }
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        if access == Access::Read || readers.is_empty() {
            Self::report_writer(&mut self.readers, writer, readers, life, dep);
        } else if !readers.are_few() {
            self.find_readers(buffer, life, dep);
        } else {
            // Not dropped here, those that retired neither: what is about to be recorded drops all of them.
            let seen = self.readers.tell(readers, &life, &mut dep);
            if !seen.live && writer.is_valid() && life(*writer) != Life::Retired {
                dep(*writer);
            }
        }
        Place::new(At::In(Home::Buffer(buffer)), self.plane.stamp())
    }

    /// As `find`, under any hazards.
    #[inline(never)]
    fn find_by_rule(
        &mut self,
        buffer: u32,
        region: &impl Memory,
        access: Access,
        life: impl Fn(TaskId) -> Life,
        dep: impl FnMut(TaskId),
    ) -> Place {
        let writing = access == Access::Write;
        if writing && self.hazards == Hazards::Raw {
            return Place::UNKNOWN;
        }
        if !self.plane.holds_alone(buffer, region.end_from_start()) {
            return self.find_among(buffer, &region.region(), access, life, dep);
        }
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        let looks = writing || self.hazards == Hazards::RawWaw;
        if looks && !readers.is_empty() {
            self.find_readers(buffer, life, dep);
        } else {
            Self::report_writer(&mut self.readers, writer, readers, life, dep);
        }
        Place::new(At::In(Home::Buffer(buffer)), self.plane.stamp())
    }

    /// Reports the writer of a region, unless it retired; then it is dropped where readers keep the region.
    #[inline(always)]
    pub(super) fn report_writer(
        pool: &mut ReaderPool,
        writer: &mut TaskId,
        readers: &Readers,
        life: impl Fn(TaskId) -> Life,
        mut dep: impl FnMut(TaskId),
    ) {
        if writer.is_valid() {
            if life(*writer) != Life::Retired {
                dep(*writer);
            } else if !readers.is_empty() {
                pool.drop_writer(writer);
            }
        }
    }

    /// As `find`, where the region is the only one of its buffer and its readers count.
    #[inline(never)]
    fn find_readers(&mut self, buffer: u32, life: impl Fn(TaskId) -> Life, mut dep: impl FnMut(TaskId)) {
        let Buffer { writer, readers, .. } = &mut self.plane.buffers[buffer];
        Self::look(&mut self.readers, self.hazards, writer, readers, &life, &mut dep);
    }

    /// Reports the readers of a region, and its writer where they do not stand for it; drops those that retired. A reader
    /// that lives has waited for the writer, and fails if that failed. What is beside a writer under other hazards has not.
    #[inline]
    fn look(
        pool: &mut ReaderPool,
        hazards: Hazards,
        writer: &mut TaskId,
        readers: &mut Readers,
        life: &impl Fn(TaskId) -> Life,
        dep: &mut impl FnMut(TaskId),
    ) {
        let mut counts = writer.is_valid();
        if counts && life(*writer) == Life::Retired {
            pool.drop_writer(writer);
            counts = false;
        }
        let stand_in = hazards == Hazards::All;
        if counts && !stand_in {
            dep(*writer);
        }
        let seen = pool.look(readers, life, dep);
        if counts && stand_in && !seen.live {
            dep(*writer);
        }
    }

    /// As `find`, where there is more of the buffer, or something else.
    #[inline(never)]
    pub(super) fn find_among(
        &mut self,
        buffer: u32,
        region: &Region,
        access: Access,
        life: impl Fn(TaskId) -> Life,
        mut dep: impl FnMut(TaskId),
    ) -> Place {
        let (life, dep, writing) = (&life, &mut dep, access == Access::Write);
        if region.is_empty() {
            return Place::UNKNOWN;
        }
        // What is about to be recorded finds its place again.
        let stays = writing || self.hazards == Hazards::All;
        // Without hazards of reads, those beside a writer are writers too, whom everybody waits for.
        let looks = writing || self.hazards == Hazards::RawWaw;
        let (pool, hazards) = (&mut self.readers, self.hazards);
        // Tells what an access of what is remembered must come after: its writer, if that is told and lives.
        let mut tell = |writer: &mut TaskId, readers: &mut Readers, stays: bool| {
            if looks && !readers.is_empty() {
                Self::look(pool, hazards, writer, readers, life, dep);
                return None;
            }
            if !writer.is_valid() {
                return None;
            }
            let now = life(*writer);
            if now != Life::Retired {
                dep(*writer);
            } else if !(stays && readers.is_empty()) {
                pool.drop_writer(writer);
            }
            (now == Life::Live).then_some(*writer)
        };
        match self.plane.sole(buffer, region, looks) {
            Some(0) if writing => return Place::new(At::Clear, self.plane.stamp()),
            Some(0) => return Place::UNKNOWN,
            Some(node) if stays => {
                let home = Home::Node(node);
                let _ = self.plane.at(home, |writer, readers| tell(writer, readers, true));
                return Place::new(At::In(home), self.plane.stamp());
            }
            _ => {}
        }
        // Where exactly this region is and stays, whether others are covered by it, and the last task that lives and has
        // written of it.
        let (mut same, mut covers, mut last) = (None, false, None);
        self.plane.visit(buffer, region, !looks, |home, writer, readers, meet| {
            covers |= meet == Meet::Covers;
            let stays = stays && meet == Meet::Same;
            same = if stays { Some(home) } else { same };
            if let Some(writer) = tell(writer, readers, stays)
                && last.is_none_or(|last| is_before(last, writer))
            {
                last = Some(writer);
            }
            let counts = writer.is_valid() || !readers.is_empty() || stays;
            if counts { Verdict::Keep } else { Verdict::Drop }
        });
        let at = match same {
            // What is covered goes when the write is recorded; and of a read not every place was looked at.
            _ if covers && writing => At::Unknown,
            Some(home) => At::In(home),
            None if writing => At::Clear,
            None => At::Unknown,
        };
        let place = Place::new(at, self.plane.stamp());
        // Under other hazards reads are not recorded, and what was written may not have waited.
        if writing || hazards != Hazards::All { place } else { place.behind(last) }
    }
}
