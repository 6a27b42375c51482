//! The slots of all rings, and how many of the holds on each were given back, by who gave them back.
//!
//! Each completer counts for itself what it gives back, in a word of its own for each slot, so that it needs no locked instruction
//! and shares no line with who takes holds. A task is consumed when its list is closed and the words together say as many as its
//! list says were taken.
//!
//! **Invariant: the words of a slot whose task is not alive are 0.** Whoever moves the watermark over a task empties them before it
//! stores the watermark, and nobody gives a hold on the slot back after that before the orchestrator has given it away again and
//! taken one.

use alloc::boxed::Box;
use core::ops::{Deref, Range};

use prewire_sync::atomic::{AtomicU32, Ordering};
use prewire_sync::{hint, mutant};

use crate::fanout::{Stand, Taken};
use crate::slot::{Slot, SlotRef};
use crate::table::{Pages, Table, View};

/// Slots, and the words beside them.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Table<Slot>,
    /// For each completer, how many holds on the task in each slot it gave back. Written by that completer, and emptied by whoever
    /// moves the watermark.
    given_back: Box<[Table<AtomicU32>]>,
}

impl Slots {
    /// So many slots, of whose tasks so many `completers` give holds back.
    pub(crate) fn new(slots: usize, completers: u16, pages: Pages<'_>) -> Self {
        let given_back = (0..completers).map(|_| Table::new(slots, pages)).collect();
        Self { slots: Table::new(slots, pages), given_back }
    }

    /// Where so many slots are, see [`Table::bytes`].
    pub(crate) fn bytes(&self, index: usize, count: usize) -> Option<Range<*const u8>> {
        self.slots.bytes(index, count)
    }

    /// How many completers there are.
    #[inline]
    pub(crate) fn completers(&self) -> u16 {
        // It was made of a `u16`.
        self.given_back.len() as u16
    }

    /// What the completer `by` has given back.
    ///
    /// # Panics
    ///
    /// If there is no such completer.
    #[inline]
    pub(crate) fn given_back_by(&self, by: u16) -> GivenBack<'_> {
        GivenBack(self.given_back[usize::from(by)].view())
    }

    /// How many of the holds on the task in `slot` were given back.
    #[inline]
    fn given_back(&self, slot: SlotRef) -> u32 {
        let mut given_back = 0u32;
        for words in &self.given_back {
            // ORDERING: Acquire, "hold-given-back"; pairs with the store in `GivenBack::count`: what the consumer did with the task's
            // output happened before that is reused.
            let word = words.wrap(slot.place()).load(mutant::order("given-back-load", Ordering::Acquire));
            given_back = given_back.wrapping_add(word);
        }
        given_back
    }

    /// Whether the task in `slot` is complete and nobody retains it: what its completer and those of its consumers did with its
    /// output is over. For who takes holds, or has seen that none is taken.
    #[inline]
    pub(crate) fn is_consumed(&self, slot: SlotRef) -> bool {
        match self.wrap(slot.place()).fanout.stand() {
            Stand::Open => false,
            Stand::NeverHeld => true,
            Stand::Held(taken) => taken.left(self.given_back(slot)) == 0,
        }
    }

    /// As [`is_consumed`](Slots::is_consumed), and forgets what was given back: for who moves the watermark over it then.
    #[inline]
    pub(crate) fn retire(&self, slot: SlotRef) -> bool {
        match self.wrap(slot.place()).fanout.stand() {
            Stand::Open => false,
            Stand::NeverHeld => true,
            Stand::Held(taken) => self.retire_held(slot, taken),
        }
    }

    /// Out of line: who walks over tasks that nobody has held keeps what it walks with in registers.
    #[inline(never)]
    fn retire_held(&self, slot: SlotRef, taken: Taken) -> bool {
        let consumed = taken.left(self.given_back(slot)) == 0;
        // MUTANT "given-back-kept": what was given back of this task counts for the next one.
        if consumed && !mutant::skips("given-back-kept") {
            self.forget(slot, false);
        }
        consumed
    }

    /// Empties the words for `slot`. The store of the watermark publishes this; a model asks again behind it, `late`.
    #[inline]
    pub(crate) fn forget(&self, slot: SlotRef, late: bool) {
        // MUTANT "given-back-late": when the slot may be another task's already.
        if late != mutant::skips("given-back-late") {
            return;
        }
        if late {
            hint::spin_loop();
        }
        for words in &self.given_back {
            let word = words.wrap(slot.place());
            // Those of completers that gave nothing back are left where they are.
            if word.load(Ordering::Relaxed) != 0 {
                word.store(0, Ordering::Relaxed);
            }
        }
    }

    /// How many hold the task in `slot`: itself until it is complete, and consumers that retain its output. While nobody moves
    /// the watermark.
    pub(crate) fn holds(&self, slot: SlotRef) -> u32 {
        self.wrap(slot.place()).fanout.holds(self.given_back(slot))
    }
}

impl Deref for Slots {
    type Target = Table<Slot>;

    #[inline(always)]
    fn deref(&self) -> &Table<Slot> {
        &self.slots
    }
}

/// The words of one completer.
#[derive(Clone, Copy)]
pub(crate) struct GivenBack<'a>(View<'a, AtomicU32>);

impl GivenBack<'_> {
    /// Gives a hold on the task in `slot` back.
    #[inline(always)]
    pub(crate) fn count(self, slot: SlotRef) {
        let word = self.0.wrap(slot.place());
        let given_back = word.load(Ordering::Relaxed).wrapping_add(1);
        // ORDERING: Release, "hold-given-back"; pairs with the load in `Slots::given_back`.
        word.store(given_back, mutant::order("hold-give-back", Ordering::Release));
    }
}
