//! What a plane keeps: nodes and grids made, freed, and swept by hands that go round and round.

use super::{Home, Node, Plane, Side};
use crate::buffers::{Buffer, Buffers};
use crate::grid::{Grid, Spot};
use crate::readers::Readers;
use prewire_abi::TaskId;

/// Goes round and round through a table, and learns from each lap how much of it is in use.
#[derive(Debug)]
pub(super) struct Hand {
    /// What it looks at next, if that is there.
    at: u32,
    /// How much it has dropped in this lap.
    dropped: u32,
    /// How much there may be before `collect` looks for what to drop.
    soft: u32,
    /// What that was before the first lap.
    first: u32,
}

impl Hand {
    pub(super) fn new(soft: u32) -> Self {
        Self { at: 1, dropped: 0, soft, first: soft }
    }

    /// Forgets what it has learned.
    fn start_over(&mut self) {
        *self = Self::new(self.first);
    }

    /// The next of `slots` places, of which there is at least one, that weigh `weight` together.
    fn turn(&mut self, slots: u32, weight: u32) -> u32 {
        if self.at > slots {
            self.at = 1;
            // A lap that drops less than half of them is taken as: there are that many.
            if self.dropped < slots / 2 {
                self.soft = weight.saturating_mul(2);
            }
            self.dropped = 0;
        }
        self.at += 1;
        self.at - 1
    }
}

impl Plane {
    /// How much a plane holds before it looks for nodes to drop, if it may have as many entries: the tiles of a matrix of
    /// 128 x 128 tiles and more. Sooner would drop what comes again; later would leave the caches.
    pub(super) const SOFT_NODES: u32 = 32768;
    /// What a grid takes, in nodes.
    const GRID_WEIGHT: u32 = 8;
    /// What a region takes at most: a node, a grid and a buffer of its own, and two heads in a table rounded up to a
    /// power of two.
    pub(crate) const MOST_BYTES_A_REGION: u64 = Buffers::BYTES_A_BUFFER
        + (size_of::<Node>() + size_of::<Side>() + size_of::<Grid>() + 2 * size_of::<u32>()) as u64;
    /// How many are looked at for each one added.
    const LOOKS: u32 = 4;

    /// Whether there is no free buffer and many are in use.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.buffers.is_full() && self.buffers.slots() > self.buffer_hand.soft
    }

    /// Looks at a few buffers for each of `adds`. `dead` says which to drop.
    pub(crate) fn collect_buffers(
        &mut self,
        adds: u32,
        mut dead: impl FnMut(&mut TaskId, &mut Readers) -> bool,
    ) {
        self.sweep_buffers(Self::LOOKS.saturating_mul(adds), &mut dead);
    }

    /// Looks at a few nodes if there is no free one and many are in use.
    #[inline]
    pub(crate) fn collect_nodes(&mut self, mut dead: impl FnMut(&mut TaskId, &mut Readers) -> bool) {
        if self.free_node == 0 && self.weight() > self.node_hand.soft {
            self.sweep_nodes(Self::LOOKS, &mut dead);
        }
    }

    /// Looks at the next `looks` nodes in turn, free ones too, and drops those that are `dead`.
    pub(crate) fn sweep_nodes(
        &mut self,
        looks: u32,
        dead: &mut impl FnMut(&mut TaskId, &mut Readers) -> bool,
    ) {
        let (slots, weight) = (self.slots(), self.weight());
        for _ in 0..looks.min(slots) {
            let node = self.node_hand.turn(slots, weight);
            self.visited += 1;
            let grid = self.nodes[node as usize].grid;
            if grid != 0 && self.at(Home::Node(node), |writer, readers| dead(writer, readers)) {
                self.unlink(node);
                let buffer = self.grids[grid as usize].buffer;
                self.release_if_empty(grid);
                self.buffers.release_if_empty(buffer);
                self.node_hand.dropped += 1;
            }
        }
    }

    /// Looks at the next `looks` buffers in turn, free ones too, and drops what is in place there and `dead`.
    pub(crate) fn sweep_buffers(
        &mut self,
        looks: u32,
        dead: &mut impl FnMut(&mut TaskId, &mut Readers) -> bool,
    ) {
        let slots = self.buffers.slots();
        for _ in 0..looks.min(slots) {
            let buffer = self.buffer_hand.turn(slots, slots);
            self.visited += 1;
            let Buffer { end, writer, readers, .. } = &mut self.buffers[buffer];
            if *end != 0 && dead(writer, readers) {
                self.vacate(buffer);
                self.buffers.release_if_empty(buffer);
                self.buffer_hand.dropped += 1;
            }
        }
    }

    /// What the nodes and grids take, in nodes.
    fn weight(&self) -> u32 {
        let grids = (self.grids.len() as u32).saturating_mul(Self::GRID_WEIGHT);
        self.slots().saturating_add(grids)
    }

    /// How many bytes its buffers, nodes, grids and tables take; the tables count whole, touched or not.
    pub(crate) fn memory(&self) -> usize {
        self.buffers.memory()
            + self.nodes.capacity() * size_of::<Node>()
            + self.sides.capacity() * size_of::<Side>()
            + self.grids.capacity() * size_of::<Grid>()
            + self.cells.len() * size_of::<u32>()
    }

    /// How many looks see every node.
    pub(crate) fn slots(&self) -> u32 {
        (self.nodes.len() - 1) as u32
    }

    /// Drops every region of the buffer at `addr`, handing what was remembered to `dropped`.
    pub(crate) fn forget(&mut self, addr: u64, mut dropped: impl FnMut(&mut TaskId, &mut Readers)) {
        let buffer = self.buffers.find(addr);
        if buffer == 0 {
            return;
        }
        let Buffer { end, writer, readers, grids, .. } = &mut self.buffers[buffer];
        let mut grid = *grids;
        if *end != 0 {
            dropped(writer, readers);
            self.vacate(buffer);
        }
        while grid != 0 {
            let Grid { next, head, .. } = self.grids[grid as usize];
            let mut node = head;
            while node != 0 {
                let Side { next, .. } = self.sides[node as usize];
                self.at(Home::Node(node), |writer, readers| dropped(writer, readers));
                self.unlink(node);
                node = next;
            }
            self.release_if_empty(grid);
            grid = next;
        }
        self.buffers.release_if_empty(buffer);
    }

    /// Drops everything, at a cost that depends on what there is, not on the capacity.
    pub(crate) fn clear(&mut self) {
        for (node, side) in self.nodes.iter().zip(&self.sides).skip(1) {
            if node.grid != 0 {
                self.cells[side.slot as usize] = 0;
            }
        }
        self.buffers.clear();
        self.nodes.truncate(1);
        self.sides.truncate(1);
        self.grids.truncate(1);
        (self.free_node, self.free_grid) = (0, 0);
        self.node_hand.start_over();
        self.buffer_hand.start_over();
        self.stamp += 1;
    }

    /// Nothing is kept in place in `buffer` any more. It stays, empty or not.
    pub(super) fn vacate(&mut self, buffer: u32) {
        let at = &mut self.buffers[buffer];
        (at.end, at.writer, at.readers) = (0, TaskId::INVALID, Readers::NONE);
        self.stamp += 1;
    }

    /// Drops what is kept in place in `buffer` if it has neither a writer nor a reader, and the buffer with it if there is
    /// no more of it.
    pub(crate) fn drop_if_bare(&mut self, buffer: u32) {
        let Buffer { writer, readers, .. } = &self.buffers[buffer];
        if !writer.is_valid() && readers.is_empty() {
            self.vacate(buffer);
            self.buffers.release_if_empty(buffer);
        }
    }

    /// Makes a node of `grid`.
    pub(super) fn link(&mut self, grid: u32, spot: &Spot, writer: TaskId, readers: Readers) {
        let slot = self.cell_slot(spot.bucket);
        let at = &mut self.grids[grid as usize];
        at.reach_to(&spot.rect);
        at.count += 1;
        at.straddlers += u32::from(!spot.inside);
        at.writers += u32::from(writer.is_valid());
        let after = at.head;
        let new = Node { rect: spot.rect, writer, grid, next: self.cells[slot] };
        let side =
            Side { readers, prev: 0, next: after, slot: slot as u32, straddles: !spot.inside, idle: 0 };
        let node = self.free_node;
        let node = if node == 0 {
            self.nodes.push(new);
            self.sides.push(side);
            self.slots()
        } else {
            self.free_node = self.nodes[node as usize].next;
            self.nodes[node as usize] = new;
            self.sides[node as usize] = side;
            node
        };
        self.cells[slot] = node;
        self.grids[grid as usize].head = node;
        if after != 0 {
            self.sides[after as usize].prev = node;
        }
    }

    /// Frees a node. Its grid stays, empty or not.
    pub(super) fn unlink(&mut self, node: u32) {
        let Node { grid, next, writer, .. } = self.nodes[node as usize];
        let Side { prev, next: after, slot, straddles, .. } = self.sides[node as usize];
        let at = &mut self.grids[grid as usize];
        at.count -= 1;
        at.straddlers -= u32::from(straddles);
        at.writers -= u32::from(writer.is_valid());
        match prev {
            0 => at.head = after,
            prev => self.sides[prev as usize].next = after,
        }
        if after != 0 {
            self.sides[after as usize].prev = prev;
        }
        let mut before = self.cells[slot as usize];
        if before == node {
            self.cells[slot as usize] = next;
        } else {
            while self.nodes[before as usize].next != node {
                before = self.nodes[before as usize].next;
            }
            self.nodes[before as usize].next = next;
        }
        self.nodes[node as usize].grid = 0;
        self.nodes[node as usize].next = self.free_node;
        self.free_node = node;
        self.stamp += 1;
    }

    /// The number that the next grid will have.
    pub(super) fn next_grid(&self) -> u32 {
        if self.free_grid == 0 { self.grids.len() as u32 } else { self.free_grid }
    }

    /// Makes a grid. It is in no chain yet.
    pub(super) fn take_grid(&mut self, grid: Grid) -> u32 {
        let at = self.free_grid;
        if at == 0 {
            self.grids.push(grid);
            return (self.grids.len() - 1) as u32;
        }
        self.free_grid = self.grids[at as usize].next;
        self.grids[at as usize] = grid;
        at
    }

    /// Frees `grid` if it has no node. Its buffer stays, empty or not.
    #[inline]
    pub(super) fn release_if_empty(&mut self, grid: u32) {
        if self.grids[grid as usize].count == 0 {
            self.release(grid);
        }
    }

    fn release(&mut self, grid: u32) {
        let Grid { buffer, next, .. } = self.grids[grid as usize];
        let mut before = self.buffers[buffer].grids;
        if before == grid {
            self.buffers[buffer].grids = next;
        } else {
            while self.grids[before as usize].next != grid {
                before = self.grids[before as usize].next;
            }
            self.grids[before as usize].next = next;
        }
        self.grids[grid as usize].next = self.free_grid;
        self.free_grid = grid;
    }
}
