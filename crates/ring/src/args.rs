//! The argument ring: the words that a task is submitted with, as long as its arguments; written once and read in
//! place.

use core::mem;

use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::hint::will_read;

use crate::allocator::Placed;
use crate::rings::Rings;
use crate::slot::SlotRef;
use crate::table::Table;

/// The argument words of a task that is being submitted, to be stored one after the other: a run up to the end of the
/// ring, and what goes on at its start.
#[derive(Debug)]
pub struct ArgWords<'a> {
    now: &'a [AtomicU64],
    then: &'a [AtomicU64],
}

impl ArgWords<'_> {
    /// Stores the next word. Past the last one it is dropped.
    #[inline]
    pub fn put(&mut self, word: u64) {
        if self.now.is_empty() {
            self.now = mem::take(&mut self.then);
        }
        if let Some((first, rest)) = self.now.split_first() {
            first.store(word, Ordering::Relaxed);
            self.now = rest;
        }
    }

    /// Stores the next words.
    #[inline]
    pub fn put_all<const N: usize>(&mut self, words: [u64; N]) {
        match self.now.split_first_chunk::<N>() {
            Some((run, rest)) => {
                for (to, word) in run.iter().zip(words) {
                    to.store(word, Ordering::Relaxed);
                }
                self.now = rest;
            }
            None => words.into_iter().for_each(|word| self.put(word)),
        }
    }
}

/// The argument words of a published task, to be read in place. How many there are is what the first ones say.
#[derive(Clone, Copy, Debug)]
pub struct ArgTable<'a> {
    /// From the first one to the end of the ring; empty if there are none. What does not fit goes on at the start.
    now: &'a [AtomicU64],
    ring: &'a Table<AtomicU64>,
}

impl ArgTable<'_> {
    /// Word `at` of the task; 0 of one without words.
    #[must_use]
    #[inline(always)]
    pub fn word(&self, at: u32) -> u64 {
        match self.now.get(at as usize) {
            Some(word) => word.load(Ordering::Relaxed),
            None => self.turned(at),
        }
    }

    /// `N` words from word `at` on.
    #[must_use]
    #[inline(always)]
    pub fn words<const N: usize>(&self, at: u32) -> [u64; N] {
        match self.now.get(at as usize..at as usize + N) {
            Some(run) => core::array::from_fn(|i| run[i].load(Ordering::Relaxed)),
            None => {
                // Word by word: an array that a call may have made would lie in memory, whoever made it.
                let words: [u64; N] = self.all_turned(at);
                core::array::from_fn(|i| words[i])
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn all_turned<const N: usize>(self, at: u32) -> [u64; N] {
        core::array::from_fn(|i| self.word(at + i as u32))
    }

    /// Word `at`, which is not before the end of the ring. Of a copy, so that nobody needs to have the table in memory.
    #[cold]
    #[inline(never)]
    fn turned(self, at: u32) -> u64 {
        let word = if self.now.is_empty() { None } else { self.ring.get(at as usize - self.now.len()) };
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// Words of a cache line.
const LINE: usize = 8;

impl Rings {
    /// The argument words of the task in `slot`. Valid while the task is not complete. The words
    /// themselves are not read.
    #[must_use]
    #[inline]
    pub fn arg_table(&self, slot: SlotRef) -> ArgTable<'_> {
        let (state, ring) = (self.slot(slot), &self.rings[slot.ring() & 3].args);
        let (start, end) = (state.args.load(Ordering::Relaxed), state.args_end.load(Ordering::Relaxed));
        let from = if start == end { ring.len() } else { start as usize & ring.len().wrapping_sub(1) };
        ArgTable { now: ring.get(from..).unwrap_or_default(), ring }
    }

    /// Has the argument words of a task on their way to this processor, as far as three cache lines go: they are about to be
    /// read.
    #[inline]
    pub fn fetch_args(&self, slot: SlotRef) {
        let (state, ring) = (self.slot(slot), &self.rings[slot.ring() & 3].args);
        let (start, end) = (state.args.load(Ordering::Relaxed), state.args_end.load(Ordering::Relaxed));
        let from = start as usize & ring.len().wrapping_sub(1);
        for line in 0..3 {
            // What the orchestrator writes behind the last word is left to it.
            if line * LINE < end.wrapping_sub(start) as usize
                && let Some(word) = ring.get(from + line * LINE)
            {
                will_read(word);
            }
        }
    }

    /// Stores the argument words of the task just committed, as many as its need said: `first`, those of each of `items`,
    /// and `last`. The orchestrator's, until it publishes the task.
    #[inline]
    pub fn put_args<T, const N: usize>(
        &self,
        placed: &Placed,
        first: u64,
        items: &[T],
        words: impl Fn(&T) -> [u64; N],
        last: &[u64],
    ) {
        debug_assert_eq!(
            self.arg_count(placed.slot) as usize,
            1 + items.len() * N + last.len(),
            "as many are stored as were reserved"
        );
        let table = &*self.rings[placed.slot.ring() & 3].args;
        let start = placed.args as usize & table.len().wrapping_sub(1);
        let Some((head, rest)) = table[start..].split_first() else { return };
        let Some((run, rest)) = rest.split_at_checked(items.len() * N) else {
            return self.put_args_around(placed, first, items, words, last);
        };
        let Some(rest) = rest.get(..last.len()) else {
            return self.put_args_around(placed, first, items, words, last);
        };
        head.store(first, Ordering::Relaxed);
        for (to, item) in run.as_chunks::<N>().0.iter().zip(items) {
            // By number: an array that is gone through otherwise is first made in memory.
            let words = words(item);
            for at in 0..N {
                to[at].store(words[at], Ordering::Relaxed);
            }
        }
        for (to, &word) in rest.iter().zip(last) {
            to.store(word, Ordering::Relaxed);
        }
    }

    /// As `put_args`, where the ring turns among the words.
    #[cold]
    fn put_args_around<T, const N: usize>(
        &self,
        placed: &Placed,
        first: u64,
        items: &[T],
        words: impl Fn(&T) -> [u64; N],
        last: &[u64],
    ) {
        let mut to = self.arg_words(placed, (1 + items.len() * N + last.len()) as u32);
        to.put(first);
        items.iter().for_each(|item| to.put_all(words(item)));
        last.iter().for_each(|&word| to.put(word));
    }

    /// The argument words of the task just committed, as many as its need said: `words`. The orchestrator's, until it
    /// publishes the task.
    #[must_use]
    #[inline]
    pub fn arg_words(&self, placed: &Placed, words: u32) -> ArgWords<'_> {
        let table = &*self.rings[placed.slot.ring() & 3].args;
        let start = placed.args as usize & table.len().wrapping_sub(1);
        match table.get(start..start + words as usize) {
            Some(now) => ArgWords { now, then: &[] },
            None => around(table, start, words as usize),
        }
    }
}

/// The words from `start` on, of which some are at the start of the ring.
#[cold]
fn around(table: &[AtomicU64], start: usize, words: usize) -> ArgWords<'_> {
    let (turned, now) = table.split_at(start);
    ArgWords { now, then: &turned[..words.saturating_sub(now.len()).min(turned.len())] }
}
