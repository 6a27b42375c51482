//! How much memory a submit writes, seen from outside: the tables of the rings before and after it, line by line.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

use prewire_abi::TensorArgType::Input;
use prewire_abi::{DataType, EdgeKind};
use prewire_orchestrator::{Args, Capacity};
use prewire_ring::{Pages, Ready, RingSizes, Rings, Words};
use prewire_sync::atomic::{AtomicU64, Ordering};

use crate::rig::{Made, Rig, after, outputs};

const LINE: usize = 64;

/// The memory of one table, which this test looks into.
#[derive(Clone, Debug)]
struct Seen(Arc<[AtomicU64]>);

impl Deref for Seen {
    type Target = [AtomicU64];
    fn deref(&self) -> &[AtomicU64] {
        &self.0
    }
}

impl Seen {
    fn words(&self) -> Vec<u64> {
        self.0.iter().map(|word| word.load(Ordering::Relaxed)).collect()
    }

    /// The lines, by number in memory, with a word that is not as it was.
    fn changed(&self, before: &[u64]) -> impl Iterator<Item = usize> {
        let differs = |(word, before): (&AtomicU64, &u64)| {
            (word.load(Ordering::Relaxed) != *before).then(|| std::ptr::from_ref(word).addr() / LINE)
        };
        self.0.iter().zip(before).filter_map(differs)
    }
}

/// A rig whose large tables are seen.
fn rig(sizes: &RingSizes) -> (Rig, Vec<Seen>) {
    let seen = RefCell::new(Vec::new());
    let pages: Pages<'_> = &|words| {
        let table = Seen((0..words).map(|_| AtomicU64::new(0)).collect());
        seen.borrow_mut().push(table.clone());
        Some(Box::new(table) as Words)
    };
    let rings = Rings::new_in(sizes, 1, pages, |_| ()).unwrap();
    let rig = Rig::made(sizes, rings, Ready::new_in(sizes, pages), Capacity::chip(24, 48));
    (rig, seen.into_inner())
}

/// A task with four inputs, each of another task that has not ended, and an output: its slot, where it was submitted, 21
/// words of arguments and four edges are no more than eight lines, wherever in their rings they lie. To these comes one
/// line of each producer, whose list it is put on.
#[test]
fn a_task_with_four_inputs_writes_eight_lines_of_its_own() {
    // Every table of the ring is large enough to be seen.
    let mut sizes = RingSizes::smallest();
    (sizes.window[0], sizes.deps[0], sizes.heap[0]) = (1 << 13, 1 << 14, 1 << 20);
    sizes.tensor_map = 4096;
    let (mut rig, seen) = rig(&sizes);
    rig.open();
    let mut most = 0;
    for round in 0..36 {
        let made: Vec<Made> = (0..4).map(|_| rig.submit(&mut outputs(&[64]))).collect();
        // Arguments and edges begin everywhere in a line.
        let mut odd =
            after(&made[..round % 4].iter().map(|made| made.id).collect::<Vec<_>>(), EdgeKind::WAIT);
        (0..round % 7).for_each(|_| odd.scalar(1));
        let _ = rig.submit(&mut odd);
        let mut args = Args::default();
        made.iter().for_each(|made| args.push(&made.output(Input)));
        args.output(&[64], DataType::U8).unwrap();
        let before: Vec<_> = seen.iter().map(Seen::words).collect();
        let task = rig.submit(&mut args);
        let changed: BTreeSet<_> =
            seen.iter().zip(&before).flat_map(|(table, before)| table.changed(before)).collect();
        let producers: BTreeSet<_> =
            made.iter().map(|made| std::ptr::from_ref(rig.state(made.id)).addr() / LINE).collect();
        assert_eq!(rig.edges(task.id).len(), 4);
        assert!(changed.is_superset(&producers), "each producer has it on its list");
        assert!(changed.contains(&(std::ptr::from_ref(rig.state(task.id)).addr() / LINE)));
        let own = changed.difference(&producers).count();
        assert!((5..=8).contains(&own), "round {round}: {own} lines");
        most = most.max(own);
    }
    assert_eq!(most, 8, "there are places where it needs all of them");
}
