//! The rings' books: how many slots, edges, heap bytes and recorded accesses a program cannot do without. Invariant: a
//! chip whose rings are that large runs the program without an error; one that is smaller need not.

use prewire_chip::RingSizes;

/// One submit, as a ring sees it.
#[derive(Clone, Copy, Debug)]
struct Taken {
    number: usize,
    bytes: u64,
    deps: u32,
    /// The oldest task of the ring that an open scope holds when this one is submitted.
    floor: Option<usize>,
}

#[derive(Clone, Debug)]
struct Scope {
    ring: usize,
    /// The first task with outputs.
    pin: Option<usize>,
}

/// The books of a program so far.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    scopes: Vec<Scope>,
    rings: [Vec<Taken>; 4],
    entries: u32,
}

impl Ledger {
    /// The smallest slab of the heap.
    const SLAB: u64 = 1024;

    pub(crate) fn new() -> Self {
        Self { scopes: vec![Scope { ring: 0, pin: None }], rings: [const { Vec::new() }; 4], entries: 64 }
    }

    pub(crate) fn depth(&self) -> usize {
        self.scopes.len()
    }

    pub(crate) fn ring(&self) -> usize {
        self.scopes.last().map_or(0, |scope| scope.ring)
    }

    pub(crate) fn open(&mut self) {
        self.scopes.push(Scope { ring: self.scopes.len().min(3), pin: None });
    }

    pub(crate) fn close(&mut self) {
        self.scopes.pop();
    }

    fn floor(&self, ring: usize) -> Option<usize> {
        self.scopes.iter().filter(|scope| scope.ring == ring).find_map(|scope| scope.pin)
    }

    /// How many tasks of the ring of the open scope cannot retire before a scope closes.
    pub(crate) fn held(&self) -> usize {
        let ring = self.ring();
        self.floor(ring).map_or(0, |floor| self.rings[ring].len() - floor)
    }

    /// The numbers of all tasks that cannot retire before a scope closes.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = usize> + '_ {
        (0..4).flat_map(|ring| {
            let floor = self.floor(ring).unwrap_or(self.rings[ring].len());
            self.rings[ring][floor..].iter().map(|taken| taken.number)
        })
    }

    /// A submit: its outputs' bytes, one by one, and its edges; and how many accesses the map must hold then.
    pub(crate) fn take(&mut self, number: usize, outputs: &[u64], deps: u32, entries: u32) {
        let bytes = outputs.iter().map(|bytes| bytes.next_multiple_of(Self::SLAB)).sum();
        let ring = self.ring();
        let local = self.rings[ring].len();
        self.entries = self.entries.max(entries);
        let floor = self.floor(ring);
        self.rings[ring].push(Taken { number, bytes, deps, floor });
        if bytes > 0
            && let Some(scope) = self.scopes.last_mut()
        {
            scope.pin = scope.pin.or(Some(local));
        }
    }

    /// The smallest rings for the program. They are enough for every run of it on one chip: each finds its heaps at their
    /// starts.
    pub(crate) fn smallest(&self) -> RingSizes {
        let mut sizes = RingSizes::smallest().with_tensor_map(self.entries);
        for (ring, taken) in self.rings.iter().enumerate() {
            let slots = (2..).map(|log| 1 << log).find(|&slots| Self::crowded(taken, slots).is_none());
            sizes.window[ring] = slots.unwrap_or(4);
            let edges = taken.iter().enumerate().map(|(at, one)| {
                taken[one.floor.unwrap_or(at)..=at].iter().map(|taken| taken.deps).sum::<u32>()
            });
            sizes.deps[ring] = edges.max().unwrap_or(0).max(4);
            let slabs = (1..).map(|slabs| slabs * Self::SLAB);
            let fits = |bytes: &u64| Self::overflowing(taken, *bytes).is_none();
            sizes.heap[ring] = slabs.into_iter().find(fits).unwrap_or(Self::SLAB);
        }
        sizes
    }

    /// Rings of which one is too small, in its window or heap; which one; and the number of the submit that is refused.
    pub(crate) fn too_small(&self, which: u8) -> Option<(RingSizes, usize, usize)> {
        let sizes = self.smallest();
        let mut found = Vec::new();
        for (ring, taken) in self.rings.iter().enumerate() {
            let (mut window, mut heap) = (sizes, sizes);
            window.window[ring] /= 2;
            heap.heap[ring] -= Self::SLAB;
            if window.window[ring] >= 4 {
                let number = Self::crowded(taken, window.window[ring]);
                found.extend(number.map(|number| (window, ring, number)));
            }
            if heap.heap[ring] > 0 {
                let number = Self::overflowing(taken, heap.heap[ring]);
                found.extend(number.map(|number| (heap, ring, number)));
            }
        }
        (!found.is_empty()).then(|| found[usize::from(which) % found.len()])
    }

    /// The first task that a window of so many slots has no room for, once all has retired that may.
    fn crowded(taken: &[Taken], slots: u32) -> Option<usize> {
        let held = |at: usize, taken: &Taken| at - taken.floor.unwrap_or(at);
        let full = |&(at, taken): &(usize, &Taken)| held(at, taken) + 2 > slots as usize;
        taken.iter().enumerate().find(full).map(|(_, taken)| taken.number)
    }

    /// The first task whose outputs a heap of `size` bytes has no room for, once all has retired that may.
    fn overflowing(taken: &[Taken], size: u64) -> Option<usize> {
        let (mut head, mut offset) = (0, 0);
        let mut ends = Vec::new();
        for one in taken {
            // Everything before the floor, or everything, is gone when it matters.
            let tail = match one.floor {
                None => head,
                Some(0) => 0,
                Some(floor) => ends[floor - 1],
            };
            let skip = if offset + one.bytes > size { size - offset } else { 0 };
            if one.bytes > 0 {
                let wanted = if head == tail { one.bytes } else { head - tail + skip + one.bytes };
                if wanted > size {
                    return Some(one.number);
                }
                head += skip + one.bytes;
                offset = if skip > 0 { one.bytes } else { offset + one.bytes } % size;
            }
            ends.push(head);
        }
        None
    }
}
