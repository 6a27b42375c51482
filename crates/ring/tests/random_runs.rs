//! Random tasks in random runs: what lives, what failed, where runs begin and what was asked for is right after each of them, whether
//! the one before was told of or not, and wherever numbers and tables go round.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod common;

use common::{asked, asking};
use prewire_abi::{EdgeKind, TaskId};
use prewire_ring::{Allocator, Cold, Need, Placed, RING_COUNT, RingSizes, Rings, Routed};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;

struct Draw(u64);

impl Draw {
    /// A number below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// Rings, and what is known of them.
struct Rig {
    sizes: RingSizes,
    rings: Arc<Rings>,
    allocator: Allocator,
    draw: Draw,
    /// What has completed and was not yet told.
    late: Option<Routed>,
    /// Tasks that are alive, and whether they are to fail.
    alive: VecDeque<(Placed, bool)>,
    /// The tasks of the run, and whether they fail.
    all: Vec<(TaskId, bool)>,
}

impl Rig {
    fn new(sizes: &RingSizes, seed: u64, (rings, allocator): (Arc<Rings>, Allocator)) -> Self {
        let (alive, all) = (VecDeque::new(), Vec::new());
        Self { sizes: *sizes, rings, allocator, draw: Draw(seed), late: None, alive, all }
    }

    /// Takes a slot, in one of the ways that there are, if there is room.
    fn place(&mut self, ring: usize, need: &Need) -> Option<Placed> {
        let (allocator, here, task) = (&mut self.allocator, Location::caller(), Cold::default());
        match self.draw.below(24) {
            0 => allocator.try_reserve(ring, need).ok().map(|()| allocator.commit(ring, need, task)),
            1..8 => allocator.room(ring, need).ok().map(|in_use| {
                allocator.note(ring, need, &in_use);
                allocator.commit_at(ring, need, task.into(), here)
            }),
            _ => allocator.take(ring, need, task.into(), here),
        }
    }

    fn submit(&mut self, ring: usize, need: &Need, limit: usize, fails: bool) {
        let placed = loop {
            if self.alive.len() < limit
                && let Some(placed) = self.place(ring, need)
            {
                break placed;
            }
            self.complete();
        };
        let edges = vec![(placed.id, EdgeKind::NONE); need.deps as usize];
        assert!(self.allocator.wire(&placed, &edges));
        if self.draw.one_in(10) {
            self.allocator.complete_unwired(&placed);
            self.rings.advance(ring);
            self.all.push((placed.id, false));
        } else {
            let fail = fails && self.draw.one_in(9);
            self.all.push((placed.id, fail));
            self.alive.push_back((placed, fail));
        }
    }

    /// The oldest task completes; of a few that is told much later.
    fn complete(&mut self) {
        let (placed, fail) = self.alive.pop_front().expect("with none alive there is room");
        if fail {
            self.rings.slot(placed.slot).fail();
        }
        let routed = self.rings.complete(0, &mut vec![placed.slot], &mut |_| ());
        if self.late.is_none() && self.draw.one_in(400) {
            self.late = Some(routed);
            self.rings.advance_all_in_turn();
        } else {
            self.rings.retire(&routed);
        }
    }

    fn run(&mut self) {
        if self.draw.one_in(3)
            && let Some(late) = self.late.take()
        {
            self.rings.retire(&late);
        }
        self.allocator.start_run();
        if self.late.is_none() {
            let begins = |ring: usize| self.allocator.next(ring) % self.sizes.window[ring];
            assert_eq!([0, 1, 2, 3].map(begins), [0; RING_COUNT]);
        }
        let tasks = [0, 1, 5, 63, 64, 65, 130, 700, 3000][self.draw.below(9) as usize];
        let (limit, fails) = (1 + self.draw.below(40) as usize, self.draw.one_in(3));
        let (edges, words, only) = (self.draw.below(6), self.draw.below(60), self.draw.below(5) as usize);
        for _ in 0..tasks {
            let ring = if only < RING_COUNT { only } else { self.draw.below(4) as usize };
            let need = Need {
                heap: self.draw.below(2) * self.draw.below(2000),
                deps: self.draw.below(edges + 1) as u32,
                args: self.draw.below(words + 1) as u32,
            };
            self.submit(ring, &need, limit, fails);
            let fits = |ring: usize| self.rings.usage(ring).live < self.sizes.window[ring];
            assert!((0..RING_COUNT).all(fits), "{:?}", self.rings);
        }
        while !self.alive.is_empty() {
            self.complete();
        }
        self.rings.advance_all_in_turn();
        assert_eq!(self.allocator.taken(), self.all.len() as u64);
        for (id, fail) in self.all.drain(..) {
            assert_eq!(self.allocator.retired(id), Some(fail), "{id}");
        }
        assert!((0..RING_COUNT).all(|ring| self.rings.usage(ring).live == 0), "{:?}", self.rings);
        assert_eq!(self.rings.unfinished(), u32::from(self.late.is_some()));
    }
}

/// Nothing was asked for twice: how often it was.
fn asked_once() -> usize {
    let mut asked = asked();
    asked.sort_by_key(|bytes| bytes.start);
    for pair in asked.windows(2) {
        assert!(pair[0].end <= pair[1].start, "asked for twice: {pair:x?}");
    }
    asked.len()
}

#[test]
#[cfg_attr(miri, ignore = "too many tasks")]
fn runs_begin_and_end_as_they_are_to() {
    let mut asked = 0;
    for seed in 0..12 {
        for window in [4, 16, 64, 128, 512, 2048] {
            let deps = [12, 100, 700, 4096][seed as usize % 4];
            let mut sizes = RingSizes::default().with_window(window).with_deps(deps).with_heap(64 << 10);
            sizes.window[2] = 128;
            let (rings, allocator, _) = asking(&sizes);
            let mut rig = Rig::new(&sizes, seed * 31 + u64::from(window), (rings, allocator));
            (0..40).for_each(|_| rig.run());
            asked += asked_once();
        }
    }
    assert!(asked > 1000, "{asked} times");
}

/// After 256 runs with the largest window.
#[test]
#[cfg_attr(miri, ignore = "too many tasks")]
fn numbers_go_round() {
    let mut sizes = RingSizes::smallest();
    (sizes.window[0], sizes.window[1]) = (1 << 24, 256);
    let mut rig = Rig::new(&sizes, 7, Rings::new(&sizes, 1).unwrap());
    let mut rounds = 0;
    let mut before = 0;
    for _ in 0..700 {
        rig.allocator.start_run();
        let next = rig.allocator.next(0);
        rounds += u32::from(next < before);
        before = next;
        for fail in [true, false] {
            let placed = rig.allocator.commit(0, &Need::default(), Cold::default());
            rig.alive.push_back((placed, fail));
            rig.complete();
            rig.rings.advance_all_in_turn();
            assert_eq!(rig.allocator.retired(placed.id), Some(fail));
            assert_eq!(rig.rings.usage(0).live, 0);
        }
        // What is told late is told before the next run.
        if let Some(late) = rig.late.take() {
            rig.rings.retire(&late);
        }
    }
    assert!(rounds >= 2, "{rounds} times");
}
