//! What a run took of the rings. Invariant: counted by the orchestrator's thread alone, so nothing here is shared.
//!
//! Two marks say two things. [`Mark::high`] is the most that was in use when a task was submitted, tasks counted that
//! had not retired: with a large window it says how far the submitting thread ran ahead, not what the program needs.
//! [`Mark::needed`] is what the program cannot do without, however fast its tasks end: what open scopes held, and the
//! next request on top. Only beyond that is a submit refused for good; between the two it merely waits.

use core::fmt;

use crate::heap::Heap;
use crate::need::{Need, Shortage};
use crate::ring::RING_COUNT;

/// How much of one resource a run used, of how much there was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Mark {
    /// What the program cannot do without: what open scopes held, and the task that was submitted.
    pub needed: u64,
    /// The most in use at the moment of a submit, its own task included. Of the tensor map it may be more than there is: what was
    /// read and is recorded only now takes entries beyond those that there are.
    pub high: u64,
    /// How much there is.
    pub capacity: u64,
    /// How many times a submit waited for it. Waiting is back-pressure, and no error.
    pub waits: u64,
}

impl Mark {
    /// Whether the program needs more than 80 % of what there is: a little more, and a submit is refused for good.
    ///
    /// ```
    /// let mut mark = prewire_ring::Mark::default();
    /// (mark.capacity, mark.high, mark.needed) = (10, 10, 8);
    /// assert!(!mark.is_tight());
    /// mark.needed = 9;
    /// assert!(mark.is_tight());
    /// ```
    #[must_use]
    pub const fn is_tight(&self) -> bool {
        self.needed.saturating_mul(5) > self.capacity.saturating_mul(4)
    }

    /// What is enough, and a quarter more: for what was in use, as far as there was room, and for what is needed.
    pub(crate) fn with_margin(&self) -> u64 {
        let more = |n: u64| n.saturating_add(n.div_ceil(4));
        more(self.high).min(self.capacity).max(more(self.needed))
    }

    fn merge(&mut self, other: &Self) {
        self.needed = self.needed.max(other.needed);
        self.high = self.high.max(other.high);
        self.capacity = self.capacity.max(other.capacity);
        self.waits = self.waits.saturating_add(other.waits);
    }
}

/// The marks of one ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RingMarks {
    /// Tasks. A window of `n` slots has room for `n - 1`.
    pub window: Mark,
    /// Bytes of outputs. `high` counts bytes that were skipped at the end of the heap; `needed` is enough wherever
    /// outputs happen to lie.
    pub heap: Mark,
    /// Edges. A producer that has retired costs none, so slower tasks make for more.
    pub deps: Mark,
    /// Argument words; their ring grows with the window.
    pub args: Mark,
}

/// What a run took, of what there was.
///
/// As a text it is a table of the rings that were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RunUsage {
    /// By ring.
    pub rings: [RingMarks; RING_COUNT],
    /// Entries of the tensor map. `high` counts entries of retired tasks that were not yet met.
    pub tensor_map: Mark,
    /// Slots that were taken in all: one a task, and one an allocation.
    pub slots: u64,
}

impl RunUsage {
    /// The marks, each with the field of [`RingSizes`](crate::RingSizes) that it is a mark of, and its ring.
    ///
    /// ```
    /// let usage = prewire_ring::RunUsage::default();
    /// let (field, ring, _) = usage.marks().nth(1).unwrap();
    /// assert_eq!((field, ring), ("heap", Some(0)));
    /// ```
    pub fn marks(&self) -> impl Iterator<Item = (&'static str, Option<usize>, Mark)> {
        let rings = self.rings.iter().enumerate().flat_map(|(ring, marks)| {
            let RingMarks { window, heap, deps, args } = *marks;
            [("window", window), ("heap", heap), ("deps", deps), ("args", args)]
                .map(|(field, mark)| (field, Some(ring), mark))
        });
        rings.chain([("tensor_map", None, self.tensor_map)])
    }

    /// Takes the larger of each mark: of several runs, so that sizes can be found that suit all of them.
    pub fn merge(&mut self, other: &Self) {
        for (one, two) in self.rings.iter_mut().zip(&other.rings) {
            one.window.merge(&two.window);
            one.heap.merge(&two.heap);
            one.deps.merge(&two.deps);
            one.args.merge(&two.args);
        }
        self.tensor_map.merge(&other.tensor_map);
        self.slots = self.slots.max(other.slots);
    }
}

impl fmt::Display for RunUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<14}{:>14}{:>14}{:>14}{:>8}", "size", "needed", "high", "capacity", "waits")?;
        for (field, ring, mark) in self.marks() {
            if ring.is_some_and(|ring| self.rings[ring].window.high == 0) {
                continue;
            }
            let Mark { needed, high, capacity, waits } = mark;
            match ring {
                Some(ring) => write!(f, "\n{:<14}", alloc::format!("{field}[{ring}]"))?,
                None => write!(f, "\n{field:<14}")?,
            }
            write!(f, "{needed:>14}{high:>14}{capacity:>14}{waits:>8}")?;
        }
        Ok(())
    }
}

/// What a ring holds if a reserved task is committed, that task included; zeros of what the task needs none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InUse {
    pub(crate) tasks: u32,
    pub(crate) heap: u64,
    pub(crate) deps: u32,
    pub(crate) args: u32,
}

/// Where the cursors of a ring stand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stand {
    pub(crate) tasks: u32,
    /// Bytes handed out.
    pub(crate) heap: u64,
    pub(crate) deps: u32,
    pub(crate) args: u32,
}

/// Counts for one ring.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// The most in use.
    pub(crate) high: InUse,
    needed: [u64; 4],
    waits: [u64; 4],
    /// Most edges and most argument words of one task; and the largest outputs of one since the scope floor was last set
    /// or removed.
    pub(crate) own: Need,
    /// Where the cursors stood when that was, or the run began; and whether the floor was set.
    since: Stand,
    is_set: bool,
}

impl Meter {
    /// Counts for a run that begins while the cursors stand at `since`.
    pub(crate) fn new(since: Stand) -> Self {
        Self { since, ..Self::default() }
    }

    pub(crate) fn note_wait(&mut self, shortage: Shortage) {
        self.waits[shortage as usize] += 1;
    }

    /// The floor is set or removed while the cursors stand at `now`: what was held until here had grown up to here.
    pub(crate) fn set_floor(&mut self, set: bool, now: Stand) {
        let floor = core::mem::replace(&mut self.since, now);
        if self.is_set {
            let held = [
                u64::from(now.tasks.wrapping_sub(floor.tasks)),
                0,
                u64::from(now.deps.wrapping_sub(floor.deps)),
                u64::from(now.args.wrapping_sub(floor.args)),
            ];
            for (needed, held) in self.needed.iter_mut().zip(held) {
                *needed = held.max(*needed);
            }
        }
        let largest = Heap::rounded(core::mem::take(&mut self.own.heap));
        let bytes = now.heap - floor.heap;
        // Less than the largest output is skipped, once: what is held is at most as long as the heap, so that it goes
        // over the end of the heap once. One output alone lies in an empty heap, where what is skipped is nobody's.
        let skipped = if bytes > largest { largest.saturating_sub(Heap::ALIGN) } else { 0 };
        self.needed[1] = self.needed[1].max(bytes.saturating_add(skipped));
        self.is_set = set;
    }

    /// The marks so far; what is held now is counted when the floor is removed.
    pub(crate) fn marks(&self, capacity: [u64; 4]) -> RingMarks {
        let InUse { tasks, heap, deps, args } = self.high;
        let high = [tasks.into(), heap, deps.into(), args.into()];
        let least = [u64::from(tasks.min(1)), 0, self.own.deps.into(), self.own.args.into()];
        let mark = |i: usize| Mark {
            needed: self.needed[i].max(least[i]),
            high: high[i],
            capacity: capacity[i],
            waits: self.waits[i],
        };
        RingMarks { window: mark(0), heap: mark(1), deps: mark(2), args: mark(3) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn meter(floor: bool, outputs: &[u64]) -> u64 {
        let mut meter = Meter::new(Stand::default());
        meter.set_floor(floor, Stand::default());
        for &heap in outputs {
            meter.own.heap = meter.own.heap.max(heap);
        }
        let heap = outputs.iter().map(|&bytes| Heap::rounded(bytes)).sum();
        meter.set_floor(false, Stand { tasks: outputs.len() as u32, heap, ..Stand::default() });
        meter.marks([0; 4]).heap.needed
    }

    #[test]
    fn one_output_needs_itself_and_several_one_skip_more() {
        assert_eq!(meter(true, &[5000]), 5120);
        assert_eq!(meter(true, &[5000, 0, 0]), 5120);
        assert_eq!(meter(true, &[1024, 1000]), 2048);
        assert_eq!(meter(true, &[1024, 4096, 1]), 6144 + 3072);
    }

    #[test]
    fn bytes_of_which_no_output_was_noted_are_counted_as_they_are() {
        let mut meter = Meter::new(Stand::default());
        meter.set_floor(true, Stand { heap: 4096, ..Stand::default() });
        assert_eq!(meter.marks([0; 4]).heap.needed, 4096);
    }

    /// Every layout: the held outputs begin at any offset of a heap that is as large as was needed, or larger.
    #[test]
    fn what_is_needed_is_enough_wherever_outputs_lie() {
        let mut seed = 3u64;
        let mut tight = 0;
        for round in 0..4000u64 {
            let mut draw = |n: u64| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) % n
            };
            let count = 1 + draw(6);
            let outputs: alloc::vec::Vec<u64> = (0..count).map(|_| draw(9) * 1024).collect();
            let needed = meter(true, &outputs).max(1024);
            let size = needed + draw(4) * 1024 * (round % 2);
            let mut heap = Heap::new(size);
            let _ = heap.take(draw(size / 1024) * 1024);
            let tail = heap.head();
            for &bytes in &outputs {
                assert!(heap.fits(bytes, tail), "{outputs:?} from {tail} in {size}");
                heap.make_way(bytes);
                let _ = heap.take(bytes);
            }
            tight += u32::from(heap.used(tail) == needed);
        }
        assert!(tight > 100, "the bound is met now and then, so it is not too high: {tight}");
    }

    #[test]
    fn the_text_is_a_table_of_the_rings_in_use() {
        let mut usage = RunUsage::default();
        let mark = Mark { needed: 2, high: 7, capacity: 15, waits: 3 };
        usage.rings[2].window = mark;
        let text = usage.to_string();
        let rows: alloc::vec::Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 6, "{text}");
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "the columns are straight:\n{text}");
        let words: alloc::vec::Vec<&str> = rows[1].split_whitespace().collect();
        assert_eq!(words, ["window[2]", "2", "7", "15", "3"]);
        assert!(rows[5].starts_with("tensor_map"), "{text}");
    }

    #[test]
    fn several_runs_merge_into_the_larger_marks() {
        let mut one = RunUsage { slots: 4, ..RunUsage::default() };
        one.rings[0].deps = Mark { needed: 2, high: 9, capacity: 16, waits: 1 };
        let mut two = RunUsage::default();
        two.rings[0].deps = Mark { needed: 5, high: 6, capacity: 16, waits: 2 };
        one.merge(&two);
        assert_eq!(one.rings[0].deps, Mark { needed: 5, high: 9, capacity: 16, waits: 3 });
        assert_eq!(one.slots, 4);
    }
}
