//! What a plane keeps: nodes and grids made, freed, and swept by a hand that goes round and round.

use super::{Links, Node, Plane};
use crate::grid::{Grid, Spot};

impl<P: Copy> Plane<P> {
    /// How much a plane holds before it looks for nodes to drop: the tiles of a matrix of 128 x 128 tiles and more,
    /// or some 3600 buffers. Sooner would drop what comes again; later would leave the caches.
    pub(super) const SOFT: u32 = 32768;
    /// What a grid takes, in nodes.
    const GRID_WEIGHT: u32 = 8;
    /// What a region takes at most: a node, a grid of its own, and two heads in tables rounded up to powers of two.
    pub(crate) const MOST_BYTES_A_REGION: u64 =
        (size_of::<Node<P>>() + size_of::<Links>() + size_of::<Grid>() + 4 * size_of::<u32>()) as u64;
    /// How many nodes are looked at for each one added.
    const LOOKS: u32 = 4;
    /// Looks at a few nodes if there is no free one and many are in use. `dead` says which to drop.
    #[inline]
    pub(crate) fn collect(&mut self, dead: impl FnMut(&mut P) -> bool) {
        if self.free_node == 0 && self.weight() > self.soft {
            self.sweep(Self::LOOKS, dead);
        }
    }

    /// Looks at the next `looks` nodes in turn, free ones too, and drops those that are `dead`.
    pub(crate) fn sweep(&mut self, looks: u32, mut dead: impl FnMut(&mut P) -> bool) {
        for _ in 0..looks.min(self.slots()) {
            if self.hand as usize >= self.nodes.len() {
                self.hand = 1;
                // A lap that drops less than half of them is taken as: there are that many.
                if self.dropped < self.slots() / 2 {
                    self.soft = self.weight().saturating_mul(2);
                }
                self.dropped = 0;
            }
            let node = self.hand;
            self.hand += 1;
            self.visited += 1;
            let grid = self.nodes[node as usize].grid;
            if grid != 0 && dead(&mut self.nodes[node as usize].payload) {
                self.unlink(node);
                self.release_if_empty(grid);
                self.dropped += 1;
            }
        }
    }

    /// What the nodes and grids take, in nodes.
    fn weight(&self) -> u32 {
        let grids = (self.grids.len() as u32).saturating_mul(Self::GRID_WEIGHT);
        self.slots().saturating_add(grids)
    }

    /// How many bytes its nodes, grids and tables take; the tables count whole, touched or not.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node<P>>()
            + self.links.capacity() * size_of::<Links>()
            + self.grids.capacity() * size_of::<Grid>()
            + (self.cells.len() + self.buffers.len()) * size_of::<u32>()
    }

    /// How many looks see every node.
    pub(crate) fn slots(&self) -> u32 {
        (self.nodes.len() - 1) as u32
    }

    /// Drops every region of `buffer`, handing each value to `dropped`.
    pub(crate) fn forget(&mut self, buffer: u64, mut dropped: impl FnMut(&mut P)) {
        let mut grid = self.buffers[self.buffer_slot(buffer)];
        while grid != 0 {
            let Grid { next, head, buffer: of, .. } = self.grids[grid as usize];
            let mut node = if of == buffer { head } else { 0 };
            while node != 0 {
                let Links { next, .. } = self.links[node as usize];
                dropped(&mut self.nodes[node as usize].payload);
                self.unlink(node);
                node = next;
            }
            self.release_if_empty(grid);
            grid = next;
        }
    }

    /// Drops everything, at a cost that depends on what there is, not on the capacity.
    pub(crate) fn clear(&mut self) {
        for node in 1..self.nodes.len() {
            let grid = self.nodes[node].grid;
            if grid != 0 {
                let buffer = self.buffer_slot(self.grids[grid as usize].buffer);
                self.cells[self.links[node].slot as usize] = 0;
                self.buffers[buffer] = 0;
            }
        }
        self.nodes.truncate(1);
        self.links.truncate(1);
        self.grids.truncate(1);
        (self.free_node, self.free_grid, self.live) = (0, 0, 0);
        (self.hand, self.dropped, self.soft) = (1, 0, Self::SOFT);
    }

    /// Makes a node of `grid`.
    pub(super) fn link(&mut self, grid: u32, spot: &Spot, payload: P) {
        let slot = self.cell_slot(spot.bucket);
        let at = &mut self.grids[grid as usize];
        at.reach_to(&spot.rect);
        at.count += 1;
        at.straddlers += u32::from(!spot.inside);
        let after = at.head;
        let new = Node { rect: spot.rect, payload, grid, next: self.cells[slot] };
        let links = Links { prev: 0, next: after, slot: slot as u32, straddles: !spot.inside };
        let node = self.free_node;
        let node = if node == 0 {
            self.nodes.push(new);
            self.links.push(links);
            self.slots()
        } else {
            self.free_node = self.nodes[node as usize].next;
            self.nodes[node as usize] = new;
            self.links[node as usize] = links;
            node
        };
        self.cells[slot] = node;
        self.grids[grid as usize].head = node;
        if after != 0 {
            self.links[after as usize].prev = node;
        }
        self.live += 1;
    }

    /// Frees a node. Its grid stays, empty or not.
    pub(super) fn unlink(&mut self, node: u32) {
        let Node { grid, next, .. } = self.nodes[node as usize];
        let Links { prev, next: after, slot, straddles } = self.links[node as usize];
        let at = &mut self.grids[grid as usize];
        at.count -= 1;
        at.straddlers -= u32::from(straddles);
        match prev {
            0 => at.head = after,
            prev => self.links[prev as usize].next = after,
        }
        if after != 0 {
            self.links[after as usize].prev = prev;
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
        self.live -= 1;
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

    /// Frees `grid` if it has no node.
    #[inline]
    pub(super) fn release_if_empty(&mut self, grid: u32) {
        if self.grids[grid as usize].count == 0 {
            self.release(grid);
        }
    }

    fn release(&mut self, grid: u32) {
        let Grid { buffer, next, .. } = self.grids[grid as usize];
        let slot = self.buffer_slot(buffer);
        let mut before = self.buffers[slot];
        if before == grid {
            self.buffers[slot] = next;
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
