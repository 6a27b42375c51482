//! Where the orchestrator stands in one ring, and what it knows to be free there.
//!
//! Invariant: the tail was looked up no later than anything behind it was reclaimed, so what fits behind it fits. It is
//! looked up again only when what it says is not enough, or would raise a mark: nearly no submit reads what completers
//! write.

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
    /// The local number that this run began with.
    pub(crate) first: u32,
    pub(crate) heap: Heap,
    deps: u32,
    deps_capacity: u32,
    args: u32,
    args_capacity: u32,
    window: u32,
    pub(crate) tail: Tail,
    pub(crate) meter: Meter,
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
        Self {
            next: 0,
            first: 0,
            heap: Heap::new(heap.next_multiple_of(Heap::ALIGN)),
            deps: 0,
            deps_capacity: deps,
            args: 0,
            args_capacity: args,
            window,
            tail: Tail::default(),
            meter: Meter::default(),
        }
    }

    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    pub(crate) fn stand(&self) -> Stand {
        Stand { tasks: self.next, deps: self.deps, args: self.args }
    }

    /// What the ring holds if `need` is taken now, with everything before `tail` reclaimed. What is not needed is not
    /// looked at: its use is what it was, or less.
    #[inline(always)]
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
    #[inline]
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

    /// Takes what was found to be there.
    #[inline]
    pub(crate) fn take(&mut self, need: &Need) -> Taken {
        let heap = self.heap.take(Heap::rounded(need.heap));
        let args = self.args;
        self.next = self.next.wrapping_add(1);
        self.deps = self.deps.wrapping_add(need.deps);
        self.args = args.wrapping_add(need.args);
        Taken { heap, heap_end: self.heap.head(), dep_mark: self.deps, args, args_end: self.args }
    }

    /// A run begins, and nothing is alive. Each one finds its heap at the start, so that where outputs fit does not depend
    /// on the runs before.
    pub(crate) fn start_run(&mut self) {
        self.first = self.next;
        self.meter = Meter::default();
        self.heap.rewind();
        self.tail = Tail { watermark: self.next, heap: self.heap.head(), deps: self.deps, args: self.args };
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
