//! The scheduler: its domains, and who polls them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use prewire_platform::{LaneId, Lanes, Tokens};
use prewire_ring::{Class, CombiningLock, Ready, Rings, SlotRef, Tally};
use prewire_sync::Padded;
use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

use crate::chip::ChipPlacement;
use crate::domain::Domain;
use crate::placement::Placement;

/// What a poll needs from outside.
pub trait Env {
    /// Whether the predicate of a ready task holds. The writers of its element are complete.
    fn predicate_holds(&self, slot: SlotRef) -> bool;

    /// The task is complete; nobody who waits for it has been told yet. For whoever records what happens.
    #[inline]
    fn completed(&self, slot: SlotRef) {
        let _ = slot;
    }

    /// Whether any task may wait for something after its last block: only then is the environment asked which.
    #[inline]
    fn may_wait(&self) -> bool {
        false
    }

    /// The blocks of a task are all over, or are not to run. Whether it waits for something else: then it is the environment's
    /// until that hands it [back](Env::settled), and it is not asked again. Its lanes are free.
    fn waits(&self, slot: SlotRef) -> bool {
        let _ = slot;
        false
    }

    /// Hands back the tasks that wait no longer, each once, to whichever domain is polled. Somebody has to poll one once
    /// such a task is there.
    fn settled(&self, back: &mut dyn FnMut(SlotRef)) {
        let _ = back;
    }

    /// The worker that block `member` of a ready task names, as a lane: the same whenever it is asked for, and another for
    /// each member of a group. Only asked for tasks of the shape `Worker`; what is no worker's lane is
    /// [`unavailable`](Env::unavailable).
    #[inline]
    fn target(&self, slot: SlotRef, member: u32) -> LaneId {
        let _ = (slot, member);
        LaneId(u16::MAX)
    }

    /// Block `member` of a ready task can never run: its worker is gone, or is none, or is named by an earlier member
    /// of the group too; or every worker for host functions is gone, and `lane` is the first of them. Called once a
    /// task; nothing of it that has not begun will run. It fails the task; what it does not fail ends as poisoned.
    #[inline]
    fn unavailable(&self, slot: SlotRef, member: u32, lane: LaneId) {
        let _ = (slot, member, lane);
    }
}

/// What a poll brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Progress {
    /// Tasks that completed.
    pub completed: u32,
    /// How many of them failed or were poisoned.
    pub failed: u32,
    /// Blocks that were dispatched; those too that were moved from behind one lane's work to another lane.
    pub dispatched: u32,
    /// Watermarks may have moved, over what this poll has completed or earlier ones.
    pub retired: bool,
}

impl Progress {
    /// Whether a wait for what completes, or for what is reclaimed, may be over.
    #[must_use]
    pub const fn may_end_waits(&self) -> bool {
        self.completed > 0 || self.retired
    }

    /// Whether anything happened.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.may_end_waits() || self.dispatched > 0
    }
}

/// What all domains share.
#[derive(Debug)]
pub struct Shared<L, P> {
    pub(crate) rings: Arc<Rings>,
    pub(crate) ready: Arc<Ready>,
    pub(crate) lanes: Arc<L>,
    pub(crate) tokens: Tokens,
    pub(crate) placement: P,
}

/// Drives the lanes of a chip, or of a node. See the crate's doc.
#[derive(Debug)]
pub struct Scheduler<L, P: Placement = ChipPlacement> {
    shared: Shared<L, P>,
    seats: Vec<Padded<Seat<P>>>,
}

/// A domain, and what is known of it outside.
#[derive(Debug)]
struct Seat<P: Placement> {
    domain: CombiningLock<Domain<P>>,
    /// What had been put into the ready queues when the domain left nothing in them that it could take. Written by its
    /// poller.
    emptied: Emptied,
}

/// A [`Tally`], or none. Its halves may be read of different rounds: each only grows, so if both are what the tally is now,
/// then it was that when the later of the two was written, and nothing has been put in since.
#[derive(Debug)]
struct Emptied([AtomicU64; 2]);

impl Emptied {
    const NONE: [u64; 2] = [u64::MAX; 2];

    fn new() -> Self {
        Self(Self::NONE.map(AtomicU64::new))
    }

    #[inline]
    fn set(&self, tally: Option<Tally>) {
        for (word, now) in self.0.iter().zip(tally.map_or(Self::NONE, Tally::words)) {
            if word.load(Ordering::Relaxed) != now {
                word.store(now, Ordering::Relaxed);
            }
        }
    }

    #[inline]
    fn is(&self, tally: Tally) -> bool {
        self.0.iter().zip(tally.words()).all(|(word, now)| word.load(Ordering::Relaxed) == now)
    }
}

impl<L: Lanes, P: Placement> Scheduler<L, P> {
    /// A scheduler of `domains`, each of which knows `lanes` lanes.
    pub(crate) fn of(shared: Shared<L, P>, domains: u16, lanes: u16) -> Self {
        // Tasks are completed under the lock of a domain, by its number, and nowhere else: who makes the scheduler answers for that.
        let completers = shared.rings.completers();
        assert!(domains <= completers, "{domains} domains complete tasks of rings for {completers}");
        let seat = |index| {
            let domain = CombiningLock::new(Domain::new(index, lanes, &shared));
            Padded::new(Seat { domain, emptied: Emptied::new() })
        };
        let seats = (0..domains).map(seat).collect();
        Self { shared, seats }
    }

    pub(crate) const fn placement(&self) -> &P {
        &self.shared.placement
    }

    /// Polls a domain: reaps the lanes that have news, completes, dispatches, and now and then reclaims. Returns at once where
    /// another thread is at it; that thread does it once more. What it did is told in the sum of all that this call
    /// did, for others too.
    pub fn poll(&self, domain: u16, env: &impl Env) -> Progress {
        self.poll_looking(domain, env, true)
    }

    /// As [`poll`](Scheduler::poll), but what was published since the domain last looked at the ready queues may stay there:
    /// for who goes on with what this poll gives him, and polls again soon. The publisher writes to its lines of the queues
    /// all the time; who does not read them does not take them away from it.
    pub fn poll_news(&self, domain: u16, env: &impl Env) -> Progress {
        self.poll_looking(domain, env, false)
    }

    #[inline(always)]
    fn poll_looking(&self, domain: u16, env: &impl Env, mut look: bool) -> Progress {
        let mut progress = Progress::default();
        let all = (1u32 << self.seats.len()) - 1;
        let mut due = (1u32 << domain) & all;
        let mut polled = 0;
        // Whether there may be something for the other domains, as far as is known.
        let mut left = false;
        while due != 0 {
            let at = due.trailing_zeros() as usize;
            due &= due - 1;
            polled |= 1 << at;
            let seat = &self.seats[at];
            seat.domain.combine(|domain| {
                let round = domain.round(&self.shared, env, look);
                left |= look || round.emptied.is_none();
                // The next time around is for another thread, and for the other domains.
                // MUTANT "news-for-others": who asks meanwhile gets a poll that does not look at the queues.
                look |= !mutant::skips("news-for-others");
                seat.emptied.set(round.emptied);
                progress.retired |= domain.retire(&self.shared, round.routed);
                progress.completed += round.routed.completed;
                progress.failed += round.routed.failed;
                progress.dispatched += round.dispatched;
                // MUTANT "no-summon": the other domains are not polled for a cohort.
                if round.summon && !mutant::skips("no-summon") {
                    due |= all;
                }
            });
            if due == 0 && left && polled != all {
                // What this domain had no lane for, another may take: once each, or a task that nobody can take now
                // would keep this thread going round.
                due = self.shared.placement.hungry(&self.shared.ready) & !polled;
            }
        }
        if progress.dispatched > 0 {
            self.shared.lanes.kick();
        }
        progress
    }

    /// Whether a poll of `domain` could bring something about: there is a ready task that it could take.
    #[must_use]
    pub fn has_ready(&self, domain: u16) -> bool {
        let ready = &self.shared.ready;
        if self.seats.get(usize::from(domain)).is_some_and(|seat| seat.emptied.is(ready.tally())) {
            return false;
        }
        !ready.queue(Class::Inline).is_empty() || self.shared.placement.has_ready(ready, domain)
    }
}
