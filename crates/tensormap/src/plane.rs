//! What is known of regions, found by region: a table of buffers to grids, and one of cells to nodes.

use crate::footprint::{Footprint, Kind, Layout, Meet, Rect};
use crate::grid::{Grid, Spot};
use crate::region::Region;
use alloc::vec;
use alloc::vec::Vec;

mod upkeep;

/// Whether a node stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Keep,
    Drop,
}

/// A value for each of some regions.
///
/// Both tables are arrays of chain heads, zeroed by the system when a page of them is first touched. A chain of the
/// table of buffers has whole grids; a chain of the table of cells has the nodes of any cells that fall into it, told
/// apart by their grid and box. A grid lives as long as it has a node. Node and grid 0 are none.
#[derive(Debug)]
pub(crate) struct Plane<P> {
    nodes: Vec<Node<P>>,
    links: Vec<Links>,
    grids: Vec<Grid>,
    cells: Vec<u32>,
    buffers: Vec<u32>,
    free_node: u32,
    free_grid: u32,
    live: u32,
    /// The next node that `sweep` looks at, if it is below the number of nodes.
    hand: u32,
    /// How many nodes the hand has dropped in this lap.
    dropped: u32,
    /// How much there may be before `collect` sweeps.
    soft: u32,
    visited: u64,
}

/// One cache line: all that a look at a node needs.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Node<P> {
    rect: Rect,
    payload: P,
    /// 0: free.
    grid: u32,
    /// The next node in the chain of the cell, or the next free node.
    next: u32,
}

const _: () = assert!(size_of::<Node<u64>>() == 64);

/// The neighbours among the nodes of the grid, and where the chain of the cell is.
#[derive(Clone, Copy, Debug, Default)]
struct Links {
    prev: u32,
    next: u32,
    slot: u32,
    straddles: bool,
}

impl<P: Copy> Plane<P> {
    /// How many grids of a buffer have the exact size of their first region. Later ones are rounded up, so that ever
    /// new sizes make a bounded number of grids.
    const EXACT_GRIDS: u32 = 4;

    /// A plane with tables for `capacity` nodes. `vacant` fills nodes that hold nothing.
    pub(crate) fn new(capacity: u32, vacant: P) -> Self {
        let heads = (capacity.clamp(16, 1 << 22)).next_power_of_two() as usize;
        Self {
            nodes: vec![Node { rect: Rect::UNIT, payload: vacant, grid: 0, next: 0 }],
            links: vec![Links::default()],
            grids: vec![Grid::new(0, Layout::BYTES, &Rect::UNIT, |length| length)],
            cells: vec![0; heads],
            buffers: vec![0; heads],
            free_node: 0,
            free_grid: 0,
            live: 0,
            hand: 1,
            dropped: 0,
            soft: Self::SOFT,
            visited: 0,
        }
    }

    /// How many regions it has.
    #[inline]
    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// How many nodes were looked at so far.
    pub(crate) fn visited(&self) -> u64 {
        self.visited
    }

    /// Calls `judge` with each region that `region` meets: at least once while it stays, and not again once dropped.
    #[inline]
    pub(crate) fn visit(&mut self, region: &Region, mut judge: impl FnMut(&mut P, Meet) -> Verdict) {
        match self.sole(region) {
            Some(0) => {}
            Some(node) => {
                let Node { payload, grid, .. } = &mut self.nodes[node as usize];
                let grid = *grid;
                if judge(payload, Meet::Same) == Verdict::Drop {
                    self.unlink(node);
                    self.release_if_empty(grid);
                }
            }
            None => self.visit_all(region, &mut judge),
        }
    }

    /// The value of exactly this region.
    pub(crate) fn get(&mut self, region: &Region) -> Option<&mut P> {
        let node = self.sole(region).unwrap_or_else(|| self.search(region));
        (node != 0).then(|| &mut self.nodes[node as usize].payload)
    }

    /// Adds a region that is not empty.
    pub(crate) fn insert(&mut self, region: &Region, payload: P) {
        let head = self.buffer_slot(region.buffer());
        let (mut grid, mut alike) = (self.buffers[head], 0);
        while grid != 0 {
            if let Some(spot) = self.spot(grid, region) {
                alike += 1;
                let alone = self.cells[self.cell_slot(spot.bucket)] == 0;
                if self.grids[grid as usize].suits(&spot.rect, alone) {
                    return self.link(grid, &spot, payload);
                }
            }
            grid = self.grids[grid as usize].next;
        }
        let Footprint { layout, rect, .. } = Footprint::of(region);
        let exact = alike < Self::EXACT_GRIDS;
        let cell =
            |length: u64| if exact { length } else { length.checked_next_power_of_two().unwrap_or(length) };
        let new = Grid::new(region.buffer(), layout, &rect, cell);
        let spot = new.spot(self.next_grid(), &rect);
        let grid = self.take_grid(new);
        self.grids[grid as usize].next = self.buffers[head];
        self.buffers[head] = grid;
        self.link(grid, &spot, payload);
    }

    /// The node of exactly this region if it meets that one alone, or 0 if it meets none; none if neither is easily
    /// told. This is the common case, and all that it takes: one cell in each grid of the buffer.
    #[inline]
    fn sole(&mut self, region: &Region) -> Option<u32> {
        if self.live == 0 || region.is_empty() {
            return Some(0);
        }
        let (mut grid, mut sole) = (self.buffers[self.buffer_slot(region.buffer())], 0);
        while grid != 0 {
            let at = &self.grids[grid as usize];
            let next = at.next;
            if at.buffer == region.buffer() {
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

    /// The node of exactly this region, or 0.
    fn search(&mut self, region: &Region) -> u32 {
        let mut grid = self.buffers[self.buffer_slot(region.buffer())];
        while grid != 0 {
            let at = &self.grids[grid as usize];
            if let Some(spot) = self.spot(grid, region).filter(|_| at.layout.kind != Kind::Unknown) {
                let mut node = self.cells[self.cell_slot(spot.bucket)];
                while node != 0 {
                    self.visited += 1;
                    let other = &self.nodes[node as usize];
                    if other.grid == grid && other.rect.is(&spot.rect) {
                        return node;
                    }
                    node = other.next;
                }
            }
            grid = at.next;
        }
        0
    }

    fn visit_all(&mut self, region: &Region, judge: &mut impl FnMut(&mut P, Meet) -> Verdict) {
        let mut next = self.buffers[self.buffer_slot(region.buffer())];
        while next != 0 {
            let (grid, at) = (next, &self.grids[next as usize]);
            next = at.next;
            if at.buffer == region.buffer() {
                let located =
                    at.locate(grid, region).map(|spot| Footprint::located(region, at.layout, spot.rect));
                self.visit_grid(grid, &located.unwrap_or_else(|| Footprint::of(region)), judge);
                self.release_if_empty(grid);
            }
        }
    }

    /// Where `region` is in `grid`, if that is a grid of its buffer and layout.
    #[inline]
    fn spot(&self, grid: u32, region: &Region) -> Option<Spot> {
        let at = &self.grids[grid as usize];
        if at.buffer != region.buffer() {
            return None;
        }
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
        judge: &mut impl FnMut(&mut P, Meet) -> Verdict,
    ) {
        let Grid { layout, count, head, .. } = self.grids[grid as usize];
        let meet = |rect: &Rect| query.meet(&layout, rect);
        // A few nodes are looked at sooner than their cells are worked out.
        if count > 2 {
            let Some(cells) = self.grids[grid as usize].cells(grid, query) else { return };
            if cells.total() < u64::from(count) {
                return cells.buckets(|bucket| self.visit_cell(grid, bucket, meet, judge));
            }
        }
        let mut node = head;
        while node != 0 {
            let Links { next, .. } = self.links[node as usize];
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
        judge: &mut impl FnMut(&mut P, Meet) -> Verdict,
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
        judge: &mut impl FnMut(&mut P, Meet) -> Verdict,
    ) {
        self.visited += 1;
        let at = &mut self.nodes[node as usize];
        let meet = meet(&at.rect);
        if meet != Meet::Apart && judge(&mut at.payload, meet) == Verdict::Drop {
            self.unlink(node);
        }
    }

    /// Fibonacci hashing: addresses of buffers differ in their middle bits.
    #[inline]
    fn buffer_slot(&self, buffer: u64) -> usize {
        let hash = buffer.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (hash >> 32) as usize & (self.buffers.len() - 1)
    }

    #[inline]
    fn cell_slot(&self, bucket: u64) -> usize {
        bucket as usize & (self.cells.len() - 1)
    }
}
