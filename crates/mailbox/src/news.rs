//! Who has news, and whom to wake: a bit a child, and at most one wake-up for a report.
//!
//! A thread of the parent that waits for something *attends*: it looks at the news itself, first spinning, then parked
//! on the block's event. If nobody attends, the news is the progress thread's, which sleeps on a descriptor of its own.
//! A child that reports sets its bit, then looks who is there, and wakes whom it finds asleep.
//!
//! # No news is lost
//!
//! A child (1) sets its bit, (2) passes a `SeqCst` fence, (3) reads `attended` and `asleep`. A thread of the parent that
//! is about to park, to stop attending or to sleep (a) writes that word, (b) passes a `SeqCst` fence, (c) looks at the
//! bits. The fences have an order. (2) before (b): (c) sees the bit. (b) before (2): the child reads what (a) wrote, or
//! something later. Every way out of a state ends in such a look, so whichever state the child saw, its bit is seen by
//! a look that comes after, or it wakes the one that would not look.

use crate::layout::{Block, MAX_CHILDREN};
use core::time::Duration;
use prewire_sync::atomic::{AtomicU64, Ordering, fence};
use prewire_sync::mutant;

const NOBODY: u32 = 0;
const LOOKING: u32 = 1;
const PARKED: u32 = 2;

/// Whom a report woke, or has to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the progress thread sleeps until its bell is rung: on `Wake::Progress`, ring it"]
pub enum Wake {
    /// Nobody: somebody is looking already.
    None,
    /// The thread that attends was parked, and has been woken.
    Leader,
    /// The progress thread sleeps, and the caller has to ring its bell. Said to one of those who report.
    Progress,
}

/// A thread of the parent that attends: see [`Block::attend`].
#[derive(Debug)]
#[must_use = "nobody else looks at the news until this is stopped"]
pub struct Attend<'a> {
    block: &'a Block,
}

impl Block {
    /// Child `child` has news; so says the child, or the parent about a child that cannot say so any more. What the caller
    /// wrote before is visible to whoever takes the bit.
    ///
    /// A number that no child has, [`MAX_CHILDREN`] and above, reports nothing.
    pub fn report(&self, child: u32) -> Wake {
        if child as usize >= MAX_CHILDREN {
            return Wake::None;
        }
        // ORDERING: Release, "news"; pairs with the swap in take_news: what the child did comes with its bit.
        let order = mutant::order("news-set", Ordering::Release);
        self.news[child as usize / 64].fetch_or(1 << (child % 64), order);
        self.wake()
    }

    /// Wakes whoever should look, for something that is no news of a child.
    pub fn wake(&self) -> Wake {
        // ORDERING: SeqCst, "news-attend"; pairs with the fences in Event::prepare (for park), Attend::leave and
        // about_to_sleep. Puts the bit before the look at who is there.
        // MUTANT "news-report-fence": who is there is looked at before the bit is set.
        if !mutant::skips("news-report-fence") {
            fence(Ordering::SeqCst);
        }
        match self.attended.load(Ordering::Relaxed) {
            LOOKING => Wake::None,
            PARKED => {
                self.leader.notify_one();
                Wake::Leader
            }
            _ => {
                let asleep =
                    self.asleep.load(Ordering::Relaxed) != 0 && self.asleep.swap(0, Ordering::Relaxed) != 0;
                if asleep { Wake::Progress } else { Wake::None }
            }
        }
    }

    /// The children that have reported since this was last asked, as a bit each.
    #[inline]
    #[must_use = "the bits are gone from the block"]
    pub fn take_news(&self) -> u128 {
        let take = |word: &AtomicU64| {
            if word.load(Ordering::Relaxed) == 0 {
                return 0;
            }
            // ORDERING: Acquire, "news"; pairs with the fetch_or in report.
            u128::from(word.swap(0, mutant::order("news-take", Ordering::Acquire)))
        };
        take(&self.news[0]) | take(&self.news[1]) << 64
    }

    /// Whether any child has reported since the news was last taken.
    #[inline]
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.news.iter().any(|word| word.load(Ordering::Relaxed) != 0)
    }

    /// Attends: from now on reports are this thread's, until it stops. `None` if another thread attends.
    #[must_use]
    pub fn attend(&self) -> Option<Attend<'_>> {
        let free = self.attended.compare_exchange(NOBODY, LOOKING, Ordering::Relaxed, Ordering::Relaxed);
        // Lazily: one that was made and dropped would end the other's.
        free.is_ok().then(|| Attend { block: self })
    }

    /// Whether a thread attends at this moment.
    #[must_use]
    pub fn is_attended(&self) -> bool {
        self.attended.load(Ordering::Relaxed) != NOBODY
    }

    /// The progress thread is about to sleep on its bell. False: it has to look first, as there is news that is nobody
    /// else's. Whatever wakes it, it says so by [`awake`](Block::awake) before it takes the news.
    #[must_use = "a thread that sleeps nevertheless is not woken"]
    pub fn about_to_sleep(&self) -> bool {
        self.asleep.store(1, Ordering::Relaxed);
        // ORDERING: SeqCst, "news-attend"; pairs with the fence in wake. Puts the word before the look at the bits.
        // MUTANT "news-sleep-fence": the bits are looked at before the child can see that this thread sleeps.
        if !mutant::skips("news-sleep-fence") {
            fence(Ordering::SeqCst);
        }
        // MUTANT "news-sleep-blind": the progress thread sleeps without a look at the bits.
        if mutant::skips("news-sleep-blind") {
            return true;
        }
        // Who attends looks again before it parks and before it leaves.
        let sleep = !self.has_news() || self.is_attended();
        if !sleep {
            self.awake();
        }
        sleep
    }

    /// The progress thread is awake.
    pub fn awake(&self) {
        self.asleep.store(0, Ordering::Relaxed);
    }
}

impl Attend<'_> {
    /// Parks until a child reports or somebody calls [`wake`](Block::wake), or until `timeout` has passed. Returns at
    /// once if there is news or `look` says true, which must be a look at what the one that wakes has written before.
    /// May return for no reason; false if the time passed.
    pub fn park(&mut self, timeout: Option<Duration>, mut look: impl FnMut() -> bool) -> bool {
        let block = self.block;
        block.attended.store(PARKED, Ordering::Relaxed);
        // The key passes the fence of (b).
        let key = block.leader.prepare();
        // MUTANT "news-park-blind": the leader parks without a look at the bits.
        let news = !mutant::skips("news-park-blind") && block.has_news();
        let in_time = if news || look() { true } else { block.leader.wait(key, timeout) };
        block.attended.store(LOOKING, Ordering::Relaxed);
        in_time
    }

    /// Stops attending. True: there is news, and no child will wake anybody for it: take it, or wake the progress
    /// thread.
    #[must_use = "the news is the caller's"]
    pub fn stop(self) -> bool {
        let block = self.block;
        core::mem::forget(self);
        Self::leave(block)
    }

    fn leave(block: &Block) -> bool {
        block.attended.store(NOBODY, Ordering::Relaxed);
        // ORDERING: SeqCst, "news-attend"; pairs with the fence in wake. Puts the word before the look at the bits.
        // MUTANT "news-leave-fence": the last look comes before the child can see that nobody attends.
        if !mutant::skips("news-leave-fence") {
            fence(Ordering::SeqCst);
        }
        // MUTANT "news-leave-blind": who stops attending does not look once more.
        !mutant::skips("news-leave-blind") && block.has_news()
    }
}

impl Drop for Attend<'_> {
    /// Stops, and leaves what news there is to the next look: for a thread that unwinds.
    fn drop(&mut self) {
        let _ = Self::leave(self.block);
    }
}
