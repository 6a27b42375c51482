//! How many pool threads do what, in one word, so that a decision about waking is taken on one consistent view.
//!
//! Every change is a read-modify-write of the one word, and all are `Relaxed`: where a decision also rests on other
//! words (queues of work, the orders to the watchman), fences at both ends put them in order, or at one end two `SeqCst` accesses:
//! see `pool`.

use prewire_sync::atomic::{AtomicU64, Ordering};
use prewire_sync::mutant;

const BITS: u32 = 12;
const FIELD: u64 = (1 << BITS) - 1;
const ACTIVE: u32 = 0;
const SEARCHING: u32 = BITS;
const PARKED: u32 = 2 * BITS;
const TICKETS: u32 = 3 * BITS;
const LIMIT: u32 = 4 * BITS;
const WATCHING: u64 = 1 << 60;
const STOPPING: u64 = 1 << 61;
const GUEST: u64 = 1 << 62;

/// One view of the census.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View(u64);

/// What should be done when there is work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: somebody is looking for work, or nobody could help.
    Nothing,
    /// A parked thread should go on.
    Grant,
    /// A thread should be started: fewer run than may, the others are blocked.
    Start,
    /// All threads that may run are busy: the watchman should see whether they get anywhere.
    Watch,
}

impl View {
    fn field(self, at: u32) -> u64 {
        self.0 >> at & FIELD
    }

    /// Threads that run a core or look for one: neither parked nor blocked in a kernel.
    pub(crate) fn active(self) -> u64 {
        self.field(ACTIVE)
    }

    /// Those of the active threads that look for work.
    pub(crate) fn searching(self) -> u64 {
        self.field(SEARCHING)
    }

    /// Threads that are parked and have not been granted to go on.
    pub(crate) fn parked(self) -> u64 {
        self.field(PARKED)
    }

    /// Grants that nobody has taken yet.
    #[cfg(all(test, prewire_loom))]
    pub(crate) fn tickets(self) -> u64 {
        self.field(TICKETS)
    }

    /// How many threads may be active, guests counted.
    pub(crate) fn limit(self) -> u64 {
        self.field(LIMIT)
    }

    /// How many threads of the pool may be active: one fewer while a guest is, but at least one.
    fn places(self) -> u64 {
        self.limit().saturating_sub(u64::from(self.has_guest())).max(1)
    }

    /// Whether a thread that is not of the pool is active for it.
    pub(crate) fn has_guest(self) -> bool {
        self.0 & GUEST != 0
    }

    /// Whether the watchman is at his post.
    pub(crate) fn watching(self) -> bool {
        self.0 & WATCHING != 0
    }

    /// Whether the pool is to end, or has not begun.
    pub(crate) fn stopping(self) -> bool {
        self.0 & STOPPING != 0
    }

    /// Whether more threads are active than may be.
    pub(crate) fn surplus(self) -> bool {
        self.active() > self.places()
    }

    /// Whether fewer threads are active than may be.
    pub(crate) fn has_place(self) -> bool {
        self.active() < self.places()
    }

    /// What should be done if there is work that nobody has taken up.
    pub(crate) fn plan(self) -> Plan {
        if self.stopping() || self.searching() > 0 {
            Plan::Nothing
        } else if self.has_place() {
            if self.parked() > 0 { Plan::Grant } else { Plan::Start }
        } else if self.watching() {
            Plan::Nothing
        } else {
            Plan::Watch
        }
    }

    fn change(self, at: u32, by: i64) -> Self {
        debug_assert!(by >= 0 || self.field(at) >= by.unsigned_abs(), "field at {at} of {self:?} underflows");
        Self(self.0.wrapping_add((by << at) as u64))
    }
}

/// The word. Written by every pool thread when it changes what it does, and by whoever wakes one.
#[derive(Debug)]
pub(crate) struct Census(AtomicU64);

impl Census {
    /// No pool.
    pub(crate) fn stopped() -> Self {
        Self(AtomicU64::new(STOPPING))
    }

    /// A pool of `threads` threads, all parked.
    pub(crate) fn open(&self, threads: u16) {
        let threads = u64::from(threads);
        self.0.store(threads << LIMIT | threads << PARKED, Ordering::Relaxed);
    }

    /// The pool ends.
    pub(crate) fn stop(&self) {
        self.0.fetch_or(STOPPING, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn view(&self) -> View {
        View(self.0.load(Ordering::Relaxed))
    }

    /// The view behind what the calling thread has just put somewhere with `SeqCst`.
    #[inline]
    pub(crate) fn view_last(&self) -> View {
        // ORDERING: SeqCst, "work-made"; pairs with the fence in Pool::look_again, behind LaneBits::insert_first.
        View(self.0.load(Ordering::SeqCst))
    }

    /// Applies `change` until it fits or says that there is nothing to do. Returns the new view.
    fn update(&self, mut change: impl FnMut(View) -> Option<View>) -> Option<View> {
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let new = change(View(seen))?;
            match self.0.compare_exchange_weak(seen, new.0, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(new),
                Err(now) => seen = now,
            }
        }
    }

    fn add(&self, fields: &[(u32, i64)]) -> View {
        let sum = fields.iter().fold(0i64, |sum, &(at, by)| sum.wrapping_add(by << at)) as u64;
        View(self.0.fetch_add(sum, Ordering::Relaxed).wrapping_add(sum))
    }

    /// Carries out `plan` if it is still the right one; false if things have changed.
    pub(crate) fn carry_out(&self, plan: Plan) -> bool {
        let carried = self.update(|v| {
            // MUTANT "stale-plan": a plan is carried out although things have changed.
            (v.plan() == plan || mutant::skips("stale-plan")).then(|| match plan {
                Plan::Nothing => v,
                Plan::Grant => v.change(PARKED, -1).change(TICKETS, 1).change(ACTIVE, 1).change(SEARCHING, 1),
                Plan::Start => v.change(ACTIVE, 1).change(SEARCHING, 1),
                Plan::Watch => View(v.0 | WATCHING),
            })
        });
        carried.is_some()
    }

    /// A thread that was counted by [`Plan::Start`] could not be started.
    pub(crate) fn not_started(&self) {
        self.add(&[(ACTIVE, -1), (SEARCHING, -1)]);
    }

    /// An active thread begins to look for work.
    pub(crate) fn begin_search(&self) {
        self.add(&[(SEARCHING, 1)]);
    }

    /// A thread has found work. True if it was the last one that looked.
    pub(crate) fn end_search(&self) -> bool {
        self.add(&[(SEARCHING, -1)]).searching() == 0
    }

    /// A thread that looked and found nothing parks. A pool that had grown beyond `base` shrinks by one.
    pub(crate) fn park(&self, base: u16) {
        let _ = self.update(|v| {
            let shrunk = if v.limit() > u64::from(base) { v.change(LIMIT, -1) } else { v };
            Some(shrunk.change(ACTIVE, -1).change(SEARCHING, -1).change(PARKED, 1))
        });
    }

    /// A thread that parked goes on by itself, looking: it found something after all.
    pub(crate) fn unpark(&self) {
        let _ = self.update(|v| {
            Some(if v.parked() > 0 {
                v.change(PARKED, -1).change(ACTIVE, 1).change(SEARCHING, 1)
            } else {
                // Every parked thread, this one among them, has been granted to go on: one ticket is this one's.
                // MUTANT "ticket-kept": the ticket stays for a thread that nobody counts.
                let used = if mutant::skips("ticket-kept") { 0 } else { -1 };
                v.change(TICKETS, used)
            })
        });
    }

    /// A parked thread takes a ticket, if there is one: it is active and looking now.
    pub(crate) fn take_ticket(&self) -> bool {
        self.update(|v| (v.field(TICKETS) > 0).then(|| v.change(TICKETS, -1))).is_some()
    }

    /// A thread that holds no core parks because more are active than may be; false if that is not so.
    pub(crate) fn retire(&self) -> bool {
        // MUTANT "retire-in-two-steps": two threads park of which one was too many.
        if mutant::skips("retire-in-two-steps") {
            return self.view().surplus()
                && self.update(|v| Some(v.change(ACTIVE, -1).change(PARKED, 1))).is_some();
        }
        self.update(|v| v.surplus().then(|| v.change(ACTIVE, -1).change(PARKED, 1))).is_some()
    }

    /// A kernel of an active thread blocks. Returns the view after it.
    pub(crate) fn block(&self) -> View {
        self.add(&[(ACTIVE, -1)])
    }

    /// It goes on.
    pub(crate) fn unblock(&self) {
        self.add(&[(ACTIVE, 1)]);
    }

    /// One more thread may be active, up to `most`; false if as many may be already.
    pub(crate) fn grow(&self, most: u16) -> bool {
        self.update(|v| (v.limit() < u64::from(most)).then(|| v.change(LIMIT, 1))).is_some()
    }

    /// One thread fewer may be active, down to `least`.
    pub(crate) fn shrink(&self, least: u16) {
        let _ = self.update(|v| (v.limit() > u64::from(least)).then(|| v.change(LIMIT, -1)));
    }

    /// A thread that is not of the pool becomes active for it: it makes work, and needs a processor for that.
    pub(crate) fn guest_comes(&self) {
        self.0.fetch_or(GUEST, Ordering::Relaxed);
    }

    /// It is so no longer. Returns whether it was.
    pub(crate) fn guest_goes(&self) -> bool {
        self.0.fetch_and(!GUEST, Ordering::Relaxed) & GUEST != 0
    }

    /// The watchman leaves his post.
    pub(crate) fn leave_watch(&self) {
        self.0.fetch_and(!WATCHING, Ordering::Relaxed);
    }

    /// The watchman takes his post again by himself.
    pub(crate) fn resume_watch(&self) {
        self.0.fetch_or(WATCHING, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;

    fn counts(census: &Census) -> [u64; 4] {
        let v = census.view();
        [v.active(), v.searching(), v.parked(), v.field(TICKETS)]
    }

    #[test]
    fn one_thread_is_granted_and_no_second_one_while_it_looks() {
        let census = Census::stopped();
        assert_eq!(census.view().plan(), Plan::Nothing);
        census.open(2);
        assert_eq!(census.view().plan(), Plan::Grant);
        assert!(census.carry_out(Plan::Grant));
        assert_eq!(counts(&census), [1, 1, 1, 1]);
        assert_eq!(census.view().plan(), Plan::Nothing);
        assert!(!census.carry_out(Plan::Grant));
        assert!(census.take_ticket() && !census.take_ticket());
        assert!(census.end_search());
        assert_eq!(census.view().plan(), Plan::Grant);
    }

    #[test]
    fn a_thread_that_unparks_itself_uses_up_the_ticket_that_was_meant_for_it() {
        let census = Census::stopped();
        census.open(1);
        assert!(census.carry_out(Plan::Grant));
        census.unpark();
        assert_eq!(counts(&census), [1, 1, 0, 0]);
        census.park(1);
        census.unpark();
        assert_eq!(counts(&census), [1, 1, 0, 0]);
    }

    #[test]
    fn a_blocked_thread_makes_room_for_another_and_leaves_a_surplus_when_it_goes_on() {
        let census = Census::stopped();
        census.open(1);
        assert!(census.carry_out(Plan::Grant) && census.take_ticket() && census.end_search());
        assert_eq!(census.view().plan(), Plan::Watch);
        census.block();
        assert_eq!(census.view().plan(), Plan::Start);
        assert!(census.carry_out(Plan::Start) && census.end_search());
        census.unblock();
        assert!(census.view().surplus());
        assert!(census.retire() && !census.retire());
        assert_eq!(counts(&census), [1, 0, 1, 0]);
    }

    #[test]
    fn a_guest_takes_a_place_but_never_the_last() {
        let census = Census::stopped();
        census.open(2);
        census.guest_comes();
        assert!(census.carry_out(Plan::Grant) && census.take_ticket() && census.end_search());
        assert_eq!(census.view().plan(), Plan::Watch, "the guest has the other place");
        assert!(census.guest_goes() && !census.guest_goes());
        assert!(census.carry_out(Plan::Grant) && census.take_ticket() && census.end_search());
        census.guest_comes();
        assert!(census.view().surplus() && census.retire() && !census.retire());
        census.open(1);
        census.guest_comes();
        assert_eq!(census.view().plan(), Plan::Grant, "one thread may always run");
    }

    #[test]
    fn a_pool_that_grew_shrinks_as_threads_park() {
        let census = Census::stopped();
        census.open(1);
        assert!(census.grow(2) && !census.grow(2));
        assert!(census.carry_out(Plan::Grant) && census.take_ticket());
        census.park(1);
        assert_eq!(census.view().limit(), 1);
    }
}
