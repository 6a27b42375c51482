//! Who is not of the pool and makes work for it: the guest, one thread at a time that is active for it as a worker is, and
//! visitors, who come for a moment.
//!
//! **Invariant: the place that a guest takes is given back once.** By the guest when it goes, or by the watchman if it does
//! not go on; whoever gives it back looks whether another thread is to have it. The guest takes it again if it goes on after that.

use super::Pool;
use crate::census::Plan;
use prewire_sync::atomic::Ordering;
use prewire_sync::mutant;

/// A guest that has lost its place, as it did something else for a while, takes one again after so many steps: where it
/// takes one more only now and then, the threads of the pool are to have all places.
const STEADY: u64 = 256;

/// It sees at one of so many whether it has lost its place.
const GLANCE: u64 = 64;

impl Pool {
    /// A thread that is not of the pool becomes active for it.
    pub(crate) fn guest_comes(&self) {
        self.census.guest_comes();
        self.seats.note_guest(self.workers.load(Ordering::Relaxed) as u16);
    }

    /// It is so no longer: another thread may take its place.
    pub(crate) fn guest_goes(&self) {
        self.seats.leave(self.seats.guest());
        if !self.census.guest_goes() {
            return;
        }
        self.look_again();
        if !matches!(self.census.view().plan(), Plan::Grant | Plan::Start) {
            return;
        }
        // MUTANT "no-look-when-guest-goes": what was left to the guest's place stays where it is.
        if !mutant::skips("no-look-when-guest-goes") && self.host().is_some_and(|host| self.has_work(&*host))
        {
            self.wake();
        }
    }

    /// Whether fewer threads are active than may be.
    pub(crate) fn has_place(&self) -> bool {
        self.census.view().has_place()
    }

    /// The guest goes on. If it has lost its place, and that is not for some more steps alone, it takes one again.
    #[inline]
    pub(crate) fn guest_goes_on(&self) {
        let steps = self.steps.load(Ordering::Relaxed).wrapping_add(1);
        self.steps.store(steps, Ordering::Relaxed);
        if steps.is_multiple_of(GLANCE) {
            self.see_to_guest();
        }
    }

    /// Whether the guest has its place: takes one again if it went on without one for long enough.
    #[cold]
    fn see_to_guest(&self) {
        let before = self.without.load(Ordering::Relaxed);
        let mut now = if self.census.view().has_guest() { 0 } else { before + GLANCE };
        if now > STEADY {
            self.guest_comes();
            now = 0;
        }
        if now != before {
            self.without.store(now, Ordering::Relaxed);
        }
    }

    /// A number that grows as the guest goes on.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Somebody who is neither a worker nor the guest has made work.
    #[inline]
    pub(crate) fn visited(&self) {
        self.visits.fetch_add(1, Ordering::Relaxed);
    }

    /// A number that changes when the guest goes on, or somebody else who is no worker makes work.
    pub(crate) fn visits(&self) -> u64 {
        self.steps.load(Ordering::Relaxed).wrapping_add(self.visits.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(prewire_loom)))]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn each_step_of_the_guest_is_seen_by_the_watchman() {
        let pool = Pool::new(prewire_a2a3::a2a3(), 2, 3, Duration::from_secs(3600));
        pool.census.open(2);
        pool.guest_comes();
        let before = pool.visits();
        pool.guest_goes_on();
        assert_ne!(pool.visits(), before);
    }

    #[test]
    fn a_guest_that_has_lost_its_place_takes_it_again_once_it_goes_on_steadily() {
        let pool = Pool::new(prewire_a2a3::a2a3(), 2, 3, Duration::from_secs(3600));
        pool.census.open(2);
        pool.guest_comes();
        // Wherever in its steps it is.
        (0..300).for_each(|_| pool.guest_goes_on());
        // As the watchman does.
        assert!(pool.census.guest_goes());
        (0..STEADY).for_each(|_| pool.guest_goes_on());
        assert!(!pool.census.view().has_guest(), "some steps now and then would take a place each time");
        (0..2 * GLANCE).for_each(|_| pool.guest_goes_on());
        assert!(pool.census.view().has_guest());
        assert!(pool.census.guest_goes() && !pool.census.guest_goes(), "one place");
    }
}
