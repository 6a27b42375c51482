//! Memory is asked for before it is written for the first time, and not again.
#![cfg(not(any(prewire_loom, prewire_shuttle)))]

use prewire_abi::EdgeKind;
use prewire_ring::{Allocator, Cold, Need, RingSizes, Rings, Words};
use prewire_sync::atomic::AtomicU64;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

const WINDOW: u32 = 512;
/// So many tasks nothing is asked for.
const FEW: u32 = 64;
const NEED: Need = Need { heap: 0, deps: 2, args: 20 };

thread_local! {
    /// What was asked for by this thread, as addresses.
    static ASKED: RefCell<Vec<Range<usize>>> = const { RefCell::new(Vec::new()) };
}

fn asked() -> Vec<Range<usize>> {
    ASKED.with_borrow(Vec::clone)
}

/// Rings of this size, and where their large tables are.
fn rings(sizes: &RingSizes) -> (Arc<Rings>, Allocator, Vec<Range<usize>>) {
    let tables = RefCell::new(Vec::new());
    let pages = |words: usize| {
        let table: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
        let Range { start, end } = table.as_ptr_range();
        tables.borrow_mut().push(start.addr()..end.addr());
        Some(Box::new(table) as Words)
    };
    let ask =
        |bytes: Range<*const u8>| ASKED.with_borrow_mut(|all| all.push(bytes.start.addr()..bytes.end.addr()));
    let (rings, allocator) = Rings::new_in(sizes, 1, &pages, ask).unwrap();
    (rings, allocator, tables.into_inner())
}

/// A run of so many tasks, each complete before the next one: where the slot and the first edge of each are.
fn run(rings: &Rings, allocator: &mut Allocator, tasks: u32) -> Vec<[usize; 2]> {
    allocator.start_run();
    let task = |_| {
        let in_use = allocator.room(0, &NEED).unwrap();
        allocator.note(0, &NEED, &in_use);
        let placed = allocator.commit(0, &NEED, Cold::default());
        let none = [(placed.id, EdgeKind::NONE), (placed.id, EdgeKind::NONE)];
        assert!(allocator.wire(&placed, &none));
        let edge = rings.deps(placed.slot).next().map(|edge| std::ptr::from_ref(edge).addr());
        let slot = std::ptr::from_ref(rings.slot(placed.slot)).addr();
        let routed = rings.complete(0, &mut vec![placed.slot], &mut |_| {});
        rings.retire(&routed);
        [slot, edge.expect("it has two")]
    };
    (0..tasks).map(task).collect()
}

#[test]
fn what_the_first_lap_comes_to_is_asked_for_once() {
    let sizes = RingSizes::default().with_window(WINDOW).with_deps(4 * WINDOW);
    let (rings, mut allocator, tables) = rings(&sizes);
    let few = run(&rings, &mut allocator, FEW);
    assert_eq!((few.len(), asked().len()), (FEW as usize, 0), "a program of few tasks");
    // As far as the run before, and on from there; in the middle of what was asked for another run begins.
    run(&rings, &mut allocator, FEW + 1);
    let first = asked();
    assert_eq!(first.len(), 3, "slots, edges and words: {first:?}");
    run(&rings, &mut allocator, 2 * FEW);
    assert_eq!(asked(), first, "of twice as many");
    let at = run(&rings, &mut allocator, 3 * WINDOW);
    let all = asked();
    // 64 tasks, 128, and what is left of the window.
    assert_eq!(all.len(), 3 * 3, "{all:?}");
    for bytes in &all {
        let inside = |table: &&Range<usize>| table.start <= bytes.start && bytes.end <= table.end;
        assert_eq!(tables.iter().filter(inside).count(), 1, "{bytes:?} in one of {tables:?}");
        let meets = all.iter().filter(|other| other.start < bytes.end && bytes.start < other.end);
        assert_eq!(meets.count(), 1, "{bytes:?} was asked for twice");
    }
    for (task, addresses) in at[..WINDOW as usize].iter().enumerate() {
        for address in addresses {
            let times = all.iter().filter(|bytes| bytes.contains(address)).count();
            assert_eq!(times, usize::from(task >= FEW as usize), "task {task}");
        }
    }
    run(&rings, &mut allocator, 2 * WINDOW);
    assert_eq!(asked(), all, "of what is there");
}

#[test]
fn what_is_of_the_allocator_is_not_asked_for() {
    let sizes = RingSizes::default().with_window(128).with_deps(64);
    let (rings, mut allocator, tables) = rings(&sizes);
    run(&rings, &mut allocator, 3 * 128);
    let slot = std::ptr::from_ref(rings.slot(rings.slot_of(prewire_abi::TaskId::new(0, 0)))).addr();
    assert!(!tables.iter().any(|table| table.contains(&slot)), "so few slots are in no pages of their own");
    assert!(!asked().iter().any(|bytes| bytes.contains(&(slot + 64 * 100))));
}
