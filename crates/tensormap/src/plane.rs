//! What is remembered of regions, found by region: a table of buffers, their grids, and a table of cells to nodes.

use crate::buffers::{Buffer, Buffers};
use crate::footprint::{Footprint, Kind, Layout, Meet, Rect};
use crate::grid::{Grid, Spot};
use crate::readers::Readers;
use crate::region::Region;
use alloc::vec;
use alloc::vec::Vec;
use prewire_abi::TaskId;
use upkeep::Hand;

mod upkeep;

/// Whether what is remembered of a region stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    /// Only where neither the writer nor a reader counts any more.
    Drop,
}

/// Where what is remembered of one region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Home {
    /// In place in this buffer.
    Buffer(u32),
    /// In this node.
    Node(u32),
}

/// The last writer and the readers since, for each of some regions.
///
/// A region that begins with its buffer and has no gap may be kept in place in the buffer; every other one has a
/// node. The table of cells is an array of chain heads, zeroed by the system when a page of it is first touched; a
/// chain has the nodes of any cells that fall into it, told apart by their grid and box. A grid lives as long as it
/// has a node. Node and grid 0 are none.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) buffers: Buffers,
    nodes: Vec<Node>,
    sides: Vec<Side>,
    grids: Vec<Grid>,
    cells: Vec<u32>,
    free_node: u32,
    free_grid: u32,
    /// Counts the changes of which regions there are in a buffer.
    stamp: u64,
    /// How often a node is met where nothing counts any more before it is dropped.
    patience: u8,
    /// How many were kept so long in vain.
    in_vain: u32,
    node_hand: Hand,
    buffer_hand: Hand,
    visited: u64,
}

/// One cache line: all that a read's look at a node needs.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node {
    rect: Rect,
    writer: TaskId,
    /// 0: free.
    grid: u32,
    /// The next node in the chain of the cell, or the next free node.
    next: u32,
}

const _: () = assert!(size_of::<Node>() == 64);

/// What a write needs beside: the readers; the neighbours among the nodes of the grid; and where the chain of the
/// cell is.
#[derive(Clone, Copy, Debug)]
struct Side {
    readers: Readers,
    prev: u32,
    next: u32,
    slot: u32,
    straddles: bool,
    /// How often it was met, and nothing counted there any more, since a read was last recorded there.
    idle: u8,
}

impl Plane {
    /// How many grids of a buffer have the exact size of their first region. Later ones are rounded up, so that ever
    /// new sizes make a bounded number of grids.
    const EXACT_GRIDS: u32 = 4;

    /// What is read with a halo is met by each of its neighbours before it is read again, and to make it anew costs as much as so
    /// many looks. After one that was kept for that in vain, half of it is enough; after one that was not, all of it.
    const PATIENCE: u8 = 12;

    /// After so many that were kept in vain it is tried again.
    const AGAIN: u32 = 64;

    /// A plane with a table of cells for `capacity` nodes.
    pub(crate) fn new(capacity: u32) -> Self {
        let heads = (capacity.clamp(16, 1 << 22)).next_power_of_two() as usize;
        Self {
            buffers: Buffers::new(capacity),
            nodes: vec![Node { rect: Rect::UNIT, writer: TaskId::INVALID, grid: 0, next: 0 }],
            sides: vec![Side {
                readers: Readers::NONE,
                prev: 0,
                next: 0,
                slot: 0,
                straddles: false,
                idle: 0,
            }],
            grids: vec![Grid::new(0, Layout::BYTES, &Rect::UNIT, |length| length)],
            cells: vec![0; heads],
            free_node: 0,
            free_grid: 0,
            stamp: 0,
            // No more than there may be entries: what is kept without one is bounded by them too.
            node_hand: Hand::new(Self::SOFT_NODES.min(capacity)),
            patience: Self::PATIENCE,
            in_vain: 0,
            buffer_hand: Hand::new(Buffers::SOFT),
            visited: 0,
        }
    }

    /// How many nodes were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// Changes whenever a region is dropped, or added to a buffer that something is remembered of.
    #[inline]
    pub(crate) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Whether the region that begins with `buffer` and ends at `end` is the only one of it, and kept in place: the
    /// common case. An `end` of 0 is none.
    #[inline]
    pub(crate) fn holds_alone(&self, buffer: u32, end: u64) -> bool {
        let Buffer { end: of, grids, .. } = &self.buffers[buffer];
        end != 0 && *of == end && *grids == 0
    }

    /// The node of exactly this region if it meets that one alone, or 0 if it meets none; none if neither is easily
    /// told. All that it takes is one cell in each grid of the buffer, or, for a read, in each that was written.
    #[inline]
    pub(crate) fn sole(&mut self, buffer: u32, region: &Region, writing: bool) -> Option<u32> {
        let Buffer { end, grids, .. } = self.buffers[buffer];
        if region.first_byte() < end {
            return None;
        }
        let (mut grid, mut sole) = (grids, 0);
        while grid != 0 {
            let at = &self.grids[grid as usize];
            let next = at.next;
            if writing || at.writers > 0 {
                sole |= self.sole_of(grid, region)?;
            }
            grid = next;
        }
        Some(sole)
    }

    /// As `sole`, in one grid. On its own, so that nothing is prepared for a second grid that is seldom there. At
    /// most one grid has a region, so the answers of several may be or-ed.
    #[inline(never)]
    fn sole_of(&mut self, grid: u32, region: &Region) -> Option<u32> {
        let at = &self.grids[grid as usize];
        let spot = at.locate(grid, region)?;
        if !spot.inside || at.straddlers > 0 {
            return None;
        }
        let (mut node, mut sole) = (self.cells[self.cell_slot(spot.bucket)], 0);
        while node != 0 {
            let other = &self.nodes[node as usize];
            if other.grid == grid {
                self.visited += 1;
                if other.rect.is(&spot.rect) {
                    sole = node;
                } else if spot.rect.touches(&other.rect) {
                    return None;
                }
            }
            node = other.next;
        }
        Some(sole)
    }

    /// Where exactly this region is remembered.
    pub(crate) fn get(&mut self, region: &Region) -> Option<Home> {
        let buffer = self.buffers.find(region.buffer());
        let Buffer { end, grids, .. } = self.buffers[buffer];
        if buffer == 0 {
            return None;
        }
        if end != 0 && end == region.prefix_end() {
            return Some(Home::Buffer(buffer));
        }
        let mut grid = grids;
        while grid != 0 {
            let at = &self.grids[grid as usize];
            if let Some(spot) = self.spot(grid, region).filter(|_| at.layout.kind != Kind::Unknown) {
                let mut node = self.cells[self.cell_slot(spot.bucket)];
                while node != 0 {
                    self.visited += 1;
                    let other = &self.nodes[node as usize];
                    if other.grid == grid && other.rect.is(&spot.rect) {
                        return Some(Home::Node(node));
                    }
                    node = other.next;
                }
            }
            grid = at.next;
        }
        None
    }

    /// Who has read the region at `home`, for who has something to record there.
    #[inline]
    pub(crate) fn readers(&mut self, home: Home) -> &mut Readers {
        match home {
            Home::Buffer(buffer) => &mut self.buffers[buffer].readers,
            Home::Node(node) => {
                let side = &mut self.sides[node as usize];
                if side.idle > 0 {
                    (side.idle, self.patience) = (0, Self::PATIENCE);
                }
                &mut side.readers
            }
        }
    }

    /// Lets `judge` change what is remembered at `home`.
    #[inline]
    pub(crate) fn at<R>(&mut self, home: Home, judge: impl FnOnce(&mut TaskId, &mut Readers) -> R) -> R {
        match home {
            Home::Buffer(buffer) => {
                let Buffer { writer, readers, .. } = &mut self.buffers[buffer];
                judge(writer, readers)
            }
            Home::Node(node) => {
                let Node { writer, grid, .. } = &mut self.nodes[node as usize];
                let had = writer.is_valid();
                let answer = judge(writer, &mut self.sides[node as usize].readers);
                let writers = &mut self.grids[*grid as usize].writers;
                *writers = writers.wrapping_add(u32::from(writer.is_valid())).wrapping_sub(u32::from(had));
                answer
            }
        }
    }

    /// Adds the buffer at `addr`, of which nothing is remembered, with a region from its start to `end`. No place is
    /// another one by that.
    #[inline]
    pub(crate) fn add_whole(&mut self, addr: u64, end: u64) -> (u32, &mut Buffer) {
        let (number, buffer) = self.buffers.add(addr);
        buffer.end = end;
        (number, buffer)
    }

    /// Adds a region that is not empty and not there yet.
    pub(crate) fn insert(&mut self, region: &Region, writer: TaskId, readers: Readers) {
        self.stamp += 1;
        let buffer = match self.buffers.find(region.buffer()) {
            0 => self.buffers.add(region.buffer()).0,
            buffer => buffer,
        };
        let (at, prefix_end) = (&mut self.buffers[buffer], region.prefix_end());
        if at.end == 0 && prefix_end != 0 {
            (at.end, at.writer, at.readers) = (prefix_end, writer, readers);
            return;
        }
        let (mut grid, mut alike) = (at.grids, 0);
        while grid != 0 {
            if let Some(spot) = self.spot(grid, region) {
                alike += 1;
                let alone = self.cells[self.cell_slot(spot.bucket)] == 0;
                if self.grids[grid as usize].suits(&spot.rect, alone) {
                    return self.link(grid, &spot, writer, readers);
                }
            }
            grid = self.grids[grid as usize].next;
        }
        let Footprint { layout, rect, .. } = Footprint::of(region);
        let exact = alike < Self::EXACT_GRIDS;
        let cell =
            |length: u64| if exact { length } else { length.checked_next_power_of_two().unwrap_or(length) };
        let new = Grid::new(buffer, layout, &rect, cell);
        let spot = new.spot(self.next_grid(), &rect);
        let grid = self.take_grid(new);
        self.grids[grid as usize].next = self.buffers[buffer].grids;
        self.buffers[buffer].grids = grid;
        self.link(grid, &spot, writer, readers);
    }

    /// Calls `judge` with what is remembered of each region that `region`, which is of `buffer`, meets; if `written`,
    /// of those that were written. At least once while it stays, and not again once dropped.
    pub(crate) fn visit(
        &mut self,
        buffer: u32,
        region: &Region,
        written: bool,
        mut judge: impl FnMut(Home, &mut TaskId, &mut Readers, Meet) -> Verdict,
    ) {
        let Buffer { end, grids, writer, readers, .. } = &mut self.buffers[buffer];
        let mut next = *grids;
        if region.first_byte() < *end {
            self.visited += 1;
            let meet = Footprint::of(region).meet(&Layout::BYTES, &Rect::interval(0, *end));
            if meet != Meet::Apart && judge(Home::Buffer(buffer), writer, readers, meet) == Verdict::Drop {
                self.vacate(buffer);
            }
        }
        while next != 0 {
            let (grid, at) = (next, &self.grids[next as usize]);
            next = at.next;
            if written && at.writers == 0 {
                continue;
            }
            let located =
                at.locate(grid, region).map(|spot| Footprint::located(region, at.layout, spot.rect));
            self.visit_grid(grid, &located.unwrap_or_else(|| Footprint::of(region)), &mut judge);
            self.release_if_empty(grid);
        }
        self.buffers.release_if_empty(buffer);
    }

    /// Where `region` is in `grid`, a grid of its buffer, if that is of its layout.
    #[inline]
    fn spot(&self, grid: u32, region: &Region) -> Option<Spot> {
        let at = &self.grids[grid as usize];
        at.locate(grid, region).or_else(|| {
            // What is no box has a layout that is not that of its strides.
            let query = Footprint::of(region);
            (query.layout == at.layout).then(|| at.spot(grid, &query.rect))
        })
    }

    /// Offers the nodes of `grid` that `query` may meet: those of the cells that it touches, or all of them if they
    /// are fewer.
    fn visit_grid(
        &mut self,
        grid: u32,
        query: &Footprint<'_>,
        judge: &mut impl FnMut(Home, &mut TaskId, &mut Readers, Meet) -> Verdict,
    ) {
        let Grid { layout, count, head, .. } = self.grids[grid as usize];
        let meet = query.meets(&layout);
        // A few nodes are looked at sooner than their cells are worked out.
        if count > 2 {
            let Some(cells) = self.grids[grid as usize].cells(grid, query) else { return };
            if cells.total() < u64::from(count) {
                return cells.buckets(|bucket| self.visit_cell(grid, bucket, meet, judge));
            }
        }
        let mut node = head;
        while node != 0 {
            let Side { next, .. } = self.sides[node as usize];
            self.offer(node, meet, judge);
            node = next;
        }
    }

    /// Offers the nodes of `grid` that are in the chain of `bucket`.
    fn visit_cell(
        &mut self,
        grid: u32,
        bucket: u64,
        meet: impl Fn(&Rect) -> Meet + Copy,
        judge: &mut impl FnMut(Home, &mut TaskId, &mut Readers, Meet) -> Verdict,
    ) {
        let mut node = self.cells[self.cell_slot(bucket)];
        while node != 0 {
            let at = &self.nodes[node as usize];
            let next = at.next;
            if at.grid == grid {
                self.offer(node, meet, judge);
            }
            node = next;
        }
    }

    #[inline]
    fn offer(
        &mut self,
        node: u32,
        meet: impl Fn(&Rect) -> Meet + Copy,
        judge: &mut impl FnMut(Home, &mut TaskId, &mut Readers, Meet) -> Verdict,
    ) {
        self.visited += 1;
        let (meet, home) = (meet(&self.nodes[node as usize].rect), Home::Node(node));
        if meet == Meet::Apart {
            return;
        }
        let verdict = self.at(home, |writer, readers| judge(home, writer, readers, meet));
        if verdict == Verdict::Drop && (meet != Meet::Partly || self.is_idle(node)) {
            self.unlink(node);
        }
    }

    /// Whether a node, where nothing counts any more, was met so often meanwhile that it is not likely to be used again. What is not
    /// even told from its equal is not found again.
    fn is_idle(&mut self, node: u32) -> bool {
        let grid = self.nodes[node as usize].grid;
        let side = &mut self.sides[node as usize];
        side.idle += 1;
        if side.idle < self.patience && self.grids[grid as usize].layout.kind != Kind::Unknown {
            return false;
        }
        self.in_vain = self.in_vain.wrapping_add(1);
        let again = self.in_vain.is_multiple_of(Self::AGAIN);
        self.patience = if again { Self::PATIENCE } else { (self.patience / 2).max(1) };
        true
    }

    #[inline]
    fn cell_slot(&self, bucket: u64) -> usize {
        bucket as usize & (self.cells.len() - 1)
    }
}
