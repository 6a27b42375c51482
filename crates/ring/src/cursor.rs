//! Where the orchestrator stands in one ring, and what it knows to be free there.
//!
//! Invariant: the tail was looked up no later than anything behind it was reclaimed, so what fits behind it fits. It is
//! looked up again only when what it says is not enough, or would raise a mark: nearly no submit reads what completers
//! write. Up to where that is known to be so is kept, so that such a submit compares positions, and that is all.

use core::ops::Range;

use crate::ahead::{Ahead, Used};
use crate::heap::Heap;
use crate::need::{Blocked, Need, Shortage};
use crate::usage::{InUse, Meter, RingMarks, Stand};

/// What is reclaimed: everything before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tail {
    /// The oldest live task.
    pub(crate) watermark: u32,
    pub(crate) heap: u64,
    pub(crate) deps: u32,
    pub(crate) args: u32,
}

/// The position in each resource of one ring.
#[derive(Debug)]
pub(crate) struct Cursor {
    /// The next local number.
    pub(crate) next: u32,
    /// Where the cursors stood when this run began.
    pub(crate) begun: Stand,
    pub(crate) heap: Heap,
    deps: u32,
    deps_capacity: u32,
    args: u32,
    args_capacity: u32,
    window: u32,
    pub(crate) tail: Tail,
    pub(crate) meter: Meter,
    usual: Usual,
    pub(crate) ahead: Ahead,
}

/// Up to where the cursors may go before a mark of the run is raised: positions, none of them before its cursor.
#[derive(Debug, Default)]
struct Usual {
    /// And before slots begin that no task has had.
    next: u32,
    deps: u32,
    args: u32,
    /// And before the heap turns.
    heap: u64,
}

/// What a committed task has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// The offset of its outputs.
    pub(crate) heap: u64,
    /// The heap position after them.
    pub(crate) heap_end: u64,
    /// The dep-list position after its edges.
    pub(crate) dep_mark: u32,
    /// Where its argument words start, and where they end.
    pub(crate) args: u32,
    pub(crate) args_end: u32,
}

impl Cursor {
    pub(crate) fn new(window: u32, heap: u64, deps: u32, args: u32) -> Self {
        let mut cursor = Self {
            next: 0,
            begun: Stand::default(),
            heap: Heap::new(heap.next_multiple_of(Heap::ALIGN)),
            deps: 0,
            deps_capacity: deps,
            args: 0,
            args_capacity: args,
            window,
            tail: Tail::default(),
            meter: Meter::default(),
            usual: Usual::default(),
            ahead: Ahead::new(window),
        };
        cursor.settle();
        cursor
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    pub(crate) fn stand(&self) -> Stand {
        Stand { tasks: self.next, heap: self.heap.handed_out(), deps: self.deps, args: self.args }
    }

    /// Whether the ring has held as much as with `need` on top, and a task has taken as much: then there is room, and no
    /// mark moves, whatever was reclaimed since.
    #[inline(always)]
    pub(crate) fn is_usual(&self, need: &Need) -> bool {
        let (usual, own) = (&self.usual, &self.meter.own);
        debug_assert!(usual.next.wrapping_sub(self.next) <= self.window, "before its cursor: {self:?}");
        usual.next != self.next
            && need.args <= usual.args.wrapping_sub(self.args)
            && need.args <= own.args
            && (need.deps == 0 || (need.deps <= usual.deps.wrapping_sub(self.deps) && need.deps <= own.deps))
            && (need.heap == 0
                || (need.heap <= own.heap && self.heap.head() + Heap::rounded(need.heap) <= usual.heap))
    }

    /// Finds anew what is usual: where the tail was moved, or a cursor that nobody noted.
    pub(crate) fn settle(&mut self) {
        let (tail, high) = (&self.tail, &self.meter.high);
        let reach = |tail: u32, at: u32, high: u32| tail.wrapping_add(high.max(at.wrapping_sub(tail)));
        self.usual = Usual {
            next: self.ahead.before(self.next, reach(tail.watermark, self.next, high.tasks)),
            deps: reach(tail.deps, self.deps, high.deps),
            args: reach(tail.args, self.args, high.args),
            heap: self.usual_heap(),
        };
    }

    /// A task that takes `need`, and with which the ring holds as much as `now` says, is about to be committed: what it
    /// raises of the marks is usual from here on.
    #[inline]
    pub(crate) fn note(&mut self, need: &Need, now: &InUse) {
        let (usual, Meter { high, own, .. }) = (&mut self.usual, &mut self.meter);
        if now.tasks > high.tasks {
            (high.tasks, usual.next) = (now.tasks, self.next.wrapping_add(1));
        }
        if now.args > high.args {
            (high.args, usual.args) = (now.args, self.args.wrapping_add(need.args));
        }
        if now.deps > high.deps {
            (high.deps, usual.deps) = (now.deps, self.deps.wrapping_add(need.deps));
        }
        own.args = own.args.max(need.args);
        own.deps = own.deps.max(need.deps);
        if need.heap > 0 {
            own.heap = own.heap.max(need.heap);
            high.heap = high.heap.max(now.heap);
            self.make_way(need);
        }
    }

    /// Makes the heap ready for what `need` takes of it.
    pub(crate) fn make_way(&mut self, need: &Need) {
        self.heap.make_way(Heap::rounded(need.heap));
        self.usual.heap = self.usual_heap();
    }

    /// As [`make_way`](Cursor::make_way), for a task that nobody noted: how large its outputs are counts nevertheless, as
    /// the bytes held are counted by the cursor.
    pub(crate) fn make_way_unnoted(&mut self, need: &Need) {
        self.meter.own.heap = self.meter.own.heap.max(need.heap);
        self.make_way(need);
    }

    fn usual_heap(&self) -> u64 {
        (self.tail.heap + self.meter.high.heap).min(self.heap.end())
    }

    /// What the ring holds if `need` is taken now, with everything before `tail` reclaimed. What is not needed is not
    /// looked at: its use is what it was, or less.
    pub(crate) fn with(&self, need: &Need, tail: &Tail) -> InUse {
        let heap = match need.heap {
            0 => 0,
            // More than there is, whatever is free: said before it is rounded up, so that no sum overflows.
            bytes if bytes > self.heap.size() => u64::MAX,
            bytes => self.heap.used_with(Heap::rounded(bytes), tail.heap),
        };
        let deps = if need.deps == 0 { 0 } else { self.deps.wrapping_sub(tail.deps) + need.deps };
        InUse {
            tasks: self.next.wrapping_sub(tail.watermark) + 1,
            heap,
            deps,
            args: self.args.wrapping_sub(tail.args) + need.args,
        }
    }

    /// Whether the ring can hold that much.
    pub(crate) fn has(&self, now: &InUse) -> bool {
        now.tasks < self.window
            && now.heap <= self.heap.size()
            && now.deps <= self.deps_capacity
            && now.args <= self.args_capacity
    }

    /// Why it cannot: the first of window, heap, dep entries, argument words.
    #[cold]
    pub(crate) fn blocked(&self, need: &Need, tail: &Tail) -> Blocked {
        let now = self.with(need, tail);
        let blocked = |shortage, wanted, used, capacity| Blocked { shortage, wanted, used, capacity };
        if now.tasks >= self.window {
            let window = u64::from(self.window - 1);
            blocked(Shortage::Window, 1, u64::from(now.tasks - 1), window)
        } else if now.heap > self.heap.size() {
            blocked(Shortage::Heap, need.heap, self.heap.used(tail.heap), self.heap.size())
        } else if now.deps > self.deps_capacity {
            let used = self.deps.wrapping_sub(tail.deps);
            blocked(Shortage::Deps, need.deps.into(), used.into(), self.deps_capacity.into())
        } else {
            let used = self.args.wrapping_sub(tail.args);
            blocked(Shortage::Args, need.args.into(), used.into(), self.args_capacity.into())
        }
    }

    /// Takes what was found to be there, and is usual, or which [way was made](Cursor::make_way) for.
    #[inline(always)]
    pub(crate) fn take(&mut self, need: &Need) -> Taken {
        let heap = self.heap.take(Heap::rounded(need.heap));
        let args = self.args;
        self.next = self.next.wrapping_add(1);
        self.deps = self.deps.wrapping_add(need.deps);
        self.args = args.wrapping_add(need.args);
        Taken { heap, heap_end: self.heap.head(), dep_mark: self.deps, args, args_end: self.args }
    }

    /// A run begins, and nothing is alive. Each one finds its heap at the start, so that where outputs fit does not depend
    /// on the runs before; and its slots, edges and arguments, so that a run uses the memory that the one before has used, which
    /// is there, and in the cache. Numbers are left out for the slots; where it `rewinds` none of these, they go on.
    pub(crate) fn start_run(&mut self, rewinds: bool) {
        self.ahead.end_run(self.used());
        if rewinds {
            self.next = at_the_start(self.next, self.window);
        }
        self.heap.rewind();
        self.deps = at_the_start(self.deps, self.deps_capacity);
        self.args = at_the_start(self.args, self.args_capacity);
        self.begun = self.stand();
        self.ahead.start_run(self.begun.tasks, self.window);
        self.meter = Meter::new(self.begun);
        self.tail = Tail { watermark: self.next, heap: self.heap.head(), deps: self.deps, args: self.args };
        self.settle();
    }

    /// Where slots begin that no task has had: what is to be put there of them, of edges and of words, see [`Ahead::go_on`].
    pub(crate) fn go_ahead(&mut self) -> (u32, Range<u32>, Range<u32>) {
        let (tasks, edges, words) = self.ahead.go_on(self.begun.tasks, self.window, self.used());
        self.settle();
        // Positions go round in tables that are no smaller than that.
        let upto = |all: Range<u32>, capacity: u32| all.start..all.end.min(capacity.next_power_of_two());
        (tasks, upto(edges, self.deps_capacity), upto(words, self.args_capacity))
    }

    /// What the run has used.
    fn used(&self) -> Used {
        let Stand { tasks, deps, args, .. } = self.begun;
        Used {
            tasks: self.next.wrapping_sub(tasks),
            edges: self.deps.wrapping_sub(deps),
            words: self.args.wrapping_sub(args),
        }
    }

    /// Whether the task that is in the next one's slot, and has the number `local`, was the last one that could be given it: not where
    /// slots were left for runs.
    pub(crate) fn was_there_last(&self, local: u32) -> bool {
        self.next.wrapping_sub(local) == self.window
    }

    pub(crate) fn marks(&self) -> RingMarks {
        self.meter.marks([
            u64::from(self.window - 1),
            self.heap.size(),
            self.deps_capacity.into(),
            self.args_capacity.into(),
        ])
    }
}

/// The next position, or this one, whose place is the first of a table for so many.
const fn at_the_start(position: u32, capacity: u32) -> u32 {
    let last = capacity.next_power_of_two() - 1;
    position.wrapping_add(last) & !last
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::VecDeque;

    #[test]
    fn a_run_begins_where_its_tables_begin() {
        assert_eq!([0, 1, 12, 16, 17].map(|at| at_the_start(at, 12)), [0, 16, 16, 16, 32]);
        assert_eq!([u32::MAX, u32::MAX - 15].map(|at| at_the_start(at, 16)), [0, u32::MAX - 15]);
        assert_eq!(at_the_start(7, 1 << 31), 1 << 31);
    }

    #[test]
    fn what_is_usual_fits_and_raises_no_mark() {
        random_tasks(8);
        // Slots begin that no task has had.
        random_tasks(512);
    }

    /// Random tasks through rings of which one thing or another is small, the oldest reclaimed now and then.
    fn random_tasks(window: u32) {
        let mut cursor = Cursor::new(window, 16 * 1024, 12, 64);
        let mut live = VecDeque::new();
        let (mut seed, mut usual, mut raised) = (5u64, 0, 0);
        for round in 0..40_000u32 {
            let mut draw = |n: u64| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (seed >> 33) % n
            };
            if round % 10_000 == 0 {
                live.clear();
                cursor.start_run(round % 20_000 == 0);
            }
            let need = Need {
                heap: draw(2) * draw(6000),
                deps: (draw(2) * draw(5)) as u32,
                args: (draw(2) * draw(20)) as u32,
            };
            let at_new = cursor.ahead.ends_before(cursor.next);
            assert!(!(at_new && cursor.is_usual(&need)), "{cursor:?}");
            if at_new {
                let _ = cursor.go_ahead();
            }
            let now = cursor.with(&need, &cursor.tail);
            let (high, own) = (cursor.meter.high, cursor.meter.own);
            if cursor.is_usual(&need) {
                usual += 1;
                assert!(cursor.has(&now), "{need:?} in {cursor:?}");
                assert!(now.tasks <= high.tasks && now.heap <= high.heap, "{now:?}, {high:?}");
                assert!(now.deps <= high.deps && now.args <= high.args, "{now:?}, {high:?}");
                assert!(need.heap <= own.heap && need.deps <= own.deps && need.args <= own.args);
            } else if cursor.has(&now) {
                cursor.note(&need, &now);
                let after = cursor.meter.high;
                raised += u32::from(after != high || cursor.meter.own != own);
                assert_eq!(after.tasks, high.tasks.max(now.tasks));
                assert_eq!(after.heap, high.heap.max(now.heap));
                assert!(need.heap > 0 || cursor.is_usual(&need), "{need:?} in {cursor:?}");
            } else {
                cursor.tail = live.pop_front().expect("an empty ring has room");
                cursor.settle();
                continue;
            }
            let Taken { heap, heap_end, dep_mark, args_end, .. } = cursor.take(&need);
            assert!(heap + need.heap <= cursor.heap.size());
            live.push_back(Tail { watermark: cursor.next, heap: heap_end, deps: dep_mark, args: args_end });
            if draw(3) == 0 {
                cursor.tail = live.pop_front().unwrap_or(cursor.tail);
                cursor.settle();
            }
        }
        assert!(usual > 10_000 && raised > 20, "{usual} were usual, {raised} raised a mark");
    }
}
