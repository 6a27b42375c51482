//! Memory is asked for before it is written for the first time, in pieces, and not again.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

mod common;

use common::{asked, asking, complete};
use prewire_abi::EdgeKind;
use prewire_ring::{Allocator, Cold, Need, RingSizes, Rings};
use std::ops::Range;
use std::panic::Location;
use std::sync::Arc;

const WINDOW: u32 = 512;
/// For so many tasks nothing is asked.
const FEW: u32 = 64;
/// So much at a time at the most, but for a task.
const MOST: usize = 128 << 10;
const LINE: usize = 64;

/// Rings whose tables are known.
struct Rig {
    rings: Arc<Rings>,
    allocator: Allocator,
    /// Where those are that are worth pages of their own.
    tables: Vec<Range<usize>>,
}

/// Where what is of a task begins: its slot, its edges, its argument words.
type At = [usize; 3];

impl Rig {
    fn new(sizes: &RingSizes) -> Self {
        let (rings, allocator, tables) = asking(sizes);
        Self { rings, allocator, tables }
    }

    /// Where the argument word at a position of `ring` is: these tables are made last, and have a line more than they need.
    fn word(&self, ring: usize, position: u32) -> usize {
        let table = &self.tables[self.tables.len() - 4 + ring];
        let words = (table.len() - LINE) / size_of::<u64>();
        table.start.next_multiple_of(LINE) + position as usize % words * size_of::<u64>()
    }

    /// A run of so many tasks like this in `ring`, of which up to `live` are alive at a time, submitted as an orchestrator does.
    fn run(&mut self, ring: usize, need: Need, tasks: u32, live: usize) -> Vec<At> {
        self.allocator.start_run();
        let (mut alive, mut all) = (std::collections::VecDeque::new(), Vec::new());
        for task in 0..tasks {
            if alive.len() == live {
                complete(&self.rings, &alive.pop_front().unwrap());
            }
            let placed = self.allocator.take(ring, &need, Cold::default().into(), Location::caller());
            let placed = placed.unwrap_or_else(|| panic!("there is room for task {task}"));
            let edges = vec![(placed.id, EdgeKind::NONE); need.deps as usize];
            assert!(self.allocator.wire(&placed, &edges));
            let edge = self.rings.deps(placed.slot).next().expect("it has one");
            let (slot, edge) = (std::ptr::from_ref(self.rings.slot(placed.slot)), std::ptr::from_ref(edge));
            all.push([slot.addr(), edge.addr(), self.word(ring, placed.args)]);
            alive.push_back(placed);
        }
        alive.iter().for_each(|placed| complete(&self.rings, placed));
        all
    }

    /// Each is in one table, no two have a byte in common, and none is large.
    fn check(&self, all: &[Range<usize>]) {
        for bytes in all {
            let inside = |table: &&Range<usize>| table.start <= bytes.start && bytes.end <= table.end;
            assert_eq!(self.tables.iter().filter(inside).count(), 1, "{bytes:?} in one of {:?}", self.tables);
            let meets = all.iter().filter(|other| other.start < bytes.end && bytes.start < other.end);
            assert_eq!(meets.count(), 1, "{bytes:?} was asked for twice");
            assert!(bytes.len() <= MOST, "{bytes:?}");
        }
    }
}

/// How often an address is among these.
fn times(all: &[Range<usize>], address: usize) -> usize {
    all.iter().filter(|bytes| bytes.contains(&address)).count()
}

#[test]
fn what_the_first_lap_comes_to_is_asked_for_once() {
    // With as many tasks alive as the run has ever had, and with ever more; in the first ring, and in another one.
    for (ring, live) in [(0, 1), (0, 40), (2, 511)] {
        let mut rig = Rig::new(&RingSizes::default().with_window(WINDOW).with_deps(4 * WINDOW));
        let need = Need { heap: 0, deps: 2, args: 20 };
        rig.run(ring, need, FEW, live);
        assert_eq!(asked(), [], "a program of few tasks");
        // As far as the run before, and on from there; in the middle of what was asked for another run begins.
        rig.run(ring, need, FEW + 1, live);
        let first = asked();
        assert_eq!(first.len(), 3, "slots, edges and words: {first:?}");
        rig.run(ring, need, 2 * FEW, live);
        assert_eq!(asked(), first, "of twice as many");
        let at = rig.run(ring, need, 3 * WINDOW, live);
        let all = asked();
        // 64 tasks, 128, and what is left of the window.
        assert_eq!(all.len(), 3 * 3, "{all:?}");
        rig.check(&all);
        for (task, addresses) in at[..WINDOW as usize].iter().enumerate() {
            let seen = addresses.map(|address| times(&all, address));
            assert_eq!(seen, [usize::from(task >= FEW as usize); 3], "task {task} of ring {ring}");
        }
        rig.run(ring, need, 2 * WINDOW, live);
        assert_eq!(asked(), all, "of what is there");
    }
}

/// Edges and words go round before slots do; and what is of one run may be larger than what is of another.
#[test]
fn what_goes_round_before_slots_do_is_asked_for_once() {
    let mut rig = Rig::new(&RingSizes::default().with_window(WINDOW).with_deps(2 * WINDOW).with_args(32));
    for (deps, args, tasks) in [(1, 10, 100), (3, 50, 3 * WINDOW), (8, 300, 3 * WINDOW), (3, 50, 2 * WINDOW)]
    {
        rig.run(3, Need { heap: 0, deps, args }, tasks, 20);
        rig.check(&asked());
    }
    let of = |table: usize| {
        let inside = |bytes: &&Range<usize>| rig.tables[table].contains(&bytes.start);
        let bytes: usize = asked().iter().filter(inside).map(ExactSizeIterator::len).sum();
        bytes as f64 / rig.tables[table].len() as f64
    };
    // Slots, edges, and words by ring: where a task was submitted is in a table that is too small for pages of its own.
    assert_eq!(rig.tables.len(), 6);
    // Of the last one of four pools, and of that ring's words, most: larger tasks of a later run had slots that were there.
    assert!((0.15..0.25).contains(&of(1)) && (0.6..1.0).contains(&of(5)), "{} and {}", of(1), of(5));
}

/// What a run has used is there, asked for or not.
#[test]
fn what_was_used_is_not_asked_for() {
    let mut rig = Rig::new(&RingSizes::default().with_window(WINDOW).with_deps(4 * WINDOW));
    rig.run(0, Need { heap: 0, deps: 5, args: 100 }, FEW - 4, 1);
    rig.run(0, Need { heap: 0, deps: 1, args: 10 }, FEW + 6, 1);
    let slots = asked();
    assert_eq!(slots.len(), 1, "{slots:?}");
    let used = rig.run(0, Need { heap: 0, deps: 5, args: 100 }, FEW, 1);
    for addresses in used {
        assert_eq!(addresses.map(|address| times(&slots, address)), [0; 3]);
    }
}

/// Who submits a task with large arguments does not wait for hundreds like it.
#[test]
fn as_much_is_asked_for_at_a_time_as_takes_no_time() {
    let mut rig = Rig::new(&RingSizes::default().with_window(WINDOW).with_deps(4 * WINDOW));
    rig.run(0, Need { heap: 0, deps: 1, args: 2048 }, FEW + 20, 3);
    let all = asked();
    rig.check(&all);
    assert!(all.len() > 3, "eight tasks at a time: {all:?}");
}

#[test]
fn what_is_of_the_allocator_is_not_asked_for() {
    let mut rig = Rig::new(&RingSizes::default().with_window(128).with_deps(64));
    let at = rig.run(0, Need { heap: 0, deps: 1, args: 20 }, 128, 1);
    let [slot, ..] = at[100];
    assert!(
        !rig.tables.iter().any(|table| table.contains(&slot)),
        "so few slots are in no pages of their own"
    );
    assert_eq!(times(&asked(), slot), 0);
}
